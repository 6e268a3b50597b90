//! Plans that cannot be carried out, each with its fault.

use crate::sample;
use rack_api::inventory::FirmwareKind;
use rack_api::job::{Deploy, PartitionKind};
use rack_inmachine::plan_check::check;
use std::fmt::Write;

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
        ("nowhere", |d| d.filesystems[0].partition = 9),
        ("on the marker", |d| d.filesystems[0].partition = 1),
        ("on another", |d| d.filesystems[0].partition = 3),
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
