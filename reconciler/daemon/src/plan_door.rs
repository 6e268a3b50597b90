//! Plans that people ask for: made, compared, kept as shown, shown again. Nothing is reserved and nothing changed.

use crate::daemon::Daemon;
use crate::people_door::{Refused, refused};
use crate::pipeline::{self, Made, PipelineError};
use crate::revision::{self, Parsed};
use crate::standing;
use crate::times;
use crate::world::{self, Loaded};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reconciler_core::drift::{self, Drift};
use reconciler_core::form::standing::Standing;
use reconciler_core::form::{self, Reference, Setting};
use reconciler_core::next::Decision;
use reconciler_core::people;
use reconciler_core::plan::Plan;
use reconciler_core::refusal::RefusalCode;
use reconciler_core::status;
use reconciler_core::tick::Tick;
use reconciler_core::times::estimates;
use reconciler_git::CommitInfo;
use reconciler_store::StoreError;
use schema_ids::{MachineId, Name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Plans a commit, and keeps the plan as shown.
pub(crate) async fn post(
    State(daemon): State<Arc<Daemon>>,
    Json(request): Json<people::PlanRequest>,
) -> Result<Json<people::PlanAnswer>, Refused> {
    let branch = pipeline::fetch(&daemon).await?;
    let followed = branch.id.clone();
    let replaced = match &request.replace {
        Some(id) => Some(stored(&daemon, id).await?),
        None => None,
    };
    let named = request.head.or_else(|| replaced.as_ref()?.commit.clone());
    let (head, commit) = match named {
        None => (None, branch),
        Some(name) => {
            let commit = resolve(&daemon, &name).await?;
            (Some(reference(name, &commit)), commit)
        }
    };
    let parsed = read(&daemon, &commit.id).await?;
    let parent = daemon.store.adopted().await?;
    let (base, compared) = match request.base {
        None => (None, pipeline::base_of(&daemon, &parsed, parent.as_ref()).await),
        Some(name) => {
            let commit = resolve(&daemon, &name).await?;
            let base = read(&daemon, &commit.id).await?;
            if base.fleet.is_none() {
                return Err(unsound(&base));
            }
            (Some(reference(name, &commit)), Some(base))
        }
    };
    let made = pipeline::make_plan(&daemon, &parsed, parent, compared.as_deref()).await?;
    let Some(made) = made else {
        return Err(unsound(&parsed));
    };
    let approvals = pipeline::agreement(&daemon, &parsed, &made).await?;
    let Made { plan, ground } = made;
    let plan = match &request.only {
        None => {
            daemon.store.save_shown_plan(&plan, &parsed.tree).await?;
            plan
        }
        Some(only) => part(&plan, only)?,
    };
    let Beside { drift, silent, .. } = beside(&daemon).await?;
    let standing = match &request.only {
        None => standing::of(&daemon, &plan, &followed).await?,
        Some(_) => Standing::default(),
    };
    let took = times::took(&daemon, &ground.observed).await;
    Ok(Json(people::PlanAnswer {
        stale: replaced.map_or_else(Vec::new, |old| old.outdated_reads(&plan)),
        setting: Setting {
            base,
            head,
            only: request.only,
            drift,
            silent,
            approvals,
            times: estimates(&plan, &ground.observed, &took),
            now: Some(ground.observed.at),
            standing,
        },
        plan,
        warnings: parsed.text.clone(),
    }))
}

/// A stored plan, stale or not.
pub(crate) async fn get(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> Result<Json<Plan>, Refused> {
    stored(&daemon, &id).await.map(Json)
}

/// The plan of this id.
pub(crate) async fn stored(daemon: &Daemon, id: &str) -> Result<Plan, Refused> {
    let plan = daemon.store.plan(id).await?;
    plan.ok_or_else(|| {
        let message = format!("no plan is called {id:?}");
        refused(StatusCode::NOT_FOUND, RefusalCode::NotFound.code(), message)
    })
}

/// What a plan does to the machines that a selector names.
fn part(plan: &Plan, only: &str) -> Result<Plan, Refused> {
    let part = plan.part_called(only);
    part.map_err(|refusal| refused(StatusCode::BAD_REQUEST, &refusal.code, refusal.message))
}

fn reference(name: String, commit: &CommitInfo) -> Reference {
    Reference {
        name,
        commit: commit.id.clone(),
    }
}

async fn resolve(daemon: &Daemon, name: &str) -> Result<CommitInfo, Refused> {
    let found = daemon.source.resolve(name.to_owned()).await;
    let found = found.map_err(PipelineError::Source)?;
    if let Some(found) = found {
        return Ok(found);
    }
    // A clone's name of a branch: musterd's mirror has the branches themselves.
    let short = name.strip_prefix("refs/remotes/").unwrap_or(name);
    let short = short.split_once('/').map(|(_, branch)| branch.to_owned());
    let known = match short.clone() {
        Some(branch) => daemon.source.resolve(branch).await,
        None => Ok(None),
    };
    let hint = match (known, short) {
        (Ok(Some(_)), Some(branch)) => {
            format!("; musterd reads the repository itself, and knows that as {branch:?}")
        }
        _ => String::new(),
    };
    let message = format!("the fleet repository has no revision {name:?}{hint}");
    Err(refused(
        StatusCode::NOT_FOUND,
        RefusalCode::NotFound.code(),
        message,
    ))
}

async fn read(daemon: &Daemon, commit: &str) -> Result<Arc<Parsed>, Refused> {
    let parsed = revision::parse(daemon, commit).await;
    Ok(parsed.map_err(PipelineError::Source)?)
}

fn unsound(parsed: &Parsed) -> Refused {
    refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        &parsed.code,
        parsed.text.clone(),
    )
}

/// What a plan and a snapshot tell of where machines are otherwise than wanted, and which are not heard of.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) drift: Vec<form::Drift>,
    pub(crate) silent: Vec<Name>,
    /// Which are out of service; a plan reads that, and says it of those that it releases for it.
    pub(crate) unhealthy: BTreeMap<MachineId, String>,
}

/// The same, of now.
pub(crate) async fn beside(daemon: &Daemon) -> Result<Beside, StoreError> {
    let Some(loaded) = world::load(daemon).await? else {
        return Ok(Beside::default());
    };
    let tick = loaded.tick();
    let (drift, silent) = otherwise(&loaded, &tick);
    Ok(Beside {
        drift: drift::beside(&drift),
        silent,
        unhealthy: loaded.unhealthy(&tick),
    })
}

/// Where machines are otherwise than the adopted plan wants them, and which are not heard of.
fn otherwise(loaded: &Loaded, tick: &Tick) -> (Vec<Drift>, Vec<Name>) {
    let (mut found, mut machines) = (Vec::new(), Vec::new());
    for (id, facts) in &loaded.facts {
        let decision = tick.decisions.get(id).unwrap_or(&Decision::Settled);
        let status = status::machine_status(&loaded.plan, *id, facts, decision, loaded.policy.of(*id));
        let Some(status) = status else { continue };
        found.extend(drift::of(&loaded.plan, *id, facts, &status));
        machines.push(status);
    }
    machines.sort_by(|a, b| a.name.cmp(&b.name));
    found.sort_by(|a, b| (&a.machine, a.kind).cmp(&(&b.machine, b.kind)));
    (found, drift::silent(&machines))
}

/// Where reality is otherwise than wanted.
pub(crate) async fn get_drift(
    State(daemon): State<Arc<Daemon>>,
) -> Result<Json<people::DriftAnswer>, Refused> {
    let loaded = world::load(&daemon).await?;
    let (drift, silent) = loaded
        .as_ref()
        .map_or_else(Default::default, |loaded| otherwise(loaded, &loaded.tick()));
    Ok(Json(people::DriftAnswer {
        now: daemon.store.now().await?,
        commit: loaded.and_then(|loaded| loaded.plan.commit),
        drift,
        silent,
    }))
}
