//! What stands between partitions and filesystems: md arrays and LVM, as the plan resolved them.
//!
//! An array stands on partitions, a group on partitions and arrays, so nothing can stand on itself.

use crate::job::{Deploy, DiskPlan, Partition};
use schema_ids::{DiskId, Name, Uuid};
use serde::{Deserialize, Serialize};

/// A partition of a disk of the wipe-set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The disk.
    pub disk: DiskId,
    /// The partition on it.
    pub partition: u32,
}

/// What a volume group stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Base {
    /// A partition.
    Partition(Place),
    /// An array of the plan.
    Array {
        /// Its name.
        array: Name,
    },
}

/// What a filesystem is made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Device {
    /// A partition.
    Partition(Place),
    /// An array of the plan.
    Array {
        /// Its name.
        array: Name,
    },
    /// A logical volume of the plan.
    Volume {
        /// Its group.
        group: Name,
        /// Its name in the group.
        volume: Name,
    },
}

/// A software RAID array (md), metadata 1.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Array {
    /// The layout's name for it, which md keeps too.
    pub name: Name,
    /// 0, 1, 5, 6 or 10.
    pub level: u8,
    /// Its UUID, chosen in the plan.
    pub uuid: Uuid,
    /// Its members in order; the smallest decides.
    pub members: Vec<Place>,
    /// Where the data begins on each member, in bytes, a multiple of 1 MiB.
    pub data_offset_bytes: u64,
    /// What is used of each member, in bytes, a multiple of 1 MiB; a stripe (level 0) uses more of larger ones.
    pub member_bytes: u64,
}

/// An LVM volume group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeGroup {
    /// Its name, in the installed system too.
    pub name: Name,
    /// Its physical volumes.
    pub members: Vec<Base>,
    /// The unit of its volumes' sizes, and where data begins on each member, in bytes.
    pub extent_bytes: u64,
    /// Its volumes in the order in which they are made.
    pub volumes: Vec<Volume>,
}

/// A logical volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name in the group.
    pub name: Name,
    /// Its size in bytes, a multiple of the group's unit; absent for the last, which takes what is left.
    pub size_bytes: Option<u64>,
}

impl Array {
    /// How much it holds, in bytes; 0 for a level that there is not.
    pub fn size_bytes(&self) -> u64 {
        let members = self.members.len() as u64;
        let worth = match self.level {
            0 => members,
            1 => 1,
            5 => members.saturating_sub(1),
            6 => members.saturating_sub(2),
            10 => members / 2,
            _ => 0,
        };
        worth.saturating_mul(self.member_bytes)
    }
}

impl From<Base> for Device {
    fn from(base: Base) -> Self {
        match base {
            Base::Partition(place) => Self::Partition(place),
            Base::Array { array } => Self::Array { array },
        }
    }
}

/// The devices of a plan: what stands on what, and how much each holds.
#[derive(Debug, Clone, Copy)]
pub struct Devices<'a> {
    /// The wipe-set.
    pub disks: &'a [DiskPlan],
    /// Arrays over its partitions.
    pub arrays: &'a [Array],
    /// Groups over both.
    pub groups: &'a [VolumeGroup],
}

impl Deploy {
    /// Its devices.
    pub fn devices(&self) -> Devices<'_> {
        Devices {
            disks: &self.disks,
            arrays: &self.arrays,
            groups: &self.groups,
        }
    }
}

impl<'a> Devices<'a> {
    /// A partition.
    pub fn partition(self, place: &Place) -> Option<&'a Partition> {
        let disk = self.disks.iter().find(|disk| disk.disk == place.disk)?;
        let mut partitions = disk.partitions.iter();
        partitions.find(|partition| partition.number == place.partition)
    }

    /// An array by its name.
    pub fn array(self, name: &Name) -> Option<&'a Array> {
        self.arrays.iter().find(|array| array.name == *name)
    }

    /// A volume group by its name.
    pub fn group(self, name: &Name) -> Option<&'a VolumeGroup> {
        self.groups.iter().find(|group| group.name == *name)
    }

    /// The partitions that a device stands on; none if the plan does not have it.
    pub fn beneath(self, device: &Device) -> Vec<Place> {
        let members = |array: &Name| {
            self.array(array)
                .map_or_else(Vec::new, |array| array.members.clone())
        };
        match device {
            Device::Partition(place) => vec![place.clone()],
            Device::Array { array } => members(array),
            Device::Volume { group, .. } => {
                let bases = self.group(group).into_iter().flat_map(|group| &group.members);
                bases
                    .flat_map(|base| match base {
                        Base::Partition(place) => vec![place.clone()],
                        Base::Array { array } => members(array),
                    })
                    .collect()
            }
        }
    }

    /// How much a device holds, in bytes; 0 if the plan does not have it.
    pub fn size_bytes(self, device: &Device) -> u64 {
        match device {
            Device::Partition(place) => self.partition(place).map_or(0, |made| made.size_bytes),
            Device::Array { array } => self.array(array).map_or(0, Array::size_bytes),
            Device::Volume { group, volume } => self
                .group(group)
                .and_then(|group| {
                    let made = group.volumes.iter().find(|made| made.name == *volume)?;
                    let rest = || self.room_bytes(group).saturating_sub(group.given_bytes());
                    Some(made.size_bytes.unwrap_or_else(rest))
                })
                .unwrap_or(0),
        }
    }

    /// What a group has for its volumes, in bytes: of each member the whole units behind its first one.
    pub fn room_bytes(self, group: &VolumeGroup) -> u64 {
        let unit = group.extent_bytes.max(1);
        let room = |base: &Base| {
            let units = self.size_bytes(&base.clone().into()) / unit;
            units.saturating_sub(1).saturating_mul(unit)
        };
        group.members.iter().map(room).fold(0, u64::saturating_add)
    }
}

impl VolumeGroup {
    /// The sizes of its volumes but the one that takes what is left, in bytes.
    pub fn given_bytes(&self) -> u64 {
        let given = self.volumes.iter().filter_map(|made| made.size_bytes);
        given.fold(0, u64::saturating_add)
    }
}
