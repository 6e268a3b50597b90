//! What the rules look at, counted once for many proposals.

use super::canary::{Kind, Tried, tried};
use super::{Grant, Ground, budget, halt, soak, wave};
use crate::plan::Budget;
use schema_ids::{MachineId, Name, Timestamp};
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// What is counted under some grants.
pub(super) struct Tallies {
    pub(super) budgets: BTreeMap<Name, Tally>,
    /// Made when it is first asked for: most steps ask nobody.
    kinds: OnceCell<BTreeMap<Kind, Tried>>,
}

/// What is counted of one budget.
pub(super) struct Tally {
    /// The wave of each machine.
    pub(super) waves: BTreeMap<MachineId, usize>,
    /// Machines that take places, each with why.
    pub(super) takers: BTreeMap<MachineId, String>,
    /// Failures that count.
    pub(super) failed: halt::Counted,
    /// Until when the last one that was finished soaks: that, since when it runs, and which.
    pub(super) soaks: Option<(Timestamp, Timestamp, MachineId)>,
    /// The first wave that is not over.
    pub(super) unfinished: Option<wave::Unfinished>,
}

impl Tallies {
    pub(super) fn new(grants: &BTreeMap<MachineId, Grant>, ground: &Ground<'_>, now: Timestamp) -> Self {
        let tally =
            |(name, of): (&Name, &Budget)| (name.clone(), Tally::new((name, of), grants, ground, now));
        Self {
            budgets: ground.plan.budgets.iter().map(tally).collect(),
            kinds: OnceCell::new(),
        }
    }

    /// Has the pairs of image and layout looked at again when they are next asked for.
    pub(super) fn forget_kinds(&mut self) {
        self.kinds = OnceCell::new();
    }

    /// How far each pair of image and layout was tried.
    pub(super) fn kinds(
        &self,
        grants: &BTreeMap<MachineId, Grant>,
        ground: &Ground<'_>,
    ) -> &BTreeMap<Kind, Tried> {
        self.kinds.get_or_init(|| tried(grants, ground))
    }
}

impl Tally {
    fn new(
        (name, of): (&Name, &Budget),
        grants: &BTreeMap<MachineId, Grant>,
        ground: &Ground<'_>,
        now: Timestamp,
    ) -> Self {
        let waves = of.waves.iter().enumerate();
        let waves = waves.flat_map(|(place, wave)| wave.machines.iter().map(move |id| (*id, place)));
        let waves: BTreeMap<MachineId, usize> = waves.collect();
        Self {
            takers: budget::takers(ground, grants, name, &waves),
            failed: halt::counted(ground, name, of),
            soaks: soak::soaks(ground, of, now),
            unfinished: wave::unfinished(ground, grants, of),
            waves,
        }
    }
}
