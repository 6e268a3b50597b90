//! What a change comes to, read off the disks that it erases and those that it leaves.

use crate::observed::Observed;
use crate::plan::{Change, ChangeAction, Effect, NamedDisk, Plan};
use rack_api::inventory::Disk;
use schema_ids::{BindingId, ContentId, DiskId, MachineId, Timestamp};
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

/// What is on a disk in words, where its content says it: whatever an inspection of before the installation saw there.
pub(crate) fn told_by(content: &ContentId) -> Option<&'static str> {
    match content {
        ContentId::Blank => Some(""),
        ContentId::Marker { installed: true, .. } => Some("installed by muster"),
        ContentId::Marker { installed: false, .. } => Some("an unfinished installation by muster"),
        ContentId::Foreign(_) => None,
    }
}

/// The disks that changes name, as the newest inspection found them, each with what is on it now.
pub(super) fn disks(plan: &Plan, observed: &Observed) -> BTreeMap<DiskId, NamedDisk> {
    let mut named = BTreeMap::new();
    for change in &plan.changes {
        let Some(machine) = change.machine else { continue };
        for (id, disk) in found(observed, machine) {
            let erased = change.erases.iter().find(|erased| erased.disk == *id);
            let holds = match erased {
                Some(erased) if erased.content == disk.content => told_by(&disk.content),
                // The words are of something else than what is erased.
                Some(erased) => told_by(&erased.content).or(Some("")),
                None if change.keeps.contains(id) => kept(observed, machine, id, disk),
                None => continue,
            };
            let disk = NamedDisk {
                model: disk.model.clone(),
                bytes: disk.size_bytes,
                holds: holds.unwrap_or(&disk.holds).to_owned(),
            };
            named.insert(id.clone(), disk);
        }
    }
    named
}

/// What is on a disk that is kept, where that is not what the newest inspection saw or it has no words for it.
fn kept(observed: &Observed, machine: MachineId, id: &DiskId, disk: &Disk) -> Option<&'static str> {
    let seen = observed.machines.get(&machine)?;
    let is_newer = |at: Timestamp| seen.inspected.is_none_or(|inspected| inspected < at);
    let erased = seen.erased.get(id).is_some_and(|erased| is_newer(erased.since));
    let installed = seen.installed.as_ref();
    let installed = installed.is_some_and(|done| is_newer(done.at) && done.disks.contains(id));
    match (erased, installed) {
        (true, _) => Some(""),
        (false, true) => Some("installed by muster"),
        (false, false) => told_by(&disk.content).filter(|words| !words.is_empty()),
    }
}

fn found(observed: &Observed, id: MachineId) -> impl Iterator<Item = (&DiskId, &Disk)> {
    let seen = observed.machines.get(&id);
    let inventory = seen.and_then(|seen| seen.inventory.as_ref());
    let disks = inventory.into_iter().flat_map(|inventory| &inventory.disks);
    disks.filter_map(|disk| Some((disk.id.as_ref()?, disk)))
}
