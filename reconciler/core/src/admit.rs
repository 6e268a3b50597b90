//! Decides across machines: which proposals may run now.
//!
//! A proposal that disturbs something needs a grant: a row taken by compare-and-set, one per machine.
//! This module only says which grants to take; it counts, and it never reorders what was granted.

use crate::condition::{Condition, Wait};
use crate::facts::MachineFacts;
use crate::hold::{self, Act, Denial, Denied, Restraints};
use crate::next::{Need, Proposal};
use crate::plan::Plan;
use schema_ids::{Generation, MachineId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many machines of one rack may boot or be imaged at once: what one rack agent with a gigabit
/// uplink can feed with a 500 MiB image each within minutes.
pub const BOOTS_MAX: u32 = 8;

/// How many machines of one deployment may lose data in use at once, when nothing else is said.
pub const ERASES_MAX: u32 = 1;

/// What may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Machines of one rack that may boot or be imaged at once.
    pub boots_max: u32,
    /// Machines of one deployment that may be erased at once, if what they lose was in use.
    pub erases_max: u32,
    /// What holds and stops keep from machines.
    pub denials: BTreeMap<MachineId, Vec<Denial>>,
    /// The holds that keep free machines from being given slots now, by id.
    pub no_allocate: BTreeSet<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            boots_max: BOOTS_MAX,
            erases_max: ERASES_MAX,
            denials: BTreeMap::new(),
            no_allocate: BTreeSet::new(),
        }
    }
}

impl Policy {
    /// What may run of a plan, with the holds that its git declares, and under what people made at run time.
    pub fn under(
        plan: &Plan,
        facts: &BTreeMap<MachineId, MachineFacts>,
        restraints: &Restraints,
        now: Timestamp,
    ) -> Self {
        Self {
            denials: hold::denials(plan, facts, restraints, now),
            no_allocate: hold::no_allocate(hold::all(plan, restraints), now),
            ..Self::default()
        }
    }

    /// What is kept from a machine.
    pub fn of(&self, machine: MachineId) -> &[Denial] {
        self.denials.get(&machine).map_or(&[], Vec::as_slice)
    }

    /// Why this may not be done to a machine, if so.
    pub fn denied(&self, machine: MachineId, act: Act) -> Option<Denied> {
        hold::denied(self.of(machine), act)
    }
}

/// Leave to disturb one machine, for one generation of its intent. The machine is the key: at most one
/// row each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Whom.
    pub machine: MachineId,
    /// For which intent.
    pub generation: Generation,
    /// What it takes.
    pub need: Need,
    /// Since when.
    pub at: Timestamp,
}

/// The grants that stand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Permits {
    /// By machine.
    pub grants: BTreeMap<MachineId, Grant>,
}

/// The answer to one proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Give the order; take this grant first if there is one, by compare-and-set on its machine.
    Go {
        /// The grant to take; `None` if none is needed or it is already held.
        grant: Option<Grant>,
    },
    /// Not now.
    Wait(Wait),
}

/// Answers each proposal, in their order; earlier ones come first where places are scarce.
pub fn admit(proposals: &[Proposal], permits: &Permits, policy: &Policy, now: Timestamp) -> Vec<Admission> {
    let mut grants = permits.grants.clone();
    proposals
        .iter()
        .map(|proposal| {
            let admission = admit_one(proposal, &grants, policy, now);
            if let Admission::Go { grant: Some(grant) } = &admission {
                grants.insert(grant.machine, grant.clone());
            }
            admission
        })
        .collect()
}

fn admit_one(
    proposal: &Proposal,
    grants: &BTreeMap<MachineId, Grant>,
    policy: &Policy,
    now: Timestamp,
) -> Admission {
    let (machine, generation) = (proposal.order.machine, proposal.order.generation);
    if let Some(denied) = policy.denied(machine, proposal.act) {
        return Admission::Wait(denied.wait(proposal.since));
    }
    let Some(need) = &proposal.need else {
        return Admission::Go { grant: None };
    };
    let standing = grants.get(&machine);
    if standing.is_some_and(|grant| grant.generation == generation && grant.need == *need) {
        return Admission::Go { grant: None };
    }
    let others = || grants.values().filter(|grant| grant.machine != machine);
    let booting = others().filter(|grant| grant.need.rack == need.rack).count();
    if booting >= policy.boots_max as usize {
        let rack = need
            .rack
            .as_ref()
            .map_or("machines without a rack".to_owned(), |rack| {
                format!("rack {rack}")
            });
        let evidence = format!(
            "{booting} of {} places to boot are taken ({rack})",
            policy.boots_max
        );
        return Admission::Wait(Wait::new(Condition::Budget, proposal.since, evidence));
    }
    if let Some(deployment) = &need.erases {
        let erasing = others()
            .filter(|grant| grant.need.erases.as_ref() == Some(deployment))
            .count();
        if erasing >= policy.erases_max as usize {
            let evidence = format!(
                "{erasing} of {} machines of {deployment} are being erased",
                policy.erases_max
            );
            return Admission::Wait(Wait::new(Condition::Budget, proposal.since, evidence));
        }
    }
    Admission::Go {
        grant: Some(Grant {
            machine,
            generation,
            need: need.clone(),
            at: now,
        }),
    }
}
