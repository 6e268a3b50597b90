//! Storage layouts: which disks, cut how, holding what.

use crate::{
    decode::{Decode, Decoder, InOrder},
    kind::{Shape, kind, table, words},
    span::Spanned,
    tree::Node,
    value::{extent::Extent, path::AbsolutePath, pattern::Pattern, size::Size},
};
use schema_ids::Name;
use std::collections::BTreeMap;

kind! {
    /// A storage layout, used by deployments. Disks get a GUID partition table.
    "storage" in storages: Storage {
        /// For people.
        live description: Option<String>,
        /// Which disks, by a name that partitions use. Selectors take disks in the order written,
        /// each disk once.
        wipe select: InOrder<Select>,
        /// How they are cut, in this order.
        wipe partition: Vec<Partition>,
        /// Software RAID over partitions, by name.
        wipe raid: BTreeMap<Name, Raid>,
        /// LVM volume groups, by name.
        wipe lvm: BTreeMap<Name, VolumeGroup>,
        /// What is put on partitions and volumes.
        wipe filesystem: Vec<Filesystem>,
    }
    later ["luks", "zfs", "bcache"]
}

table! {
    /// A choice of disks. The disks chosen are written in the plan and kept in the binding.
    Select {
        /// What sort of disk.
        wipe disk_type("type"): DiskType = DiskType::Any,
        /// Which of those that fit.
        wipe pick: Pick = Pick::Smallest,
        /// How many; 1 where neither it, `min-count` nor `pick = "all"` is given.
        wipe count: Option<Spanned<u32>>,
        /// With `pick = "all"`: how many there must be at least.
        wipe min_count: Option<Spanned<u32>>,
        /// No disk smaller than this.
        wipe min_size: Option<Spanned<Size>>,
        /// No disk larger than this.
        wipe max_size: Option<Spanned<Size>>,
        /// The maker's model name.
        wipe model: Option<Pattern>,
        /// The maker's serial numbers; no other disk is taken.
        wipe serial: Vec<Pattern>,
        /// What becomes of the contents at the next installation.
        wipe on_redeploy: OnRedeploy = OnRedeploy::Erase,
    }
    later ["same-model", "wwn", "path", "bus", "rotational", "numa"]
}

impl Select {
    /// The fewest disks with which the selector is content.
    pub fn count_min(&self) -> u32 {
        let given = self.count.as_ref().or(self.min_count.as_ref());
        given.map_or(1, |count| count.value)
    }
}

words! {
    /// What sort of disk.
    DiskType {
        /// Solid state behind SATA or SAS.
        Ssd = "ssd",
        /// Solid state on PCIe.
        Nvme = "nvme",
        /// Turning.
        Hdd = "hdd",
        /// Whatever it is.
        Any = "any",
    }
}

words! {
    /// Which of the disks that fit; ties are broken by disk id.
    Pick {
        /// The smallest.
        Smallest = "smallest",
        /// The largest.
        Largest = "largest",
        /// All of them.
        All = "all",
    }
}

words! {
    /// What becomes of a disk's contents when the machine is installed again.
    OnRedeploy {
        /// They are erased.
        Erase = "erase",
        /// They stay, and are verified before the first write.
        Keep = "keep",
    }
}

table! {
    /// A partition, on every disk its selector takes.
    Partition {
        /// A name that filesystems and containers use.
        wipe id: Spanned<Name>,
        /// The selector whose disks get it.
        wipe on: Spanned<Name>,
        /// How large; `rest` once per selector.
        wipe size: Spanned<Extent>,
        /// What it is marked as in the partition table.
        wipe partition_type("type"): PartitionType = PartitionType::Linux,
    }
}

words! {
    /// What a partition is marked as.
    PartitionType {
        /// EFI system partition: where UEFI looks for a boot loader.
        Esp = "esp",
        /// BIOS boot partition: where GRUB keeps itself on a GPT disk.
        Bios = "bios",
        /// Linux data; also members of RAID and LVM.
        Linux = "linux",
        /// Linux swap.
        Swap = "swap",
    }
}

table! {
    /// Software RAID (md).
    Raid {
        /// The level.
        wipe level: Spanned<RaidLevel>,
        /// Partitions, by id; a partition counts once for each disk it is on.
        wipe members: Vec<Spanned<Name>>,
    }
}

/// A RAID level that md knows and that makes sense for a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RaidLevel {
    /// Striped; one failure loses everything.
    Stripe,
    /// Mirrored.
    Mirror,
    /// One parity; survives one failure.
    Five,
    /// Two parities; survives two failures.
    Six,
    /// Striped mirrors.
    Ten,
}

impl RaidLevel {
    /// Numbers and levels.
    const LEVELS: [(i64, Self); 5] = [
        (0, Self::Stripe),
        (1, Self::Mirror),
        (5, Self::Five),
        (6, Self::Six),
        (10, Self::Ten),
    ];

    /// The number people know it by.
    pub fn number(self) -> i64 {
        match self {
            Self::Stripe => 0,
            Self::Mirror => 1,
            Self::Five => 5,
            Self::Six => 6,
            Self::Ten => 10,
        }
    }

    /// The fewest members with which it is what it says.
    pub fn members_min(self) -> u32 {
        match self {
            Self::Stripe | Self::Mirror | Self::Ten => 2,
            Self::Five => 3,
            Self::Six => 4,
        }
    }
}

impl Decode for RaidLevel {
    const SHAPE: &'static Shape = &Shape::Integer { min: 0, max: 10 };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let number = i64::from(decoder.value::<u32>(node)?);
        let level = Self::LEVELS
            .iter()
            .find(|(known, _)| *known == number)
            .map(|(_, level)| *level);
        if level.is_none() {
            decoder.unreadable(
                node,
                &format!("{number} is none of the RAID levels 0, 1, 5, 6, 10"),
            );
        }
        level
    }
}

table! {
    /// An LVM volume group.
    VolumeGroup {
        /// Partitions by id, or RAID arrays by name.
        wipe members: Vec<Spanned<Name>>,
        /// Its logical volumes, named `group/volume` by filesystems.
        wipe volume: InOrder<Volume>,
    }
}

table! {
    /// A logical volume.
    Volume {
        /// How large; `rest` once per group.
        wipe size: Spanned<Extent>,
    }
}

table! {
    /// What is put on a partition, array or volume.
    Filesystem {
        /// A partition's id, a RAID array's name, or `group/volume`.
        wipe on: Spanned<String>,
        /// What it is.
        wipe filesystem_type("type"): Spanned<FilesystemType>,
        /// Where the installed system mounts it.
        next_deploy mount: Option<Spanned<AbsolutePath>>,
        /// Mount options, one each.
        next_deploy options: Vec<String>,
        /// Its label.
        wipe label: Option<String>,
    }
}

words! {
    /// What is put on a partition or volume.
    FilesystemType {
        /// ext4.
        Ext4 = "ext4",
        /// XFS.
        Xfs = "xfs",
        /// FAT, as UEFI wants it.
        Vfat = "vfat",
        /// Swap space; it has no mount point.
        Swap = "swap",
    }
}
