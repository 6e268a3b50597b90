//! What a machine is made of, as the in-machine agent found it.

use crate::ownership::MarkSeen;
use schema_ids::{ContentId, DiskId, Mac, PciId, Uuid};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One machine's hardware. Lists are sorted, so that equal hardware gives an equal value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// SMBIOS system UUID; known junk counts as absent.
    pub uuid: Option<Uuid>,
    /// SMBIOS system serial number; known junk counts as absent.
    pub serial: Option<String>,
    /// Manufacturer, empty if unknown.
    pub vendor: String,
    /// Product name, empty if unknown.
    pub product: String,
    /// Firmware.
    pub firmware: Firmware,
    /// Processors.
    pub cpu: Cpu,
    /// Memory that the kernel can use, in bytes.
    pub memory_bytes: u64,
    /// Disks by path.
    pub disks: Vec<Disk>,
    /// Network interfaces by MAC.
    pub nics: Vec<Nic>,
    /// The BMC as the machine itself sees it.
    pub bmc: Option<BmcSeen>,
    /// What sits on PCI and does something for a system, by class, vendor and device; bridges and the like are left out.
    /// `None` in inventories of before it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pci: Option<Vec<PciDevices>>,
    /// The mark of ownership that stands on it. `None` in inventories of before it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<MarkSeen>,
}

/// Equal devices on PCI.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PciDevices {
    /// Class and subclass: `0302` for a 3D controller.
    pub class: PciId,
    /// Who makes the chip.
    pub vendor: PciId,
    /// Which chip, among those of that vendor.
    pub device: PciId,
    /// Vendor and device of the card that it sits on, where they tell.
    pub subsystem: Option<(PciId, PciId)>,
    /// Bytes of the largest prefetchable window (BAR, PCI Local Bus 3.0 §6.2.5.1) of each, of displays and accelerators: through
    /// it a processor sees a GPU's memory, or a part of it. `None` of other devices, and in inventories of before it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_bytes: Option<u64>,
    /// How many there are.
    pub count: u32,
}

impl PciDevices {
    /// The base class of displays: VGA (`0300`), 3D (`0302`) and others (`0380`) with it.
    const DISPLAY: u16 = 0x03;

    /// The base class of processing accelerators.
    const ACCELERATOR: u16 = 0x12;

    /// ATI, under whose number AMD makes GPUs; its processors' parts are `1022`.
    const AMD: PciId = PciId(0x1002);

    /// AMD, Intel and NVIDIA.
    const GPU_VENDORS: [PciId; 3] = [PciId(0x1002), PciId(0x8086), PciId(0x10de)];

    /// Rage XL and ES1000 of ATI, whose vendor number is AMD's today: they gave servers of before 2012 their picture.
    const PICTURES_ONLY: [(PciId, PciId); 3] = [
        (PciId(0x1002), PciId(0x4752)),
        (PciId(0x1002), PciId(0x515e)),
        (PciId(0x1002), PciId(0x5969)),
    ];

    /// Whether they are GPUs: a display of a maker of GPUs, or an accelerator of AMD's, since from the MI300 on those say that they
    /// are no display (`1200`). What gives a server its picture, a BMC's VGA (ASPEED `1a03`, Matrox `102b`) or a virtual machine's
    /// (`1234`, `1af4`), is of the class of displays too, and no GPU.
    pub fn are_gpus(&self) -> bool {
        match self.class.0 >> 8 {
            Self::DISPLAY => {
                Self::GPU_VENDORS.contains(&self.vendor)
                    && !Self::PICTURES_ONLY.contains(&(self.vendor, self.device))
            }
            Self::ACCELERATOR => self.vendor == Self::AMD,
            _ => false,
        }
    }

    /// Whether devices of a class may have memory of their own that programs compute in.
    pub fn may_have_memory(class: PciId) -> bool {
        matches!(class.0 >> 8, Self::DISPLAY | Self::ACCELERATOR)
    }
}

/// How a machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirmwareKind {
    /// Legacy BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

/// Firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// How this boot came about.
    pub kind: FirmwareKind,
    /// Its version, as the vendor writes it.
    pub version: String,
}

/// Processors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// Architecture in Debian's words: `amd64`, `arm64`.
    pub arch: String,
    /// Model name.
    pub model: String,
    /// Physical cores over all sockets.
    pub cores: u32,
    /// Hardware threads.
    pub threads: u32,
}

/// A whole disk, multipath folded into one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Its identity; without one it can be neither selected nor erased.
    pub id: Option<DiskId>,
    /// The device node in this boot, for people only.
    pub path: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Bytes.
    pub size_bytes: u64,
    /// What it is.
    pub kind: DiskKind,
    /// Whether it may belong in a wipe-set without being named by id: not removable, not attached by a
    /// fabric, not the BMC's virtual medium.
    pub local: bool,
    /// What is on it, as an identity.
    pub content: ContentId,
    /// What is on it, in words: `gpt, ext4 "root"`; empty when blank.
    pub holds: String,
}

/// What a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskKind {
    /// Flash behind SATA, SAS or virtio.
    Ssd,
    /// Rotating.
    Hdd,
    /// NVMe.
    Nvme,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The kernel's name in this boot, for people only.
    pub name: String,
    /// Permanent address.
    pub mac: Mac,
    /// Negotiated speed in Mbit/s, if there is a link that says so.
    pub speed_mbps: Option<u32>,
    /// Whether there is a carrier.
    pub link: bool,
    /// Kernel driver.
    pub driver: String,
}

/// The BMC from the inside (IPMI 2.0 §23.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcSeen {
    /// Its LAN address, if it has one.
    pub address: Option<IpAddr>,
    /// Its LAN MAC.
    pub mac: Option<Mac>,
}
