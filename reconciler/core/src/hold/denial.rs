//! What is kept from one machine: every hold and stop that is about it, and which acts each of them denies.

use super::{Effect, Hold, Restraints, Stop, all, place::places};
use crate::condition::{Condition, Wait};
use crate::facts::MachineFacts;
use crate::intent::Intent;
use crate::plan::{MachinePlan, Plan};
use rack_api::fact::PowerSeen;
use rack_api::job::JobKind;
use schema_fleet::Place;
use schema_ids::{MachineId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an order does to its machine. Reading a BMC, answering DHCP and serving a machine's own disk are no acts:
/// nothing keeps them from anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// It brings to its end what a person began: on again, after off, of a cycle.
    Finish,
    /// It says that the machine's own disk is booted from now on.
    Local,
    /// It switches the machine, with nothing ordered that writes.
    Power,
    /// It has the machine boot into a job that writes nothing.
    Inspect,
    /// It has the machine boot into a job that writes disks, or switches it for such a job.
    Write,
}

impl Act {
    /// All.
    pub const ALL: [Self; 5] = [Self::Finish, Self::Local, Self::Power, Self::Inspect, Self::Write];

    /// What booting into a job does.
    pub fn of_job(kind: &JobKind) -> Self {
        match kind {
            JobKind::Inspect => Self::Inspect,
            JobKind::Deploy(_) | JobKind::Erase(_) => Self::Write,
        }
    }
}

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deny {
    /// A stop.
    Stop,
    /// A hold with this effect.
    #[serde(untagged)]
    Hold(Effect),
}

impl Deny {
    /// The table: which acts it denies.
    pub fn keeps_from(self, act: Act) -> bool {
        match (self, act) {
            (Self::Stop, Act::Finish | Act::Local | Act::Power | Act::Inspect | Act::Write)
            | (Self::Hold(Effect::Freeze), Act::Local | Act::Power | Act::Inspect | Act::Write)
            | (Self::Hold(Effect::NoDisruption), Act::Power | Act::Inspect | Act::Write)
            | (Self::Hold(Effect::NoDestructive), Act::Write) => true,
            (Self::Hold(Effect::Freeze), Act::Finish)
            | (Self::Hold(Effect::NoDisruption), Act::Finish | Act::Local)
            | (Self::Hold(Effect::NoDestructive), Act::Finish | Act::Local | Act::Power | Act::Inspect)
            // It is the planner's: a machine that has a slot is installed.
            | (
                Self::Hold(Effect::NoAllocate),
                Act::Finish | Act::Local | Act::Power | Act::Inspect | Act::Write,
            ) => false,
        }
    }
}

/// One thing that is kept from one machine, by one hold or stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The hold's id, or `stop`.
    pub id: String,
    /// What.
    pub deny: Deny,
    /// Who says so and why, for people.
    pub text: String,
    /// Until when; without it, until someone ends it.
    pub until: Option<Timestamp>,
    /// What ends it.
    pub end: String,
}

/// Why an act is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Every denial that stands in its way.
    pub evidence: String,
    /// What ends them.
    pub next_step: String,
    /// When all of them are over by themselves, if they all are.
    pub until: Option<Timestamp>,
}

impl Denied {
    /// As the wait of a machine that could have had its order since then.
    pub fn wait(self, since: Timestamp) -> Wait {
        let wait = Wait::new(Condition::Held, since, self.evidence).next_step(self.next_step);
        Wait {
            retry_at: self.until,
            ..wait
        }
    }
}

/// Why an act is denied under these, if it is.
pub(crate) fn denied(denials: &[Denial], act: Act) -> Option<Denied> {
    let against: Vec<&Denial> = denials
        .iter()
        .filter(|denial| denial.deny.keeps_from(act))
        .collect();
    if against.is_empty() {
        return None;
    }
    let join = |text: fn(&Denial) -> &str| {
        let texts: Vec<&str> = against.iter().map(|denial| text(denial)).collect();
        texts.join("; ")
    };
    let ends: Option<Vec<Timestamp>> = against.iter().map(|denial| denial.until).collect();
    Some(Denied {
        evidence: join(|denial| &denial.text),
        next_step: join(|denial| &denial.end),
        until: ends.and_then(|ends| ends.into_iter().max()),
    })
}

/// What is kept from each machine of the plan: stops first, then holds, in the order of their names.
pub(crate) fn denials(
    plan: &Plan,
    facts: &BTreeMap<MachineId, MachineFacts>,
    restraints: &Restraints,
    now: Timestamp,
) -> BTreeMap<MachineId, Vec<Denial>> {
    let mut holds: Vec<&Hold> = all(plan, restraints).collect();
    holds.sort_by(|a, b| a.id.cmp(&b.id));
    if holds.is_empty() && restraints.stops.is_empty() {
        return BTreeMap::new();
    }
    let of = |(id, machine, place)| {
        let stops = restraints.stops.iter().filter(|stop| stop.is_about(&place));
        let about = holds.iter().filter(|hold| hold.is_about(&place));
        let holds = about.filter_map(|hold| of_hold(hold, machine, facts.get(&id), now));
        let denials: Vec<Denial> = stops.map(of_stop).chain(holds).collect();
        (!denials.is_empty()).then_some((id, denials))
    };
    places(plan).filter_map(of).collect()
}

/// The machines that are stopped, each with who stopped it and why.
pub fn stopped(plan: &Plan, restraints: &Restraints) -> BTreeMap<MachineId, String> {
    if restraints.stops.is_empty() {
        return BTreeMap::new();
    }
    let of = |(id, _, place): (MachineId, _, Place<'_>)| {
        let mut about = restraints.stops.iter().filter(|stop| stop.is_about(&place));
        Some((id, of_stop(about.next()?).text))
    };
    places(plan).filter_map(of).collect()
}

fn of_stop(stop: &Stop) -> Denial {
    let Stop {
        scope,
        reason,
        by,
        since,
        ..
    } = stop;
    Denial {
        id: "stop".to_owned(),
        deny: Deny::Stop,
        text: format!("{scope} is stopped by {by} since {since}: {reason}"),
        until: None,
        end: stop.how_to_end(),
    }
}

/// What a hold keeps from a machine. One whose time is over keeps nothing, unless what it may have been made for
/// still stands: an installed machine that was off, or out of sight, when the time was over, and is so since.
fn of_hold(
    hold: &Hold,
    machine: &MachinePlan,
    facts: Option<&MachineFacts>,
    now: Timestamp,
) -> Option<Denial> {
    let cause = match hold.until.filter(|_| hold.expired(now)) {
        None => None,
        Some(until) => Some(still_away(machine, facts, until).filter(|_| hold.effect != Effect::NoAllocate)?),
    };
    let Hold {
        id,
        effect,
        by,
        reason,
        ..
    } = hold;
    let since = hold
        .since
        .map_or_else(String::new, |since| format!(" since {since}"));
    let ends = match (hold.until, cause) {
        (None, _) => String::new(),
        (Some(until), None) => format!(" until {until}"),
        (Some(until), Some(cause)) => format!(", over since {until}, and kept since the machine {cause}"),
    };
    let ticket = hold
        .ticket
        .as_ref()
        .map_or_else(String::new, |ticket| format!(" ({ticket})"));
    Some(Denial {
        id: id.clone(),
        deny: Deny::Hold(*effect),
        text: format!("{id} ({effect}) by {by}{since}{ends}: {reason}{ticket}"),
        until: hold.until.filter(|_| cause.is_none()),
        end: hold.how_to_end(),
    })
}

/// Why an installed machine cannot be said to be back since then.
fn still_away(machine: &MachinePlan, facts: Option<&MachineFacts>, then: Timestamp) -> Option<&'static str> {
    let wanted = matches!(
        machine.wanted.intent,
        Intent::Deployed(_) | Intent::Orphaned { .. }
    );
    let facts = facts.filter(|facts| wanted && facts.installed.is_some())?;
    // Of a machine without a BMC nobody can tell whether it is off.
    let agent = machine.bmc_agent.as_ref().filter(|_| machine.bmc.is_some())?;
    let silent = facts
        .agents
        .get(agent)
        .is_none_or(|agent| agent.watermark <= then);
    let faulty = facts.bmc_fault.as_ref().is_some_and(|fault| fault.since <= then);
    if silent || faulty {
        return Some("was not seen since");
    }
    match &facts.power {
        None => Some("was never seen"),
        Some(seen) if seen.since > then => None,
        Some(seen) => match seen.value {
            PowerSeen::On => None,
            PowerSeen::Off => Some("is off since before"),
            PowerSeen::Unknown => Some("was not seen since"),
        },
    }
}
