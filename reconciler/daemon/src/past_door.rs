//! `muster status --at TIME`: where machines stood at a time that is past, by the facts and records up to then.
//!
//! The same functions decide it that decide what is. Not kept, and so not told: when agents were last heard then (they
//! count as heard), and whose turn it was among machines that waited for each other.

use crate::daemon::Daemon;
use crate::people_door::{Refused, refused, revision_view};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use reconciler_core::admit::Policy;
use reconciler_core::hold;
use reconciler_core::next::{Decision, next};
use reconciler_core::people;
use reconciler_core::refusal::RefusalCode;
use reconciler_core::status;
use reconciler_core::tick::{World, around};
use reconciler_store::Scope;
use schema_ids::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The status as it was.
pub(crate) async fn get(
    State(daemon): State<Arc<Daemon>>,
    Path(at): Path<String>,
) -> Result<Json<people::Status>, Refused> {
    let bad = |message: String| refused(StatusCode::BAD_REQUEST, RefusalCode::BadRequest.code(), message);
    let at: Timestamp = at
        .parse()
        .map_err(|error: schema_ids::ParseError| bad(error.to_string()))?;
    if at > daemon.store.now().await? {
        return Err(bad(format!("{at} is yet to come")));
    }
    let Some(then) = daemon.store.then(at).await? else {
        let message = format!("nothing was carried out at {at}");
        return Err(refused(
            StatusCode::NOT_FOUND,
            RefusalCode::NotFound.code(),
            message,
        ));
    };
    let plan = then.plan;
    let scopes = plan.machines.iter().map(|(id, machine)| {
        let scope = Scope {
            generation: machine.wanted.generation,
            agents: plan.agents_of(machine),
        };
        (*id, scope)
    });
    let facts = daemon.store.facts_then(&scopes.collect(), at).await?;
    let policy = Policy::under(&plan, &facts, &then.restraints, at);
    let (agents, permits) = (BTreeMap::new(), reconciler_core::admit::Permits::default());
    let world = World {
        plan: &plan,
        incarnation: then.incarnation,
        facts: &facts,
        agents: &agents,
        permits: &permits,
        policy: &policy,
        restored: None,
        stopped: None,
    };
    let machines = plan.machines.iter().filter_map(|(id, machine)| {
        let facts = facts.get(id)?;
        let decision: Decision = next(machine, facts, &around(&world, *id, machine), at);
        status::machine_status(&plan, *id, facts, &decision, policy.of(*id))
    });
    let mut machines: Vec<_> = machines.collect();
    machines.sort_by(|a, b| a.name.cmp(&b.name));
    let revision = match then.revision {
        Some(revision) => {
            let info = daemon
                .source
                .resolve(revision.commit.clone())
                .await
                .ok()
                .flatten();
            Some(revision_view(revision, info))
        }
        None => None,
    };
    Ok(Json(people::Status {
        now: at,
        fleet: Some(plan.fleet.clone()),
        incarnation: then.incarnation,
        adopted: Some(people::Adopted {
            plan: plan.id.clone(),
            commit: plan.commit.clone(),
            made: plan.made,
        }),
        revision,
        source: None,
        slow: None,
        restored: None,
        holds: hold::told(&plan, &then.restraints, &policy, at),
        stops: then.restraints.stops,
        // Grants are given back and not kept: who took the places of a budget then is not known.
        budgets: Vec::new(),
        machines,
        deployments: status::deployments(&plan),
        agents: BTreeMap::new(),
    }))
}
