//! Which disks each selector of a layout takes.

use super::{Problem, size_text};
use rack_api::inventory::{Disk, DiskKind, Inventory};
use schema_fleet::{DiskType, Pick, Select};
use schema_ids::{DiskId, Name};
use std::collections::BTreeSet;

/// A selector's name, a disk that it took, and that disk's identity.
pub(super) type Chosen<'a> = (&'a Name, &'a Disk, &'a DiskId);

/// The disks of each selector.
pub(super) fn choose<'a>(problem: &Problem<'a>) -> Result<Vec<Chosen<'a>>, String> {
    let mut chosen: Vec<Chosen<'a>> = Vec::new();
    for (name, select) in problem.storage.select.iter() {
        let free = |id: &DiskId| !chosen.iter().any(|(_, _, taken)| *taken == id);
        let mut fit: Vec<(&Disk, &DiskId)> = identified(problem.inventory)
            .filter(|(disk, id)| free(id) && fits(select, disk))
            .collect();
        let order = |disk: &Disk| match select.pick {
            Pick::Smallest | Pick::All => disk.size_bytes,
            Pick::Largest => u64::MAX - disk.size_bytes,
        };
        let had = had(problem, &name.value);
        fit.sort_by_key(|(disk, id)| (!had.contains(*id), order(disk), (*id).clone()));
        let least = select.count_min() as usize;
        if fit.len() < least {
            return Err(format!(
                "select.{} wants {least}{}, and {} of its {} disks fit: {}{}",
                name.value,
                wishes(select),
                fit.len(),
                problem.inventory.disks.len(),
                disks_text(problem.inventory),
                gone(problem.inventory, &had)
            ));
        }
        if select.pick != Pick::All || select.count.is_some() {
            fit.truncate(least);
        }
        fit.sort_by_key(|(disk, id)| (order(disk), (*id).clone()));
        chosen.extend(fit.into_iter().map(|(disk, id)| (&name.value, disk, id)));
    }
    Ok(chosen)
}

/// What a selector asks of a disk, in words; nothing if any will do.
fn wishes(select: &Select) -> String {
    let serials: Vec<String> = select.serial.iter().map(ToString::to_string).collect();
    let words = [
        (select.disk_type != DiskType::Any).then(|| format!("type {}", select.disk_type)),
        (!serials.is_empty()).then(|| format!("serial {}", serials.join(" or "))),
        select.model.as_ref().map(|model| format!("model {model}")),
        select
            .min_size
            .as_ref()
            .map(|min| format!("at least {}", min.value)),
        select
            .max_size
            .as_ref()
            .map(|max| format!("at most {}", max.value)),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(" ({})", words.join(", "))
    }
}

/// The disks that were planned and are not there any more, in words.
fn gone(inventory: &Inventory, had: &BTreeSet<&DiskId>) -> String {
    let there = |id: &DiskId| inventory.disks.iter().any(|disk| disk.id.as_ref() == Some(id));
    let gone: Vec<&str> = had.iter().filter(|id| !there(id)).map(|id| id.as_str()).collect();
    if gone.is_empty() {
        String::new()
    } else {
        format!("; {} was planned and is gone", gone.join(", "))
    }
}

/// The disks that a selector had before, known by the partitions that were cut for it.
fn had<'a>(problem: &Problem<'a>, selector: &Name) -> BTreeSet<&'a DiskId> {
    let cut_for = |id: &str| {
        let mut written = problem.storage.partition.iter();
        written.any(|partition| partition.on.value == *selector && partition.id.as_str() == id)
    };
    let disks = problem.before.into_iter().flat_map(|before| &before.disks);
    let had = disks.filter(|disk| disk.partitions.iter().any(|partition| cut_for(&partition.id)));
    had.map(|disk| &disk.disk).collect()
}

/// Disks with an identity that no other disk of the machine has.
fn identified(inventory: &Inventory) -> impl Iterator<Item = (&Disk, &DiskId)> {
    let alike = |id: &DiskId| {
        inventory
            .disks
            .iter()
            .filter(|disk| disk.id.as_ref() == Some(id))
            .count()
    };
    let with_id = inventory
        .disks
        .iter()
        .filter_map(|disk| Some((disk, disk.id.as_ref()?)));
    with_id.filter(move |(_, id)| alike(id) == 1)
}

fn fits(select: &Select, disk: &Disk) -> bool {
    let kind = match select.disk_type {
        DiskType::Any => true,
        DiskType::Ssd => disk.kind == DiskKind::Ssd,
        DiskType::Nvme => disk.kind == DiskKind::Nvme,
        DiskType::Hdd => disk.kind == DiskKind::Hdd,
    };
    let named = select.serial.iter().any(|serial| serial.matches(&disk.serial));
    kind && (disk.local || named)
        && (select.serial.is_empty() || named)
        && select
            .model
            .as_ref()
            .is_none_or(|model| model.matches(&disk.model))
        && select
            .min_size
            .as_ref()
            .is_none_or(|min| disk.size_bytes >= min.value.0)
        && select
            .max_size
            .as_ref()
            .is_none_or(|max| disk.size_bytes <= max.value.0)
}

fn disks_text(inventory: &Inventory) -> String {
    let disk = |disk: &Disk| {
        let id = disk.id.as_ref().map_or("without identity", DiskId::as_str);
        let place = if disk.local { "" } else { ", not local" };
        format!("{} ({id}, {}{place})", disk.path, size_text(disk.size_bytes))
    };
    if inventory.disks.is_empty() {
        return "it has none".to_owned();
    }
    inventory.disks.iter().map(disk).collect::<Vec<_>>().join(", ")
}
