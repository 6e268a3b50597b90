//! `muster why MACHINE --against deployment.NAME`: what a deployment asks, and what the machine is.

use crate::daemon::Daemon;
use crate::people_door::{Refused, find, no_machine, refused};
use crate::pipeline::PipelineError;
use crate::revision;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reconciler_core::plan::against::{Against, Ground};
use reconciler_core::refusal::RefusalCode;
use schema_ids::Name;
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
