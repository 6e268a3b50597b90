//! What a change comes to, read off the disks that it erases and those that it leaves.

use crate::observed::Observed;
use crate::plan::{Change, ChangeAction, Effect, NamedDisk, Plan};
use schema_ids::{BindingId, ContentId, DiskId, MachineId};
use std::collections::BTreeMap;

/// What a change of machines and deployments comes to. `own` is the binding whose system it replaces or ends.
pub(super) fn of(change: &Change, own: Option<BindingId>) -> Effect {
    let lost: Vec<_> = change
        .erases
        .iter()
        .filter(|erased| erased.content != ContentId::Blank)
        .collect();
    if lost.is_empty() {
        return match change.action {
            ChangeAction::Redeploy | ChangeAction::Deploy => Effect::Redeploy,
            ChangeAction::Release | ChangeAction::Enlist => Effect::Reboot,
            ChangeAction::Update => Effect::Live,
            ChangeAction::Adopt | ChangeAction::Orphan | ChangeAction::Rename | ChangeAction::Label => {
                Effect::None
            }
        };
    }
    let is_own =
        |content: &ContentId| matches!(content, ContentId::Marker { binding, .. } if Some(*binding) == own);
    if change.keeps.is_empty() {
        Effect::WipeAll
    } else if lost.iter().all(|erased| is_own(&erased.content)) {
        Effect::WipeOs
    } else {
        Effect::WipeSelected
    }
}

/// The disks that changes name, as the newest inspection found them.
pub(super) fn disks(plan: &Plan, observed: &Observed) -> BTreeMap<DiskId, NamedDisk> {
    let mut named = BTreeMap::new();
    for change in &plan.changes {
        let wanted = |id: &DiskId| {
            let erased = change.erases.iter().any(|erased| erased.disk == *id);
            erased || change.keeps.contains(id)
        };
        for (id, disk) in change.machine.into_iter().flat_map(|id| found(observed, id)) {
            if wanted(id) {
                let disk = NamedDisk {
                    model: disk.model.clone(),
                    bytes: disk.size_bytes,
                    holds: disk.holds.clone(),
                };
                named.insert(id.clone(), disk);
            }
        }
    }
    named
}

fn found(observed: &Observed, id: MachineId) -> impl Iterator<Item = (&DiskId, &rack_api::inventory::Disk)> {
    let seen = observed.machines.get(&id);
    let inventory = seen.and_then(|seen| seen.inventory.as_ref());
    let disks = inventory.into_iter().flat_map(|inventory| &inventory.disks);
    disks.filter_map(|disk| Some((disk.id.as_ref()?, disk)))
}
