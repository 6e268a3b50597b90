//! Where reality is otherwise than the plan that is carried out wants it, and is left so: what people should see, and
//! what of it git can accept.
//!
//! Nothing is repaired here. What would be repaired by itself is under way, and no drift.

use crate::boot_order;
use crate::condition::Condition;
use crate::facts::MachineFacts;
use crate::form;
use crate::intent::Intent;
use crate::phase::Mark;
use crate::plan::{MachinePlan, Plan};
use crate::status::MachineStatus;
use rack_api::boot_order::BootOrder;
use schema_ids::{MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};

/// One way in which a machine is otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Drift {
    /// Which machine.
    pub machine: Name,
    /// In what way.
    pub kind: DriftKind,
    /// The condition's code, where there is one.
    pub code: Option<String>,
    /// What was seen.
    pub evidence: String,
    /// Since when, as far as it is known.
    pub since: Option<Timestamp>,
    /// The line by which git accepts it; absent where git cannot.
    pub accept: Option<Accept>,
    /// What a person does about it otherwise.
    pub instead: String,
}

/// In what way a machine is otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// Its disks hold what muster did not put there, or somebody changed: it is never erased for that.
    Foreign,
    /// It is not the hardware that git or its inspection say.
    Identity,
    /// It is less than `expect` says.
    Less,
    /// Somebody switched it off.
    Power,
    /// Its firmware starts something else first.
    BootOrder,
    /// It runs something older than git says, and is left to.
    Outdated,
    /// It is bound, and git no longer says so.
    Orphaned,
}

/// A value of a machine in git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Accept {
    /// The field, with dots: `power`, `boot.order`.
    pub field: String,
    /// Its value; a text.
    pub value: String,
}

/// In what ways a machine is otherwise than wanted, most dangerous first.
pub fn of(plan: &Plan, id: MachineId, facts: &MachineFacts, status: &MachineStatus) -> Vec<Drift> {
    let Some(machine) = plan.machines.get(&id) else {
        return Vec::new();
    };
    let mut found: Vec<Drift> = by_wait(machine, status).into_iter().collect();
    if let Some(fault) = boot_order::fault(machine, facts) {
        found.push(misordered(machine, facts, fault));
    }
    if status.marks.contains(&Mark::Outdated) {
        let fields: Vec<&str> = machine.outdated.iter().map(String::as_str).collect();
        let what = match fields.is_empty() {
            true => "what it runs is being replaced".to_owned(),
            false => format!("it runs with another {}", fields.join(", ")),
        };
        found.push(Drift {
            machine: machine.name.clone(),
            kind: DriftKind::Outdated,
            code: None,
            evidence: what,
            since: facts.installed.as_ref().map(|seen| seen.since),
            accept: None,
            instead: "raise `reinstall` of its deployment to install it anew, or leave it: what git says counts from its next \
                      installation on"
                .to_owned(),
        });
    }
    found.sort_by_key(|drift| drift.kind);
    found
}

/// What the machine waits on, where that is a drift.
fn by_wait(machine: &MachinePlan, status: &MachineStatus) -> Option<Drift> {
    let wait = status.wait.as_ref()?;
    let (kind, accept, instead) = match wait.condition {
        Condition::PowerDrift => {
            let accept = Accept {
                field: "power".to_owned(),
                value: "off".to_owned(),
            };
            let instead = format!("`muster machine power {} on`, if it shall run", machine.name);
            (DriftKind::Power, is_deployed(machine).then_some(accept), instead)
        }
        Condition::UnexpectedContents | Condition::AdoptedChanged => {
            (DriftKind::Foreign, None, wait.next_step.clone())
        }
        Condition::Orphaned => (DriftKind::Orphaned, None, wait.next_step.clone()),
        Condition::IdentityAmbiguous | Condition::IdentityChanged => {
            (DriftKind::Identity, None, wait.next_step.clone())
        }
        Condition::LessThanExpected => (DriftKind::Less, None, wait.next_step.clone()),
        _ => return None,
    };
    Some(Drift {
        machine: machine.name.clone(),
        kind,
        code: Some(wait.condition.code().to_owned()),
        evidence: wait.evidence.clone(),
        since: Some(wait.since),
        accept,
        instead,
    })
}

/// Of an idle machine git does not say whether it is on.
fn is_deployed(machine: &MachinePlan) -> bool {
    matches!(machine.wanted.intent, Intent::Deployed(_) | Intent::AsIs { .. })
}

fn misordered(machine: &MachinePlan, facts: &MachineFacts, fault: String) -> Drift {
    // A disk that comes before the network is what `disk-first` says; anything else before it is not.
    let accept = Accept {
        field: "boot.order".to_owned(),
        value: "disk-first".to_owned(),
    };
    let would_fit = || {
        let other = MachinePlan {
            boot_order: BootOrder::DiskFirst,
            ..machine.clone()
        };
        boot_order::fault(&other, facts).is_none()
    };
    let is_accepted = machine.boot_order == BootOrder::NetworkFirst && would_fit();
    Drift {
        machine: machine.name.clone(),
        kind: DriftKind::BootOrder,
        code: None,
        evidence: fault,
        since: facts.boot_order.as_ref().map(|seen| seen.since),
        accept: is_accepted.then_some(accept),
        instead: "set the order in the firmware's setup, then raise the machine's `inspect`".to_owned(),
    }
}

/// Machines of which nothing was heard for too long.
pub fn silent(machines: &[MachineStatus]) -> Vec<Name> {
    let is_silent = |machine: &&MachineStatus| {
        let wait = machine.wait.as_ref();
        wait.is_some_and(|wait| wait.condition == Condition::RackSilent)
    };
    machines
        .iter()
        .filter(is_silent)
        .map(|machine| machine.name.clone())
        .collect()
}

/// As a plan tells it beside what it does: machines that are not as the adopted plan wants them and that no plan changes.
pub fn beside(drift: &[Drift]) -> Vec<form::Drift> {
    let told = drift
        .iter()
        .filter(|drift| matches!(drift.kind, DriftKind::Power | DriftKind::Foreign));
    let told = told.filter_map(|drift| {
        Some(form::Drift {
            machine: drift.machine.clone(),
            code: drift.code.clone()?,
            evidence: drift.evidence.clone(),
        })
    });
    told.collect()
}
