//! Who is out of service by our doing: machines whose systems ran until an order was carried out.
//!
//! A machine that something else struck is left alone here: what a daemon knows of it is late, and may let it pass as one
//! that is out already.

use crate::check::Invariant;
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

    /// After a machine was begun.
    pub(crate) fn check_budget(&self, machine: MachineId) -> Result<(), Violation> {
        let nic = self
            .store
            .plan
            .machines
            .get(&machine)
            .and_then(|machine| machine.nics.first());
        let place = nic.and_then(|nic| self.place_of(nic.mac));
        let (Some(most), Some(place)) = (self.settings.budget, place) else {
            return Ok(());
        };
        let begun = &self.machines[place];
        let others: Vec<String> = self
            .check
            .out
            .0
            .iter()
            .filter(|other| **other != place)
            .map(|other| format!("m{other}"))
            .collect();
        if begun.harmed || begun.runs.is_none() || others.len() < most as usize {
            return Ok(());
        }
        let what = format!(
            "m{place} runs and is begun while {} are out, {most} may be",
            others.join(", ")
        );
        Err(self.violation(Invariant::Budget, what))
    }
}
