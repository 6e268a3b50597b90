//! What a GPU is called and how much memory it has, told without a driver.
//!
//! The kernel shows numbers and windows alone. The name is looked up in the PCI ID database (<https://pci-ids.ucw.cz/>) of the
//! day on which this program was built: inspections keep numbers, so a newer program knows older machines by name. Makers write
//! the memory into names where one chip is sold with several sizes. Elsewhere the window tells: it is the least power of two
//! that memory fits into, or a part of it, so there is more than half of it. What may be said of another memory, or of another
//! model, counts for nothing: better less than there is than more.

use crate::plan::size_text;
use rack_api::inventory::PciDevices;
use schema_ids::PciId;
use std::fmt;

/// Intel's number at the PCI-SIG.
const INTEL: PciId = PciId(0x8086);

/// What Intel builds into a processor has memory of the computer's, which the firmware shows through a window of up to so many
/// bytes. Inspections do not tell it from a card.
const INTEL_APERTURE_MAX: u64 = 4 << 30;

/// Modules of a processor and a GPU: the sizes in their names are of the processor's memory.
const WITH_PROCESSOR: [&str; 3] = ["GH200", "GB200", "GB300"];

/// Memory of a GPU, with what tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Bytes that its model's name says.
    Named(u64),
    /// There is more than half of a window of so many bytes.
    Window(u64),
    /// A window of so many bytes, which may be to the computer's memory.
    Aperture(u64),
    /// No inspection has read the window.
    Unseen,
}

impl Memory {
    /// Bytes that there are for certain.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Named(bytes) => bytes,
            Self::Window(bytes) => bytes / 2,
            Self::Aperture(_) | Self::Unseen => 0,
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(bytes) => write!(f, "{} by its name", size_text(*bytes)),
            Self::Window(0) => f.write_str("no window to its memory"),
            Self::Window(_) => write!(f, "more than {} by its window", size_text(self.bytes())),
            Self::Aperture(bytes) => {
                write!(
                    f,
                    "a window of {} that may be to the computer's memory",
                    size_text(*bytes)
                )
            }
            Self::Unseen => f.write_str("no inspection has read its window"),
        }
    }
}

/// What the PCI ID database calls it: `GA100 [A100 PCIe 80GB]`.
pub fn model(devices: &PciDevices) -> Option<&'static str> {
    let known = pci_ids::Device::from_vid_pid(devices.vendor.0, devices.device.0)?;
    Some(known.name())
}

/// How much memory each has.
pub fn memory(devices: &PciDevices) -> Memory {
    let named = model(devices).and_then(named_bytes);
    match (named, devices.window_bytes) {
        (Some(bytes), _) => Memory::Named(bytes),
        (None, Some(bytes)) if (1..=INTEL_APERTURE_MAX).contains(&bytes) && devices.vendor == INTEL => {
            Memory::Aperture(bytes)
        }
        (None, Some(bytes)) => Memory::Window(bytes),
        (None, None) => Memory::Unseen,
    }
}

/// `10de:20b5 GA100 [A100 PCIe 80GB], 80.0 GB by its name`.
pub fn words(devices: &PciDevices) -> String {
    let model = model(devices).map_or_else(String::new, |model| format!(" {model}"));
    let memory = memory(devices);
    format!("{}:{}{model}, {memory}", devices.vendor, devices.device)
}

/// The memory in a name, in bytes; the least where it says several, `RTX A2000 8GB / 16GB`. Of several models each must say it:
/// `Radeon Pro VII/Radeon Instinct MI50 32GB` says nothing of the first.
fn named_bytes(name: &str) -> Option<u64> {
    if WITH_PROCESSOR.iter().any(|module| name.contains(module)) {
        return None;
    }
    // Before the bracket stand chips.
    let models = name.split_once('[').map_or(name, |(_, models)| models);
    let each: Option<Vec<u64>> = models.split('/').map(least_gigabytes).collect();
    each?.into_iter().min()?.checked_mul(1_000_000_000)
}

/// The least of the sizes that a text says, in GB.
fn least_gigabytes(text: &str) -> Option<u64> {
    let before = text.match_indices("GB").map(|(at, _)| &text[..at]);
    let numbers = before.filter_map(|before| {
        let before = before.trim_end_matches(' ');
        let digits = before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        before[digits..].parse::<u64>().ok()
    });
    numbers.min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pci_ids::FromId as _;

    #[test]
    fn what_tells_the_memory_is_said() {
        let gpu = |device, window_bytes| PciDevices {
            class: PciId(0x0302),
            vendor: PciId(0x10de),
            device: PciId(device),
            subsystem: None,
            window_bytes,
            count: 1,
        };
        let said = [
            (
                gpu(0x20b5, Some(128 << 30)),
                "10de:20b5 GA100 [A100 PCIe 80GB], 80.0 GB by its name",
            ),
            (
                gpu(0x26b9, Some(64 << 30)),
                "10de:26b9 AD102GL [L40S], more than 34.3 GB by its window",
            ),
            (
                gpu(0x26b9, Some(0)),
                "10de:26b9 AD102GL [L40S], no window to its memory",
            ),
            (gpu(0xffff, None), "10de:ffff, no inspection has read its window"),
        ];
        for (gpu, text) in said {
            assert_eq!(words(&gpu), text);
        }
    }

    #[test]
    fn names_say_memory_or_nothing() {
        let said = [
            ("GA100 [A100 PCIe 80GB]", Some(80)),
            ("GP107M [GeForce GTX 1050 3 GB Max-Q]", Some(3)),
            ("TU117GL [T400 4GB / T400E 8GB]", Some(4)),
            ("GH100 [H100 PCIe]", None),
            ("Super GB", None),
            ("GB203 [GeForce RTX 5080]", None),
        ];
        for (name, gigabytes) in said {
            assert_eq!(
                named_bytes(name),
                gigabytes.map(|n: u64| n * 1_000_000_000),
                "{name}"
            );
        }
    }

    #[test]
    fn no_name_in_the_table_says_more_than_each_that_bears_it_has() {
        let named = |vendor, device| {
            let name = pci_ids::Device::from_vid_pid(vendor, device).unwrap().name();
            named_bytes(name).map(|bytes| bytes / 1_000_000_000)
        };
        let said = [
            // GH200: 96 GB or 144 GB beside 120 GB or 480 GB of the processor's.
            (0x10de, 0x2342, None),
            (0x10de, 0x2941, None),
            // The Radeon Pro VII has 16 GB.
            (0x1002, 0x66a1, None),
            (0x10de, 0x1ff2, None),
            (0x10de, 0x25ac, Some(6)),
            (0x10de, 0x222f, Some(11)),
            (0x10de, 0x2335, Some(141)),
            (0x10de, 0x20b3, Some(64)),
            (0x1002, 0x6930, Some(4)),
        ];
        for (vendor, device, gigabytes) in said {
            assert_eq!(named(vendor, device), gigabytes, "{vendor:x}:{device:x}");
        }
        // Whatever the table of tomorrow lists by `/` is looked at by a person: these are those of today.
        let makers = [0x1002, 0x10de, 0x8086].map(|id| pci_ids::Vendor::from_id(id).unwrap());
        let devices = makers.iter().flat_map(|vendor| vendor.devices());
        let several = devices.filter(|device| {
            let models = device.name().split_once('[').map_or("", |(_, models)| models);
            models.contains('/') && named_bytes(models).is_some()
        });
        let several: Vec<&str> = several.map(pci_ids::Device::name).collect();
        assert_eq!(
            several,
            ["GA102 [GeForce RTX 3080 11GB / 12GB Engineering Sample]"]
        );
    }

    #[test]
    fn a_window_of_intels_counts_where_it_is_to_memory_of_its_own_for_certain() {
        let intel = |window_bytes| PciDevices {
            class: PciId(0x0300),
            vendor: INTEL,
            device: PciId(0xffff),
            subsystem: None,
            window_bytes: Some(window_bytes),
            count: 1,
        };
        let built_in = memory(&intel(256 << 20));
        assert_eq!((built_in, built_in.bytes()), (Memory::Aperture(256 << 20), 0));
        let told = "8086:ffff, a window of 268.4 MB that may be to the computer's memory";
        assert_eq!(words(&intel(256 << 20)), told);
        assert_eq!(memory(&intel(4 << 30)).bytes(), 0);
        assert_eq!(memory(&intel(16 << 30)).bytes(), 8 << 30);
        assert_eq!(memory(&intel(0)), Memory::Window(0));
    }
}
