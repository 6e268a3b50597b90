//! A person agrees to what a plan erases, and is told what that comes to; or takes it back.

use crate::daemon::Daemon;
use crate::listener::Person;
use crate::people_door::{Refused, reason, refused};
use crate::pipeline::{self, Made, PipelineError};
use crate::plan_door::stored;
use crate::revision::{self, Parsed};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use reconciler_core::people::{ApproveAnswer, ApproveRequest, WithdrawAnswer, WithdrawRequest};
use reconciler_core::plan::Plan;
use reconciler_core::refusal::RefusalCode;
use reconciler_store::By;
use schema_fleet::Code;
use std::sync::Arc;

/// Records the word, lets the commit be tried again, and says whether the word counts.
pub(crate) async fn post(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Json(request): Json<ApproveRequest>,
) -> Result<Json<ApproveAnswer>, Refused> {
    let plan = with(&daemon, &request.plan, &request.wipe_set).await?;
    let by = By {
        who: person.to_string(),
        why: "muster approve".to_owned(),
    };
    // Bound to the tree, not to the plan: new facts may bring another plan that erases no more.
    let commit = plan.commit.as_deref().ok_or_else(|| {
        let message = format!("plan {} is of no commit", plan.id);
        refused(StatusCode::NOT_FOUND, RefusalCode::NotFound.code(), message)
    })?;
    let parsed = revision::parse(&daemon, commit)
        .await
        .map_err(PipelineError::Source)?;
    pipeline::agree(&daemon, &plan, &parsed.tree, &by).await?;
    daemon.look.notify_one();
    Ok(Json(counted(&daemon, &plan, &parsed, &by.who).await?))
}

/// What a word that is stored by now comes to: how many more must say it, and what stops the plan all the same.
async fn counted(
    daemon: &Daemon,
    plan: &Plan,
    parsed: &Arc<Parsed>,
    person: &str,
) -> Result<ApproveAnswer, Refused> {
    let blocked = plan.guards.iter().find_map(|guard| {
        let (code, reason) = guard.blocked.as_ref()?;
        Some(format!("{}: {code}: {reason}", guard.guard))
    });
    // What is asked is about this plan, over what is carried out now.
    let adopted = daemon.store.adopted().await?;
    let made = pipeline::make_plan(daemon, parsed, adopted, None).await?;
    let made = made.map(|made| Made {
        plan: plan.clone(),
        ground: made.ground,
    });
    let (agreement, missing) = match &made {
        Some(made) => (
            pipeline::agreement(daemon, parsed, made).await?,
            pipeline::missing(daemon, parsed, made).await?,
        ),
        None => (None, None),
    };
    let given = agreement.as_ref().and_then(|agreement| agreement.given.as_ref());
    Ok(ApproveAnswer {
        counts: given.is_none_or(|given| given.contains(person)),
        missing: missing.map(|(_, reason)| reason),
        agreement,
        blocked,
    })
}

/// Takes a person's own word back. What was adopted with it goes on: that is stopped, not disapproved of.
pub(crate) async fn withdraw(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Json(request): Json<WithdrawRequest>,
) -> Result<Json<WithdrawAnswer>, Refused> {
    let why = reason(&request.reason)?;
    if why.is_empty() {
        let message = "a word is taken back with a reason: --reason";
        let code = RefusalCode::BadRequest.code();
        return Err(refused(StatusCode::BAD_REQUEST, code, message));
    }
    let plan = with(&daemon, &request.plan, &request.wipe_set).await?;
    let by = By {
        who: person.to_string(),
        why: why.to_owned(),
    };
    let withdrawn = daemon.store.withdraw_approval(&plan.wipe_set.digest, &by).await?;
    daemon.look.notify_one();
    let adopted = daemon.store.adopted().await?;
    let is_erased = |adopted: Plan| {
        let mut entries = plan.wipe_set.entries.iter();
        entries.any(|(id, disks)| adopted.wipe_set.entries.get(id) == Some(disks))
    };
    Ok(Json(WithdrawAnswer {
        withdrawn,
        carried_out: adopted.is_some_and(is_erased),
    }))
}

/// The plan of this name, with the wipe-set that the person read in it.
async fn with(daemon: &Daemon, plan: &str, wipe_set: &str) -> Result<Plan, Refused> {
    let plan = stored(daemon, plan).await?;
    if plan.wipe_set.digest == wipe_set {
        return Ok(plan);
    }
    let message = format!(
        "plan {} would erase {}, not {wipe_set}",
        plan.id, plan.wipe_set.digest
    );
    Err(refused(StatusCode::CONFLICT, Code::M0901.as_str(), message))
}
