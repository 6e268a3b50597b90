//! Jobs of the in-machine agent, with every choice already made by the plan.

use crate::boot_order::BootOrder;
use crate::inventory::FirmwareKind;
use crate::network::Network;
use crate::ownership::MarkWish;
use crate::volume::{Array, Device, VolumeGroup};
use schema_ids::{BindingId, ContentId, Digest, DiskId, Generation, Incarnation, MachineId, Name, Uuid};
use serde::{Deserialize, Serialize};

/// One job of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Which job this is.
    pub job: JobRef,
    /// The machine's name, for its console.
    pub name: Name,
    /// What the machine's firmware shall try first; set by every job where the firmware lets itself be told.
    #[serde(default)]
    pub boot_order: BootOrder,
    /// Whether the machine runs what muster did not install: its firmware's order is only read, and once the job is over,
    /// however it ended, it starts its own disk and asks for nothing more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaves: bool,
    /// What git asks of the machine's mark of ownership: done by a job that takes an inventory. Where it is absent, the
    /// mark is only read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<MarkWish>,
    /// What to do.
    pub kind: JobKind,
}

/// Names a job in facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobRef {
    /// The machine.
    pub machine: MachineId,
    /// The intent it serves.
    pub generation: Generation,
    /// Which try, from 1.
    pub attempt: u32,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// Take the inventory; write nothing.
    Inspect,
    /// Install a system.
    Deploy(Box<Deploy>),
    /// Erase the disks of a binding that ends.
    Erase(Box<Erase>),
}

impl JobKind {
    /// The name people see.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Inspect => "inspect",
            Self::Deploy(_) => "deploy",
            Self::Erase(_) => "erase",
        }
    }

    /// Whether it writes disks which hold data in use: what a deployment of ours stands on, and what a release erases.
    /// What was there before and a person agreed to lose is not in use.
    pub fn wipes_in_use(&self) -> bool {
        match self {
            Self::Inspect => false,
            Self::Deploy(deploy) => deploy
                .disks
                .iter()
                .any(|disk| matches!(disk.agreed, ContentId::Marker { .. })),
            Self::Erase(erase) => erase.disks.iter().any(|disk| disk.agreed != ContentId::Blank),
        }
    }
}

/// An installation, resolved to disks and addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    /// The binding that will own the disks.
    pub binding: BindingId,
    /// The control plane's life that made it; written into the marker.
    pub incarnation: Incarnation,
    /// Digest of everything below, written into the final marker.
    pub spec: Digest,
    /// The reinstall epoch, a number in git.
    pub epoch: u64,
    /// The installed system's host name.
    pub hostname: String,
    /// The image.
    pub image: ImageRef,
    /// How the machine boots, which decides the boot loader.
    pub firmware: FirmwareKind,
    /// The wipe-set: disks to be written, with the contents that may be erased.
    pub disks: Vec<DiskPlan>,
    /// Software RAID over their partitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arrays: Vec<Array>,
    /// LVM over partitions and arrays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<VolumeGroup>,
    /// Filesystems and swap, parents before children.
    pub filesystems: Vec<Filesystem>,
    /// The installed system's network.
    pub network: Network,
    /// Lines for the default account's `authorized_keys`.
    pub ssh_keys: Vec<String>,
    /// cloud-init user-data from the fleet repository.
    pub user_data: Option<String>,
    /// Added to the installed kernel's command line.
    pub kernel_args: Vec<String>,
}

/// The erasure of a binding's disks, these and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erase {
    /// The binding whose disks they are.
    pub binding: BindingId,
    /// The control plane's life that made it; written into the marker.
    pub incarnation: Incarnation,
    /// Digest of everything below; it also chooses the blocks that are read back.
    pub spec: Digest,
    /// How thoroughly.
    pub method: EraseMethod,
    /// The wipe-set, with the contents that may be erased.
    pub disks: Vec<DiskErase>,
}

/// How thoroughly disks are erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EraseMethod {
    /// All that says what is where: both ends of the disk and of each partition, and samples between them.
    /// What a disk can discard is discarded; what it cannot stays between, unnamed.
    Quick,
}

impl EraseMethod {
    /// The name people see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
        }
    }
}

/// One disk that will be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskErase {
    /// The disk.
    pub disk: DiskId,
    /// The contents that the plan agreed to erase.
    pub agreed: ContentId,
    /// Its size when planned, in bytes.
    pub size_bytes: u64,
}

/// An image, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRef {
    /// Its name in the fleet.
    pub name: Name,
    /// The family, whose renderers write network, boot loader and user-data: `debian-12`.
    pub family: String,
    /// The archive's form.
    pub format: ImageFormat,
    /// Digest of the archive.
    pub digest: Digest,
    /// Bytes after unpacking, for progress; 0 if the fleet does not say.
    pub unpacked_bytes: u64,
}

/// The archive's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageFormat {
    /// A root filesystem as a Zstandard-compressed tar.
    #[serde(rename = "tar.zst")]
    TarZst,
}

/// One disk that will be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskPlan {
    /// The disk.
    pub disk: DiskId,
    /// The contents that the plan agreed to erase.
    pub agreed: ContentId,
    /// Its size when planned, in bytes.
    pub size_bytes: u64,
    /// The new GPT's disk GUID.
    pub table: Uuid,
    /// The new partitions in order. The first is always the 1 MiB `Marker` at offset 1 MiB.
    pub partitions: Vec<Partition>,
    /// Whether the boot loader goes onto this disk.
    pub bootable: bool,
}

/// A GPT partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its number, from 1.
    pub number: u32,
    /// The layout's id for it, used as the GPT name; at most 36 characters.
    pub id: String,
    /// What it is for.
    pub kind: PartitionKind,
    /// First byte, a multiple of 1 MiB.
    pub start_bytes: u64,
    /// Length in bytes, a multiple of 1 MiB.
    pub size_bytes: u64,
    /// Its unique GUID.
    pub uuid: Uuid,
}

/// What a partition is for; decides its GPT type GUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionKind {
    /// Our ownership marker: 1 MiB at offset 1 MiB.
    Marker,
    /// GRUB's core image on BIOS machines.
    BiosBoot,
    /// EFI system partition.
    Esp,
    /// Linux filesystem data.
    Linux,
    /// Linux swap.
    Swap,
    /// A member of a software RAID array.
    Raid,
    /// A physical volume of LVM.
    Lvm,
}

/// A filesystem to make and mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filesystem {
    /// What it is made on.
    #[serde(flatten)]
    pub device: Device,
    /// Which.
    pub kind: FilesystemKind,
    /// Its UUID, chosen in the plan; a vfat takes the first 8 digits as its volume id.
    pub uuid: Uuid,
    /// Its label, if any.
    pub label: Option<String>,
    /// Where it is mounted; absent for swap.
    pub mount: Option<String>,
    /// Mount options; empty means `defaults`.
    pub options: Vec<String>,
}

/// Filesystems that we make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilesystemKind {
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// FAT32.
    Vfat,
    /// Swap space.
    Swap,
}
