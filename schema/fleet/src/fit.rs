//! Whether a storage layout fits on disks of which only sort and size are known.
//!
//! The planner solves layouts on what an inspection found, to the last byte. Here the same arithmetic runs on
//! what git says that a machine has, so that a layout which can never fit is an error of `check` and not of a
//! deployment. Where the two could differ this one is the more generous: what it refuses, the planner refuses.

use crate::{
    count::count,
    kinds::storage::{DiskType, Partition, Pick, Select, Storage},
    span::Span,
    value::{extent::Extent, size::Size},
};
use schema_ids::Name;
use std::collections::BTreeMap;

/// Partitions begin and end on whole mebibytes.
const MIB: u64 = 1 << 20;

/// The partition table and our marker before the first partition, the backup table behind the last.
const DISK_RESERVED: u64 = 3 * MIB;

/// Before the data of an array's member, and behind it.
const ARRAY_RESERVED: u64 = 17 * MIB;

/// LVM gives room in such units, and keeps the first of each member.
const EXTENT: u64 = 4 * MIB;

/// LUKS2 keeps so much before its data (cryptsetup-luksFormat(8)).
const LUKS_RESERVED: u64 = 16 * MIB;

/// A disk as git describes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeclaredDisk {
    /// Its sort.
    pub sort: DiskType,
    /// Its size.
    pub size: Size,
    /// The maker's model name, if it is said.
    pub model: Option<String>,
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The place in the layout.
    pub span: Span,
    /// What is wanted there.
    pub wanted: String,
    /// What there is.
    pub found: String,
}

/// Solves a layout on disks, or says where it does not fit. What cannot be known of declared disks, such as
/// their serial numbers, is taken to fit.
///
/// # Errors
/// If it does not fit.
pub fn fit(storage: &Storage, disks: &[DeclaredDisk]) -> Result<(), Misfit> {
    let chosen = choose(storage, disks)?;
    let mut sizes: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (selector, disks) in &chosen {
        for disk in disks {
            cut(storage, selector, disk, &mut sizes)?;
        }
    }
    arrays(storage, &mut sizes);
    encrypted(storage, &mut sizes);
    groups(storage, &sizes)
}

/// The disks of each selector, in the order of selectors, each disk once.
fn choose<'s, 'd>(
    storage: &'s Storage,
    disks: &'d [DeclaredDisk],
) -> Result<Vec<(&'s Name, Vec<&'d DeclaredDisk>)>, Misfit> {
    let mut free: Vec<&DeclaredDisk> = disks.iter().collect();
    let mut chosen = Vec::new();
    for (name, select) in storage.select.iter() {
        let mut fit: Vec<&DeclaredDisk> = free
            .iter()
            .copied()
            .filter(|disk| may_take(select, disk))
            .collect();
        fit.sort_by_key(|disk| match select.pick {
            Pick::Smallest | Pick::All => disk.size.0,
            Pick::Largest => u64::MAX - disk.size.0,
        });
        let least = select.count_min() as usize;
        if fit.len() < least {
            return Err(Misfit {
                span: name.span.clone(),
                wanted: format!("\"{}\" takes {}", name.value, count(least, "disk")),
                found: format!("{} of {} fit", fit.len(), listed(disks)),
            });
        }
        if select.pick != Pick::All || select.count.is_some() {
            fit.truncate(least);
        }
        for taken in &fit {
            if let Some(at) = free.iter().position(|disk| std::ptr::eq(*disk, *taken)) {
                free.remove(at);
            }
        }
        chosen.push((&name.value, fit));
    }
    Ok(chosen)
}

fn may_take(select: &Select, disk: &DeclaredDisk) -> bool {
    let sort = [select.disk_type, disk.sort].contains(&DiskType::Any) || select.disk_type == disk.sort;
    let model = select.model.as_ref().zip(disk.model.as_ref());
    let turns = select
        .rotational
        .is_none_or(|turns| disk.sort == DiskType::Any || turns == (disk.sort == DiskType::Hdd));
    sort && turns
        && model.is_none_or(|(wanted, model)| wanted.matches(model))
        && select.min_size.as_ref().is_none_or(|min| disk.size >= min.value)
        && select.max_size.as_ref().is_none_or(|max| disk.size <= max.value)
}

/// Cuts one disk; what each partition gets is added to `sizes`.
fn cut<'s>(
    storage: &'s Storage,
    selector: &Name,
    disk: &DeclaredDisk,
    sizes: &mut BTreeMap<&'s str, Vec<u64>>,
) -> Result<(), Misfit> {
    let written = || {
        storage
            .partition
            .iter()
            .filter(|partition| partition.on.value == *selector)
    };
    let bytes = |partition: &Partition| match partition.size.value {
        Extent::Size(size) => Some(size.0.div_ceil(MIB).saturating_mul(MIB)),
        Extent::Rest => None,
    };
    let fixed = written().filter_map(bytes).fold(0, u64::saturating_add);
    let usable = (disk.size.0 / MIB * MIB).saturating_sub(DISK_RESERVED);
    let has_rest = written().any(|partition| partition.size.value == Extent::Rest);
    if fixed > usable || (has_rest && fixed == usable) {
        let largest = written().max_by_key(|partition| bytes(partition));
        return Err(Misfit {
            span: largest.map_or_else(
                || crate::span::Span::start_of("."),
                |partition| partition.size.span.clone(),
            ),
            wanted: format!(
                "the partitions on \"{selector}\" need {} in all",
                Size(fixed + DISK_RESERVED).binary()
            ),
            found: format!("the disk has {} ({})", disk.size.binary(), disk.size),
        });
    }
    for partition in written() {
        let size = bytes(partition).unwrap_or(usable - fixed);
        sizes.entry(partition.id.as_str()).or_default().push(size);
    }
    Ok(())
}

fn arrays<'s>(storage: &'s Storage, sizes: &mut BTreeMap<&'s str, Vec<u64>>) {
    for (name, raid) in &storage.raid {
        let members: Vec<u64> = raid
            .members
            .iter()
            .flat_map(|member| sizes.get(member.as_str()).into_iter().flatten().copied())
            .collect();
        let active = (members.len() as u64).saturating_sub(u64::from(raid.spares));
        let smallest = members
            .iter()
            .min()
            .copied()
            .unwrap_or(0)
            .saturating_sub(ARRAY_RESERVED);
        let room = smallest.saturating_mul(raid.level.value.data_members(active));
        sizes.insert(name.as_str(), vec![room]);
    }
}

fn encrypted<'s>(storage: &'s Storage, sizes: &mut BTreeMap<&'s str, Vec<u64>>) {
    for (name, luks) in &storage.luks {
        if let Some(beneath) = sizes.get(luks.on.as_str()) {
            let room = beneath
                .iter()
                .map(|size| size.saturating_sub(LUKS_RESERVED))
                .collect();
            sizes.insert(name.as_str(), room);
        }
    }
}

/// Volumes have room in their groups, where it is known of every member how large it is.
fn groups(storage: &Storage, sizes: &BTreeMap<&str, Vec<u64>>) -> Result<(), Misfit> {
    for (name, group) in &storage.lvm {
        let members = group.members.iter().map(|member| sizes.get(member.as_str()));
        let Some(members) = members.collect::<Option<Vec<_>>>() else {
            continue;
        };
        let room = |size: &u64| (size / EXTENT).saturating_sub(1).saturating_mul(EXTENT);
        let room = members
            .into_iter()
            .flatten()
            .map(room)
            .fold(0, u64::saturating_add);
        let given = |extent: Extent| match extent {
            Extent::Size(size) => size.0.div_ceil(EXTENT).saturating_mul(EXTENT),
            Extent::Rest => 0,
        };
        let sizes = || group.volume.iter().map(|(_, volume)| &volume.size);
        let sum = sizes().map(|size| given(size.value)).fold(0, u64::saturating_add);
        let has_rest = sizes().any(|size| size.value == Extent::Rest);
        if sum <= room && !(has_rest && sum == room) {
            continue;
        }
        let Some(largest) = sizes().max_by_key(|size| given(size.value)) else {
            continue;
        };
        return Err(Misfit {
            span: largest.span.clone(),
            wanted: format!("the volumes of \"{name}\" need {}", Size(sum).about()),
            found: format!("its members have {}", Size(room).about()),
        });
    }
    Ok(())
}

/// Disks by sort and size.
fn listed(disks: &[DeclaredDisk]) -> String {
    let mut counted: BTreeMap<(DiskType, Size), usize> = BTreeMap::new();
    for disk in disks {
        *counted.entry((disk.sort, disk.size)).or_default() += 1;
    }
    let texts: Vec<String> = counted
        .into_iter()
        .map(|((sort, size), count)| format!("{count} {sort} of {size}"))
        .collect();
    texts.join(", ")
}
