//! What people ask about rack agents: tokens, the list, revocation, the authorities.

use crate::certificates::digest;
use crate::daemon::Daemon;
use crate::listener::Person;
use crate::people_door::{Refused, refused};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use rack_api::enrol::{SECRET_BYTES, Token};
use reconciler_core::people::agents::{
    self, Agent, AuthorityAnswer, AuthorityRequest, RevokeRequest, TokenAnswer, TokenRequest,
};
use reconciler_core::refusal::RefusalCode;
use reconciler_store::{By, NewToken};
use schema_ids::Digest;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// A token that lies about for longer is a door left open.
const TOKEN_SECONDS_MAX: u64 = 7 * 24 * 3600;

/// The routes.
pub(crate) fn router() -> Router<Arc<Daemon>> {
    Router::new()
        .route(agents::AGENTS, get(list))
        .route(agents::TOKEN, post(token))
        .route(agents::REVOKE, post(revoke))
        .route(agents::AUTHORITY, post(authority))
}

async fn list(State(daemon): State<Arc<Daemon>>) -> Result<Json<Vec<Agent>>, Refused> {
    let pin = daemon.trust.current().authority.pin();
    let enrolled = daemon.store.enrolled().await?;
    let agents = enrolled.into_iter().map(|known| Agent {
        name: known.agent,
        key: known.key.key,
        since: known.since,
        heard: known.heard,
        ends: known.key.ends,
        newest_authority: known.key.root == pin,
        revoked: known.revoked,
    });
    Ok(Json(agents.collect()))
}

async fn token(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Json(request): Json<TokenRequest>,
) -> Result<Json<TokenAnswer>, Refused> {
    if !(1..=TOKEN_SECONDS_MAX).contains(&request.seconds) {
        return Err(refused(
            StatusCode::BAD_REQUEST,
            RefusalCode::BadRequest.code(),
            format!("a token lasts from 1 to {TOKEN_SECONDS_MAX} seconds"),
        ));
    }
    let secret = secret().ok_or_else(|| {
        refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            RefusalCode::Failed.code(),
            "this host has no random numbers",
        )
    })?;
    let new = NewToken {
        digest: digest(secret.as_bytes()),
        agent: &request.agent,
        lasts: Duration::from_secs(request.seconds),
    };
    let by = By {
        who: person.to_string(),
        why: format!("muster agent token {}", request.agent),
    };
    let ends = daemon.store.mint_token(new, &by).await?;
    let token = Token {
        pin: daemon.trust.current().authority.pin(),
        secret,
    };
    Ok(Json(TokenAnswer {
        token: token.to_string(),
        ends,
    }))
}

/// A fresh secret, in hexadecimal.
fn secret() -> Option<String> {
    let mut bytes = [0; SECRET_BYTES];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    }))
}

async fn revoke(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Json(request): Json<RevokeRequest>,
) -> Result<Json<serde_json::Value>, Refused> {
    let by = By {
        who: person.to_string(),
        why: "muster agent revoke".to_owned(),
    };
    if !daemon.store.revoke_agent(&request.agent, &by).await? {
        return Err(refused(
            StatusCode::NOT_FOUND,
            RefusalCode::NotFound.code(),
            format!(
                "no agent {} is enrolled: `muster agent list` has them all",
                request.agent
            ),
        ));
    }
    tracing::info!(agent = %request.agent, by = %person, "a rack agent is revoked");
    daemon.announce();
    Ok(Json(serde_json::json!({})))
}

async fn authority(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Json(request): Json<AuthorityRequest>,
) -> Result<Json<AuthorityAnswer>, Refused> {
    // One at a time: two new authorities would be one too many.
    let _turn = daemon.rolling.lock().await;
    let current = daemon.trust.current();
    let trusted = current.authority.certificates().count();
    let (next, what) = match request {
        AuthorityRequest::Roll if trusted > 1 => {
            return Err(conflict(
                "a roll-over is under way: `muster agent roll-ca --finish` ends it".to_owned(),
            ));
        }
        AuthorityRequest::Roll => (current.authority.roll(), "a new authority signs"),
        AuthorityRequest::Finish => {
            let old = with_older_certificates(&daemon, current.authority.pin()).await?;
            if !old.is_empty() {
                return Err(conflict(format!(
                    "these agents have not renewed yet, and would be shut out: {}; wait, or revoke them",
                    old.join(", ")
                )));
            }
            (
                current.authority.drop_old(),
                "older authorities are trusted no more",
            )
        }
    };
    let failed = |error: &dyn std::error::Error| {
        refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            RefusalCode::Failed.code(),
            crate::chain(error),
        )
    };
    let next = next.map_err(|error| failed(&error))?;
    let answer = AuthorityAnswer {
        pin: next.pin(),
        trusted: next.certificates().count(),
    };
    daemon.trust.replace(next).map_err(|error| failed(&error))?;
    let by = By {
        who: person.to_string(),
        why: what.to_owned(),
    };
    let subject = answer.pin.to_string();
    daemon
        .store
        .record_audit("authority-changed", None, &subject, &by)
        .await?;
    tracing::info!(pin = answer.pin.short(), by = %person, what, "the authority changes");
    Ok(Json(answer))
}

/// Enrolled agents whose newest certificate another authority signed.
async fn with_older_certificates(daemon: &Daemon, pin: Digest) -> Result<Vec<String>, Refused> {
    let enrolled = daemon.store.enrolled().await?;
    let old = enrolled
        .into_iter()
        .filter(|known| known.revoked.is_none() && known.key.root != pin);
    Ok(old.map(|known| known.agent.to_string()).collect())
}

fn conflict(message: String) -> Refused {
    refused(StatusCode::CONFLICT, RefusalCode::NotYet.code(), message)
}
