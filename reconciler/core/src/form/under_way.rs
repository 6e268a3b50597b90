//! What a plan that changes nothing leaves to do: what is carried out already may still have disks to erase, to write
//! and machines to let go. Read off the plan alone, so it is never told whether a machine is at it or waits.

use crate::form::{Setting, counted};
use crate::observed::BindingState;
use crate::plan::Plan;
use schema_ids::{ContentId, MachineId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is not done of what was asked for before this plan. Counted are disks and machines that no change of the plan names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnderWay {
    /// Disks that hold something, still to be erased.
    pub disks_to_erase: usize,
    /// Of so many machines.
    pub machines_to_erase: usize,
    /// Blank disks, still to be written.
    pub disks_to_write: usize,
    /// Of so many machines.
    pub machines_to_write: usize,
    /// Machines that leave their slots with no disk to erase.
    pub machines_to_release: usize,
}

impl UnderWay {
    /// Of a plan, if there is any.
    pub fn of(plan: &Plan) -> Option<Self> {
        let changed: BTreeSet<MachineId> = plan.changes.iter().filter_map(|change| change.machine).collect();
        let entries = plan.wipe_set.entries.iter();
        let (mut erase, mut write) = ((0, BTreeSet::new()), (0, BTreeSet::new()));
        for (id, disks) in entries.filter(|(id, _)| !changed.contains(id)) {
            for disk in disks {
                let (count, machines) = match disk.content {
                    ContentId::Blank => &mut write,
                    ContentId::Marker { .. } | ContentId::Foreign(_) => &mut erase,
                };
                *count += 1;
                machines.insert(*id);
            }
        }
        let leaving = plan.bindings.values().filter(|binding| {
            let id = binding.machine;
            binding.state == BindingState::Leaving
                && plan.machines.contains_key(&id)
                && !changed.contains(&id)
                && !plan.wipe_set.entries.contains_key(&id)
        });
        let leaving: BTreeSet<MachineId> = leaving.map(|binding| binding.machine).collect();
        let under_way = Self {
            disks_to_erase: erase.0,
            machines_to_erase: erase.1.len(),
            disks_to_write: write.0,
            machines_to_write: write.1.len(),
            machines_to_release: leaving.len(),
        };
        let is_any = erase.0 + write.0 + leaving.len() > 0;
        is_any.then_some(under_way)
    }

    /// In a sentence.
    fn words(self) -> String {
        let are = |count: usize| if count == 1 { "is" } else { "are" };
        let disks = |disks: (usize, &str), machines: usize, word: &str| {
            let are = are(disks.0);
            let (disks, machines) = (counted(disks.0, disks.1), counted(machines, "machine"));
            format!("{disks} of {machines} {are} still to be {word}")
        };
        let mut parts = Vec::new();
        if self.disks_to_erase > 0 {
            parts.push(disks(
                (self.disks_to_erase, "disk"),
                self.machines_to_erase,
                "erased",
            ));
        }
        if self.disks_to_write > 0 {
            let blank = (self.disks_to_write, "blank disk");
            parts.push(disks(blank, self.machines_to_write, "written"));
        }
        if self.machines_to_release > 0 {
            let machines = counted(self.machines_to_release, "machine");
            parts.push(format!(
                "{machines} {} still to be let go",
                are(self.machines_to_release)
            ));
        }
        format!("Under way or waiting: {}; see `muster status`.", parts.join(", "))
    }
}

/// What is said of a plan that changes nothing: all that may be read into that, and no more. A line for each.
pub(super) fn nothing(plan: &Plan, setting: &Setting) -> Vec<String> {
    let under_way = UnderWay::of(plan);
    let mut lines = Vec::new();
    match (&setting.only, plan.notes.is_empty(), under_way) {
        (Some(only), _, _) => lines.push(format!(
            "No changes to {only}; the rest of the fleet is not shown."
        )),
        (None, true, None) => lines.push("No changes. The fleet is as this revision wants it.".to_owned()),
        (None, true, Some(_)) => lines.push("No changes to what is carried out.".to_owned()),
        (None, false, _) => {
            lines.push("No changes now. What git wants beyond that is listed under NOT DONE.".to_owned());
        }
    }
    if setting.only.is_some() && !plan.notes.is_empty() {
        lines.push("What git wants of it beyond that is listed under NOT DONE.".to_owned());
    }
    lines.extend(under_way.map(UnderWay::words));
    lines
}
