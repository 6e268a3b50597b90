//! Storage layouts, solved against one machine's disks.
//!
//! Disks are chosen in the order of the selectors, each once; those that a selector had before come
//! first, so that "the smallest" does not move to another disk. Everything is aligned to 1 MiB, the
//! first partition of each disk is our marker, and every UUID is made of the binding and what it is for.
//! Arrays and volume groups have their sizes here already, so that what does not fit is refused before
//! anything is erased.

#[cfg(test)]
mod agrees;
mod cut;
mod filesystems;
mod selection;
mod volumes;

use crate::plan::digest::owned;
use rack_api::inventory::{FirmwareKind, Inventory};
use rack_api::job::{Deploy, DiskPlan, Filesystem, FilesystemKind, PartitionKind};
use rack_api::volume::{Array, Devices, Place, VolumeGroup};
use schema_fleet::{Size, Storage};
use schema_ids::{BindingId, ContentId};
use std::collections::BTreeMap;
use std::path::Path;

const MIB: u64 = 1 << 20;

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
    pub(super) arrays: Vec<Array>,
    pub(super) groups: Vec<VolumeGroup>,
    pub(super) filesystems: Vec<Filesystem>,
}

/// Where each partition of the layout came to lie: one place on each disk of its selector.
type Places<'a> = BTreeMap<&'a str, Vec<Place>>;

/// Solves a layout, or says why it does not fit.
pub(super) fn solve(problem: &Problem<'_>) -> Result<Layout, String> {
    let chosen = selection::choose(problem)?;
    let mut disks = Vec::new();
    let mut places = Places::new();
    for (selector, disk, id) in &chosen {
        let partitions = cut::cut(problem, selector, disk, id)?;
        for partition in &partitions {
            let mut written = problem.storage.partition.iter();
            if let Some(written) = written.find(|written| written.id.as_str() == partition.id) {
                places.entry(written.id.as_str()).or_default().push(Place {
                    disk: (*id).clone(),
                    partition: partition.number,
                });
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
    let mut layout = Layout {
        disks,
        arrays: Vec::new(),
        groups: Vec::new(),
        filesystems: Vec::new(),
    };
    layout.arrays = volumes::arrays(problem, &layout, &places)?;
    layout.groups = volumes::groups(problem, &layout, &places)?;
    layout.filesystems = filesystems::filesystems(problem, &layout, &places)?;
    layout.holds_image(problem)?;
    Ok(layout)
}

impl Layout {
    fn devices(&self) -> Devices<'_> {
        Devices {
            disks: &self.disks,
            arrays: &self.arrays,
            groups: &self.groups,
        }
    }

    /// The root's disks are as large as the image wants, and the image fits in the filesystems.
    fn holds_image(&self, problem: &Problem<'_>) -> Result<(), String> {
        let root = self
            .filesystems
            .iter()
            .find(|filesystem| filesystem.mount.as_deref() == Some("/"));
        let Some(root) = root else {
            return Ok(());
        };
        let beneath = self.devices().beneath(&root.device);
        let mut disks = self.disks.iter();
        let small = problem.min_disk.and_then(|min| {
            let holds_root = |disk: &DiskPlan| beneath.iter().any(|place| place.disk == disk.disk);
            let small = disks.find(|disk| holds_root(disk) && disk.size_bytes < min.0)?;
            Some((min, small))
        });
        if let Some((min, disk)) = small {
            return Err(format!(
                "the image wants a root disk of {min}, {} has {}",
                disk.disk,
                size_text(disk.size_bytes)
            ));
        }
        let room = self
            .filesystems
            .iter()
            // Nothing of an image is on a FAT: the boot loader is put there, once for each disk.
            .filter(|filesystem| filesystem.kind != FilesystemKind::Vfat)
            .filter(|filesystem| filesystem.mount.as_deref().is_some_and(takes_image))
            .map(|filesystem| self.devices().size_bytes(&filesystem.device))
            .fold(0, u64::saturating_add);
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
}

/// Whether an image puts its files there: into the root, and what layouts commonly split off from it.
fn takes_image(mount: &str) -> bool {
    let below = |parent: &str| Path::new(mount).starts_with(parent);
    mount == "/" || ["/boot", "/opt", "/usr", "/var"].into_iter().any(below)
}

/// A size as disks are sold, to one decimal.
pub(crate) fn size_text(bytes: u64) -> String {
    let tenths = |unit: u64| (bytes / (unit / 10), unit);
    let (value, name) = match bytes {
        1_000_000_000_000.. => (tenths(1_000_000_000_000).0, "TB"),
        1_000_000_000.. => (tenths(1_000_000_000).0, "GB"),
        _ => (tenths(1_000_000).0, "MB"),
    };
    format!("{}.{} {name}", value / 10, value % 10)
}
