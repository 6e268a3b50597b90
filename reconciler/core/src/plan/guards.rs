//! Guards: what a plan as a whole may not do, whatever git says. Each has a file of its own.

mod changed;
mod empty;
mod limits;
mod protection;
mod tombstones;
mod wipe_set;

use crate::condition::Condition;
use crate::observed::{Binding, Observed};
use crate::plan::contents::Loss;
use crate::plan::limits::Limits;
use crate::plan::{GuardReport, Plan};
use schema_fleet::Fleet;
use schema_ids::{BindingId, MachineId};
use std::collections::{BTreeMap, BTreeSet};

/// What the guards look at.
pub(super) struct Ground<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) observed: &'a Observed,
    pub(super) parent: &'a Plan,
    /// The limits that count.
    pub(super) limits: Limits,
    /// With its changes, and with what it destroys.
    pub(super) new: &'a Plan,
    /// Bindings that end.
    pub(super) ending: &'a BTreeMap<BindingId, Binding>,
    /// What machines newly lose by being installed.
    pub(super) losses: &'a BTreeMap<MachineId, Loss>,
}

impl Ground<'_> {
    /// Machines there are: a plan that lets many go does not become small by it.
    fn population(&self) -> usize {
        self.parent.machines.len().max(self.new.machines.len())
    }

    /// What is said beside a limit where the commit raises some: they count for the commits after it.
    fn raised(&self) -> &'static str {
        match self.new.control.limits.as_deref() == Some(&self.limits) {
            true => "",
            false => "; limits that a commit raises count once it is carried out",
        }
    }

    /// So many machines are this share of all; `None` where there are too few for a share to say much. Never
    /// fewer than one.
    fn share(&self, percent: u32) -> Option<usize> {
        let population = self.population();
        let counts = population >= self.limits.min_population as usize;
        counts.then(|| (population * percent as usize / 100).max(1))
    }
}

/// Each guard's word.
pub(super) fn guards(ground: &Ground<'_>) -> Vec<GuardReport> {
    vec![
        limits::limits(ground),
        changed::changed(ground),
        protection::protection(ground),
        empty::empty(ground),
        tombstones::tombstones(ground),
        wipe_set::wipe_set(ground),
    ]
}

fn report(guard: &str, detail: String, blocked: Option<(Condition, String)>) -> GuardReport {
    let blocked = blocked.map(|(condition, reason)| (condition.code().to_owned(), reason));
    GuardReport {
        guard: guard.to_owned(),
        blocked,
        detail,
    }
}

/// Machines that this plan newly releases, or of which it newly erases what counts.
pub(super) fn destroyed(
    ending: &BTreeMap<BindingId, Binding>,
    losses: &BTreeMap<MachineId, Loss>,
) -> BTreeSet<MachineId> {
    let released = ending.values().map(|binding| binding.machine);
    let counted = losses.iter().filter(|(_, loss)| **loss == Loss::Counted);
    released.chain(counted.map(|(id, _)| *id)).collect()
}

fn names<'a>(ground: &Ground<'_>, ids: impl Iterator<Item = &'a MachineId>) -> String {
    const SHOWN_MAX: usize = 5;
    let ids: Vec<_> = ids.collect();
    let known = |id: &MachineId| {
        let machine = ground
            .new
            .machines
            .get(id)
            .or_else(|| ground.parent.machines.get(id));
        machine.map_or_else(|| id.to_string(), |machine| machine.name.to_string())
    };
    let mut shown: Vec<String> = ids.iter().map(|id| known(id)).collect();
    shown.sort();
    shown.truncate(SHOWN_MAX);
    let mut text = shown.join(", ");
    if ids.len() > SHOWN_MAX {
        text.push_str(&format!(" and {} more", ids.len() - SHOWN_MAX));
    }
    text
}
