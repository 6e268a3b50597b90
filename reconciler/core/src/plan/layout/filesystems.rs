//! What is put on partitions, arrays and volumes.
//!
//! A filesystem is on one device. An EFI system partition or swap that a selector puts on several disks
//! is made on each: firmware reads no array, so each disk gets a loader of its own. Of those, the system
//! starts without any that is missing.

use super::{Layout, Places, Problem};
use crate::plan::digest::owned;
use rack_api::job::{Filesystem, FilesystemKind, PartitionKind};
use rack_api::volume::Device;
use schema_fleet::FilesystemType;

/// By this option the installed system starts without the filesystem (systemd.mount(5)).
const NOT_NEEDED: &str = "nofail";

/// Filesystems on their devices, parents before children, swap last.
pub(super) fn filesystems(
    problem: &Problem<'_>,
    layout: &Layout,
    places: &Places<'_>,
) -> Result<Vec<Filesystem>, String> {
    let mut made: Vec<Filesystem> = Vec::new();
    for filesystem in &problem.storage.filesystem {
        let on = filesystem.on.as_str();
        let kind = match filesystem.filesystem_type.value {
            FilesystemType::Ext4 => FilesystemKind::Ext4,
            FilesystemType::Xfs => FilesystemKind::Xfs,
            FilesystemType::Vfat => FilesystemKind::Vfat,
            FilesystemType::Swap => FilesystemKind::Swap,
            FilesystemType::Btrfs => return Err("btrfs is not carried out by this version".to_owned()),
        };
        let devices = devices(layout, places, on)?;
        let several = devices.len() > 1;
        for (number, device) in (1..).zip(devices) {
            let uuid = match &device {
                Device::Partition(place) if several => {
                    owned(problem.binding, &["filesystem", on, place.disk.as_str()])
                }
                Device::Partition(_) | Device::Array { .. } | Device::Volume { .. } => {
                    owned(problem.binding, &["filesystem", on])
                }
            };
            let mut options = filesystem.options.clone();
            if several && !options.iter().any(|option| option == NOT_NEEDED) {
                options.push(NOT_NEEDED.to_owned());
            }
            let mount = filesystem.mount.as_ref().map(|mount| match number {
                1 => mount.as_str().to_owned(),
                _ => format!("{}-{number}", mount.as_str()),
            });
            made.push(Filesystem {
                device,
                kind,
                uuid,
                label: filesystem.label.as_ref().map(|label| label.value.clone()),
                mount,
                options,
            });
        }
    }
    made.sort_by_key(|filesystem| (filesystem.mount.is_none(), filesystem.mount.as_deref().map(depth)));
    let mounts: Vec<&String> = made.iter().filter_map(|made| made.mount.as_ref()).collect();
    match mounts.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!(
            "{} is the mount point of a filesystem and of a further disk's EFI partition",
            pair[0]
        )),
        None => Ok(made),
    }
}

/// What a filesystem is made on.
fn devices(layout: &Layout, places: &Places<'_>, on: &str) -> Result<Vec<Device>, String> {
    let nothing = || format!("a filesystem needs one partition, {on} is on 0 disks");
    if let Some((group, volume)) = on.split_once('/') {
        let mut groups = layout.groups.iter();
        let group = groups
            .find(|made| made.name.as_str() == group)
            .ok_or_else(nothing)?;
        let mut volumes = group.volumes.iter();
        let made = volumes
            .find(|made| made.name.as_str() == volume)
            .ok_or_else(nothing)?;
        return Ok(vec![Device::Volume {
            group: group.name.clone(),
            volume: made.name.clone(),
        }]);
    }
    if let Some(array) = layout.arrays.iter().find(|array| array.name.as_str() == on) {
        return Ok(vec![Device::Array {
            array: array.name.clone(),
        }]);
    }
    let places = places.get(on).map_or(&[][..], Vec::as_slice);
    let on_each = |kind| matches!(kind, PartitionKind::Esp | PartitionKind::Swap);
    let kind = places.first().and_then(|place| layout.devices().partition(place));
    match places {
        [] => Err(nothing()),
        [_] => Ok(places.iter().cloned().map(Device::Partition).collect()),
        _ if kind.is_some_and(|partition| on_each(partition.kind)) => {
            Ok(places.iter().cloned().map(Device::Partition).collect())
        }
        _ => Err(format!(
            "a filesystem needs one partition, {on} is on {} disks",
            places.len()
        )),
    }
}

/// How deep a mount point lies: `/` is 0.
fn depth(mount: &str) -> (usize, String) {
    (
        mount.split('/').filter(|part| !part.is_empty()).count(),
        mount.to_owned(),
    )
}
