//! Plans that cannot be carried out, each with its fault.

use crate::sample;
use rack_api::inventory::FirmwareKind;
use rack_api::job::{Deploy, PartitionKind};
use rack_api::volume::{Device, Place};
use rack_inmachine::plan_check::check;
use std::fmt::Write;

/// Plans are stored, and the digest of their text tells whether a machine runs what is wanted.
#[test]
fn plans_are_written_as_they_were_read() {
    for name in ["bios_one_disk", "uefi_two_disks", "uefi_mirrored", "bios_parity"] {
        let read: serde_json::Value = serde_json::from_str(&sample::text(name)).unwrap();
        assert_eq!(
            serde_json::to_value(sample::deploy(name)).unwrap(),
            read,
            "{name}"
        );
    }
}

/// Puts the root onto another partition of the first disk.
fn move_root(deploy: &mut Deploy, partition: u32) {
    deploy.filesystems[0].device = Device::Partition(Place {
        disk: deploy.disks[0].disk.clone(),
        partition,
    });
}

#[test]
fn faults_are_named() {
    type Spoil = fn(&mut Deploy);
    let cases: [(&str, Spoil); 24] = [
        ("no disk", |d| d.disks.clear()),
        ("twice", |d| d.disks.push(d.disks[0].clone())),
        ("family", |d| d.image.family = "plan9".to_owned()),
        ("firmware", |d| d.firmware = FirmwareKind::Bios),
        ("no partition", |d| d.disks[0].partitions.clear()),
        ("marker elsewhere", |d| {
            d.disks[0].partitions[0].start_bytes = 2 << 20
        }),
        ("marker's size", |d| d.disks[0].partitions[0].size_bytes = 2 << 20),
        ("number", |d| d.disks[0].partitions[2].number = 9),
        ("alignment", |d| d.disks[0].partitions[1].size_bytes += 512),
        ("overlap", |d| d.disks[0].partitions[1].size_bytes += 1 << 30),
        ("over the marker", |d| {
            d.disks[0].partitions[1].start_bytes = 1 << 20
        }),
        ("beyond the end", |d| {
            d.disks[1].partitions[1].size_bytes += 1 << 30
        }),
        ("wraps around", |d| {
            d.disks[1].partitions[1].size_bytes = u64::MAX << 20
        }),
        ("empty", |d| d.disks[1].partitions[1].size_bytes = 0),
        ("name", |d| d.disks[0].partitions[1].id = "a\", type=0".to_owned()),
        ("no loader", |d| {
            d.disks[0].partitions[1].kind = PartitionKind::Linux
        }),
        ("nowhere", |d| move_root(d, 9)),
        ("on the marker", |d| move_root(d, 1)),
        ("on another", |d| move_root(d, 3)),
        ("mount escapes", |d| {
            d.filesystems[1].mount = Some("/boot/../../etc".to_owned())
        }),
        ("child first", |d| d.filesystems.swap(1, 2)),
        ("no root", |d| d.filesystems[0].mount = Some("/srv".to_owned())),
        ("host name", |d| d.hostname = "a\nb".to_owned()),
        ("kernel argument", |d| d.kernel_args = vec!["a'b".to_owned()]),
    ];
    let mut table = String::new();
    for (name, spoil) in cases {
        let mut deploy = sample::deploy("uefi_two_disks");
        spoil(&mut deploy);
        let fault = check(&deploy, FirmwareKind::Uefi).unwrap_err();
        writeln!(table, "{name}: {fault}").unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn faults_of_volumes_are_named() {
    type Spoil = fn(&mut Deploy);
    let cases: [(&str, Spoil); 22] = [
        ("level", |d| d.arrays[0].level = 4),
        ("one member", |d| d.arrays[0].members.truncate(1)),
        ("member nowhere", |d| d.arrays[0].members[1].partition = 9),
        ("member on the marker", |d| d.arrays[0].members[1].partition = 1),
        ("member twice", |d| {
            d.arrays[0].members[1] = d.arrays[0].members[0].clone()
        }),
        ("array too large", |d| d.arrays[0].member_bytes += 2 << 20),
        ("array wraps around", |d| {
            d.arrays[0].member_bytes = u64::MAX << 20
        }),
        ("array unaligned", |d| d.arrays[0].data_offset_bytes += 512),
        ("array empty", |d| d.arrays[0].member_bytes = 0),
        ("array twice", |d| d.arrays.push(d.arrays[0].clone())),
        ("array's name", |d| {
            d.arrays[0].name = "a".repeat(29).parse().unwrap()
        }),
        ("array gone", |d| d.arrays.clear()),
        ("array in use", |d| {
            d.filesystems[1].device = Device::Array {
                array: "md0".parse().unwrap(),
            }
        }),
        ("group without members", |d| d.groups[0].members.clear()),
        ("extents", |d| d.groups[0].extent_bytes = 3 << 20),
        ("group named as an array", |d| {
            d.groups[0].name = "md0".parse().unwrap()
        }),
        ("volume twice", |d| {
            d.groups[0].volumes[1].name = "root".parse().unwrap()
        }),
        ("rest first", |d| d.groups[0].volumes.swap(0, 2)),
        ("no whole extents", |d| {
            d.groups[0].volumes[0].size_bytes = Some(1 << 20)
        }),
        ("volumes too large", |d| {
            d.groups[0].volumes[0].size_bytes = Some(1 << 40)
        }),
        ("volume nowhere", |d| {
            d.groups[0].volumes.truncate(1);
        }),
        ("no loader on the second disk", |d| {
            d.filesystems.remove(3);
        }),
    ];
    let mut table = String::new();
    for (name, spoil) in cases {
        let mut deploy = sample::deploy("uefi_mirrored");
        spoil(&mut deploy);
        let fault = check(&deploy, FirmwareKind::Uefi).unwrap_err();
        writeln!(table, "{name}: {fault}").unwrap();
    }
    insta::assert_snapshot!(table);
}
