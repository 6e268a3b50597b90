//! How a stored plan stands to the branch that is followed: for whoever reads it, and for whoever wants it carried out.

use crate::daemon::Daemon;
use crate::people_door::{Refused, refused};
use crate::pipeline::PipelineError;
use crate::plan_door;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reconciler_core::form::standing::Standing;
use reconciler_core::plan::Plan;
use reconciler_core::refusal::RefusalCode;
use std::sync::Arc;

/// Of a stored plan, by where the branch was when it was last fetched.
pub(crate) async fn get(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> Result<Json<Standing>, Refused> {
    let plan = plan_door::stored(&daemon, &id).await?;
    let branch = daemon.source.followed().await.map_err(PipelineError::Source)?;
    match branch {
        Some(branch) => of(&daemon, &plan, &branch.id).await.map(Json),
        None => Ok(Json(Standing::default())),
    }
}

/// Of a plan, with the branch at this commit.
pub(crate) async fn of(daemon: &Daemon, plan: &Plan, branch: &str) -> Result<Standing, Refused> {
    let Some(commit) = plan.commit.as_deref() else {
        return Ok(Standing::default());
    };
    let adopted = daemon.store.adopted().await?;
    if adopted.is_some_and(|adopted| adopted.id == plan.id) {
        return Ok(Standing::CarriedOut);
    }
    let adoptions = daemon.store.adoptions(commit).await?;
    Ok(if adoptions.plans.iter().any(|adopted| adopted.plan == plan.id) {
        Standing::Superseded
    } else if commit == branch {
        Standing::Next
    } else if is_merged(daemon, plan, branch).await {
        Standing::Passed
    } else {
        Standing::NotMerged
    })
}

/// Whether the branch, which is at this commit, has the plan's. What the mirror has no more is on no branch.
pub(crate) async fn is_merged(daemon: &Daemon, plan: &Plan, branch: &str) -> bool {
    let Some(commit) = plan.commit.clone() else {
        return false;
    };
    let has = daemon.source.descends(branch.to_owned(), commit).await;
    has.unwrap_or(false)
}

/// For whoever wants it carried out.
pub(crate) fn not_merged(plan: &Plan, branch: &str) -> Refused {
    let short = |commit: &str| commit.chars().take(12).collect::<String>();
    let message = format!(
        "plan {} is of {}, which is not on the branch that is followed; that is at {}. Merge it, and it is carried out",
        plan.id,
        short(plan.commit.as_deref().unwrap_or("no commit")),
        short(branch)
    );
    refused(StatusCode::CONFLICT, RefusalCode::NotMerged.code(), message)
}
