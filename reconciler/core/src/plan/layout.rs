//! Storage layouts, solved against one machine's disks.
//!
//! Disks are chosen in the order of the selectors, each once; those that a selector had before come
//! first, so that "the smallest" does not move to another disk. Everything is aligned to 1 MiB, the
//! first partition of each disk is our marker, and every UUID is made of the binding and what it is for.

use crate::plan::digest::owned;
use rack_api::inventory::{Disk, DiskKind, FirmwareKind, Inventory};
use rack_api::job::{Deploy, DiskPlan, Filesystem, FilesystemKind, Partition, PartitionKind};
use schema_fleet::{DiskType, Extent, FilesystemType, PartitionType, Pick, Select, Size, Storage};
use schema_ids::{BindingId, ContentId, DiskId, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const MIB: u64 = 1 << 20;

/// Kept free at the end of each disk: the backup GPT needs 33 sectors (UEFI 2.10 §5.3), which is less
/// than 1 MiB with any sector size in use.
const END_RESERVED: u64 = MIB;

/// Of an image's size, this part more: ext4 takes 1/64 for inodes and keeps 1/20 in reserve, and each file
/// wastes half a block of 4 KiB at its end, which is more than the tar wastes with its blocks of 512 bytes.
const ROOT_SPARE_PART: u64 = 8;

/// And so much beside it: a journal (64 MiB below 16 GiB, by mke2fs and by mkfs.xfs) and what a first boot
/// writes: keys, logs, package lists, an initial RAM disk made again beside the old one.
const ROOT_SPARE: u64 = 256 * MIB;

/// What a layout is solved for.
#[derive(Clone, Copy)]
pub(super) struct Problem<'a> {
    pub(super) storage: &'a Storage,
    pub(super) inventory: &'a Inventory,
    pub(super) binding: BindingId,
    /// What was planned for the binding before.
    pub(super) before: Option<&'a Deploy>,
    pub(super) firmware: FirmwareKind,
    /// No disk smaller than this for the root.
    pub(super) min_disk: Option<Size>,
    /// What the image takes when it is unpacked; 0 if the fleet does not say.
    pub(super) image_bytes: u64,
}

/// The layout on this machine's disks; what they hold now is not looked at.
pub(super) struct Layout {
    pub(super) disks: Vec<DiskPlan>,
    pub(super) filesystems: Vec<Filesystem>,
}

/// Solves a layout, or says why it does not fit.
pub(super) fn solve(problem: &Problem<'_>) -> Result<Layout, String> {
    let storage = problem.storage;
    if !storage.raid.is_empty() || !storage.lvm.is_empty() {
        return Err("RAID and LVM are not carried out by this version".to_owned());
    }
    let chosen = choose(problem)?;
    let mut disks = Vec::new();
    let mut places: BTreeMap<&str, Vec<(&DiskId, u32)>> = BTreeMap::new();
    for (selector, disk, id) in &chosen {
        let partitions = cut(problem, selector, disk, id)?;
        for partition in &partitions {
            let written = storage
                .partition
                .iter()
                .find(|written| written.id.as_str() == partition.id);
            if let Some(written) = written {
                places
                    .entry(written.id.as_str())
                    .or_default()
                    .push((id, partition.number));
            }
        }
        let boots = |kind| matches!(kind, PartitionKind::Esp | PartitionKind::BiosBoot);
        disks.push(DiskPlan {
            disk: (*id).clone(),
            agreed: ContentId::Blank,
            size_bytes: disk.size_bytes,
            table: owned(problem.binding, &["table", id.as_str()]),
            bootable: partitions.iter().any(|partition| boots(partition.kind)),
            partitions,
        });
    }
    let filesystems = filesystems(problem, &places)?;
    let layout = Layout { disks, filesystems };
    layout.holds_image(problem)?;
    Ok(layout)
}

impl Layout {
    /// The root's disk is as large as the image wants, and the image fits in the filesystems.
    fn holds_image(&self, problem: &Problem<'_>) -> Result<(), String> {
        let root = self
            .filesystems
            .iter()
            .find(|filesystem| filesystem.mount.as_deref() == Some("/"));
        let Some(root) = root else {
            return Ok(());
        };
        let disk = self.disks.iter().find(|disk| disk.disk == root.disk);
        let size = disk.map_or(0, |disk| disk.size_bytes);
        if let Some(min) = problem.min_disk.filter(|min| size < min.0) {
            return Err(format!(
                "the image wants a root disk of {min}, {} has {}",
                root.disk,
                size_text(size)
            ));
        }
        let room: u64 = self
            .filesystems
            .iter()
            .filter(|filesystem| filesystem.mount.as_deref().is_some_and(takes_image))
            .map(|filesystem| self.size_of(filesystem))
            .sum();
        let image = problem.image_bytes;
        let needed = image
            .saturating_add(image / ROOT_SPARE_PART)
            .saturating_add(ROOT_SPARE);
        if image > 0 && room < needed {
            return Err(format!(
                "the image takes {} unpacked and needs {} with what the filesystem and a first boot add, its root has {}",
                size_text(image),
                size_text(needed),
                size_text(room)
            ));
        }
        Ok(())
    }

    fn size_of(&self, filesystem: &Filesystem) -> u64 {
        let disk = self.disks.iter().find(|disk| disk.disk == filesystem.disk);
        let mut partitions = disk.into_iter().flat_map(|disk| &disk.partitions);
        partitions
            .find(|partition| partition.number == filesystem.partition)
            .map_or(0, |partition| partition.size_bytes)
    }
}

/// Whether an image puts its files there: into the root, and what layouts commonly split off from it.
fn takes_image(mount: &str) -> bool {
    let below = |parent: &str| Path::new(mount).starts_with(parent);
    mount == "/" || ["/boot", "/opt", "/usr", "/var"].into_iter().any(below)
}

type Chosen<'a> = (&'a Name, &'a Disk, &'a DiskId);

/// The disks of each selector.
fn choose<'a>(problem: &Problem<'a>) -> Result<Vec<Chosen<'a>>, String> {
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

/// Cuts one disk: the marker, a place for GRUB where BIOS needs one, then what the layout says.
fn cut(problem: &Problem<'_>, selector: &Name, disk: &Disk, id: &DiskId) -> Result<Vec<Partition>, String> {
    let written = || {
        problem
            .storage
            .partition
            .iter()
            .filter(|partition| partition.on.value == *selector)
    };
    let mut pieces: Vec<(String, PartitionKind, Option<u64>)> =
        vec![("muster".to_owned(), PartitionKind::Marker, Some(MIB))];
    let has_bios = problem
        .storage
        .partition
        .iter()
        .any(|partition| partition.partition_type == PartitionType::Bios);
    let has_root = written().any(|partition| holds_root(problem.storage, partition.id.as_str()));
    if problem.firmware == FirmwareKind::Bios && !has_bios && has_root {
        pieces.push(("bios".to_owned(), PartitionKind::BiosBoot, Some(MIB)));
    }
    for partition in written() {
        let kind = match partition.partition_type {
            PartitionType::Esp => PartitionKind::Esp,
            PartitionType::Bios => PartitionKind::BiosBoot,
            PartitionType::Linux => PartitionKind::Linux,
            PartitionType::Swap => PartitionKind::Swap,
        };
        let size = match partition.size.value {
            Extent::Size(size) => Some(size.0.div_ceil(MIB).saturating_mul(MIB)),
            Extent::Rest => None,
        };
        pieces.push((partition.id.to_string(), kind, size));
    }
    let usable = (disk.size_bytes.saturating_sub(END_RESERVED) / MIB * MIB).saturating_sub(MIB);
    let fixed = pieces
        .iter()
        .filter_map(|(_, _, size)| *size)
        .fold(0_u64, u64::saturating_add);
    let has_rest = pieces.iter().any(|(_, _, size)| size.is_none());
    let rest = usable.saturating_sub(fixed);
    if fixed > usable || (has_rest && rest == 0) {
        return Err(format!(
            "the partitions on {selector} need {}, {id} has {}",
            size_text(fixed),
            size_text(disk.size_bytes)
        ));
    }
    let mut start = MIB;
    let cut = pieces.into_iter().zip(1..).map(|((piece, kind, size), number)| {
        let size_bytes = size.unwrap_or(rest);
        let uuid = owned(problem.binding, &["partition", id.as_str(), &piece]);
        let partition = Partition {
            number,
            id: piece,
            kind,
            start_bytes: start,
            size_bytes,
            uuid,
        };
        start += size_bytes;
        partition
    });
    Ok(cut.collect())
}

fn holds_root(storage: &Storage, partition: &str) -> bool {
    storage.filesystem.iter().any(|filesystem| {
        *filesystem.on.value == *partition
            && filesystem
                .mount
                .as_ref()
                .is_some_and(|mount| mount.as_str() == "/")
    })
}

/// Filesystems on their partitions, parents before children, swap last.
fn filesystems(
    problem: &Problem<'_>,
    places: &BTreeMap<&str, Vec<(&DiskId, u32)>>,
) -> Result<Vec<Filesystem>, String> {
    let mut made = Vec::new();
    for filesystem in &problem.storage.filesystem {
        let on = filesystem.on.as_str();
        let [(disk, partition)] = places.get(on).map_or(&[][..], Vec::as_slice) else {
            let count = places.get(on).map_or(0, Vec::len);
            return Err(format!(
                "a filesystem needs one partition, {on} is on {count} disks"
            ));
        };
        let kind = match filesystem.filesystem_type.value {
            FilesystemType::Ext4 => FilesystemKind::Ext4,
            FilesystemType::Xfs => FilesystemKind::Xfs,
            FilesystemType::Vfat => FilesystemKind::Vfat,
            FilesystemType::Swap => FilesystemKind::Swap,
        };
        made.push(Filesystem {
            disk: (*disk).clone(),
            partition: *partition,
            kind,
            uuid: owned(problem.binding, &["filesystem", on]),
            label: filesystem.label.clone(),
            mount: filesystem.mount.as_ref().map(|mount| mount.as_str().to_owned()),
            options: filesystem.options.clone(),
        });
    }
    made.sort_by_key(|filesystem| (filesystem.mount.is_none(), filesystem.mount.as_deref().map(depth)));
    Ok(made)
}

/// How deep a mount point lies: `/` is 0.
fn depth(mount: &str) -> (usize, String) {
    (
        mount.split('/').filter(|part| !part.is_empty()).count(),
        mount.to_owned(),
    )
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

/// A size as disks are sold, to one decimal.
pub(super) fn size_text(bytes: u64) -> String {
    let tenths = |unit: u64| (bytes / (unit / 10), unit);
    let (value, name) = match bytes {
        1_000_000_000_000.. => (tenths(1_000_000_000_000).0, "TB"),
        1_000_000_000.. => (tenths(1_000_000_000).0, "GB"),
        _ => (tenths(1_000_000).0, "MB"),
    };
    format!("{}.{} {name}", value / 10, value % 10)
}
