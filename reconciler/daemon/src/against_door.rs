//! `muster why MACHINE --against deployment.NAME` and `muster why deployment.NAME`: what a deployment asks, and what one machine is,
//! or how many are left.

use crate::daemon::Daemon;
use crate::people_door::{Refused, find, no_machine, refused};
use crate::pipeline::PipelineError;
use crate::revision;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reconciler_core::plan::against::{Against, Ground};
use reconciler_core::plan::reach::DeploymentDetail;
use reconciler_core::refusal::RefusalCode;
use reconciler_core::status::{self, DeploymentStatus};
use schema_ids::Name;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The machine beside the deployment.
pub(crate) async fn get(
    State(daemon): State<Arc<Daemon>>,
    Path((machine, deployment)): Path<(String, String)>,
) -> Result<Json<Against>, Refused> {
    let unknown = || no_machine(&machine);
    let absent = || {
        let message =
            format!("the commit that is carried out has no deployment {deployment:?}, or not that machine");
        refused(StatusCode::NOT_FOUND, RefusalCode::NotFound.code(), message)
    };
    let plan = daemon.store.adopted().await?.ok_or_else(unknown)?;
    let (id, _) = find(&plan, &machine).ok_or_else(unknown)?;
    let name: Name = deployment.parse().map_err(|_| absent())?;
    let commit = plan.commit.clone().ok_or_else(absent)?;
    let parsed = revision::parse(&daemon, &commit)
        .await
        .map_err(PipelineError::Source)?;
    let observed = daemon.store.observed().await?;
    let ground = Ground {
        fleet: parsed.fleet.as_ref().ok_or_else(absent)?,
        observed: &observed,
        plan: &plan,
        now: observed.at,
    };
    ground.against(id, &name).map(Json).ok_or_else(absent)
}

/// The deployment: its slots, what it lacks, and who would do.
pub(crate) async fn get_deployment(
    State(daemon): State<Arc<Daemon>>,
    Path(deployment): Path<String>,
) -> Result<Json<DeploymentDetail>, Refused> {
    let absent = || {
        let message = format!("the commit that is carried out has no deployment {deployment:?}");
        refused(StatusCode::NOT_FOUND, RefusalCode::NotFound.code(), message)
    };
    let name: Name = deployment.parse().map_err(|_| absent())?;
    let plan = daemon.store.adopted().await?.ok_or_else(absent)?;
    let commit = plan.commit.clone().ok_or_else(absent)?;
    let parsed = revision::parse(&daemon, &commit)
        .await
        .map_err(PipelineError::Source)?;
    let observed = daemon.store.observed().await?;
    let funnel = parsed.fleet.as_ref().and_then(|fleet| {
        let ground = Ground {
            fleet,
            observed: &observed,
            plan: &plan,
            now: observed.at,
        };
        ground.reach(&name)
    });
    let known = status::deployments(&plan);
    let known = known.into_iter().find(|known| known.name == name);
    if known.is_none() && funnel.is_none() {
        return Err(absent());
    }
    let status = known.unwrap_or_else(|| DeploymentStatus {
        name,
        slots: BTreeMap::new(),
        lacks: None,
    });
    Ok(Json(DeploymentDetail::of(status, funnel)))
}
