//! `muster machine power`: one order for one machine, by a person, through the same store as every other.
//!
//! The core says whether it may be given and makes it; here it is recorded, with who and why. An order that the
//! control loop gave in the same moment comes first, and the wish is looked at anew.

use crate::daemon::Daemon;
use crate::listener::Person;
use crate::people_door::{Refused, find, no_machine, reason, refused};
use crate::world::{self, Loaded};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use rack_api::order::Order;
use reconciler_core::admit::{self, ByHand};
use reconciler_core::next::{Decision, Wish};
use reconciler_core::people::{PowerAnswer, PowerRequest};
use reconciler_core::refusal::RefusalCode;
use reconciler_core::tick::{self, Tick};
use reconciler_store::{Beyond, Intended, Issuance, Issue};
use std::sync::Arc;

/// The control loop gives a machine a few orders in a row at most.
const TRIES_MAX: u32 = 5;

pub(crate) async fn post(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Path(name): Path<String>,
    Json(request): Json<PowerRequest>,
) -> Result<Json<PowerAnswer>, Refused> {
    let why = reason(&request.reason)?;
    if request.beyond_budget && why.is_empty() {
        let code = RefusalCode::BadRequest.code();
        return Err(refused(
            StatusCode::BAD_REQUEST,
            code,
            "say why it goes beyond a budget: --reason",
        ));
    }
    let who = person.to_string();
    for _ in 0..TRIES_MAX {
        let unknown = || no_machine(&name);
        let loaded = world::load(&daemon).await?.ok_or_else(unknown)?;
        let (id, machine) = find(&loaded.plan, &name).ok_or_else(unknown)?;
        let tick = loaded.tick();
        let facts = loaded.facts.get(&id).ok_or_else(unknown)?;
        let wish = Wish {
            machine,
            facts,
            around: &tick::around(&loaded.world(), id, machine),
            decision: tick.decisions.get(&id).unwrap_or(&Decision::Settled),
            policy: &loaded.policy,
            power: request.power,
            who: &who,
            why,
        };
        let order = wish
            .order(loaded.now)
            .map_err(|no| refused(StatusCode::CONFLICT, no.code, no.message))?;
        let ByHand { leave, exceeds } = room(&loaded, &tick, &order, request.beyond_budget)?;
        let orders = [Intended {
            order: order.clone(),
            leave,
        }];
        let issue = Issue {
            plan: &loaded.plan.id,
            permits_epoch: loaded.permits_epoch,
            decided: loaded.now,
            restraints_epoch: loaded.restraints_epoch,
            orders: &orders,
            goes: Some(facts.goes().count()),
            beyond: exceeds.as_ref().map(|full| Beyond {
                evidence: &full.evidence,
                why,
            }),
            who: &who,
        };
        match daemon.store.issue(&issue).await? {
            Issuance::Written { orders, .. } if !orders.is_empty() => {
                tracing::info!(machine = %id, generation = order.generation.0, number = order.number,
                    by = %person, cause = order.cause, "power ordered by hand");
                daemon.announce();
                return Ok(Json(PowerAnswer {
                    order: order.reference(),
                    cause: order.cause,
                }));
            }
            Issuance::Written { .. }
            | Issuance::PlanSuperseded
            | Issuance::PermitsMoved
            | Issuance::TooLate { .. }
            | Issuance::Begun => {}
            Issuance::Refused(reason) => {
                let code = reconciler_core::condition::Condition::StateRestored.code();
                return Err(refused(StatusCode::CONFLICT, code, reason));
            }
        }
    }
    Err(refused(
        StatusCode::SERVICE_UNAVAILABLE,
        RefusalCode::Contended.code(),
        "the machine was given other orders, or began to write, all the while",
    ))
}

/// What it takes of the machine's budgets; refused where they have no room, unless the person goes beyond them.
fn room(loaded: &Loaded, tick: &Tick, order: &Order, beyond: bool) -> Result<ByHand, Refused> {
    let standing = tick::stand(&loaded.world(), &tick.decisions);
    let taken = admit::by_hand(order, &loaded.permits, &loaded.ground(&standing), loaded.now);
    match taken.exceeds.as_ref().filter(|_| !beyond) {
        None => Ok(taken),
        Some(full) => {
            let message = format!(
                "{}. To do it all the same: --beyond-budget --reason ...",
                full.evidence
            );
            Err(refused(StatusCode::CONFLICT, full.condition.code(), message))
        }
    }
}
