//! What is done is what was shown: each order that takes a running system away, and each byte that is lost, stands among the
//! changes of a plan that was adopted; and no day loses more machines than it may.
//!
//! The books are of the changes that people read, not of the intents that the machinery goes by: where the two differ, this
//! sees it.

use crate::invariant::Invariant;
use crate::report::Violation;
use crate::store::{DAY, deploy_of};
use crate::world::World;
use rack_api::job::JobRef;
use rack_api::order::{Action, NextBoot, Order, PowerWanted};
use reconciler_core::intent::{Intent, Wanted};
use reconciler_core::plan::{Effect, Plan};
use schema_ids::{BindingId, ContentId, DiskId, Generation, MachineId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What adopted plans have shown, and what was given up by them.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// The worst that was said of a machine, by the generation that it was said of.
    effects: BTreeMap<(MachineId, Generation), Effect>,
    /// Disks that were named, with what they held.
    erased: BTreeSet<(MachineId, Generation, DiskId, ContentId)>,
    /// What adopted plans last wanted.
    wanted: BTreeMap<MachineId, Wanted>,
    /// Bindings of which was said that what runs for them is taken away for good.
    let_go: BTreeSet<BindingId>,
    /// Machines with a finished installation that a plan gave up, and when.
    given_up: BTreeMap<MachineId, Timestamp>,
}

impl Shown {
    /// What was shown of one generation of a machine's intent holds for another.
    fn carry(&mut self, machine: MachineId, from: Generation, to: Generation) {
        if let Some(effect) = self.effects.get(&(machine, from)).copied() {
            self.effects.insert((machine, to), effect);
        }
        let of_it = self
            .erased
            .iter()
            .filter(|(id, generation, ..)| (*id, *generation) == (machine, from));
        let again: Vec<_> = of_it
            .map(|(id, _, disk, content)| (*id, to, disk.clone(), content.clone()))
            .collect();
        self.erased.extend(again);
    }
}

impl World<'_> {
    /// After a plan was adopted.
    pub(crate) fn note_shown(&mut self) {
        let shown = &mut self.check.shown;
        for (id, machine) in &self.store.plan.machines {
            let before = shown.wanted.insert(*id, machine.wanted.clone());
            // A longer quarantine numbers the same intent anew: what was said of it stands.
            let before = before.filter(|before| before.intent == machine.wanted.intent);
            if let Some(before) = before.filter(|before| before.generation != machine.wanted.generation) {
                shown.carry(*id, before.generation, machine.wanted.generation);
            }
        }
        for change in &self.store.plan.changes {
            let machine = change
                .machine
                .and_then(|id| Some((id, self.store.plan.machines.get(&id)?)));
            let Some((id, machine)) = machine else { continue };
            let generation = machine.wanted.generation;
            let effect = shown.effects.entry((id, generation)).or_default();
            *effect = change.effect.max(*effect);
            if let (Intent::Released(erase), true) = (&machine.wanted.intent, *effect >= Effect::Reboot) {
                shown.let_go.insert(erase.binding);
            }
            let erased = change.erases.iter();
            shown
                .erased
                .extend(erased.map(|disk| (id, generation, disk.disk.clone(), disk.content.clone())));
        }
    }

    /// An order was given: one that takes a running system away was shown to.
    pub(crate) fn check_planned(&self, order: &Order) -> Result<(), Violation> {
        let disturbs = match &order.action {
            Action::Power(wanted) => *wanted != PowerWanted::On,
            Action::Boot(NextBoot::Job(_)) => true,
            Action::Boot(NextBoot::Local) => false,
        };
        let place = self.number_of(order.machine);
        let runs = place.and_then(|place| self.machines[place].runs.as_ref());
        let Some(runs) = runs.filter(|_| disturbs) else {
            return Ok(());
        };
        // Whoever switches on what was let go with its disks starts a system of which that was said. Any order may end it: what is
        // lost by the order is that system, nothing else. What its job erases or writes over is judged by itself, each disk with
        // what it holds by the job's generation (`check_shown`), and that knows no such excuse.
        let is_over = !self.store.plan.bindings.contains_key(&runs.binding);
        if is_over && self.check.shown.let_go.contains(&runs.binding) {
            return Ok(());
        }
        let shown = self.check.shown.effects.get(&(order.machine, order.generation));
        if shown.is_some_and(|effect| *effect >= Effect::Reboot) {
            return Ok(());
        }
        let name = self.name_of(order.machine);
        let what = format!(
            "{name} runs and is disturbed for generation {} ({}), of which was shown {shown:?}",
            order.generation, order.cause
        );
        Err(self.violation(Invariant::Planned, what))
    }

    /// Contents that are not the job's own are about to be lost.
    pub(crate) fn check_shown(
        &self,
        machine: usize,
        job: &JobRef,
        disk: &DiskId,
        content: &ContentId,
    ) -> Result<(), Violation> {
        let named = (job.machine, job.generation, disk.clone(), content.clone());
        if *content == ContentId::Blank || self.check.shown.erased.contains(&named) {
            return Ok(());
        }
        let what = format!("m{machine} loses {content} on {disk} for {job:?}, which no plan showed");
        Err(self.violation(Invariant::Planned, what))
    }

    /// Before a plan is adopted: with the machines whose finished installations it gives up, a day has lost no more than it may.
    pub(crate) fn check_limit(&mut self, plan: &Plan) -> Result<(), Violation> {
        let Some(limit) = self.settings.limit else {
            return Ok(());
        };
        let adopted = &self.store.plan.machines;
        let is_given_up = |id: &MachineId| {
            let (before, now) = (&adopted[id].wanted, plan.machines.get(id));
            let Some(deploy) = deploy_of(&before.intent) else {
                return false;
            };
            let stays = now.is_some_and(|now| match &now.wanted.intent {
                Intent::Deployed(next) => next.spec == deploy.spec,
                Intent::AsIs { .. } | Intent::Orphaned { .. } => true,
                Intent::Observe { .. } | Intent::Ready { .. } | Intent::Released(_) | Intent::Retired => {
                    false
                }
            });
            !stays && self.check.finished.contains(&(*id, before.generation))
        };
        let newly: Vec<MachineId> = adopted.keys().filter(|id| is_given_up(id)).copied().collect();
        let now = self.now;
        let given_up = &mut self.check.shown.given_up;
        given_up.retain(|_, at| now.since(*at) < DAY);
        given_up.extend(newly.iter().map(|id| (*id, now)));
        let lost = given_up.len();
        if newly.is_empty() || lost <= limit as usize {
            return Ok(());
        }
        let what = format!("{lost} machines are given up within a day, {limit} may be");
        Err(self.violation(Invariant::DayLimit, what))
    }
}
