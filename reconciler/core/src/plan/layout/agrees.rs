//! What `muster check` refuses on declared disks, the planner refuses on real ones of the same sizes.

use super::{Problem, solve};
use proptest::{collection::vec, option, prelude::*};
use rack_api::inventory::{Cpu, Disk, DiskKind, Firmware, FirmwareKind, Inventory};
use schema_fleet::{DeclaredDisk, DiskType, Size, SourceFile, Storage, fit};
use schema_ids::{BindingId, ContentId};
use std::fmt::Write as _;

/// A layout in few words: selectors with what is cut from their disks.
#[derive(Debug, Clone)]
struct Sketch {
    selectors: Vec<Selector>,
    mirrored: bool,
    volumes: Vec<u16>,
}

/// Sort, count, whether the largest, least size in GB, sizes of the partitions in GiB.
type Selector = (Option<u8>, u8, bool, Option<u8>, Vec<u16>);

fn sketch() -> impl Strategy<Value = Sketch> {
    let selector = (
        option::of(0..3_u8),
        1..3_u8,
        any::<bool>(),
        option::of(1..60_u8),
        vec(1..40_u16, 1..3),
    );
    (vec(selector, 1..3), any::<bool>(), vec(1..30_u16, 0..3)).prop_map(|(selectors, mirrored, volumes)| {
        Sketch {
            selectors,
            mirrored,
            volumes,
        }
    })
}

fn storage(sketch: &Sketch) -> Option<Storage> {
    let mut text = String::from("[storage.s]\n");
    let mut partitions = String::new();
    let sorts = ["ssd", "nvme", "hdd"];
    for (number, (sort, count, largest, min, sizes)) in sketch.selectors.iter().enumerate() {
        write!(text, "select.s{number} = {{ count = {count}").expect("a string");
        if let Some(sort) = sort {
            write!(text, ", type = \"{}\"", sorts[usize::from(*sort)]).expect("a string");
        }
        if *largest {
            text.push_str(", pick = \"largest\"");
        }
        if let Some(min) = min {
            write!(text, ", min-size = \"{min}GB\"").expect("a string");
        }
        text.push_str(" }\n");
        for (part, size) in sizes.iter().enumerate() {
            write!(
                partitions,
                "{{ id = \"p{number}-{part}\", on = \"s{number}\", size = \"{size}GiB\" }},"
            )
            .expect("a string");
        }
    }
    let mirrored = sketch.mirrored && sketch.selectors[0].1 == 2;
    writeln!(text, "partition = [{partitions}]").expect("a string");
    if mirrored {
        text.push_str("raid.md0 = { level = 1, members = [\"p0-0\"] }\n");
    }
    let mut filesystem = String::new();
    if sketch.volumes.is_empty() {
        let on = if mirrored { "md0" } else { "p0-0" };
        write!(filesystem, "{{ on = \"{on}\", type = \"ext4\", mount = \"/\" }}").expect("a string");
    } else {
        let on = if mirrored { "md0" } else { "p0-0" };
        writeln!(text, "lvm.vg.members = [\"{on}\"]").expect("a string");
        for (number, size) in sketch.volumes.iter().enumerate() {
            writeln!(text, "lvm.vg.volume.v{number} = {{ size = \"{size}GiB\" }}").expect("a string");
        }
        filesystem.push_str("{ on = \"vg/v0\", type = \"ext4\", mount = \"/\" }");
    }
    writeln!(text, "filesystem = [{filesystem}]").expect("a string");
    let image = "[image.e]\nfamily = \"debian-12\"\narch = \"amd64\"\nformat = \"netboot\"\n\
        kernel = { source = \"http://a/k\", sha256 = \"3f0a377ba0a4a460ecb616f6507ce0d8cfa3e704025d4fda3ed0c5ca05468728\" }\n\
        initrd = { source = \"http://a/i\", sha256 = \"3f0a377ba0a4a460ecb616f6507ce0d8cfa3e704025d4fda3ed0c5ca05468729\" }\n";
    let files = [SourceFile {
        path: "a.toml".to_owned(),
        bytes: format!("[fleet.f]\nschema = 1\nephemeral = \"e\"\n{image}{text}").into_bytes(),
    }];
    // Some sketches are wrong in themselves; what is left is right.
    schema_fleet::parse(&files).fleet?.storages.into_values().next()
}

fn inventory(disks: &[(u8, u16)]) -> Inventory {
    let kinds = [DiskKind::Ssd, DiskKind::Nvme, DiskKind::Hdd];
    let disk = |(number, (kind, gigabytes)): (usize, &(u8, u16))| Disk {
        id: Some(format!("serial:d{number}").parse().expect("a disk id")),
        path: format!("/dev/sd{number}"),
        model: "m".to_owned(),
        serial: format!("d{number}"),
        size_bytes: u64::from(*gigabytes) * 1_000_000_000,
        kind: kinds[usize::from(*kind)],
        local: true,
        content: ContentId::Blank,
        holds: String::new(),
    };
    Inventory {
        uuid: None,
        serial: None,
        vendor: String::new(),
        product: String::new(),
        firmware: Firmware {
            kind: FirmwareKind::Uefi,
            version: String::new(),
        },
        cpu: Cpu {
            arch: "amd64".to_owned(),
            model: String::new(),
            cores: 1,
            threads: 1,
        },
        memory_bytes: 1 << 30,
        disks: disks.iter().enumerate().map(disk).collect(),
        nics: Vec::new(),
        bmc: None,
        pci: None,
        mark: None,
    }
}

proptest! {
    #[test]
    fn what_check_refuses_the_planner_refuses(sketch in sketch(), disks in vec((0..3_u8, 1..90_u16), 0..4)) {
        let Some(storage) = storage(&sketch) else { return Ok(()) };
        let sorts = [DiskType::Ssd, DiskType::Nvme, DiskType::Hdd];
        let declared: Vec<DeclaredDisk> = disks
            .iter()
            .map(|(sort, gigabytes)| DeclaredDisk {
                sort: sorts[usize::from(*sort)],
                size: Size(u64::from(*gigabytes) * 1_000_000_000),
                model: None,
            })
            .collect();
        let inventory = inventory(&disks);
        let problem = Problem {
            storage: &storage,
            inventory: &inventory,
            binding: BindingId("4c4c4544-0042-3510-8052-b4c04f4e3732".parse().expect("a UUID")),
            before: None,
            firmware: FirmwareKind::Uefi,
            min_disk: None,
            image_bytes: 0,
        };
        let (early, late) = (fit(&storage, &declared), solve(&problem).map(|_| ()));
        if let Err(misfit) = &early {
            prop_assert!(late.is_err(), "{misfit:?}");
        }
        // And it does not wave everything through: what only the planner refuses is not for want of room.
        if let (Ok(()), Err(why)) = (&early, &late) {
            prop_assert!(!why.contains("need") || why.contains("level"), "{why}");
        }
    }
}
