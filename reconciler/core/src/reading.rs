//! Questions that the shells ask of a plan.

use crate::plan::{MachinePlan, Plan};
use schema_ids::Name;
use std::collections::BTreeSet;

impl Plan {
    /// The rack agents that serve a machine: those on its boot links and the one that drives its BMC.
    pub fn agents_of(&self, machine: &MachinePlan) -> BTreeSet<Name> {
        let links = machine
            .nics
            .iter()
            .filter_map(|nic| self.links.get(nic.link.as_ref()?));
        links
            .flat_map(|link| link.agents.iter())
            .chain(&machine.bmc_agent)
            .cloned()
            .collect()
    }

    /// Whether both plans want the same of everyone, whatever they are called and whenever they were
    /// made: adopting the one after the other would disturb nothing and say nothing new.
    pub fn wants_the_same(&self, other: &Self) -> bool {
        self.fleet == other.fleet
            && self.links == other.links
            && self.ephemeral == other.ephemeral
            && self.machines == other.machines
            && self.bindings == other.bindings
            && self.wipe_set == other.wipe_set
            && self.notes == other.notes
            && self.holds == other.holds
            && self.no_allocate == other.no_allocate
            && self.control == other.control
    }
}
