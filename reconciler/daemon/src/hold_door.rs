//! `muster hold`, `stop` and `resume`: what people keep from being done, recorded with who and why.

use crate::daemon::Daemon;
use crate::listener::Person;
use crate::people_door::{Refused, reason, refused};
use crate::world;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use reconciler_core::admit::BudgetFailure;
use reconciler_core::hold::{self, Hold, Keeper, Scope, Stop};
use reconciler_core::people::restraints::{
    END, EndRequest, HOLDS, HoldRequest, HoldsAnswer, ResumeAnswer, ResumeRequest, Resumed, STOPS,
    StopRequest,
};
use reconciler_core::plan::Plan;
use reconciler_core::refusal::RefusalCode;
use reconciler_store::{By, NewHold};
use schema_fleet::{Code, Selector};
use schema_ids::Name;
use std::collections::BTreeSet;
use std::sync::Arc;

/// More selectors in one hold are a list that belongs into git.
const TARGETS_MAX: usize = 100;

/// A change's number, or a link to it.
const TICKET_BYTES_MAX: usize = 200;

pub(crate) fn router() -> Router<Arc<Daemon>> {
    Router::new()
        .route(HOLDS, get(list).post(add))
        .route(&format!("{HOLDS}/{{id}}{END}"), post(end))
        .route(STOPS, post(stop))
        .route(&format!("{STOPS}{END}"), post(resume))
}

fn bad(message: impl Into<String>) -> Refused {
    refused(StatusCode::BAD_REQUEST, RefusalCode::BadRequest.code(), message)
}

/// A reason that must be there.
fn why(text: &str) -> Result<&str, Refused> {
    match reason(text)? {
        "" => Err(bad("say why: --reason")),
        why => Ok(why),
    }
}

async fn list(State(daemon): State<Arc<Daemon>>) -> Result<Json<HoldsAnswer>, Refused> {
    let holds = match world::load(&daemon).await? {
        Some(loaded) => loaded.told(),
        None => Vec::new(),
    };
    let now = daemon.store.now().await?;
    Ok(Json(HoldsAnswer { now, holds }))
}

async fn add(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Json(request): Json<HoldRequest>,
) -> Result<Json<Hold>, Refused> {
    let by = By {
        who: person.to_string(),
        why: why(&request.reason)?.to_owned(),
    };
    if request.targets.is_empty() || request.targets.len() > TARGETS_MAX {
        return Err(bad(format!("a hold is about 1 to {TARGETS_MAX} selectors")));
    }
    let ticket = request
        .ticket
        .as_deref()
        .map(str::trim)
        .filter(|ticket| !ticket.is_empty());
    if ticket.is_some_and(|ticket| ticket.len() > TICKET_BYTES_MAX || ticket.chars().any(char::is_control)) {
        return Err(bad(format!(
            "a ticket is one line of at most {TICKET_BYTES_MAX} bytes"
        )));
    }
    if request.until <= daemon.store.now().await? {
        return Err(bad(format!("{} is over already: --until", request.until)));
    }
    let plan = daemon.store.adopted().await?;
    let targets = request.targets.iter().map(|text| {
        let selector: Selector = text.parse().map_err(|_| {
            bad(format!(
                "{text:?} is no selector, such as rack:ams1-r07 or machine:web-*"
            ))
        })?;
        selects_something(plan.as_ref(), &selector)?;
        Ok(selector)
    });
    let new = NewHold {
        targets: targets.collect::<Result<_, Refused>>()?,
        effect: request.effect,
        until: request.until,
        ticket: ticket.map(str::to_owned),
    };
    let hold = daemon.store.add_hold(&new, &by).await?;
    tracing::info!(hold = hold.id, effect = %hold.effect, targets = hold.targets_text(), by = %person, why = by.why, "hold made");
    daemon.announce();
    Ok(Json(hold))
}

/// A selector that selects nothing is a mistake, and never "all".
fn selects_something(plan: Option<&Plan>, selector: &Selector) -> Result<(), Refused> {
    if plan.is_some_and(|plan| hold::selected(plan, selector) > 0) {
        return Ok(());
    }
    let message = format!("\"{selector}\" selects no machine of the plan that is carried out");
    Err(refused(StatusCode::BAD_REQUEST, Code::M0801.as_str(), message))
}

async fn end(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Path(id): Path<String>,
    Json(request): Json<EndRequest>,
) -> Result<Json<serde_json::Value>, Refused> {
    let by = By {
        who: person.to_string(),
        why: reason(&request.reason)?.to_owned(),
    };
    let declared = id.starts_with("hold.");
    if declared || !daemon.store.end_hold(&id, &by).await? {
        let message = match declared {
            true => format!("{id} is declared in git: take it out there"),
            false => format!("no hold {id:?} stands"),
        };
        return Err(refused(
            StatusCode::NOT_FOUND,
            RefusalCode::NotFound.code(),
            message,
        ));
    }
    tracing::info!(hold = id, by = %person, why = by.why, "hold ended");
    daemon.announce();
    Ok(Json(serde_json::json!({})))
}

async fn stop(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Json(request): Json<StopRequest>,
) -> Result<Json<Stop>, Refused> {
    let by = By {
        who: person.to_string(),
        why: why(&request.reason)?.to_owned(),
    };
    if let Scope::Part(part) = &request.scope {
        selects_something(daemon.store.adopted().await?.as_ref(), part)?;
    }
    let stop = daemon.store.stop(&request.scope, &by).await?;
    tracing::warn!(scope = %stop.scope, by = %person, why = by.why, "stopped");
    daemon.announce();
    Ok(Json(stop))
}

async fn resume(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Json(request): Json<ResumeRequest>,
) -> Result<Json<ResumeAnswer>, Refused> {
    let by = By {
        who: person.to_string(),
        why: reason(&request.reason)?.to_owned(),
    };
    let stops = world::restraints(&daemon).await?.restraints.stops;
    let scope = match request.scope.clone() {
        Some(Resumed::Budget(budget)) => return resume_budget(&daemon, budget, &request, &by).await,
        Some(Resumed::Scope(scope)) => scope,
        None => only_one(&stops)?,
    };
    if !daemon.store.resume(&scope, &by).await? {
        let on_host = stops
            .iter()
            .any(|stop| stop.keeper == Keeper::Host && stop.scope == scope);
        let message = match on_host {
            true => format!("{scope} is stopped by a file on musterd's host: `musterd resume` there ends it"),
            false => format!("{scope} is not stopped"),
        };
        return Err(refused(
            StatusCode::NOT_FOUND,
            RefusalCode::NotFound.code(),
            message,
        ));
    }
    tracing::warn!(%scope, by = %person, why = by.why, "resumed");
    daemon.announce();
    let scope = Resumed::Scope(scope);
    Ok(Json(ResumeAnswer {
        scope,
        left: Vec::new(),
    }))
}

/// Somebody has looked at the failures that count against a budget, up to one.
async fn resume_budget(
    daemon: &Daemon,
    budget: Name,
    request: &ResumeRequest,
    by: &By,
) -> Result<Json<ResumeAnswer>, Refused> {
    why(&request.reason)?;
    let adopted = daemon.store.adopted().await?;
    let planned = adopted.as_ref().and_then(|plan| plan.budgets.get(&budget));
    let mut names = planned.map_or_else(BTreeSet::new, |planned| planned.formerly.clone());
    names.insert(budget.clone());
    let Some(seen) = request.seen else {
        let counting = counting(daemon, adopted.as_ref(), &names).await?;
        let Some((last, _)) = counting.last() else {
            return Err(none_counts(&budget));
        };
        return Err(bad(format!(
            "say up to which failure you have looked: --seen {last} for these: {}",
            words(&counting).join("; ")
        )));
    };
    if daemon.store.resume_budget(&budget, &names, seen, by).await? == 0 {
        return Err(none_counts(&budget));
    }
    tracing::warn!(%budget, seen, by = by.who, why = by.why, "a person has looked at what failed of a budget");
    daemon.announce();
    let left = words(&counting(daemon, adopted.as_ref(), &names).await?);
    let scope = Resumed::Budget(budget);
    Ok(Json(ResumeAnswer { scope, left }))
}

fn none_counts(budget: &Name) -> Refused {
    let message = format!("no failure that you have looked at counts against budget {budget}");
    refused(StatusCode::NOT_FOUND, RefusalCode::NotFound.code(), message)
}

/// The failures that count under one of these names: each one's number, and what it was.
async fn counting(
    daemon: &Daemon,
    adopted: Option<&Plan>,
    names: &BTreeSet<Name>,
) -> Result<Vec<(u64, String)>, Refused> {
    let failures = daemon.store.permits().await?.records.failures;
    let counts = |failure: &&BudgetFailure| failure.resumed.is_none() && names.contains(&failure.budget);
    let told = failures.iter().filter(counts).map(|failure| {
        let known = adopted.and_then(|plan| plan.machines.get(&failure.machine));
        let name = known.map_or_else(|| failure.machine.to_string(), |machine| machine.name.to_string());
        let (at, why) = (failure.at, &failure.why);
        (failure.number, format!("{name} failed at {at}, {why}"))
    });
    Ok(told.collect())
}

fn words(counting: &[(u64, String)]) -> Vec<String> {
    counting.iter().map(|(_, words)| words.clone()).collect()
}

fn only_one(stops: &[Stop]) -> Result<Scope, Refused> {
    let mut scopes: Vec<&Scope> = stops.iter().map(|stop| &stop.scope).collect();
    scopes.sort();
    scopes.dedup();
    match scopes[..] {
        [one] => Ok(one.clone()),
        [] => Err(refused(
            StatusCode::NOT_FOUND,
            RefusalCode::NotFound.code(),
            "nothing is stopped",
        )),
        _ => {
            let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
            Err(bad(format!("say which with --scope: {}", scopes.join(", "))))
        }
    }
}
