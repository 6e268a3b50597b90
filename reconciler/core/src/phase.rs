//! The phases that people see: derived from plan, facts and decision, stored nowhere.

use crate::condition::Condition;
use crate::facts::MachineFacts;
use crate::intent::Intent;
use crate::next::Decision;
use crate::plan::MachinePlan;
use rack_api::fact::StepState;
use rack_api::job::Deploy;
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
    let waits = match decision {
        Decision::Wait(wait) => Some(wait.condition),
        Decision::Propose(_) | Decision::Settled => None,
    };
    // What is tried again by itself is not stuck.
    let retried = matches!(decision, Decision::Wait(wait) if wait.retry_at.is_some());
    let stuck = waits.filter(|condition| needs_person(*condition) && !retried);
    let phase = match (stuck, &machine.wanted.intent) {
        (Some(condition), Intent::Ready | Intent::Deployed(_)) if !runs_anyway(condition) => Phase::Failed {
            step: failed_step(facts).unwrap_or_else(|| condition.code().to_owned()),
        },
        (_, Intent::Observe { .. }) if facts.inventory.is_none() => Phase::New,
        (_, Intent::Observe { .. }) => Phase::Ready,
        (_, Intent::Ready) => match (&facts.inventory, decision, facts.orders.is_empty()) {
            (Some(_), Decision::Settled, _) => Phase::Ready,
            (None, _, true) => Phase::New,
            _ => Phase::Commissioning,
        },
        (_, Intent::Deployed(deploy)) => deployed_phase(deploy, facts, decision, waits),
        (_, Intent::Orphaned { .. }) => Phase::Deployed,
    };
    (phase, marks(machine, waits, stuck.is_some()))
}

/// From bound to seen running.
fn deployed_phase(
    deploy: &Deploy,
    facts: &MachineFacts,
    decision: &Decision,
    waits: Option<Condition>,
) -> Phase {
    let seen = facts
        .phoned_home
        .as_ref()
        .is_some_and(|word| word.value.binding == deploy.binding)
        && facts
            .installed
            .as_ref()
            .is_some_and(|installed| installed.value.spec == deploy.spec);
    match decision {
        Decision::Settled => Phase::Deployed,
        _ if seen || waits.is_some_and(runs_anyway) => Phase::Deployed,
        _ if facts.orders.is_empty() => Phase::Allocated,
        Decision::Wait(_) | Decision::Propose(_) => Phase::Deploying,
    }
}

/// Conditions of a machine that runs what is wanted all the same.
fn runs_anyway(condition: Condition) -> bool {
    matches!(
        condition,
        Condition::PowerDrift | Condition::PowerByHand | Condition::Orphaned | Condition::Held
    )
}

/// Conditions that nothing but a person ends.
fn needs_person(condition: Condition) -> bool {
    matches!(
        condition,
        Condition::StepFailed
            | Condition::UnexpectedContents
            | Condition::DiskMissing
            | Condition::ImageDigestMismatch
            | Condition::LayoutDoesNotFit
            | Condition::NotSeenAfterInstall
            | Condition::IdentityAmbiguous
            | Condition::IdentityChanged
            | Condition::BmcCredentials
            | Condition::StateRestored
            | Condition::NoImageForJobs
    )
}

fn failed_step(facts: &MachineFacts) -> Option<String> {
    let steps = &facts.job.as_ref()?.steps;
    let failed = steps
        .iter()
        .find(|step| matches!(step.state, StepState::Failed { .. }))?;
    Some(failed.step.clone())
}

fn marks(machine: &MachinePlan, waits: Option<Condition>, stuck: bool) -> BTreeSet<Mark> {
    let mut marks = BTreeSet::new();
    if matches!(machine.wanted.intent, Intent::Orphaned { .. }) {
        marks.insert(Mark::Orphaned);
    }
    let Some(condition) = waits else { return marks };
    if condition == Condition::Held {
        marks.insert(Mark::Held);
    }
    if matches!(condition, Condition::PowerDrift | Condition::PowerByHand) {
        marks.insert(Mark::Drifted);
    }
    if condition == Condition::UnexpectedContents {
        marks.insert(Mark::Foreign);
    }
    if stuck {
        marks.insert(Mark::Stalled);
    }
    marks
}
