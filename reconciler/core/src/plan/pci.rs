//! Whether a machine has the GPUs and the other devices on PCI that a deployment requires.
//!
//! An inventory of before they were looked at says nothing about them, which is not that there are none.

use crate::gpu::{self, Memory};
use rack_api::inventory::{Inventory, PciDevices};
use schema_fleet::{GpuVendor, Require, RequiredGpus, RequiredPci, Unmet};
use schema_ids::PciId;

/// What is said of a machine whose devices nobody has looked at.
const NOT_LOOKED_AT: &str = "whose PCI devices no inspection has seen; raise `inspect` of theirs";

/// What is said of a machine whose GPUs would do, but for their memory, which nobody has looked at.
const MEMORY_NOT_LOOKED_AT: &str = "whose GPUs' memory no inspection has seen; raise `inspect` of theirs";

/// The first requirement that a machine does not meet.
pub(super) fn unmet(require: &Require, inventory: &Inventory) -> Option<Unmet> {
    let unmet = |field, why| Some(Unmet { field, why });
    let unseen = |field| unmet(field, NOT_LOOKED_AT.to_owned());
    let found = match &inventory.pci {
        Some(found) => found,
        None if !require.gpus.is_empty() => return unseen("gpus"),
        None if !require.pci.is_empty() => return unseen("pci"),
        None => return None,
    };
    let has = |fits: &dyn Fn(&PciDevices) -> bool, least: u32| {
        let fitting = found.iter().filter(|devices| fits(devices));
        fitting.map(|devices| u64::from(devices.count)).sum::<u64>() >= u64::from(least)
    };
    for gpus in &require.gpus {
        if !has(
            &|devices| is_such_gpu(gpus, devices) && has_memory(gpus, devices),
            gpus.count.0,
        ) {
            let may_have = |devices: &PciDevices| {
                let is_unseen = gpu::memory(devices) == Memory::Unseen;
                is_such_gpu(gpus, devices) && (is_unseen || has_memory(gpus, devices))
            };
            if has(&may_have, gpus.count.0) {
                return unmet("gpus", MEMORY_NOT_LOOKED_AT.to_owned());
            }
            return unmet(
                "gpus",
                format!("with fewer {} than {}", gpus_words(gpus), gpus.count.0),
            );
        }
    }
    for wanted in &require.pci {
        if !has(&|devices| is_such(wanted, devices), wanted.count.0) {
            let why = format!(
                "with fewer PCI devices {} than {}",
                id_words(wanted),
                wanted.count.0
            );
            return unmet("pci", why);
        }
    }
    None
}

fn is_such_gpu(wanted: &RequiredGpus, devices: &PciDevices) -> bool {
    devices.are_gpus()
        && wanted
            .vendor
            .is_none_or(|vendor| devices.vendor == number(vendor))
        && wanted.device.is_none_or(|device| devices.device == device)
        && wanted
            .model
            .as_ref()
            .is_none_or(|wanted| gpu::model(devices).is_some_and(|model| wanted.matches(model)))
}

fn has_memory(wanted: &RequiredGpus, devices: &PciDevices) -> bool {
    let least = wanted.memory;
    least.is_none_or(|least| gpu::memory(devices).bytes() >= least.0.0)
}

fn is_such(wanted: &RequiredPci, devices: &PciDevices) -> bool {
    devices.vendor == wanted.vendor && wanted.device.is_none_or(|device| devices.device == device)
}

/// A maker's number at the PCI-SIG.
fn number(vendor: GpuVendor) -> PciId {
    match vendor {
        GpuVendor::Amd => PciId(0x1002),
        GpuVendor::Intel => PciId(0x8086),
        GpuVendor::Nvidia => PciId(0x10de),
    }
}

/// What GPUs are wanted: `nvidia GPUs 20b5 *A100* of 80GB`.
pub(super) fn gpus_words(wanted: &RequiredGpus) -> String {
    let vendor = wanted
        .vendor
        .map_or_else(String::new, |vendor| format!("{vendor} "));
    let device = wanted
        .device
        .map_or_else(String::new, |device| format!(" {device}"));
    let model = wanted.model.as_ref();
    let model = model.map_or_else(String::new, |model| format!(" {model}"));
    let memory = wanted.memory;
    let memory = memory.map_or_else(String::new, |least| format!(" of {}", least.0));
    format!("{vendor}GPUs{device}{model}{memory}")
}

/// Which devices are wanted: `15b3:1017`.
pub(super) fn id_words(wanted: &RequiredPci) -> String {
    match wanted.device {
        Some(device) => format!("{}:{device}", wanted.vendor),
        None => format!("of vendor {}", wanted.vendor),
    }
}

/// The GPUs that were found, with what they are called and how much memory they have.
pub(super) fn gpus_found(inventory: &Inventory) -> String {
    let words = |devices: &PciDevices| format!("{} x {}", devices.count, gpu::words(devices));
    found(inventory, PciDevices::are_gpus, words, "; ")
}

/// The devices that were found: `4 x 10de:20b5`.
pub(super) fn devices_found(inventory: &Inventory) -> String {
    let words = |devices: &PciDevices| format!("{} x {}:{}", devices.count, devices.vendor, devices.device);
    found(inventory, |_| true, words, ", ")
}

fn found(
    inventory: &Inventory,
    which: impl Fn(&PciDevices) -> bool,
    words: impl Fn(&PciDevices) -> String,
    between: &str,
) -> String {
    let Some(all) = &inventory.pci else {
        return "no inspection has looked".to_owned();
    };
    let such = all.iter().filter(|devices| which(devices));
    let words: Vec<String> = such.map(words).collect();
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(between),
    }
}
