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

/// A device has six windows (PCI Local Bus 3.0 §6.2.5.1); what follows them in `resource` is its ROM and those of virtual functions.
const WINDOWS: usize = 6;

/// `IORESOURCE_MEM` and `IORESOURCE_PREFETCH` of Linux: what reading does not change, as memory, and registers are not.
const MEMORY_PREFETCHABLE: u64 = 0x200 | 0x2000;

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
        let window = PciDevices::may_have_memory(PciId(class))
            .then(|| sysfs.text(&format!("{directory}/resource")))
            .flatten()
            .map(|resources| largest_window(&resources));
        *sorts
            .entry((PciId(class), vendor, device, subsystem, window))
            .or_default() += 1;
    }
    let sorts = sorts.into_iter().take(SORTS_MAX);
    sorts
        .map(
            |((class, vendor, device, subsystem, window_bytes), count)| PciDevices {
                class,
                vendor,
                device,
                subsystem,
                window_bytes,
                count,
            },
        )
        .collect()
}

/// The bytes of the largest prefetchable window in a `resource` file: a line for each with first address, last address and
/// flags. One to which firmware gave no address begins at nought and still tells its size. Nought if there is none.
fn largest_window(resources: &str) -> u64 {
    let windows = resources.lines().take(WINDOWS);
    let sizes = windows.filter_map(|line| {
        let mut numbers = line
            .split_whitespace()
            .map(|number| u64::from_str_radix(number.strip_prefix("0x")?, 16).ok());
        let (first, last, flags) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let is_memory = flags & MEMORY_PREFETCHABLE == MEMORY_PREFETCHABLE;
        last.checked_sub(first)
            .filter(|more| is_memory && *more > 0)?
            .checked_add(1)
    });
    sizes.max().unwrap_or(0)
}
