//! Whether a machine is what a deployment requires of those that it counts.
//!
//! What git says of it is the language's own business; what it is made of, its inspection shows.

use rack_api::inventory::{Disk, DiskKind, Inventory};
use schema_fleet::{DiskType, Fleet, Machine, Require, RequiredDisks};
use schema_ids::Name;

/// Of memory that a machine is sold with, kernel and firmware keep up to this part: a machine of 64 GiB has
/// 62 for programs, one of 1 GiB a little less than 0.96.
const MEMORY_KEPT: u64 = 16;

/// The zone that a machine's rack stands in.
pub(super) fn zone<'a>(fleet: &'a Fleet, rack: Option<&Name>) -> Option<&'a Name> {
    let zone = fleet.racks.get(rack?)?.zone.as_ref();
    zone.map(|zone| &zone.name)
}

/// The first requirement that a machine does not meet by what git says, in words.
pub(super) fn unmet_in_git(fleet: &Fleet, require: &Require, machine: &Machine) -> Option<String> {
    let rack = machine.rack.as_ref().map(|rack| &rack.name);
    require.unmet_by_git(machine, zone(fleet, rack))
}

/// The first requirement that a machine does not meet by what was found in it, in words.
pub(super) fn unmet_in_inventory(require: &Require, inventory: &Inventory) -> Option<String> {
    let cpu = &inventory.cpu;
    if let Some(arch) = require
        .arch
        .as_ref()
        .filter(|arch| arch.value.as_str() != cpu.arch)
    {
        return Some(format!("of another architecture than {}", arch.value));
    }
    let fewer = |least: Option<schema_fleet::LeastNumber>, has: u32, what: &str| {
        let least = least.filter(|least| has < least.0)?;
        Some(format!("with fewer {what} than {}", least.0))
    };
    fewer(require.cpu_cores, cpu.cores, "cores")
        .or_else(|| fewer(require.cpu_threads, cpu.threads, "threads"))
        .or_else(|| {
            let least = require.memory.filter(|least| {
                let bytes = least.0.0;
                inventory.memory_bytes < bytes - bytes / MEMORY_KEPT
            })?;
            Some(format!("with less memory than {}", least.0))
        })
        .or_else(|| {
            require
                .disks
                .iter()
                .find_map(|disks| too_few(disks, &inventory.disks))
        })
}

fn too_few(required: &RequiredDisks, found: &[Disk]) -> Option<String> {
    let of_type = |disk: &Disk| match required.disk_type {
        DiskType::Any => true,
        DiskType::Ssd => disk.kind == DiskKind::Ssd,
        DiskType::Nvme => disk.kind == DiskKind::Nvme,
        DiskType::Hdd => disk.kind == DiskKind::Hdd,
    };
    let large = |disk: &Disk| required.min_size.is_none_or(|least| disk.size_bytes >= least.0);
    let fit = found
        .iter()
        .filter(|disk| disk.id.is_some() && disk.local && of_type(disk) && large(disk));
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
