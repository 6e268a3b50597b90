//! The judge: what must never be, told from its own books.

use super::lab::Lab;
use reconciler_core::admit::Grant;
use reconciler_core::intent::Intent;
use schema_ids::{Generation, MachineId, Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Default)]
pub(crate) struct Judge {
    /// Machines that were disturbed and have not run since.
    changed: BTreeSet<MachineId>,
    /// Intents for which machines began to be erased.
    wiped: BTreeMap<(MachineId, Generation), Timestamp>,
}

impl Judge {
    pub(crate) fn finished(&mut self, machine: MachineId) {
        self.changed.remove(&machine);
    }

    pub(crate) fn begun(&mut self, machine: MachineId) {
        self.changed.insert(machine);
    }

    /// A machine is disturbed now, as was decided then, when these were known to be down.
    pub(crate) fn start(
        &mut self,
        lab: &Lab,
        grant: &Grant,
        down: &[MachineId],
        decided: Timestamp,
    ) -> Result<(), String> {
        let id = grant.machine;
        let held = lab.permits.grants.get(&id);
        let goes_on =
            held.is_some_and(|held| held.generation == grant.generation && held.need.erases.is_some());
        if goes_on && grant.need.wipes {
            self.rate(lab, grant)?;
        }
        if !grant.need.disrupts() || goes_on {
            return Ok(());
        }
        self.room(lab, grant, down)?;
        self.rate(lab, grant)?;
        self.canary(lab, id, down)?;
        let is_out = self.changed.contains(&id) || down.contains(&id);
        for (name, budget) in &lab.world.parent.budgets {
            if budget.wave_of(id).is_none() {
                continue;
            }
            let open = decided.unix_ms() / 3_600_000 % 24;
            if budget.window.is_some() && !(8..16).contains(&open) && !is_out {
                return Err(format!("{name}: begun at {decided}, when its window was closed"));
            }
            // Git gives the first budget another name now and then: it stays the same one.
            let is_all = |name: &Name| name.as_str() == "all";
            let failures = lab
                .failures
                .iter()
                .filter(|failure| is_all(&failure.budget) == is_all(name) && failure.resumed.is_none());
            let failures = failures.count();
            if budget.halt_after_failures > 0 && failures >= budget.halt_after_failures as usize {
                return Err(format!("{name}: begun after {failures} failures"));
            }
            let soaking = budget
                .members()
                .filter(|other| *other != id && lab.is_well(*other))
                .find(|other| {
                    let metal = &lab.metal[other];
                    let is_new = metal.installed_at.is_some_and(|at| decided.since(at) < 20 * HOUR);
                    is_new
                        && metal
                            .home
                            .is_some_and(|home| home <= decided && decided < home.plus(budget.soak()))
                });
            if soaking.is_some() && !is_out {
                return Err(format!("{name}: begun while another soaks"));
            }
            let mut earlier = budget
                .waves
                .iter()
                .take_while(|wave| !wave.machines.contains(&id));
            let is_bad = |other: &MachineId| self.changed.contains(other) || down.contains(other);
            let unfinished = earlier.any(|wave| {
                wave.machines
                    .iter()
                    .any(|other| is_bad(other) || !lab.is_well(*other) && lab.metal[other].up)
            });
            if unfinished && !is_out {
                return Err(format!(
                    "{name}: {id} is begun before an earlier wave was over: {:?}; changed {:?}, down {down:?}; it {:?} {:?}",
                    budget.waves,
                    self.changed,
                    lab.metal[&id],
                    lab.decision(id)
                ));
            }
        }
        self.changed.insert(id);
        Ok(())
    }

    /// No more are out than may.
    pub(crate) fn room(&self, lab: &Lab, grant: &Grant, down: &[MachineId]) -> Result<(), String> {
        let id = grant.machine;
        if self.changed.contains(&id) || down.contains(&id) {
            return Ok(());
        }
        for (name, budget) in &lab.world.parent.budgets {
            let out = budget.members().filter(|other| *other != id);
            let out: Vec<MachineId> = out
                .filter(|other| self.changed.contains(other) || down.contains(other))
                .collect();
            if budget.wave_of(id).is_some() && out.len() >= budget.max_unavailable as usize {
                let out: Vec<String> = out
                    .iter()
                    .map(|id| format!("{id} {} {:?}", lab.decision(*id), lab.permits.grants.get(id)))
                    .collect();
                return Err(format!(
                    "{name}: {id} is disturbed while {out:?} are out; changed {:?} down {down:?}",
                    self.changed
                ));
            }
        }
        Ok(())
    }

    fn rate(&mut self, lab: &Lab, grant: &Grant) -> Result<(), String> {
        let now = lab.now();
        let at = self.wiped.entry((grant.machine, grant.generation)).or_insert(now);
        if now.since(*at) >= HOUR {
            *at = now;
        }
        let begun = self.wiped.values().filter(|at| now.since(**at) < HOUR).count();
        match begun > lab.world.parent.control.wiped_per_hour as usize {
            true => Err(format!("{begun} began to be erased within an hour")),
            false => Ok(()),
        }
    }

    /// Another machine runs the same well, or nobody was given over to it.
    fn canary(&self, lab: &Lab, id: MachineId, down: &[MachineId]) -> Result<(), String> {
        if lab.world.parent.control.canary.is_none() {
            return Ok(());
        }
        let image = |id: &MachineId| match &lab.world.parent.machines[id].wanted.intent {
            Intent::Deployed(deploy) => Some(deploy.image.digest),
            _ => None,
        };
        let mut same = lab
            .metal
            .keys()
            .filter(|other| **other != id && image(other) == image(&id));
        // Who goes off between a word and its deed was well when the word was said.
        let runs = same
            .clone()
            .any(|other| lab.is_well(*other) || lab.is_installed(*other) && !down.contains(other));
        let first = same.find(|other| lab.given_over(**other) && !lab.is_well(**other));
        match (runs, first) {
            (false, Some(first)) => Err(format!("{id} is begun while {first} tries the same image")),
            _ => Ok(()),
        }
    }
}
