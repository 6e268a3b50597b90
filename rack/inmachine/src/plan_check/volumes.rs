//! Arrays and volume groups of a plan: what they stand on is there and is theirs alone, what they hold fits.
//!
//! Names and sizes become words of command lines; which characters a name may have is the type's own
//! promise, so only what a tool would misread is looked for here.

use super::{MEBIBYTE, PlanFault};
use rack_api::job::{Deploy, PartitionKind};
use rack_api::volume::{Array, Base, Device, Place, VolumeGroup};
use std::collections::BTreeSet;

/// No machine has disks for more. An array's place among them is the number in the kernel's name for it.
const ARRAYS_MAX: usize = 64;
const GROUPS_MAX: usize = 64;

/// Metadata 1.2 has room for so many (md(4)).
const MEMBERS_MAX: usize = 384;

/// A group holds more, but nobody waits for their making.
const VOLUMES_MAX: usize = 256;

/// md's name with the home host `any:` before it.
const ARRAY_NAME_CHARS_MAX: usize = 28;

/// Extents are a power of 2 up to this, and larger than the 1 MiB of metadata, since data begins at one.
const EXTENT_MAX: u64 = 1 << 30;

/// What is in use already; each device serves one purpose.
#[derive(Debug, Default)]
pub(super) struct Uses(Vec<Device>);

impl Uses {
    /// Takes a device that the plan has, if it is free, and if it is a partition of one of these kinds.
    pub(super) fn take(
        &mut self,
        deploy: &Deploy,
        device: &Device,
        kinds: &[PartitionKind],
    ) -> Result<(), &'static str> {
        match device {
            Device::Partition(place) => match deploy.devices().partition(place) {
                None => return Err("there is no such partition"),
                Some(partition) if !kinds.contains(&partition.kind) => {
                    return Err("the partition is kept for something else");
                }
                Some(_) => {}
            },
            Device::Array { .. } | Device::Volume { .. } if deploy.devices().size_bytes(device) == 0 => {
                return Err("there is no such array or volume");
            }
            Device::Array { .. } | Device::Volume { .. } => {}
        }
        if self.0.contains(device) {
            return Err("it is in use already");
        }
        self.0.push(device.clone());
        Ok(())
    }
}

/// What people call a device of the plan.
pub(super) fn name_of(device: &Device) -> String {
    match device {
        Device::Partition(Place { disk, partition }) => format!("partition {partition} of {disk}"),
        Device::Array { array } => format!("the array {array}"),
        Device::Volume { group, volume } => format!("the volume {group}/{volume}"),
    }
}

/// Checks arrays and groups, and takes what they stand on.
pub(super) fn check(deploy: &Deploy, uses: &mut Uses) -> Result<(), PlanFault> {
    let fault = |volume: String, why: &str| PlanFault::Volume {
        volume,
        why: why.to_owned(),
    };
    if deploy.arrays.len() > ARRAYS_MAX || deploy.groups.len() > GROUPS_MAX {
        return Err(fault("arrays and groups".to_owned(), "there are too many"));
    }
    let mut names = BTreeSet::new();
    for array in &deploy.arrays {
        let named = |why: &str| fault(format!("the array {}", array.name), why);
        if !names.insert(&array.name) {
            return Err(named("its name is taken"));
        }
        for member in &array.members {
            let device = Device::Partition(member.clone());
            let taken = uses.take(deploy, &device, &[PartitionKind::Raid]);
            taken.map_err(|why| named(&format!("{}: {why}", name_of(&device))))?;
        }
        check_array(deploy, array).map_err(|why| named(&why))?;
    }
    for group in &deploy.groups {
        let named = |why: &str| fault(format!("the group {}", group.name), why);
        if !names.insert(&group.name) {
            return Err(named("its name is taken"));
        }
        for member in &group.members {
            let device = Device::from(member.clone());
            let taken = uses.take(deploy, &device, &[PartitionKind::Lvm]);
            taken.map_err(|why| named(&format!("{}: {why}", name_of(&device))))?;
        }
        check_group(deploy, group).map_err(|why| named(&why))?;
    }
    Ok(())
}

fn check_array(deploy: &Deploy, array: &Array) -> Result<(), String> {
    let least = match array.level {
        0 | 1 | 10 => 2,
        5 => 3,
        6 => 4,
        other => return Err(format!("there is no level {other}")),
    };
    if array.members.len() < least || array.members.len() > MEMBERS_MAX {
        return Err(format!("{} members are too few or too many", array.members.len()));
    }
    if array.name.as_str().len() > ARRAY_NAME_CHARS_MAX {
        return Err("its name is too long".to_owned());
    }
    let aligned = [array.data_offset_bytes, array.member_bytes]
        .iter()
        .all(|bytes| bytes.is_multiple_of(MEBIBYTE));
    if !aligned || array.data_offset_bytes == 0 || array.member_bytes == 0 {
        return Err("it is empty or not aligned to mebibytes".to_owned());
    }
    let Some(end) = array.data_offset_bytes.checked_add(array.member_bytes) else {
        return Err("its members are too large".to_owned());
    };
    let sizes = array
        .members
        .iter()
        .filter_map(|member| deploy.devices().partition(member));
    match sizes.map(|partition| partition.size_bytes).min() {
        Some(smallest) if smallest < end => Err("it does not fit its smallest member".to_owned()),
        Some(_) | None => Ok(()),
    }
}

fn check_group(deploy: &Deploy, group: &VolumeGroup) -> Result<(), String> {
    let unit = group.extent_bytes;
    if !unit.is_power_of_two() || unit <= MEBIBYTE || unit > EXTENT_MAX {
        return Err(format!("its extents of {unit} bytes are none that are made here"));
    }
    if group.members.is_empty() || group.volumes.len() > VOLUMES_MAX {
        return Err("it has no members or too many volumes".to_owned());
    }
    let devices = deploy.devices();
    let small = |member: &&Base| devices.size_bytes(&Device::from((*member).clone())) < 2 * unit;
    if group.members.iter().any(|member| small(&member)) {
        return Err("a member is too small".to_owned());
    }
    let mut names = BTreeSet::new();
    for (number, volume) in (1..).zip(&group.volumes) {
        if !names.insert(&volume.name) {
            return Err(format!("it has two volumes {}", volume.name));
        }
        match volume.size_bytes {
            None if number == group.volumes.len() => {}
            None => return Err(format!("{} takes what is left before the last", volume.name)),
            Some(size) if size > 0 && size.is_multiple_of(unit) => {}
            Some(size) => return Err(format!("{} has {size} bytes, no whole extents", volume.name)),
        }
    }
    let (given, room) = (group.given_bytes(), devices.room_bytes(group));
    let has_rest = group.volumes.iter().any(|volume| volume.size_bytes.is_none());
    if given > room || (has_rest && given == room) {
        return Err(format!("its volumes need {given} bytes, it has {room}"));
    }
    Ok(())
}
