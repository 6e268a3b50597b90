//! What is read of `efibootmgr`'s words, and the order that follows.

use super::*;

const MAC: &str = "52:54:00:77:00:01";

/// OVMF after Debian's own installer: the disk first, two interfaces, an entry that nothing lists.
const SHOWN: &str = "BootCurrent: 0003\nTimeout: 0 seconds\nBootOrder: 0001,0007,0002,0003,0000\n\
    Boot0000* UiApp\tFvVol(7cb8bdc9)/FvFile(462caa21)\n\
    Boot0001* debian\tHD(2,GPT,2AF1A95A-3450-80FD-89C4-4F8ECCB4C1E0,0x1000,0x80000)/File(\\EFI\\debian\\grubx64.efi)\n\
    Boot0002* UEFI HTTPv4 (MAC:525400770001)\tPciRoot(0x0)/Pci(0x2,0x0)/MAC(525400770001,1)/IPv4(0.0.0.00.0.0.0,0,0)/Uri()N.....YM....R,Y.\n\
    Boot0003* UEFI PXEv4 (MAC:525400770001)\tPciRoot(0x0)/Pci(0x2,0x0)/MAC(525400770001,1)/IPv4(0.0.0.00.0.0.0,0,0)N.....YM....R,Y.\n\
    Boot0005* debian\tHD(2,GPT,11111111-2222-3333-4444-555555555501,0x1000,0x80000)/File(\\EFI\\debian\\grubx64.efi)\n\
    Boot0006  UEFI PXEv4 (MAC:525400770002)\tPciRoot(0x0)/Pci(0x3,0x0)/MAC(525400770002,1)/IPv4(0.0.0.00.0.0.0,0,0)\n\
    MirroredPercentageAbove4G: 0.00\n";

fn ordered(text: &str, order: BootOrder, systems: &[&str]) -> String {
    let mac = MAC.parse().unwrap();
    let systems: Vec<Uuid> = systems.iter().map(|text| text.parse().unwrap()).collect();
    wanted(&parse(text), Wish { order, mac }, &systems).join(",")
}

const SYSTEMS: [&str; 2] = [
    "11111111-2222-3333-4444-555555555501",
    "2af1a95a-3450-80fd-89c4-4f8eccb4c1e0",
];

#[test]
fn an_entry_says_what_it_starts() {
    let entries = parse(SHOWN);
    let mac = |text: &str| Starts::Network {
        mac: text.parse().unwrap(),
    };
    let starts: Vec<_> = entries
        .entries
        .iter()
        .map(|(_, entry)| entry.starts.clone())
        .collect();
    let system = |uuid: &str| Starts::Partition {
        uuid: uuid.parse().unwrap(),
    };
    assert_eq!(
        starts,
        [
            Starts::Other,
            system(SYSTEMS[1]),
            mac(MAC),
            mac(MAC),
            system(SYSTEMS[0]),
            mac("52:54:00:77:00:02"),
        ]
    );
    assert_eq!(numbers_of(&entries, "debian"), ["0001", "0005"]);
    let labels: Vec<_> = entries.in_order().into_iter().map(|entry| entry.label).collect();
    assert_eq!(labels[..2], ["debian", "UEFI HTTPv4 (MAC:525400770001)"]);
    assert_eq!(labels.len(), 4, "0007 is in the order and nowhere else");
}

#[test]
fn the_network_comes_first_and_the_system_second() {
    let order = ordered(SHOWN, BootOrder::NetworkFirst, &SYSTEMS);
    assert_eq!(order, "0003,0001,0005,0002,0000");
}

#[test]
fn an_inspection_moves_the_network_alone() {
    assert_eq!(
        ordered(SHOWN, BootOrder::NetworkFirst, &[]),
        "0003,0001,0002,0000"
    );
    let right = SHOWN.replace("0001,0007,0002,0003,0000", "0003,0001,0002,0000");
    assert_eq!(
        ordered(&right, BootOrder::NetworkFirst, &[]),
        "0003,0001,0002,0000"
    );
}

#[test]
fn the_disk_comes_first_where_git_says_so() {
    assert_eq!(
        ordered(SHOWN, BootOrder::DiskFirst, &SYSTEMS),
        "0001,0005,0002,0003,0000"
    );
    assert_eq!(ordered(SHOWN, BootOrder::DiskFirst, &[]), "0001,0002,0003,0000");
}

#[test]
fn without_the_entry_of_this_boot_the_interfaces_first_is_taken() {
    let silent = SHOWN.replace("BootCurrent: 0003\n", "");
    assert_eq!(
        ordered(&silent, BootOrder::NetworkFirst, &[]),
        "0002,0001,0003,0000"
    );
    // The system that runs was started from a disk by its own entry; the network is put first all the same.
    let disk = SHOWN.replace("BootCurrent: 0003", "BootCurrent: 0001");
    assert_eq!(
        ordered(&disk, BootOrder::NetworkFirst, &[]),
        "0002,0001,0003,0000"
    );
}

#[test]
fn a_boot_by_other_means_is_put_first_where_the_interface_has_no_entry() {
    let stick = SHOWN.replace("525400770001", "525400770009");
    assert_eq!(
        ordered(&stick, BootOrder::NetworkFirst, &[]),
        "0003,0001,0002,0000"
    );
    let none = stick.replace("BootCurrent: 0003\n", "");
    assert_eq!(
        ordered(&none, BootOrder::NetworkFirst, &[]),
        "0001,0002,0003,0000"
    );
}
