//! Who is out of service by our doing: machines whose systems ran until an order was carried out.
//!
//! A machine that something else struck is left alone here: what a daemon knows of it is late, and may let it pass as one
//! that is out already.

use crate::invariant::Invariant;
use crate::report::Violation;
use crate::world::World;
use reconciler_core::admit::Grant;
use schema_ids::MachineId;
use std::collections::BTreeSet;

/// Machines, by number, that were switched off by us and have not run since.
#[derive(Debug, Default)]
pub(crate) struct Out(BTreeSet<usize>);

impl Out {
    /// Its system is up again.
    pub(crate) fn back(&mut self, machine: usize) {
        self.0.remove(&machine);
    }
}

impl World<'_> {
    /// Before an agent's word switches a machine off.
    pub(crate) fn switched_off_by_us(&mut self, machine: usize) {
        if self.settings.budget.is_some() && self.machines[machine].runs.is_some() {
            self.check.out.0.insert(machine);
        }
    }

    /// Whether this grant begins what disturbs a machine.
    pub(crate) fn begins(&self, grant: Option<&Grant>) -> bool {
        grant.is_some_and(|grant| {
            let held = self.store.permits.grants.get(&grant.machine);
            grant.need.disrupts() && !held.is_some_and(|held| held.need.disrupts())
        })
    }

    /// The number of a machine of the plan.
    pub(crate) fn number_of(&self, id: MachineId) -> Option<usize> {
        let nic = self.store.plan.machines.get(&id)?.nics.first()?;
        self.place_of(nic.mac)
    }

    /// After a machine was begun: who is about to be switched off counts like who was.
    pub(crate) fn check_budget(&self, machine: MachineId) -> Result<(), Violation> {
        let (Some(most), Some(place)) = (self.settings.budget, self.number_of(machine)) else {
            return Ok(());
        };
        let grants = self.store.permits.grants.values();
        let begun = grants.filter(|grant| grant.need.disrupts());
        let mut others: BTreeSet<usize> = begun.filter_map(|grant| self.number_of(grant.machine)).collect();
        others.extend(&self.check.out.0);
        others.remove(&place);
        let it = &self.machines[place];
        if it.harmed || it.runs.is_none() || others.len() < most as usize {
            return Ok(());
        }
        let others: Vec<String> = others.iter().map(|other| format!("m{other}")).collect();
        let others = others.join(", ");
        let what = format!("m{place} runs and is begun while {others} are out or begun, {most} may be");
        Err(self.violation(Invariant::Budget, what))
    }
}
