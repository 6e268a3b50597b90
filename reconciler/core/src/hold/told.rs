//! Holds as people are told of them: whom each is about, whether its time is over, and whom it keeps all the same.

use super::{Hold, Restraints, SHOWN_AFTER_END, all, place::places};
use crate::admit::Policy;
use crate::plan::Plan;
use schema_fleet::Selector;
use schema_ids::{Name, Timestamp};
use serde::{Deserialize, Serialize};

/// One hold, with what comes of it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldTold {
    /// The hold.
    pub hold: Hold,
    /// How many machines of the adopted plan it is about.
    pub machines: usize,
    /// Whether its time is over.
    pub expired: bool,
    /// Machines that it keeps although its time is over: they were off, or out of sight, and are so since.
    pub kept: Vec<Name>,
    /// What takes it away.
    pub end: String,
}

/// The holds of a plan and of run time, by id; of those whose time is over, those that keep someone still or were over
/// within the last day.
pub fn told(plan: &Plan, restraints: &Restraints, policy: &Policy, now: Timestamp) -> Vec<HoldTold> {
    if all(plan, restraints).next().is_none() {
        return Vec::new();
    }
    let places: Vec<_> = places(plan).collect();
    let told = |hold: &Hold| {
        let about: Vec<_> = places.iter().filter(|(.., place)| hold.is_about(place)).collect();
        let expired = hold.expired(now);
        let kept = about
            .iter()
            .filter(|(id, ..)| expired && policy.of(*id).iter().any(|denial| denial.id == hold.id));
        HoldTold {
            hold: hold.clone(),
            machines: about.len(),
            expired,
            kept: kept.map(|(_, machine, _)| machine.name.clone()).collect(),
            end: hold.how_to_end(),
        }
    };
    let mut holds: Vec<HoldTold> = all(plan, restraints).map(told).collect();
    holds.retain(|told| !told.is_spent(now));
    holds.sort_by(|a, b| a.hold.id.cmp(&b.hold.id));
    holds
}

impl HoldTold {
    /// Whether nobody needs to hear of it any more.
    pub fn is_spent(&self, now: Timestamp) -> bool {
        let over = |until: Timestamp| until.plus(SHOWN_AFTER_END) <= now;
        self.kept.is_empty() && self.hold.until.is_some_and(over)
    }
}

/// How many machines of a plan a selector is about.
pub fn selected(plan: &Plan, selector: &Selector) -> usize {
    places(plan).filter(|(.., place)| selector.selects(place)).count()
}
