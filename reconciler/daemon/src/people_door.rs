//! What people ask of the daemon, over the unix socket. Paths and bodies: `reconciler_core::people`.

use crate::against_door;
use crate::agents;
use crate::approve_door;
use crate::daemon::Daemon;
use crate::events_door;
use crate::hold_door;
use crate::images::ImageError;
use crate::listener::Person;
use crate::log;
use crate::override_door;
use crate::past_door;
use crate::pipeline::{self, PipelineError};
use crate::plan_door;
use crate::power_door;
use crate::revision;
use crate::snapshot;
use crate::standing;
use crate::times;
use crate::vouch_door;
use crate::world;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Json, Router};
use reconciler_core::next::Decision;
use reconciler_core::people::{self, Refusal};
use reconciler_core::plan::{MachinePlan, Plan};
use reconciler_core::refusal::RefusalCode;
use reconciler_core::{discovered, status};
use reconciler_git::CommitInfo;
use reconciler_store::{By, StoreError};
use schema_fleet::Code;
use schema_ids::MachineId;
use std::sync::Arc;

/// The longest reason kept: a sentence, not a report.
const REASON_BYTES_MAX: usize = 400;

/// JSON bodies are names and ids; artefacts are streamed and not held to this.
const BODY_BYTES_MAX: usize = 64 << 10;

/// The people's routes.
pub(crate) fn router(daemon: Arc<Daemon>) -> Router {
    Router::new()
        .route(people::STATUS, get(get_status))
        .route(&format!("{}{{at}}", people::STATUS_AT), get(past_door::get))
        .route(&format!("{}{{name}}", people::MACHINES), get(get_machine))
        .route(
            &format!("{}{{name}}{}", people::MACHINES, people::POWER),
            post(power_door::post),
        )
        .route(
            &format!("{}{{name}}{}", people::MACHINES, people::FENCED),
            post(vouch_door::post),
        )
        .route(
            &format!("{}{{machine}}{}{{deployment}}", people::MACHINES, people::AGAINST),
            get(against_door::get),
        )
        .route(
            &format!("{}{{name}}", people::DEPLOYMENTS),
            get(against_door::get_deployment),
        )
        .route(people::DRIFT, get(plan_door::get_drift))
        .route(people::DISCOVERED, get(get_discovered))
        .route(people::PLAN, post(plan_door::post))
        .route(&format!("{}{{id}}", people::PLANS), get(plan_door::get))
        .route(
            &format!("{}{{id}}{}", people::PLANS, people::STANDING),
            get(standing::get),
        )
        .route(people::SNAPSHOT, get(snapshot::get))
        .route(people::APPLY, post(post_apply))
        .route(people::events::EVENTS, post(events_door::post))
        .route(people::APPROVE, post(approve_door::post))
        .route(people::WITHDRAW, post(approve_door::withdraw))
        .route(people::OVERRIDE, post(override_door::post))
        .route(people::RECOVER, post(post_recover))
        .route(people::LOG, post(post_log))
        .route(people::IMAGES, get(get_images))
        .merge(agents::router())
        .merge(hold_door::router())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .route(
            &format!("{}{{digest}}", people::IMAGES),
            put(put_image).layer(DefaultBodyLimit::disable()),
        )
        .with_state(daemon)
}

/// An answer that is not 2xx.
pub(crate) struct Refused(StatusCode, Refusal);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

pub(crate) fn refused(status: StatusCode, code: &str, message: impl Into<String>) -> Refused {
    Refused(
        status,
        Refusal {
            code: code.to_owned(),
            message: message.into(),
        },
    )
}

/// A person's reason, fit for the log.
pub(crate) fn reason(text: &str) -> Result<&str, Refused> {
    let text = text.trim();
    if text.len() <= REASON_BYTES_MAX && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    let message = format!("a reason is one line of at most {REASON_BYTES_MAX} bytes");
    let code = RefusalCode::BadRequest.code();
    Err(refused(StatusCode::BAD_REQUEST, code, message))
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        refused(
            StatusCode::SERVICE_UNAVAILABLE,
            RefusalCode::Database.code(),
            crate::chain(&error),
        )
    }
}

impl From<PipelineError> for Refused {
    fn from(error: PipelineError) -> Self {
        let code = match &error {
            PipelineError::Source(_) => RefusalCode::Source,
            PipelineError::Store(_) => RefusalCode::Database,
            PipelineError::Contended | PipelineError::Overtaken { .. } => RefusalCode::Contended,
            PipelineError::Stale { .. } => {
                return refused(StatusCode::CONFLICT, Code::M0901.as_str(), error.to_string());
            }
        };
        refused(StatusCode::SERVICE_UNAVAILABLE, code.code(), crate::chain(&error))
    }
}

async fn get_status(State(daemon): State<Arc<Daemon>>) -> Result<Json<people::Status>, Refused> {
    let newest = newest_revision(&daemon).await?;
    let loaded = world::load(&daemon).await?;
    let mut status = people::Status {
        now: daemon.store.now().await?,
        fleet: None,
        incarnation: daemon.store.identity().await?.incarnation,
        adopted: None,
        revision: newest,
        source: daemon.source_trouble(),
        slow: daemon.slowness(),
        restored: daemon.store.restored().await?,
        stops: world::restraints(&daemon).await?.restraints.stops,
        budgets: Vec::new(),
        holds: Vec::new(),
        machines: Vec::new(),
        deployments: Vec::new(),
        agents: std::collections::BTreeMap::new(),
    };
    let Some(loaded) = loaded else {
        return Ok(Json(status));
    };
    let tick = loaded.tick();
    status.holds = loaded.told();
    status.budgets = loaded.budgets(&tick);
    status.fleet = Some(loaded.plan.fleet.clone());
    status.adopted = Some(people::Adopted {
        plan: loaded.plan.id.clone(),
        commit: loaded.plan.commit.clone(),
        made: loaded.plan.made,
    });
    status.machines = loaded
        .facts
        .iter()
        .filter_map(|(id, facts)| {
            let decision = tick.decisions.get(id).unwrap_or(&Decision::Settled);
            status::machine_status(&loaded.plan, *id, facts, decision, loaded.policy.of(*id))
        })
        .collect();
    times::tell(&daemon, &loaded, &mut status).await;
    status.machines.sort_by(|a, b| a.name.cmp(&b.name));
    status.deployments = status::deployments(&loaded.plan);
    status.agents = loaded
        .agents
        .iter()
        .map(|(name, agent)| (name.clone(), agent.heard))
        .collect();
    Ok(Json(status))
}

/// The newest revision that moved, with what git says of it.
async fn newest_revision(daemon: &Daemon) -> Result<Option<people::Revision>, Refused> {
    let Some(newest) = daemon.store.revisions().await?.into_iter().next() else {
        return Ok(None);
    };
    let info = daemon.source.resolve(newest.commit.clone()).await.ok().flatten();
    Ok(Some(revision_view(newest, info)))
}

pub(crate) fn revision_view(
    revision: reconciler_store::Revision,
    info: Option<CommitInfo>,
) -> people::Revision {
    let (summary, author) = info.map(|info| (info.summary, info.author)).unwrap_or_default();
    people::Revision {
        commit: revision.commit,
        summary,
        author,
        stage: revision.stage,
        stopped: revision
            .condition
            .map(|(code, message)| Refusal { code, message }),
        since: revision.since,
    }
}

async fn get_machine(
    State(daemon): State<Arc<Daemon>>,
    Path(name): Path<String>,
) -> Result<Json<people::MachineDetail>, Refused> {
    let unknown = || no_machine(&name);
    let loaded = world::load(&daemon).await?.ok_or_else(unknown)?;
    let (id, machine) = find(&loaded.plan, &name).ok_or_else(unknown)?;
    let facts = loaded.facts.get(&id).ok_or_else(unknown)?;
    let tick = loaded.tick();
    let decision = tick.decisions.get(&id).unwrap_or(&Decision::Settled);
    let detail = people::MachineDetail {
        status: status::machine_status(&loaded.plan, id, facts, decision, loaded.policy.of(id))
            .ok_or_else(unknown)?,
        plan: machine.clone(),
        inventory: facts.inventory.as_ref().map(|seen| seen.value.clone()),
        erased: facts.erased.clone(),
        why: status::why(&loaded.plan, id, facts, decision, loaded.policy.of(id)),
    };
    Ok(Json(detail))
}

/// The machine of this name or id.
pub(crate) fn find<'a>(plan: &'a Plan, name: &str) -> Option<(MachineId, &'a MachinePlan)> {
    let by_id = name.parse::<MachineId>().ok();
    let mut machines = plan.machines.iter();
    let found = machines.find(|(id, machine)| Some(**id) == by_id || machine.name.as_str() == name);
    found.map(|(id, machine)| (*id, machine))
}

pub(crate) fn no_machine(name: &str) -> Refused {
    refused(
        StatusCode::NOT_FOUND,
        RefusalCode::NotFound.code(),
        format!("no machine is called {name:?}"),
    )
}

async fn get_discovered(
    State(daemon): State<Arc<Daemon>>,
) -> Result<Json<Vec<people::DiscoveredMachine>>, Refused> {
    let found = daemon.store.discovered().await?;
    let plan = daemon.store.adopted().await?;
    let commit = plan.as_ref().and_then(|plan| plan.commit.as_deref());
    let parsed = match commit {
        Some(commit) => Some(
            revision::parse(&daemon, commit)
                .await
                .map_err(PipelineError::Source)?,
        ),
        None => None,
    };
    let fleet = parsed.as_ref().and_then(|parsed| parsed.fleet.as_ref());
    let adopted = plan.as_ref().zip(fleet);
    let fleet_uid = daemon.store.identity().await?.fleet_uid;
    let machines = found.into_iter().map(|(mac, found)| people::DiscoveredMachine {
        mac,
        toml: discovered::fleet_lines(mac, &found, fleet_uid, adopted),
        discovered: found,
    });
    Ok(Json(machines.collect()))
}

async fn post_apply(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Json(request): Json<people::ApplyRequest>,
) -> Result<Json<people::ApplyAnswer>, Refused> {
    let commit = pipeline::fetch(&daemon).await?;
    let named = match request.plan {
        Some(id) => named(&daemon, id, &commit.id).await?,
        None => None,
    };
    let by = By {
        who: person.to_string(),
        why: format!("apply of {}: {}", &commit.id[..12], commit.summary),
    };
    let progress = pipeline::advance(&daemon, &commit.id, named.as_ref(), &by).await?;
    let now = daemon.store.now().await?;
    let revision = people::Revision {
        commit: commit.id,
        summary: commit.summary,
        author: commit.author,
        stage: progress.stage,
        stopped: progress.stopped.map(|(code, message)| Refusal { code, message }),
        since: now,
    };
    Ok(Json(people::ApplyAnswer { revision }))
}

/// The plan that a person names to be carried out with this commit; `None` if it is being carried out
/// already, or another one that was made of it with what was found since.
async fn named(daemon: &Daemon, id: String, commit: &str) -> Result<Option<Plan>, Refused> {
    let plan = plan_door::stored(daemon, &id).await?;
    if plan.commit.as_deref() != Some(commit) {
        if !standing::is_merged(daemon, &plan, commit).await {
            return Err(standing::not_merged(&plan, commit));
        }
        let since = format!("The branch is at {} now", &commit[..commit.len().min(12)]);
        return Err(PipelineError::Stale { plan: id, since }.into());
    }
    let adoptions = daemon.store.adoptions(commit).await?;
    let was_adopted =
        adoptions.superseded.is_none() && adoptions.plans.iter().any(|adopted| adopted.plan == plan.id);
    Ok(Some(plan).filter(|_| !was_adopted))
}

async fn post_recover(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
) -> Result<Json<people::RecoverAnswer>, Refused> {
    let by = By {
        who: person.to_string(),
        why: "muster recover".to_owned(),
    };
    let incarnation = daemon.store.recover(&by).await?;
    tracing::info!(incarnation = incarnation.number, by = %person, "incarnation raised");
    daemon.announce();
    Ok(Json(people::RecoverAnswer { incarnation }))
}

async fn post_log(
    State(daemon): State<Arc<Daemon>>,
    Json(request): Json<people::LogRequest>,
) -> Result<Json<people::LogPage>, Refused> {
    let page = log::page(&daemon, &request).await?;
    page.map(Json).ok_or_else(|| {
        refused(
            StatusCode::NOT_FOUND,
            RefusalCode::NotFound.code(),
            format!("no machine is called {:?}", request.machine.unwrap_or_default()),
        )
    })
}

async fn get_images(State(daemon): State<Arc<Daemon>>) -> Json<Vec<people::Artefact>> {
    let list = daemon.images.list();
    Json(
        list.into_iter()
            .map(|(digest, bytes)| people::Artefact { digest, bytes })
            .collect(),
    )
}

async fn put_image(
    State(daemon): State<Arc<Daemon>>,
    Path(digest): Path<String>,
    body: Body,
) -> Result<Json<people::Artefact>, Refused> {
    let wanted = digest.parse().map_err(|error: schema_ids::ParseError| {
        refused(
            StatusCode::BAD_REQUEST,
            RefusalCode::BadRequest.code(),
            error.to_string(),
        )
    })?;
    let added = daemon.images.add(Some(wanted), body.into_data_stream()).await;
    let digest = added.map_err(|error| {
        let status = match error {
            ImageError::Write { .. } => StatusCode::INSUFFICIENT_STORAGE,
            ImageError::BrokeOff { .. } | ImageError::Differs { .. } => StatusCode::BAD_REQUEST,
            ImageError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        };
        refused(status, RefusalCode::Image.code(), crate::chain(&error))
    })?;
    let bytes = tokio::fs::metadata(daemon.images.path(digest))
        .await
        .map_or(0, |metadata| metadata.len());
    daemon.announce();
    Ok(Json(people::Artefact { digest, bytes }))
}
