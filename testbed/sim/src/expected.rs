//! Machines as their fleet expects them: what an inspection of one would find that is as git says.

use rack_api::inventory::{Cpu, Disk, DiskKind, Firmware, FirmwareKind, Inventory, Nic};
use schema_fleet::{BootMode, DiskCount, DiskType, Expect, ExpectedDisks, Machine, Size};
use schema_ids::{ContentId, Name};

/// A machine of which git expects nothing is a large one.
const CORES: u32 = 64;
const MEMORY_GIB: u64 = 512;
/// What a kernel leaves of a GiB.
const GIB_FOUND: u64 = 1_040_000_000;
/// The disks of a machine of which git expects none.
const USUAL_DISKS: [Size; 2] = [Size(480_000_000_000), Size(3_840_000_000_000)];

/// What an inspection finds in a machine that is as git says.
pub fn inventory(name: &Name, machine: &Machine) -> Inventory {
    let expect = machine.expect.as_ref();
    let cores = expect.and_then(|expect| expect.cpu_cores.as_ref());
    let cores = cores.map_or(CORES, |cores| cores.value);
    let memory = expect.and_then(|expect| expect.memory.as_ref());
    let nics = machine.nic.iter().map(|(port, nic)| Nic {
        name: port.to_string(),
        mac: nic.mac.value,
        speed_mbps: Some(25_000),
        link: true,
        driver: "mlx5_core".to_owned(),
    });
    Inventory {
        uuid: machine.uuid.as_ref().map(|uuid| uuid.value),
        serial: machine.serial.as_ref().map(|serial| serial.value.clone()),
        vendor: String::new(),
        product: String::new(),
        firmware: Firmware {
            kind: match machine.boot.mode {
                BootMode::Bios => FirmwareKind::Bios,
                BootMode::Uefi => FirmwareKind::Uefi,
            },
            version: String::new(),
        },
        cpu: Cpu {
            arch: "amd64".to_owned(),
            model: String::new(),
            cores,
            threads: 2 * cores,
        },
        memory_bytes: memory.map_or(MEMORY_GIB * GIB_FOUND, |memory| memory.value.0),
        disks: disks(name.as_str(), expect),
        nics: nics.collect(),
        bmc: None,
        pci: None,
        mark: None,
    }
}

/// The disks that git expects in a machine, or a small one and a large one.
fn disks(machine: &str, expect: Option<&Expect>) -> Vec<Disk> {
    let said = expect.map_or(&[][..], |expect| &expect.disk);
    let usual = USUAL_DISKS.map(|size| {
        let model = "SAMSUNG MZQL2 of nobody".to_owned();
        (DiskType::Nvme, size, Some(model))
    });
    let one = |disk: &ExpectedDisks| {
        let DiskCount(count) = disk.count;
        vec![(disk.disk_type, disk.size.value, disk.model.clone()); count as usize]
    };
    let all = match said.is_empty() {
        true => usual.to_vec(),
        false => said.iter().flat_map(one).collect(),
    };
    let found = all.into_iter().enumerate().map(|(at, (sort, size, model))| {
        let serial = format!("{machine}-{at}");
        Disk {
            id: format!("serial:{serial}").parse().ok(),
            path: format!("/dev/disk{at}"),
            model: model.unwrap_or_else(|| "DISK".to_owned()),
            serial,
            size_bytes: size.0,
            kind: match sort {
                DiskType::Ssd | DiskType::Any => DiskKind::Ssd,
                DiskType::Nvme => DiskKind::Nvme,
                DiskType::Hdd => DiskKind::Hdd,
            },
            local: true,
            content: ContentId::Blank,
            holds: String::new(),
        }
    });
    found.collect()
}
