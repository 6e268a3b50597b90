//! The phases that people see: derived from plan, facts and decision, stored nowhere.

mod table;

pub use table::{PhaseRow, page};

use crate::boot_order;
use crate::condition::Condition;
use crate::facts::MachineFacts;
use crate::intent::Intent;
use crate::next::Decision;
use crate::plan::MachinePlan;
use rack_api::job::Deploy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Where a machine stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Declared, never inspected, nothing begun.
    New,
    /// Only observed: git says that nothing is done with it.
    Observed,
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

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { step } => write!(f, "failed ({step})"),
            other => f.write_str(&format!("{other:?}").to_lowercase()),
        }
    }
}

/// What is to be said beside the phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Stopped or held by a person.
    Held,
    /// Runs what muster did not install, in a slot.
    Adopted,
    /// Runs something older than git says, and is left to.
    Outdated,
    /// Switched by someone else.
    Drifted,
    /// Bound, and git no longer says so.
    Orphaned,
    /// Holds what is not ours, or bears another's mark.
    Foreign,
    /// Its firmware starts something else before the rack or its own system.
    Misordered,
    /// Waits with no end in sight without a person.
    Stalled,
}

/// Whether a machine that is only observed runs what its slot has had installed.
fn still_runs(machine: &MachinePlan, facts: &MachineFacts) -> bool {
    let bound = machine.kept.as_ref().map(|deploy| deploy.binding);
    let installed = facts.installed.as_ref().map(|seen| seen.value.binding);
    bound.is_some() && bound == installed
}

/// Whether git lets it be observed only, or another's mark does.
fn is_let_alone(machine: &MachinePlan) -> bool {
    machine.observe || machine.foreign().is_some()
}

/// Where the machine stands, and what is to be said beside it.
pub fn phase(machine: &MachinePlan, facts: &MachineFacts, decision: &Decision) -> (Phase, BTreeSet<Mark>) {
    // What is tried again by itself needs nobody.
    let stuck = match decision {
        Decision::Wait(wait) if wait.retry_at.is_none() => Some(wait.condition),
        Decision::Wait(_) | Decision::Propose(_) | Decision::Settled => None,
    };
    let stuck = stuck.filter(|condition| needs_person(*condition));
    let failed = stuck
        .filter(|condition| *condition != Condition::Held)
        .map(|condition| Phase::Failed {
            step: failed_step(facts).unwrap_or_else(|| condition.code().to_owned()),
        });
    let phase = match &machine.wanted.intent {
        Intent::Observe { .. } if machine.as_is.is_some() => Phase::Deployed,
        Intent::Observe { .. } if is_let_alone(machine) && !still_runs(machine, facts) => Phase::Observed,
        Intent::Observe { .. } if facts.inventory.is_none() => Phase::New,
        Intent::Observe { .. } if still_runs(machine, facts) => Phase::Deployed,
        Intent::Observe { .. } => Phase::Ready,
        Intent::Orphaned { .. } | Intent::AsIs { .. } => Phase::Deployed,
        Intent::Retired => Phase::Retired,
        Intent::Released(_) => failed.unwrap_or(match facts.job.is_some() || !facts.starts.is_empty() {
            true => Phase::Erasing,
            false => Phase::Releasing,
        }),
        Intent::Ready { .. } => {
            failed.unwrap_or(match (&facts.inventory, decision, facts.orders.is_empty()) {
                (Some(_), Decision::Settled, _) => Phase::Ready,
                (Some(_), Decision::Wait(wait), _) if switched(wait.condition) => Phase::Ready,
                (None, _, true) => Phase::New,
                _ => Phase::Commissioning,
            })
        }
        Intent::Deployed(deploy) => match runs(deploy, facts) {
            Runs::AsWanted => Phase::Deployed,
            Runs::Older if facts.orders.is_empty() => Phase::Deployed,
            Runs::Older | Runs::Not => failed.unwrap_or(match decision {
                Decision::Settled => Phase::Deployed,
                _ if facts.orders.is_empty() => Phase::Allocated,
                Decision::Wait(_) | Decision::Propose(_) => Phase::Deploying,
            }),
        },
    };
    let mut marks = marks(machine, facts, decision);
    if stuck.is_some() {
        marks.insert(Mark::Stalled);
    }
    (phase, marks)
}

/// What a machine that shall be deployed runs, by its own word.
#[derive(PartialEq, Eq)]
enum Runs {
    AsWanted,
    Older,
    Not,
}

fn runs(deploy: &Deploy, facts: &MachineFacts) -> Runs {
    let installed = facts.installed.as_ref();
    match installed.filter(|installed| facts.proof(deploy.binding, installed).is_ok()) {
        None => Runs::Not,
        Some(_) if facts.installed_as(deploy).is_some() => Runs::AsWanted,
        Some(_) => Runs::Older,
    }
}

/// Conditions that nothing but a person ends.
fn needs_person(condition: Condition) -> bool {
    !condition.row().under_way
        && !matches!(
            condition,
            Condition::Budget
                | Condition::BudgetHalted
                | Condition::WindowClosed
                | Condition::EarlierWave
                | Condition::Soaking
                | Condition::Canary
                | Condition::RateLimited
                | Condition::Quarantined
                | Condition::Held
                | Condition::Orphaned
                | Condition::PowerDrift
                | Condition::PowerOrdered
                | Condition::DisksKept
                | Condition::AdoptedChanged
        )
}

/// Conditions of a machine that is as wanted but for its power.
fn switched(condition: Condition) -> bool {
    matches!(condition, Condition::PowerDrift | Condition::PowerOrdered)
}

fn failed_step(facts: &MachineFacts) -> Option<String> {
    let (step, ..) = facts.job.as_ref()?.failure()?;
    Some(step.step.clone())
}

fn marks(machine: &MachinePlan, facts: &MachineFacts, decision: &Decision) -> BTreeSet<Mark> {
    let waits = match decision {
        Decision::Wait(wait) => Some(wait.condition),
        Decision::Propose(_) | Decision::Settled => None,
    };
    let older =
        matches!(&machine.wanted.intent, Intent::Deployed(deploy) if runs(deploy, facts) == Runs::Older);
    [
        (Mark::Held, waits == Some(Condition::Held)),
        (Mark::Adopted, machine.as_is.is_some()),
        (Mark::Outdated, older || !machine.outdated.is_empty()),
        (Mark::Drifted, waits == Some(Condition::PowerDrift)),
        (
            Mark::Orphaned,
            matches!(machine.wanted.intent, Intent::Orphaned { .. }),
        ),
        (Mark::Misordered, boot_order::fault(machine, facts).is_some()),
        (
            Mark::Foreign,
            waits == Some(Condition::UnexpectedContents) || machine.foreign().is_some(),
        ),
    ]
    .into_iter()
    .filter(|(_, holds)| *holds)
    .map(|(mark, _)| mark)
    .collect()
}
