//! Power that a person orders counts like any other disturbance: it takes a place, or there is none left.
//!
//! Only room is asked for. Waves, windows, soaking and halts say when the next step of a change is begun by itself; a person
//! who switches a machine has decided that.

use super::{Case, Grant, Ground, Leave, Permits, budget, tally::Tallies};
use crate::condition::Wait;
use crate::next::Need;
use crate::service::Service;
use rack_api::order::{Action, Order, PowerWanted};
use schema_ids::{Name, Timestamp};
use std::collections::BTreeSet;

/// What a person's order takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// By what leave it is given.
    pub leave: Leave,
    /// Why there is no room for it, if there is none.
    pub exceeds: Option<Wait>,
}

/// What it takes to switch a machine so.
pub fn by_hand(order: &Order, permits: &Permits, ground: &Ground<'_>, now: Timestamp) -> ByHand {
    let machine = order.machine;
    let takes_out = match order.action {
        Action::Power(PowerWanted::Off | PowerWanted::SoftOff) => true,
        Action::Power(PowerWanted::On) | Action::Boot(_) => false,
    };
    let serves = ground
        .standing
        .get(&machine)
        .is_some_and(|standing| matches!(standing.service, Service::Serves { .. }));
    let about = ground
        .plan
        .budgets
        .iter()
        .filter(|(_, budget)| budget.wave_of(machine).is_some());
    let budgets: BTreeSet<Name> = about.map(|(name, _)| name.clone()).collect();
    if !takes_out || !serves || budgets.is_empty() {
        return ByHand {
            leave: Leave::Unneeded,
            exceeds: None,
        };
    }
    let need = Need {
        budgets,
        boots: false,
        ..Need::default()
    };
    let case = Case {
        machine,
        generation: order.generation,
        need: &need,
        since: now,
        grants: &permits.grants,
        tallies: &Tallies::new(&permits.grants, ground, now),
        ground,
        now,
    };
    let exceeds = case
        .budgets()
        .find_map(|(name, of, tally)| budget::check(&case, name, of, tally));
    // A place that it has already is taken anew, of the generation that it is of: it counts from this order on, and gives no
    // leave for what the plan wants by now.
    let held = permits.grants.get(&machine);
    let of_old = held.filter(|held| held.need.disrupts());
    let leave = Leave::Take(Grant {
        machine,
        generation: of_old.map_or(order.generation, |held| held.generation),
        need: need.with(held.map(|held| &held.need)),
        at: now,
    });
    ByHand { leave, exceeds }
}
