//! The command line as a whole, and what differs between firmwares and orders.

use super::*;
use crate::machine::{BmcKind, BmcSpec};
use std::net::Ipv4Addr;

fn spec(firmware: Firmware) -> MachineSpec {
    MachineSpec {
        name: "node-01".to_owned(),
        uuid: "11111111-2222-3333-4444-555555555501".to_owned(),
        serial: "SN-0001".to_owned(),
        firmware,
        memory_mib: 1024,
        disks: vec![
            DiskSpec {
                serial: "disk-a".to_owned(),
                bytes: 1 << 30,
            },
            DiskSpec {
                serial: "disk-b".to_owned(),
                bytes: 1 << 30,
            },
        ],
        nics: vec![NicSpec {
            mac: "52:54:00:77:00:01".to_owned(),
            tap: "tap0".to_owned(),
        }],
        bmc: BmcSpec {
            kind: BmcKind::Simulator,
            address: Ipv4Addr::new(10, 77, 1, 1),
            kcs_port: 9231,
            user: "admin".to_owned(),
            password: "secret".to_owned(),
        },
    }
}

fn text(firmware: Firmware, first: First) -> String {
    arguments(
        &spec(firmware),
        Path::new("/r/m/node-01"),
        Accelerator::Tcg,
        first,
    )
    .join(" ")
    .replace(" -", "\n-")
}

#[test]
fn a_bios_machine_that_boots_from_the_network() {
    insta::assert_snapshot!(text(Firmware::Bios, First::Network));
}

#[test]
fn a_uefi_machine_has_its_own_variables_and_no_network_rom() {
    let text = text(Firmware::Uefi(NetworkBoot::Pxe), First::Network);
    assert!(text.contains("file=/r/m/node-01/variables.fd"));
    assert!(text.contains("romfile="));
    assert!(!text.contains("bootindex="), "its boot order is its own");
    assert!(!text.contains("PXESupport"));
    let http = super::tests::text(Firmware::Uefi(NetworkBoot::Http), First::Network);
    assert!(http.contains("IPv4PXESupport,string=n"));
}

#[test]
fn a_disk_boot_changes_the_order_and_nothing_else() {
    let (network, disk) = (
        text(Firmware::Bios, First::Network),
        text(Firmware::Bios, First::Disk),
    );
    let changed: Vec<&str> = disk.lines().filter(|line| !network.contains(line)).collect();
    assert_eq!(changed.len(), 3, "{changed:?}");
    assert!(changed.iter().all(|line| line.contains("bootindex=")));
}
