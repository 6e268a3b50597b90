//! A part of a plan, to be looked at: what it does to some machines. Nobody can agree to it, and nothing adopts it.

use crate::hold::places;
use crate::plan::{Plan, WipeSet, digest};
use schema_fleet::Selector;
use schema_ids::MachineId;
use std::collections::BTreeSet;

impl Plan {
    /// What concerns the selected machines; `None` if none is selected, which never stands for all. Guards look at the
    /// whole plan, and stay.
    #[must_use]
    pub fn part(&self, only: &Selector) -> Option<Self> {
        let selected = places(self).filter(|(_, _, place)| only.selects(place));
        let ids: BTreeSet<MachineId> = selected.map(|(id, _, _)| id).collect();
        if ids.is_empty() {
            return None;
        }
        let mut part = self.clone();
        part.machines.retain(|id, _| ids.contains(id));
        part.changes
            .retain(|change| change.machine.is_some_and(|id| ids.contains(&id)));
        part.reads.retain(|id, _| ids.contains(id));
        part.destroys.retain(|id| ids.contains(id));
        let mut entries = self.wipe_set.entries.clone();
        entries.retain(|id, _| ids.contains(id));
        part.wipe_set = WipeSet::of(entries);
        let names: BTreeSet<String> = part
            .machines
            .values()
            .map(|machine| format!("machine.{}", machine.name))
            .collect();
        part.notes.retain(|note| names.contains(&note.object));
        digest::name(&mut part);
        Some(part)
    }
}
