//! Decides for one machine: what now, or why not.
//!
//! [`next`] reads the adopted plan's word on the machine and its folded facts, and answers with one
//! order, a wait that a person can read, or "settled". It takes no hint of what changed and keeps
//! nothing: asked again with the same values it says the same. It never grants itself anything; see
//! [`crate::admit`].

mod by_hand;
mod clock;
mod commission;
pub(crate) mod deploy;
mod drift;
mod job;
mod orders;
mod own_system;
mod power;
mod quarantine;
pub(crate) mod release;
mod retry;
mod vouched;

pub(crate) use by_hand::WORD_MAX;
pub use by_hand::{PowerWish, Refused, Wish};
pub(crate) use power::bmc_condition;
pub use vouched::may_vouch;

use crate::condition::{Condition, Wait};
use crate::facts::MachineFacts;
use crate::hold::Act;
use crate::intent::Intent;
use crate::plan::MachinePlan;
use rack_api::order::Order;
use schema_ids::{Incarnation, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// What is known beside the machine itself.
#[derive(Debug, Clone)]
pub struct Around<'a> {
    /// Which machine.
    pub id: MachineId,
    /// This life of the control plane.
    pub incarnation: Incarnation,
    /// The rack agents on the machine's boot links.
    pub boot_agents: BTreeSet<Name>,
    /// Whether the fleet names a system for jobs to run in.
    pub ephemeral: bool,
    /// The deployment whose slot it fills; redeployments of one deployment go one at a time.
    pub deployment: Option<&'a Name>,
    /// When the plan was made: the earliest that anything could have been waited for.
    pub planned: Timestamp,
    /// Why nothing may be ordered: agents or markers know more than this database.
    pub restored: Option<&'a str>,
}

/// What to do for one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Give this order, if it is admitted.
    Propose(Proposal),
    /// Nothing now, for this reason.
    Wait(Wait),
    /// The machine is as wanted.
    Settled,
}

/// An order that has not been admitted yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The order.
    pub order: Order,
    /// What it does to the machine.
    pub act: Act,
    /// What it takes of what machines share; `None` if it disturbs nothing.
    pub need: Option<Need>,
    /// Since when it could have been given.
    pub since: Timestamp,
}

/// What a proposal takes of what machines share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Need {
    /// The rack whose boot limit counts it; machines without a rack share one.
    pub rack: Option<Name>,
    /// The deployment that counts it where no budget does, for a machine that loses data which was in use.
    pub erases: Option<Name>,
    /// The budgets that count it, by their names when it was granted: it is counted under them whatever a later plan
    /// calls them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub budgets: BTreeSet<Name>,
    /// Whether it takes one of the rack's places to boot.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub boots: bool,
    /// Whether data in use is erased, so that the fleet's limit in an hour counts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wipes: bool,
}

fn yes() -> bool {
    true
}

impl Need {
    /// A place to boot in this rack, and nothing else.
    pub fn to_boot(rack: Option<Name>) -> Self {
        Self {
            rack,
            boots: true,
            ..Self::default()
        }
    }

    /// Whether it takes a machine out of service on which somebody counts.
    pub fn disrupts(&self) -> bool {
        self.erases.is_some() || !self.budgets.is_empty()
    }

    /// Whether whoever was granted this is out of service for the same reason already.
    pub(crate) fn has_begun(&self, other: &Self) -> bool {
        // Power by hand is no leave to erase.
        let as_much = (other.erases.is_none() || self.erases.is_some()) && self.wipes >= other.wipes;
        self.disrupts()
            && as_much
            && (other.erases.is_none()
                || other.erases == self.erases
                || !other.budgets.is_disjoint(&self.budgets))
    }

    /// Whether whoever was granted this may do what takes that.
    pub fn covers(&self, other: &Self) -> bool {
        self.rack == other.rack
            && (other.erases.is_none() || self.erases == other.erases)
            && other.budgets.is_subset(&self.budgets)
            && self.boots >= other.boots
            && self.wipes >= other.wipes
    }

    /// This, and what was granted for the same before.
    #[must_use]
    pub fn with(&self, before: Option<&Self>) -> Self {
        let Some(before) = before else {
            return self.clone();
        };
        Self {
            rack: self.rack.clone(),
            erases: self.erases.clone().or_else(|| before.erases.clone()),
            budgets: self.budgets.union(&before.budgets).cloned().collect(),
            boots: self.boots || before.boots,
            wipes: self.wipes || before.wipes,
        }
    }
}

/// Decides for one machine.
pub fn next(machine: &MachinePlan, facts: &MachineFacts, around: &Around<'_>, now: Timestamp) -> Decision {
    let case = Case {
        machine,
        facts,
        around,
        now,
    };
    if let Some(why) = around.restored {
        return Decision::Wait(Wait::new(Condition::StateRestored, around.planned, why));
    }
    if let Some(decision) = by_hand::standing(&case) {
        return decision;
    }
    if let Some(decision) = own_system::anothers(&case) {
        return decision;
    }
    match &machine.wanted.intent {
        Intent::Observe { look, .. } => own_system::observed(&case, *look),
        Intent::AsIs { look, .. } => own_system::as_is(&case, *look),
        Intent::Orphaned { .. } => {
            let evidence = format!("{} is bound, and git no longer says so", machine.name);
            Decision::Wait(Wait::new(Condition::Orphaned, around.planned, evidence))
        }
        Intent::Ready { look } => commission::ready(&case, *look),
        Intent::Deployed(deploy) => deploy::deployed(&case, deploy),
        Intent::Released(erase) => release::released(&case, erase),
        Intent::Retired => release::retired(&case),
    }
}

/// One machine's case: all that its phases decide on.
#[derive(Clone, Copy)]
struct Case<'a> {
    machine: &'a MachinePlan,
    facts: &'a MachineFacts,
    around: &'a Around<'a>,
    now: Timestamp,
}

impl Case<'_> {
    /// A wait for the machine to start: its limit is a matter of the machine's `boot.timeout`.
    fn starting(&self, condition: Condition, since: Timestamp, evidence: impl Into<String>) -> Wait {
        Wait {
            limit: self.start_limit(condition),
            ..Wait::new(condition, since, evidence)
        }
    }

    fn start_limit(&self, condition: Condition) -> Option<Duration> {
        condition.row().limit.of(self.machine.boot_timeout())
    }

    /// Nothing is left to do; what git wants beyond that is kept out of the plan for a reason, or not.
    fn rest(&self) -> Decision {
        self.machine
            .blocked
            .as_ref()
            .map_or(Decision::Settled, |blocked| {
                let wait = Wait::new(blocked.condition, self.around.planned, blocked.evidence.clone());
                Decision::Wait(wait)
            })
    }
}
