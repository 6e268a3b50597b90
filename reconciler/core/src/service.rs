//! Whether a machine does what it is there for, by the last that was heard of it.
//!
//! Budgets count machines that do not: whoever is changed, whoever failed, and whoever went off without anybody's order.
//! A silent BMC or agent says nothing about the system that runs, and counts for nothing. Nothing here is stored.

use crate::admit::Kind;
use crate::condition::Condition;
use crate::facts::{MachineFacts, OrderSeen, Seen};
use crate::intent::Intent;
use crate::next::{Decision, WORD_MAX};
use crate::plan::{MachinePlan, Plan};
use rack_api::fact::PowerSeen;
use rack_api::job::JobKind;
use rack_api::order::{Lane, PowerWanted};
use schema_ids::{BindingId, MachineId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Whether a machine does what it is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// Nothing of what its slot wants ever ran on it: nobody counts on it yet.
    NotYet,
    /// It runs.
    Serves {
        /// Whether it is what the plan wants of it now.
        as_wanted: bool,
        /// Since its newest word.
        since: Timestamp,
        /// When what it runs was installed.
        installed: Timestamp,
    },
    /// It ran, and does not now.
    Out {
        /// Why, as the end of a sentence that begins with its name.
        why: String,
    },
}

/// One machine as budgets and canaries see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether it serves.
    pub service: Service,
    /// What it was given up for, until someone looks: the condition and the evidence.
    pub failed: Option<(Condition, String)>,
    /// Whether the installation that its intent wants was ordered.
    pub given_over: bool,
    /// Whether what its intent wants has run on it since it was installed, be it off now.
    pub proven: bool,
    /// Whether its first installation failed where another machine has run the same: the fault is its own, and nobody
    /// counts on it yet. Told by those of all, [`own_faults`].
    pub own_fault: bool,
}

impl Standing {
    /// How a machine stands.
    pub fn of(machine: &MachinePlan, facts: &MachineFacts, decision: &Decision) -> Self {
        let ordered = facts.orders.iter().filter_map(|order| order.job());
        let mut installs = ordered.filter(|job| matches!(job.kind, JobKind::Deploy(_)));
        Self {
            service: service(machine, facts),
            failed: failed(machine, decision),
            given_over: installs.next().is_some() || facts.goes().next().is_some(),
            proven: proven(machine, facts),
            own_fault: false,
        }
    }

    /// Why it counts as out of service, if it does.
    pub fn out(&self) -> Option<String> {
        match (&self.service, &self.failed) {
            (_, Some((condition, _))) => (!self.own_fault).then(|| format!("failed, {condition}")),
            (Service::Out { why }, None) => Some(why.clone()),
            (Service::NotYet | Service::Serves { .. }, None) => None,
        }
    }

    /// Since when it runs what the plan wants of it.
    pub fn well_since(&self) -> Option<Timestamp> {
        match (&self.service, &self.failed) {
            (
                Service::Serves {
                    as_wanted: true,
                    since,
                    ..
                },
                None,
            ) => Some(*since),
            _ => None,
        }
    }
}

/// The machines whose first installation failed though another machine has run the same image on the same layout.
///
/// An image or a layout that has run nowhere yet may be what is wrong, and the next machine would fail by it too.
pub fn own_faults(plan: &Plan, standing: &BTreeMap<MachineId, Standing>) -> BTreeSet<MachineId> {
    let kind = |id: &MachineId| Some(Kind::of(plan.machines.get(id)?.wanted.intent.deploy()?));
    let new = standing
        .iter()
        .filter(|(_, it)| it.failed.is_some() && it.service == Service::NotYet);
    let failed: Vec<(MachineId, Kind)> = new.filter_map(|(id, _)| Some((*id, kind(id)?))).collect();
    if failed.is_empty() {
        return BTreeSet::new();
    }
    let ran = standing.iter().filter(|(_, it)| it.proven);
    let ran: BTreeSet<Kind> = ran.filter_map(|(id, _)| kind(id)).collect();
    let own = failed.into_iter().filter(|(_, kind)| ran.contains(kind));
    own.map(|(id, _)| id).collect()
}

fn proven(machine: &MachinePlan, facts: &MachineFacts) -> bool {
    let Intent::Deployed(deploy) = &machine.wanted.intent else {
        return false;
    };
    let installed = facts.installed_as(deploy);
    installed.is_some_and(|installed| facts.proof(deploy.binding, installed).is_ok())
}

fn service(machine: &MachinePlan, facts: &MachineFacts) -> Service {
    let out = |why: String| Service::Out { why };
    let Some(binding) = binding(machine) else {
        return Service::NotYet;
    };
    if machine.as_is.is_some() {
        return as_is(machine, facts);
    }
    let home = facts.phoned_home.as_ref();
    let Some(home) = home
        .filter(|home| home.value.binding == binding)
        .map(|home| home.since)
    else {
        return Service::NotYet;
    };
    let installed = facts
        .installed
        .as_ref()
        .filter(|seen| seen.value.binding == binding);
    let Some(installed) = installed else {
        return out("has no system any more".to_owned());
    };
    if facts.written_in > Some(installed.value.job.generation) {
        return out("is being written".to_owned());
    }
    if let Err(missing) = facts.proof(binding, installed) {
        return out(missing);
    }
    if let Some(why) = away(machine, facts, home) {
        return out(why);
    }
    let as_wanted = match &machine.wanted.intent {
        Intent::Deployed(deploy) => facts.installed_as(deploy).is_some(),
        Intent::Orphaned { .. } | Intent::AsIs { .. } => true,
        Intent::Observe { .. } | Intent::Ready { .. } | Intent::Released(_) | Intent::Retired => false,
    };
    Service::Serves {
        as_wanted,
        since: home,
        installed: installed.since,
    }
}

/// A system that muster did not install says nothing: it serves while the machine is on and boots nothing else.
fn as_is(machine: &MachinePlan, facts: &MachineFacts) -> Service {
    let Some(power) = &facts.power else {
        return Service::NotYet;
    };
    if power.value == PowerSeen::Off {
        return Service::Out {
            why: format!("is off since {}", power.since),
        };
    }
    match away(machine, facts, power.since) {
        Some(why) => Service::Out { why },
        None => Service::Serves {
            as_wanted: matches!(machine.wanted.intent, Intent::AsIs { .. }),
            since: power.since,
            installed: power.since,
        },
    }
}

/// The binding by which somebody counts on it.
fn binding(machine: &MachinePlan) -> Option<BindingId> {
    match &machine.wanted.intent {
        Intent::Deployed(deploy) => Some(deploy.binding),
        Intent::Orphaned { binding } | Intent::AsIs { binding, .. } => Some(*binding),
        Intent::Observe { .. } | Intent::Ready { .. } => machine.kept.as_ref().map(|deploy| deploy.binding),
        Intent::Released(_) | Intent::Retired => None,
    }
}

/// What was seen of it since its system last spoke and means that the system does not run.
fn away(machine: &MachinePlan, facts: &MachineFacts, home: Timestamp) -> Option<String> {
    let jobs = [&facts.earlier_job, &facts.job].into_iter().flatten();
    if let Some(job) = jobs.into_iter().find(|job| job.last > home) {
        return Some(format!("was last heard in a job, at {}", job.last));
    }
    let boot = facts.boot.as_ref().filter(|boot| boot.since > home);
    if boot.is_some_and(|boot| boot.value.answer.as_deref() == Some("job")) {
        return Some("has booted into a job".to_owned());
    }
    let power = facts.power.as_ref();
    // Of two agents one may report late: who says itself that it was off behind the system's word is right, be it heard first.
    let spoke = facts.home_told;
    let said_behind = facts
        .off_at
        .filter(|off| spoke.is_none_or(|spoke| off.said > spoke));
    let is_behind = |off: &Seen<PowerSeen>| off.since >= home || spoke.is_some() && said_behind.is_some();
    if let Some(off) = power.filter(|power| power.value == PowerSeen::Off && is_behind(power)) {
        return Some(format!("is off since {}", off.since));
    }
    // Whoever had it switched off and on: an order of before this intent is none that is looked at here.
    let was_off = said_behind.filter(|off| off.received > home);
    if let Some(off) = was_off {
        return Some(format!("was off at {} and is not heard since", off.said));
    }
    let newest = facts.newest(Lane::Power);
    if newest.is_some_and(|order| is_switching_off(machine, facts, order)) {
        return Some("is being switched off".to_owned());
    }
    let order = newest.filter(|order| order.issued.at > home && order.failed.is_none())?;
    let is_on = |since| power.is_some_and(|power| power.value == PowerSeen::On && power.since >= since);
    match (order.power()?, order.done) {
        (PowerWanted::On, _) if is_on(order.issued.at) => {
            Some("was switched on and is not heard yet".to_owned())
        }
        (PowerWanted::Off | PowerWanted::SoftOff, Some(done)) if !is_on(done) => {
            Some(format!("was switched off at {done}"))
        }
        _ => None,
    }
}

/// Whether it goes off soon, whatever was heard of its system since that was ordered: the agent of its BMC has said neither that it is off nor
/// that it gave up, and may be at it still.
fn is_switching_off(machine: &MachinePlan, facts: &MachineFacts, order: &OrderSeen) -> bool {
    let agent = machine.bmc_agent.as_ref().and_then(|name| facts.agents.get(name));
    let over = order.issued.order.deadline.plus(WORD_MAX);
    let is_over = agent.is_some_and(|agent| agent.watermark > over);
    let is_open = order.done.is_none() && order.failed.is_none() && !is_over;
    is_open && matches!(order.power(), Some(PowerWanted::Off | PowerWanted::SoftOff))
}

/// What an installation was given up for: nothing more is tried by itself.
fn failed(machine: &MachinePlan, decision: &Decision) -> Option<(Condition, String)> {
    let (Intent::Deployed(_), Decision::Wait(wait)) = (&machine.wanted.intent, decision) else {
        return None;
    };
    let given_up = machine.blocked.is_none() && wait.retry_at.is_none() && is_failure(wait.condition);
    given_up.then(|| (wait.condition, wait.evidence.clone()))
}

/// Whether a condition is how an installation fails.
fn is_failure(condition: Condition) -> bool {
    matches!(
        condition,
        Condition::StepFailed
            | Condition::JobStalled
            | Condition::UnexpectedContents
            | Condition::DiskMissing
            | Condition::ImageDigestMismatch
            | Condition::ImageUnavailable
            | Condition::LayoutDoesNotFit
            | Condition::IdentityChanged
            | Condition::NotSeenAfterInstall
    )
}
