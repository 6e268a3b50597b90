//! The phases that people see: derived from plan, facts and decision, stored nowhere.

use crate::facts::MachineFacts;
use crate::next::Decision;
use crate::plan::MachinePlan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where a machine stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Declared, never inspected, nothing begun.
    New,
    /// Being inspected.
    Commissioning,
    /// Being tested.
    Testing,
    /// Inspected and idle.
    Ready,
    /// Kept for someone.
    Reserved,
    /// Bound to a slot, installation not begun.
    Allocated,
    /// Being installed, until it is seen to run.
    Deploying,
    /// Runs what is wanted.
    Deployed,
    /// Leaving its slot.
    Releasing,
    /// Being erased.
    Erasing,
    /// No longer ours to manage.
    Retired,
    /// Booted into a rescue system.
    Rescue,
    /// A step failed and a person is waited for.
    Failed {
        /// Which step, or the condition's code.
        step: String,
    },
}

/// What is to be said beside the phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Stopped or held by a person.
    Held,
    /// Runs something older than git says, and is left to.
    Outdated,
    /// Switched by someone else.
    Drifted,
    /// Bound, and git no longer says so.
    Orphaned,
    /// Holds what is not ours.
    Foreign,
    /// Waits with no end in sight without a person.
    Stalled,
}

/// Where the machine stands, and what is to be said beside it.
pub fn phase(machine: &MachinePlan, facts: &MachineFacts, decision: &Decision) -> (Phase, BTreeSet<Mark>) {
    let _ = (machine, facts, decision);
    (Phase::New, BTreeSet::new())
}
