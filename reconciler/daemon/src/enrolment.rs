//! Who may say what at the agents' door: enrolment, renewal, and the check of every other request.
//!
//! A key that nobody enrolled opens enrolment alone, an expired certificate renewal alone, a revoked or
//! replaced key nothing. Everyone refused is told why, in words.

use crate::body::Timely;
use crate::certificates::{CertificateError, digest};
use crate::daemon::Daemon;
use crate::trust::{self, Peer};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use rack_api::enrol::{EnrolRequest, Enrolled, RECIPIENT_MAX};
use reconciler_store::{AgentKey, KeyOwner, StoreError, TokenFault};
use schema_ids::Name;
use std::sync::Arc;

/// The agent whose request it is.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) name: Name,
    /// Its age recipient.
    pub(crate) recipient: String,
    pub(crate) peer: Peer,
}

/// Why a request goes no further.
enum Shut {
    Refused(StatusCode, String),
    Store(StoreError),
}

impl Shut {
    fn because(why: impl Into<String>) -> Self {
        Self::Refused(StatusCode::FORBIDDEN, why.into())
    }

    fn answer(self, peer: &Peer) -> Response {
        match self {
            Self::Refused(status, why) => {
                tracing::warn!(key = peer.key.short(), why, "refused at the agents' door");
                (status, format!("{why}\n")).into_response()
            }
            Self::Store(error) => crate::rack_door::unavailable(&error),
        }
    }
}

/// Whose key it is, if it counts.
async fn owner(daemon: &Daemon, peer: &Peer) -> Result<KeyOwner, Shut> {
    let enrol = "mint a token with `muster agent token` and run `muster-rackd enrol`";
    let owner = daemon.store.key_owner(peer.key).await.map_err(Shut::Store)?;
    let Some(owner) = owner else {
        return Err(Shut::because(format!("this key is no agent's: {enrol}")));
    };
    match &owner.ended {
        None if peer.ends.is_none() => Err(Shut::because(format!(
            "no authority that is trusted now signed this certificate: {enrol}"
        ))),
        None => Ok(owner),
        Some((at, how)) => Err(Shut::because(format!(
            "the key of {} was {how} at {at}: {enrol}",
            owner.agent
        ))),
    }
}

/// The door's check: lets an enrolled agent with a certificate in force in.
pub(crate) async fn admit(
    State(daemon): State<Arc<Daemon>>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = owner(&daemon, &peer).await.and_then(|owner| {
        let in_force = peer.ends.is_some_and(|ends| trust::now() < ends);
        if !in_force {
            return Err(Shut::because(format!(
                "the certificate of {} has ended: only renewal is open to it",
                owner.agent
            )));
        }
        Ok(owner)
    });
    match admitted {
        Ok(owner) => {
            request.extensions_mut().insert(Agent {
                name: owner.agent,
                recipient: owner.recipient,
                peer,
            });
            next.run(request).await
        }
        Err(shut) => shut.answer(&peer),
    }
}

/// Whether an agent's key still counts: it may have been revoked while its request waited.
pub(crate) async fn counts(daemon: &Daemon, agent: &Agent) -> Result<bool, StoreError> {
    let owner = daemon.store.key_owner(agent.peer.key).await?;
    Ok(owner.is_some_and(|owner| owner.ended.is_none()))
}

/// `POST /rack/v1/enrol`.
pub(crate) async fn enrol(
    State(daemon): State<Arc<Daemon>>,
    Extension(peer): Extension<Peer>,
    Timely(request): Timely<EnrolRequest>,
) -> Response {
    match enrolled(&daemon, &peer, &request).await {
        Ok(answer) => {
            tracing::info!(agent = %answer.agent, key = peer.key.short(), "a rack agent enrolled");
            daemon.announce();
            Json(answer).into_response()
        }
        Err(shut) => shut.answer(&peer),
    }
}

async fn enrolled(daemon: &Daemon, peer: &Peer, request: &EnrolRequest) -> Result<Enrolled, Shut> {
    let is_recipient = request.recipient.len() <= RECIPIENT_MAX
        && request.recipient.parse::<age::x25519::Recipient>().is_ok();
    if !is_recipient {
        return Err(Shut::Refused(
            StatusCode::BAD_REQUEST,
            "the recipient is no X25519 key of age (age1...)".to_owned(),
        ));
    }
    let token = digest(request.secret.as_bytes());
    let may = daemon.store.token(token, peer.key).await.map_err(Shut::Store)?;
    let agent = may.map_err(|fault| refused_token(&fault))?;
    let (answer, key) = certificate(daemon, peer, &agent, request.recipient.clone())?;
    let done = daemon.store.enrol(token, &key).await.map_err(Shut::Store)?;
    done.map_err(|fault| refused_token(&fault))?;
    Ok(answer)
}

fn refused_token(fault: &TokenFault) -> Shut {
    let another = "ask for another with `muster agent token`";
    Shut::because(match fault {
        TokenFault::Unknown => format!("no such token was minted here: {another}"),
        TokenFault::Used { at } => format!("the token was used at {at}: {another}"),
        TokenFault::Expired { at } => format!("the token ended at {at}: {another}"),
        TokenFault::KeyEnded => format!("the key that this token enrolled counts no more: {another}"),
    })
}

/// Makes a certificate for a key, with what the store is to know of it.
fn certificate(
    daemon: &Daemon,
    peer: &Peer,
    agent: &Name,
    recipient: String,
) -> Result<(Enrolled, AgentKey), Shut> {
    let current = daemon.trust.current();
    let (now, lasts) = (trust::now(), daemon.trust.lasts);
    let made = current
        .authority
        .agent_certificate(agent, &peer.public_key, now, lasts);
    let certificate = made.map_err(|error| match error {
        CertificateError::ForeignKey => Shut::Refused(StatusCode::BAD_REQUEST, error.to_string()),
        other => Shut::Refused(StatusCode::INTERNAL_SERVER_ERROR, crate::chain(&other)),
    })?;
    let key = AgentKey {
        key: peer.key,
        root: current.authority.pin(),
        ends: now.plus(lasts),
        recipient,
    };
    let answer = Enrolled {
        agent: agent.clone(),
        certificate,
        roots: current.authority.pem(),
        seconds: lasts.as_secs(),
    };
    Ok((answer, key))
}

/// `POST /rack/v1/renew`: open to an expired certificate too, since its key is pinned.
pub(crate) async fn renew(State(daemon): State<Arc<Daemon>>, Extension(peer): Extension<Peer>) -> Response {
    let renewed = async {
        let owner = owner(&daemon, &peer).await?;
        let (answer, key) = certificate(&daemon, &peer, &owner.agent, owner.recipient)?;
        daemon.store.renewed(&key).await.map_err(Shut::Store)?;
        Ok(answer)
    };
    match renewed.await {
        Ok(answer) => {
            tracing::info!(agent = %answer.agent, "a rack agent's certificate is renewed");
            Json(answer).into_response()
        }
        Err(shut) => Shut::answer(shut, &peer),
    }
}

/// `GET /rack/v1/roots`.
pub(crate) async fn roots(State(daemon): State<Arc<Daemon>>) -> String {
    daemon.trust.current().authority.pem()
}
