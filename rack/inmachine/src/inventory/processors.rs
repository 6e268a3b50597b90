//! Processors and memory, from `/proc`.

use crate::sysfs::Sysfs;
use rack_api::inventory::Cpu;
use std::collections::BTreeSet;

/// Counts the processors.
pub(super) fn read(sysfs: &Sysfs) -> Cpu {
    let text = sysfs.text("proc/cpuinfo").unwrap_or_default();
    let mut threads = 0;
    let mut cores = BTreeSet::new();
    let mut model = String::new();
    for block in text.split("\n\n") {
        let value = |key: &str| {
            block.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                (name.trim() == key).then(|| value.trim().to_owned())
            })
        };
        if value("processor").is_none() {
            continue;
        }
        threads += 1;
        cores.extend(value("core id").map(|core| (value("physical id"), core)));
        if model.is_empty() {
            model = value("model name").unwrap_or_default();
        }
    }
    Cpu {
        arch: match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
        .to_owned(),
        model,
        // Virtual machines and other architectures do not number their cores.
        cores: match u32::try_from(cores.len()) {
            Ok(0) | Err(_) => threads,
            Ok(cores) => cores,
        },
        threads,
    }
}

/// Memory that the kernel can use.
pub(super) fn memory_bytes(sysfs: &Sysfs) -> u64 {
    let text = sysfs.text("proc/meminfo").unwrap_or_default();
    text.lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse::<u64>()
                .ok()
        })
        .map_or(0, |kib| kib * 1024)
}
