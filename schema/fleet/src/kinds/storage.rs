//! Storage layouts: which disks, cut how, holding what.

use crate::{
    decode::{Decode, Decoder, InOrder, Ref},
    kind::{Shape, kind, table, words},
    kinds::secret::Secret,
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
    later {
        /// Encryption, by the name of what is in the clear.
        wipe luks: BTreeMap<Name, Luks>,
        /// ZFS pools, by name.
        wipe zfs: BTreeMap<Name, Zpool>,
        /// Btrfs over several devices, by name.
        wipe btrfs: BTreeMap<Name, Btrfs>,
        /// Slow devices with fast ones before them, by name.
        wipe bcache: BTreeMap<Name, Bcache>,
    }
}

table! {
    /// An encrypted device (LUKS2).
    Luks {
        /// A partition's id, a RAID array's name, `group/volume`, or a bcache's name.
        wipe on: Spanned<String>,
        /// What opens it when the machine starts.
        wipe unlock: Unlock,
        /// The secret that opens it when nothing else does.
        wipe recovery: Option<Ref<Secret>>,
    }
}

words! {
    /// What opens an encrypted device when the machine starts.
    Unlock {
        /// The machine's TPM 2.0, while it starts as it did when it was installed.
        Tpm2 = "tpm2",
        /// A Tang server of its network (Clevis).
        Tang = "tang",
        /// A key that the rack agent hands out to the machine.
        Rack = "rack",
        /// A person at the console.
        Passphrase = "passphrase",
    }
}

table! {
    /// A ZFS pool.
    Zpool {
        /// How its members make one virtual device.
        wipe vdev: Vdev = Vdev::Stripe,
        /// Selectors, whose disks are taken whole, or partitions by id.
        wipe members: Vec<Spanned<Name>>,
        /// Its datasets, by name.
        wipe dataset: InOrder<Dataset>,
    }
}

words! {
    /// How the members of a ZFS virtual device share the data.
    Vdev {
        /// Striped; one failure loses everything.
        Stripe = "stripe",
        /// Each has everything.
        Mirror = "mirror",
        /// Survives one failure.
        Raidz1 = "raidz1",
        /// Survives two failures.
        Raidz2 = "raidz2",
        /// Survives three failures.
        Raidz3 = "raidz3",
    }
}

impl Vdev {
    /// The fewest members with which it is what it says.
    pub fn members_min(self) -> u32 {
        match self {
            Self::Stripe => 1,
            Self::Mirror | Self::Raidz1 => 2,
            Self::Raidz2 => 3,
            Self::Raidz3 => 4,
        }
    }
}

table! {
    /// A ZFS dataset.
    Dataset {
        /// Where the installed system mounts it.
        next_deploy mount: Option<Spanned<AbsolutePath>>,
        /// No more than this in it and beneath it.
        next_deploy quota: Option<Size>,
        /// How its blocks are compressed.
        next_deploy compression: Option<Compression>,
    }
}

words! {
    /// How blocks are compressed.
    Compression {
        /// Not at all.
        Off = "off",
        /// LZ4.
        Lz4 = "lz4",
        /// Zstandard.
        Zstd = "zstd",
    }
}

table! {
    /// Btrfs over several devices.
    Btrfs {
        /// Selectors, whose disks are taken whole, or partitions by id.
        wipe members: Vec<Spanned<Name>>,
        /// How data is spread.
        wipe data: BtrfsProfile = BtrfsProfile::Single,
        /// How metadata is spread.
        wipe metadata: BtrfsProfile = BtrfsProfile::Raid1,
        /// Its subvolumes, by name.
        wipe subvolume: InOrder<Subvolume>,
    }
}

words! {
    /// How Btrfs spreads blocks over its devices.
    BtrfsProfile {
        /// Each once.
        Single = "single",
        /// Each twice, perhaps on one device.
        Dup = "dup",
        /// Striped.
        Raid0 = "raid0",
        /// Each on two devices.
        Raid1 = "raid1",
        /// Striped mirrors.
        Raid10 = "raid10",
    }
}

impl BtrfsProfile {
    /// The fewest devices with which it can be had.
    pub fn members_min(self) -> u32 {
        match self {
            Self::Single | Self::Dup => 1,
            Self::Raid0 | Self::Raid1 | Self::Raid10 => 2,
        }
    }
}

table! {
    /// A Btrfs subvolume.
    Subvolume {
        /// Where the installed system mounts it.
        next_deploy mount: Option<Spanned<AbsolutePath>>,
        /// Mount options, one each.
        next_deploy options: Vec<String>,
    }
}

table! {
    /// A slow device with a fast one before it.
    Bcache {
        /// The slow one: a selector that takes one disk, a partition's id, or a RAID array's name.
        wipe backing: Spanned<Name>,
        /// The fast one: a selector that takes one disk, a partition's id, or a RAID array's name.
        wipe cache: Spanned<Name>,
        /// When a write is done.
        wipe mode: CacheMode = CacheMode::Writethrough,
    }
}

words! {
    /// When a write to a cached device is done.
    CacheMode {
        /// When it is on the slow device.
        Writethrough = "writethrough",
        /// When it is on the fast device: its loss loses data.
        Writeback = "writeback",
        /// When it is on the slow device; what is written is not cached.
        Writearound = "writearound",
    }
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
    later {
        /// Whether all that it takes must be of one model.
        wipe same_model: bool = false,
        /// World-wide names; no other disk is taken.
        wipe wwn: Vec<Pattern>,
        /// Where they are plugged in, as Linux names it below `/dev/disk/by-path`; no other disk is taken.
        wipe path: Vec<Pattern>,
        /// How they are attached.
        wipe bus: Option<DiskBus>,
        /// Whether they turn.
        wipe rotational: Option<bool>,
        /// The NUMA node that they hang on.
        wipe numa: Option<u8>,
    }
}

words! {
    /// How a disk is attached.
    DiskBus {
        /// NVMe over PCIe.
        Nvme = "nvme",
        /// SATA.
        Sata = "sata",
        /// SAS.
        Sas = "sas",
        /// virtio, of a virtual machine.
        Virtio = "virtio",
    }
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
    later {
        /// How many of the members are kept idle, to take the place of one that fails.
        wipe spares: u32 = 0,
        /// How much is written to one member before the next: a power of two.
        wipe chunk: Option<Spanned<Size>>,
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

    /// Of so many members at work, how many hold data once; level 10 of an odd number is rounded up.
    pub(crate) fn data_members(self, active: u64) -> u64 {
        match self {
            Self::Stripe => active,
            Self::Mirror => active.min(1),
            Self::Five => active.saturating_sub(1),
            Self::Six => active.saturating_sub(2),
            Self::Ten => active.div_ceil(2),
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
        wipe label: Option<Spanned<String>>,
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
    later {
        /// Btrfs, on one device.
        Btrfs = "btrfs",
    }
}
