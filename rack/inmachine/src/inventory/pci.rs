//! What sits on PCI, from the kernel's list: equal devices are counted, what every machine has by the dozen is left out.

use crate::sysfs::Sysfs;
use rack_api::inventory::PciDevices;
use schema_ids::PciId;
use std::collections::BTreeMap;

/// The largest servers have some 1,500, virtual functions apart.
const DEVICES_MAX: usize = 8192;

/// Sorts of devices; a server has some twenty.
const SORTS_MAX: usize = 256;

/// Base classes that nobody asks a machine for: bridges, system peripherals, performance counters, instrumentation.
const CLASSES_LEFT_OUT: [u16; 4] = [0x06, 0x08, 0x11, 0x13];

/// All devices, by class, vendor and device. Virtual functions are left out: they are parts of one that is counted.
pub(super) fn find_all(sysfs: &Sysfs) -> Vec<PciDevices> {
    let mut sorts: BTreeMap<_, u32> = BTreeMap::new();
    for name in sysfs.names("sys/bus/pci/devices").into_iter().take(DEVICES_MAX) {
        let directory = format!("sys/bus/pci/devices/{name}");
        if sysfs.exists(&format!("{directory}/physfn")) {
            continue;
        }
        let hexadecimal = |attribute: &str| {
            let text = sysfs.text(&format!("{directory}/{attribute}"))?;
            u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
        };
        let id = |attribute| Some(PciId(u16::try_from(hexadecimal(attribute)?).ok()?));
        // The last two digits are the programming interface, which tells no sort of device.
        let class = hexadecimal("class").and_then(|class| u16::try_from(class >> 8).ok());
        let (Some(class), Some(vendor), Some(device)) = (class, id("vendor"), id("device")) else {
            continue;
        };
        if CLASSES_LEFT_OUT.contains(&(class >> 8)) {
            continue;
        }
        // Nought is what a chip says that sits on no card.
        let card = id("subsystem_vendor").filter(|vendor| vendor.0 != 0);
        let subsystem = card.zip(id("subsystem_device"));
        *sorts
            .entry((PciId(class), vendor, device, subsystem))
            .or_default() += 1;
    }
    let sorts = sorts.into_iter().take(SORTS_MAX);
    sorts
        .map(|((class, vendor, device, subsystem), count)| PciDevices {
            class,
            vendor,
            device,
            subsystem,
            count,
        })
        .collect()
}
