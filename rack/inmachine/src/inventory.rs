//! Takes the inventory: what the machine is made of, read and never changed.

mod bmc;
mod nics;
mod pci;
mod processors;
mod smbios;

pub use bmc::look as look_at_bmc;
pub use nics::raise_links;

use crate::content::Contents;
use crate::disk::{self, BlockDisk};
use crate::ownership;
use crate::sysfs::Sysfs;
use rack_api::inventory::{BmcSeen, Disk, Firmware, FirmwareKind, Inventory};
use rack_api::ownership::MarkSeen;

/// Takes the inventory of the machine below `sysfs`. The contents of disks and the BMC are asked of
/// devices, not of the kernel's files, and so are handed in.
pub fn take(
    sysfs: &Sysfs,
    bmc: Option<BmcSeen>,
    mut contents: impl FnMut(&BlockDisk) -> Contents,
) -> Inventory {
    let mut disks: Vec<Disk> = disk::find_all(sysfs)
        .into_iter()
        .map(|disk| {
            let Contents { id: content, words } = contents(&disk);
            Disk {
                path: disk.node().display().to_string(),
                id: disk.id,
                model: disk.model,
                serial: disk.serial,
                size_bytes: disk.size_bytes,
                kind: disk.kind,
                local: disk.local,
                content,
                holds: words,
            }
        })
        .collect();
    disks.sort_by(|a, b| a.path.cmp(&b.path));
    let mut nics = nics::find_all(sysfs);
    nics.sort_by_key(|nic| nic.mac);
    Inventory {
        uuid: smbios::uuid(sysfs),
        serial: smbios::serial(sysfs),
        vendor: smbios::text(sysfs, "sys_vendor"),
        product: smbios::text(sysfs, "product_name"),
        firmware: Firmware {
            kind: firmware_kind(sysfs),
            version: smbios::text(sysfs, "bios_version"),
        },
        cpu: processors::read(sysfs),
        memory_bytes: processors::memory_bytes(sysfs),
        disks,
        nics,
        bmc,
        pci: Some(pci::find_all(sysfs)),
        mark: Some(MarkSeen::of(ownership::read(sysfs))),
    }
}

/// What tells this machine from others, line by line; of a board whose vendor left its numbers unset, its MACs do.
pub(crate) fn evidence(sysfs: &Sysfs) -> String {
    let numbers = [
        smbios::uuid(sysfs).map(|uuid| uuid.to_string()),
        smbios::serial(sysfs),
    ];
    let mut macs: Vec<String> = nics::find_all(sysfs)
        .iter()
        .map(|nic| nic.mac.to_string())
        .collect();
    macs.sort();
    let numbers = numbers.into_iter().map(Option::unwrap_or_default);
    numbers.chain(macs).collect::<Vec<_>>().join("\n")
}

/// How this boot came about: the kernel shows EFI's tables only where it was started by EFI.
pub fn firmware_kind(sysfs: &Sysfs) -> FirmwareKind {
    if sysfs.exists("sys/firmware/efi") {
        FirmwareKind::Uefi
    } else {
        FirmwareKind::Bios
    }
}
