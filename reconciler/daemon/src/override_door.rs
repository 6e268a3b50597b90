//! A person opens a guard for one plan.

use crate::daemon::Daemon;
use crate::listener::Person;
use crate::people_door::{Refused, reason, refused};
use crate::pipeline::{self, PipelineError};
use crate::plan_door::stored;
use crate::revision;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use reconciler_core::people::{OverrideAnswer, OverrideRequest};
use reconciler_core::plan::opened::{LASTS, needed, people};
use reconciler_core::refusal::RefusalCode;
use reconciler_store::By;
use std::sync::Arc;

/// Records the word, and lets the plan be tried again.
pub(crate) async fn post(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Json(request): Json<OverrideRequest>,
) -> Result<Json<OverrideAnswer>, Refused> {
    let bad = |message: String| refused(StatusCode::BAD_REQUEST, RefusalCode::BadRequest.code(), message);
    let why = reason(&request.reason)?;
    if why.is_empty() {
        return Err(bad("a guard is opened with a reason: --reason".to_owned()));
    }
    let plan = stored(&daemon, &request.plan).await?;
    let guard = plan.guards.iter().find(|guard| guard.guard == request.guard);
    let Some(guard) = guard else {
        let known: Vec<&str> = plan.guards.iter().map(|guard| guard.guard.as_str()).collect();
        let message = format!(
            "{} has no guard {:?}; it has {}",
            plan.id,
            request.guard,
            known.join(", ")
        );
        return Err(bad(message));
    };
    if guard.blocked.is_none() {
        return Err(bad(format!(
            "the guard {} does not stop {}",
            guard.guard, plan.id
        )));
    }
    let commit = plan.commit.clone().unwrap_or_default();
    let parsed = revision::parse(&daemon, &commit)
        .await
        .map_err(PipelineError::Source)?;
    if parsed.fleet.is_none() {
        return Err(refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            &parsed.code,
            parsed.text.clone(),
        ));
    }
    let adopted = daemon.store.adopted().await?.and_then(|plan| plan.commit);
    let unreviewed = pipeline::unreviewed(&daemon, &parsed, adopted.as_deref()).await?;
    let by = By {
        who: person.to_string(),
        why: why.to_owned(),
    };
    daemon.store.open_guard(&plan.id, &guard.guard, &by).await?;
    let opened = daemon.store.opened(&plan.id).await?;
    let now = daemon.store.now().await?;
    let people = people(&opened, &guard.guard, now);
    let counted = opened
        .iter()
        .filter(|one| one.guard == guard.guard && people.contains(one.who.as_str()));
    let until = counted.map(|one| one.at.plus(LASTS)).min().unwrap_or(now);
    tracing::warn!(plan = %plan.id, guard = %guard.guard, by = %person, why, "a guard is opened");
    daemon.look.notify_one();
    Ok(Json(OverrideAnswer {
        people: people.into_iter().map(str::to_owned).collect(),
        needed: needed(unreviewed),
        until,
    }))
}
