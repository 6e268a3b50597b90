//! What a GPU is called and how much memory it has, told without a driver.
//!
//! The kernel shows numbers and windows alone. The name is looked up in the PCI ID database (<https://pci-ids.ucw.cz/>) of the
//! day on which this program was built: inspections keep numbers, so a newer program knows older machines by name. Makers write
//! the memory into names where one chip is sold with several sizes. Elsewhere the window tells: it is the least power of two
//! that memory fits into, or a part of it, so there is more than half of it. This is never more than there is.

use crate::plan::size_text;
use rack_api::inventory::PciDevices;
use std::fmt;

/// Memory of a GPU, with what tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Bytes that its model's name says.
    Named(u64),
    /// There is more than half of a window of so many bytes.
    Window(u64),
    /// No inspection has read the window.
    Unseen,
}

impl Memory {
    /// Bytes that there are for certain.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Named(bytes) => bytes,
            Self::Window(bytes) => bytes / 2,
            Self::Unseen => 0,
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(bytes) => write!(f, "{} by its name", size_text(*bytes)),
            Self::Window(0) => f.write_str("no window to its memory"),
            Self::Window(_) => write!(f, "more than {} by its window", size_text(self.bytes())),
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

/// The memory in a name, in bytes; the least where it says several, `RTX A2000 8GB / 16GB`.
fn named_bytes(name: &str) -> Option<u64> {
    let before = name.match_indices("GB").map(|(at, _)| &name[..at]);
    let numbers = before.filter_map(|before| {
        let before = before.trim_end_matches(' ');
        let digits = before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        before[digits..].parse::<u64>().ok()
    });
    numbers.min()?.checked_mul(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_the_memory_is_said() {
        let gpu = |device, window_bytes| PciDevices {
            class: schema_ids::PciId(0x0302),
            vendor: schema_ids::PciId(0x10de),
            device: schema_ids::PciId(device),
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
}
