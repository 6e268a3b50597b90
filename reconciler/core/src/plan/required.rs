//! Whether a machine is what a deployment requires of those that it counts.
//!
//! What git says of it is the language's own business; what it is made of, its inspection shows.

use crate::plan::{layout::size_text, pci};
use rack_api::inventory::{Disk, DiskKind, Inventory};
use schema_fleet::{
    DiskType, Expect, ExpectedDisks, Fleet, Machine, Require, RequiredDisks, SpreadBy, Unmet,
};
use schema_ids::Name;

/// Of memory that a machine is sold with, kernel and firmware keep up to this part: a machine of 64 GiB has
/// 62 for programs, one of 1 GiB a little less than 0.96.
const MEMORY_KEPT: u64 = 16;

/// The zone that a machine's rack stands in.
pub(super) fn zone<'a>(fleet: &'a Fleet, rack: Option<&Name>) -> Option<&'a Name> {
    let zone = fleet.racks.get(rack?)?.zone.as_ref();
    zone.map(|zone| &zone.name)
}

/// What a deployment's `spread` counts a machine of this rack by, as far as git says.
pub(super) fn domain(fleet: &Fleet, by: SpreadBy, rack: Option<&Name>) -> Option<String> {
    match by {
        SpreadBy::Rack => rack.map(ToString::to_string),
        SpreadBy::Zone => zone(fleet, rack).map(ToString::to_string),
        SpreadBy::PowerFeed => fleet.racks.get(rack?)?.power_feeds.first().cloned(),
    }
}

/// The first requirement that a machine does not meet by what git says.
pub(super) fn unmet_in_git(fleet: &Fleet, require: &Require, machine: &Machine) -> Option<Unmet> {
    let rack = machine.rack.as_ref().map(|rack| &rack.name);
    require.unmet_by_git(machine, zone(fleet, rack))
}

/// The first requirement that a machine does not meet by what was found in it.
pub(super) fn unmet_in_inventory(require: &Require, inventory: &Inventory) -> Option<Unmet> {
    let cpu = &inventory.cpu;
    let other = require
        .arch
        .as_ref()
        .filter(|arch| arch.value.as_str() != cpu.arch);
    if let Some(arch) = other {
        let why = format!("of another architecture than {}", arch.value);
        return Some(Unmet { field: "arch", why });
    }
    let fewer = |field, least: Option<schema_fleet::LeastNumber>, has: u32, what: &str| {
        let least = least.filter(|least| has < least.0)?;
        let why = format!("with fewer {what} than {}", least.0);
        Some(Unmet { field, why })
    };
    fewer("cpu-cores", require.cpu_cores, cpu.cores, "cores")
        .or_else(|| fewer("cpu-threads", require.cpu_threads, cpu.threads, "threads"))
        .or_else(|| {
            let least = require.memory.filter(|least| {
                let bytes = least.0.0;
                inventory.memory_bytes < bytes - bytes / MEMORY_KEPT
            })?;
            let why = format!("with less memory than {}", least.0);
            Some(Unmet { field: "memory", why })
        })
        .or_else(|| {
            let mut disks = require.disks.iter();
            let why = disks.find_map(|disks| too_few(disks, &inventory.disks))?;
            Some(Unmet { field: "disks", why })
        })
        .or_else(|| pci::unmet(require, inventory))
}

/// What a machine lacks of what git says that it has, in words.
pub(super) fn lacking(expect: &Expect, inventory: &Inventory) -> Option<String> {
    let cores = expect.cpu_cores.as_ref();
    if let Some(cores) = cores.filter(|cores| inventory.cpu.cores < cores.value) {
        return Some(format!(
            "{} cores are expected, it has {}",
            cores.value, inventory.cpu.cores
        ));
    }
    let memory = expect.memory.as_ref().map(|memory| memory.value);
    if let Some(memory) = memory.filter(|memory| inventory.memory_bytes < memory.0 - memory.0 / MEMORY_KEPT) {
        let found = size_text(inventory.memory_bytes);
        return Some(format!("{memory} of memory are expected, it has {found}"));
    }
    let local: Vec<&Disk> = inventory.disks.iter().filter(|disk| disk.local).collect();
    let disks = expect.disks.as_ref();
    if let Some(disks) = disks.filter(|disks| local.len() < disks.value as usize) {
        return Some(format!(
            "{} disks are expected, it has {}",
            disks.value,
            local.len()
        ));
    }
    expect.disk.iter().find_map(|expected| {
        let alike = |disk: &&&Disk| is_such(expected, disk);
        let found = local.iter().filter(alike).count();
        (found < usize::from(expected.count.0)).then(|| {
            let model = expected
                .model
                .as_ref()
                .map_or(String::new(), |model| format!(" {model}"));
            format!(
                "{} disks of {} ({}{model}) are expected, it has {found}",
                expected.count, expected.size.value, expected.disk_type
            )
        })
    })
}

/// Disks of one size as sold differ by less than this part.
const SIZE_TOLERANCE: u64 = 100;

fn is_such(expected: &ExpectedDisks, disk: &Disk) -> bool {
    let size = expected.size.value.0;
    of_type(expected.disk_type, disk)
        && disk.size_bytes.abs_diff(size) <= size / SIZE_TOLERANCE
        && expected.model.as_ref().is_none_or(|model| disk.model == *model)
}

fn of_type(wanted: DiskType, disk: &Disk) -> bool {
    match wanted {
        DiskType::Any => true,
        DiskType::Ssd => disk.kind == DiskKind::Ssd,
        DiskType::Nvme => disk.kind == DiskKind::Nvme,
        DiskType::Hdd => disk.kind == DiskKind::Hdd,
    }
}

fn too_few(required: &RequiredDisks, found: &[Disk]) -> Option<String> {
    let large = |disk: &Disk| required.min_size.is_none_or(|least| disk.size_bytes >= least.0);
    let fit = found
        .iter()
        .filter(|disk| disk.id.is_some() && disk.local && of_type(required.disk_type, disk) && large(disk));
    let least = required.count.0;
    (fit.count() < least as usize).then(|| {
        let what = match required.disk_type {
            DiskType::Any => "disks".to_owned(),
            sort => format!("{sort} disks"),
        };
        let size = required
            .min_size
            .map_or(String::new(), |size| format!(" of {size}"));
        format!("with fewer {what}{size} than {least}")
    })
}
