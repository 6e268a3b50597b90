//! What rack agents ask of the daemon: the sync, the two live questions, and artefacts.
//!
//! Every answer is made from the store at that moment; nothing is remembered of an agent here.

use crate::body::Timely;
use crate::daemon::Daemon;
use crate::enrolment::{self, Agent};
use crate::failpoint;
use crate::images::Fault;
use crate::seal::{self, SealError};
use crate::secrets;
use crate::world::{self, Loaded};
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use rack_api::config::Desired;
use rack_api::daemon_path;
use rack_api::machine::{GoAnswer, GoRequest, Verdict};
use rack_api::order::{Action, NextBoot, PowerWanted};
use rack_api::sync::{
    BootGo, BootGoRequest, FACTS_MAX, LONG_POLL_MS, NumbersTaken, SyncRequest, SyncResponse,
};
use reconciler_core::condition::Condition;
use reconciler_core::facts::WriteStart;
use reconciler_core::fence::{self, Ground, Takes};
use reconciler_core::hold;
use reconciler_core::intent::Intent;
use reconciler_core::rack;
use reconciler_core::roles;
use reconciler_store::{GoTakes, StartRecord, StoreError};
use schema_ids::{Digest, MachineId, Name};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;

/// A sync with 500 facts, some of them inventories of 100 disks, stays well below.
const BODY_BYTES_MAX: usize = 16 << 20;

/// A token's secret and a recipient: anyone may send this.
const ENROL_BYTES_MAX: usize = 4 << 10;

/// The agents' routes.
pub(crate) fn router(daemon: Arc<Daemon>) -> Router {
    let admit = axum::middleware::from_fn_with_state(Arc::clone(&daemon), enrolment::admit);
    Router::new()
        .route(daemon_path::SYNC, post(sync))
        .route(daemon_path::BOOT_GO, post(boot_go))
        .route(daemon_path::GO, post(go))
        .route(daemon_path::ROOTS, get(enrolment::roots))
        .route(&format!("{}{{digest}}", daemon_path::ARTEFACT), get(artefact))
        .layer(admit)
        .route(
            daemon_path::ENROL,
            post(enrolment::enrol).layer(DefaultBodyLimit::max(ENROL_BYTES_MAX)),
        )
        .route(daemon_path::RENEW, post(enrolment::renew))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(daemon)
}

/// An order's action in a word, for logs.
pub(crate) fn action_name(action: &Action) -> &'static str {
    match action {
        Action::Power(PowerWanted::On) => "power-on",
        Action::Power(PowerWanted::SoftOff) => "power-soft-off",
        Action::Power(PowerWanted::Off) => "power-off",
        Action::Boot(NextBoot::Local) => "boot-local",
        Action::Boot(NextBoot::Job(job)) => job.kind.name(),
    }
}

pub(crate) fn unavailable(error: &StoreError) -> Response {
    tracing::warn!(error = %crate::chain(error), "a rack agent was not served");
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "the database did not do its part; ask again\n",
    )
        .into_response()
}

async fn sync(
    State(daemon): State<Arc<Daemon>>,
    Extension(agent): Extension<Agent>,
    Timely(request): Timely<SyncRequest>,
) -> Response {
    if request.agent != agent.name {
        let reason = format!("this key is {}'s, not {}'s\n", agent.name, request.agent);
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    if request.facts.len() > FACTS_MAX {
        return (
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("at most {FACTS_MAX} facts a sync\n"),
        )
            .into_response();
    }
    match answer_sync(&daemon, &agent, &request).await {
        Ok(response) => Json(response).into_response(),
        Err(Unsynced::Revoked) => (StatusCode::FORBIDDEN, "this key was revoked\n").into_response(),
        Err(Unsynced::Seal(error)) => {
            tracing::error!(agent = %agent.name, error = %crate::chain(&error), "an account cannot be sealed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(Unsynced::Store(error)) => refused_sync(&error),
    }
}

/// Another fact under a number that is taken is not a matter of asking again.
fn refused_sync(error: &StoreError) -> Response {
    let StoreError::SequenceReused {
        sequence,
        acknowledged,
        agent,
    } = error
    else {
        return unavailable(error);
    };
    tracing::warn!(%agent, from = sequence, acknowledged, "an agent's spool is older than what it sent; it numbers on");
    let taken = NumbersTaken {
        reason: error.to_string(),
        from: *sequence,
        acknowledged: *acknowledged,
    };
    (StatusCode::CONFLICT, Json(taken)).into_response()
}

/// Why a sync has no answer.
enum Unsynced {
    Store(StoreError),
    Revoked,
    Seal(SealError),
}

/// Stores the facts, then waits until there is news for the agent or its patience ends.
///
/// Cancel safety: the facts are stored or not, and an agent that got no answer sends them again.
async fn answer_sync(
    daemon: &Daemon,
    agent: &Agent,
    request: &SyncRequest,
) -> Result<SyncResponse, Unsynced> {
    // Subscribed before the first look, so that no change falls between the two.
    let mut changed = daemon.changed.subscribe();
    failpoint::reach("facts-received");
    let receipt = daemon
        .store
        .append_facts(request)
        .await
        .map_err(Unsynced::Store)?;
    failpoint::reach("facts-stored");
    if receipt.stored > 0 {
        tracing::debug!(agent = %agent.name, facts = receipt.stored, "facts stored");
        daemon.announce();
        changed.mark_unchanged();
    }
    let patience = Duration::from_millis(request.wait_ms.min(LONG_POLL_MS)).min(daemon.bmc_times.hold_back());
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let counts = enrolment::counts(daemon, agent).await.map_err(Unsynced::Store)?;
        if !counts {
            return Err(Unsynced::Revoked);
        }
        let desired = desired(daemon, &agent.name).await.map_err(Unsynced::Store)?;
        let news = desired
            .filter(|(digest, _)| Some(*digest) != request.have)
            .map(|(digest, desired)| Ok((digest, sealed(desired, agent)?)))
            .transpose()
            .map_err(Unsynced::Seal)?;
        let respond = |desired| SyncResponse {
            now: receipt.now,
            acknowledged: receipt.acknowledged,
            desired,
        };
        if news.is_some() {
            return Ok(respond(news));
        }
        // An error here means that the daemon is stopping.
        if !matches!(
            tokio::time::timeout_at(deadline, changed.changed()).await,
            Ok(Ok(()))
        ) {
            return Ok(respond(None));
        }
    }
}

/// What an agent is to serve and to do, with its digest; `None` before any plan was adopted. Accounts are
/// in it in clear, so that the digest tells their changes: it is sent as [`sealed`] makes it, and no other way.
async fn desired(daemon: &Daemon, agent: &Name) -> Result<Option<(Digest, Desired)>, StoreError> {
    let Some(plan) = daemon.store.adopted().await? else {
        return Ok(None);
    };
    let plan = roles::in_hand(plan, &daemon.store.bmc_roles().await?);
    let observed = daemon.store.observed().await?;
    let orders: Vec<_> = if observed.restored.is_some() {
        Vec::new()
    } else {
        daemon
            .store
            .current_orders()
            .await?
            .into_iter()
            .map(|issued| issued.order)
            .collect()
    };
    let written = observed
        .machines
        .iter()
        .filter(|(_, machine)| machine.ever_written)
        .map(|(id, _)| *id)
        .collect();
    let token_key = daemon.store.token_key().await?;
    let secrets = credentials(daemon, plan.commit.as_deref()).await;
    let restraints = world::restraints(daemon).await?.restraints;
    let stopped = hold::stopped(&plan, &restraints);
    let inputs = rack::Inputs {
        plan: &plan,
        stopped: &stopped,
        incarnation: observed.incarnation,
        orders: &orders,
        written: &written,
        secrets: &secrets,
        bmc_times: daemon.bmc_times,
        token_key: &token_key,
    };
    let desired = rack::desired(&inputs, agent);
    let bytes = serde_json::to_vec(&desired).expect("messages are plain data and always serialise");
    Ok(Some((Digest(Sha256::digest(&bytes).into()), desired)))
}

/// The same with each account sealed to the agent that gets it.
fn sealed(mut desired: Desired, agent: &Agent) -> Result<Desired, SealError> {
    // Machines share accounts: each is sealed once.
    let mut done: BTreeMap<String, String> = BTreeMap::new();
    for access in desired
        .config
        .machines
        .values_mut()
        .filter_map(|machine| machine.bmc.as_mut())
    {
        let clear = std::mem::take(&mut access.sealed);
        access.sealed = match done.get(&clear) {
            Some(sealed) => sealed.clone(),
            None => {
                let sealed = seal::seal(&clear, &agent.recipient)?;
                done.insert(clear, sealed.clone());
                sealed
            }
        };
    }
    Ok(desired)
}

/// BMC accounts of the adopted revision, not yet sealed; one that cannot be read is left out, and the machines that need
/// it show it by their BMC.
async fn credentials(daemon: &Daemon, commit: Option<&str>) -> BTreeMap<Name, String> {
    let Some(commit) = commit else {
        return BTreeMap::new();
    };
    let parsed = match crate::revision::parse(daemon, commit).await {
        Ok(parsed) => parsed,
        Err(error) => {
            tracing::warn!(error = %crate::chain(&error), "cannot read the adopted revision for its secrets");
            return BTreeMap::new();
        }
    };
    let Some(fleet) = &parsed.fleet else {
        return BTreeMap::new();
    };
    fleet
        .secrets
        .iter()
        .filter_map(|(name, secret)| {
            let keys = &secret.keys;
            match secrets::read(
                &daemon.secrets_dir,
                name,
                &secret.file,
                &keys.username,
                &keys.password,
            ) {
                Ok(account) => Some((name.clone(), seal::clear(&account))),
                Err(error) => {
                    tracing::warn!(secret = %name, error = %crate::chain(&error), "a secret cannot be used");
                    None
                }
            }
        })
        .collect()
}

/// The machine's ground for a live question, if this agent serves it.
fn ground<'a>(loaded: &'a Loaded, agent: &Name, id: MachineId) -> Option<Ground<'a>> {
    let machine = loaded.plan.machines.get(&id)?;
    let facts = loaded.facts.get(&id)?;
    if !loaded.plan.agents_of(machine).contains(agent) {
        return None;
    }
    Some(Ground {
        id,
        machine,
        facts,
        incarnation: loaded.incarnation,
        restored: loaded.restored.as_deref(),
        denials: loaded.policy.of(id),
        grant: loaded.permits.grants.get(&id),
    })
}

async fn boot_go(
    State(daemon): State<Arc<Daemon>>,
    Extension(Agent { name: agent, .. }): Extension<Agent>,
    Timely(request): Timely<BootGoRequest>,
) -> Response {
    match world::load(&daemon).await {
        Ok(loaded) => {
            let go = loaded
                .as_ref()
                .and_then(|loaded| ground(loaded, &agent, request.machine))
                .is_some_and(|ground| fence::may_boot(&ground, &request));
            Json(BootGo { go }).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

async fn go(
    State(daemon): State<Arc<Daemon>>,
    Extension(Agent { name: agent, .. }): Extension<Agent>,
    Timely(request): Timely<GoRequest>,
) -> Response {
    match answer_go(&daemon, &agent, &request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => unavailable(&error),
    }
}

/// Judges, records, then answers with what is on record: a go that is not stored was never given.
async fn answer_go(daemon: &Daemon, agent: &Name, request: &GoRequest) -> Result<GoAnswer, StoreError> {
    let refuse = |condition: Condition, reason: String| GoAnswer {
        nonce: request.nonce,
        verdict: Verdict::Refuse {
            code: condition.code().to_owned(),
            reason,
        },
    };
    loop {
        let Some(loaded) = world::load(daemon).await? else {
            return Ok(refuse(Condition::Held, "no plan is adopted".to_owned()));
        };
        let machine = request.job.machine;
        let Some(ground) = ground(&loaded, agent, machine) else {
            return Ok(refuse(
                Condition::Held,
                format!("machine {machine} is not one that {agent} serves"),
            ));
        };
        let verdict = match (fence::judge(&ground, request), image_fault(daemon, &ground)) {
            (Verdict::Go, Some(fault)) => refuse(fault.condition, fault.reason).verdict,
            (verdict, _) => verdict,
        };
        let refused = match &verdict {
            Verdict::Go => None,
            Verdict::Refuse { code, reason } => Some((code.clone(), reason.clone())),
        };
        let start = WriteStart {
            job: request.job,
            boot_id: request.boot_id,
            nonce: request.nonce,
            at: loaded.now,
            refused,
        };
        // The one before the next; nought where none was given.
        let newest = ground.facts.next_number() - 1;
        let Takes { place, wipes } = fence::takes(&ground);
        let takes = GoTakes {
            place,
            wipes: wipes.then_some(loaded.plan.control.wiped_per_hour),
        };
        failpoint::reach("go");
        match daemon
            .store
            .record_start(&loaded.plan.id, newest, loaded.restraints_epoch, takes, &start)
            .await?
        {
            // The host was stopped while the database took its time: a yes that nobody heard does not outlive the no
            // that comes of looking again.
            StartRecord::Recorded(WriteStart { refused: None, .. }) if loaded.stopped_since(daemon) => {}
            StartRecord::Recorded(recorded) => {
                tracing::info!(%machine, generation = request.job.generation.0, attempt = request.job.attempt,
                    refused = ?recorded.refused, "a machine asked to write");
                daemon.announce();
                let verdict = match recorded.refused {
                    None => Verdict::Go,
                    Some((code, reason)) => Verdict::Refuse { code, reason },
                };
                return Ok(GoAnswer {
                    nonce: request.nonce,
                    verdict,
                });
            }
            StartRecord::Superseded => {}
        }
    }
}

/// Why the image that is to be installed cannot be had: better known before a disk is written.
fn image_fault(daemon: &Daemon, ground: &Ground<'_>) -> Option<Fault> {
    match &ground.machine.wanted.intent {
        Intent::Deployed(deploy) => daemon.images.fault(deploy.image.digest),
        Intent::Observe { .. }
        | Intent::Ready { .. }
        | Intent::AsIs { .. }
        | Intent::Orphaned { .. }
        | Intent::Released(_)
        | Intent::Retired => None,
    }
}

/// An artefact, whole or in ranges (RFC 9110 §14); 404 if it is not here.
async fn artefact(
    State(daemon): State<Arc<Daemon>>,
    Path(digest): Path<String>,
    request: Request,
) -> Response {
    let Ok(digest) = digest.parse() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match ServeFile::new(daemon.images.path(digest)).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}
