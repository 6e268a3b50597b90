//! What a commit is planned on: the adopted plan, and the world as it was observed.
//!
//! The daemon reads it from its store, `muster plan --offline` from a [`snapshot`](crate::snapshot); the plan of a commit is
//! one function of it for both.

use crate::observed::Observed;
use crate::plan::{Desired, Plan, plan};
use schema_ids::Name;

/// What a commit is planned on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// The adopted plan; before any was adopted, the empty one.
    pub parent: Plan,
    /// The world; its time is the plan's.
    pub observed: Observed,
}

impl Ground {
    /// The ground of a fleet of this name.
    pub fn new(adopted: Option<Plan>, observed: Observed, fleet: &Name) -> Self {
        Self {
            parent: adopted.unwrap_or_else(|| Plan::empty(fleet.clone())),
            observed,
        }
    }

    /// The plan of a commit.
    pub fn plan(&self, desired: &Desired<'_>) -> Plan {
        plan(desired, &self.observed, &self.parent, self.observed.at)
    }
}
