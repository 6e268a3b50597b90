//! Each tree in `cases/inventory` gives the inventory beside it.

use crate::tree::plant;
use rack_inmachine::content::Contents;
use rack_inmachine::sysfs::Sysfs;
use rack_inmachine::{disk, inventory};
use schema_ids::ContentId;

#[test]
fn trees_give_inventories() {
    insta::glob!("../cases/inventory", "*.tree", |path| {
        let root = tempfile::tempdir().unwrap();
        plant(root.path(), &std::fs::read_to_string(path).unwrap());
        let taken = inventory::take(&Sysfs::below(root.path()), None, |_| Contents {
            id: ContentId::Blank,
            words: String::new(),
        });
        insta::assert_snapshot!(serde_json::to_string_pretty(&taken).unwrap());
    });
}

#[test]
fn the_disk_beneath_is_found_through_layers() {
    let root = tempfile::tempdir().unwrap();
    plant(
        root.path(),
        "sys/devices/pci/nvme0/nvme0n1/nvme0n1p3/partition = 3\n\
         sys/devices/virtual/block/md0/slaves/nvme0n1p3 -> sys/devices/pci/nvme0/nvme0n1/nvme0n1p3\n\
         sys/devices/virtual/block/dm-0/slaves/md0 -> sys/devices/virtual/block/md0\n\
         sys/devices/virtual/block/loop0/size = 1\n\
         sys/dev/block/253:0 -> sys/devices/virtual/block/dm-0\n\
         sys/dev/block/259:3 -> sys/devices/pci/nvme0/nvme0n1/nvme0n1p3\n\
         sys/dev/block/259:0 -> sys/devices/pci/nvme0/nvme0n1\n",
    );
    let sysfs = Sysfs::below(root.path());
    for device in ["253:0", "259:3", "259:0"] {
        assert_eq!(
            disk::beneath(&sysfs, device).as_deref(),
            Some("nvme0n1"),
            "{device}"
        );
    }
    assert_eq!(disk::beneath(&sysfs, "0:42"), None);
}
