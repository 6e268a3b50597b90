//! Two disks as sparse files below a tree that looks like the kernel's, taken through what goes wrong.

use super::*;
use crate::console::chain;
use crate::deploy::volumes::Volumes;
use crate::deploy::{filesystems, partition, reaching_out};
use crate::partition_table::MARKER_TYPE_BYTES;
use rack_api::volume::Device;
use schema_ids::{Digest, Generation, MachineId, Uuid};
use std::fs;

const DISK_BYTES: u64 = 8 << 20;
const NAMES: [&str; 2] = ["sda", "sdb"];

struct Bed {
    root: tempfile::TempDir,
    sysfs: Sysfs,
    deploy: Deploy,
    job: JobRef,
}

impl Bed {
    /// Two disks that hold what the plan agreed to erase: nothing.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::below(root.path());
        let text = include_str!("../../../tests/cases/deploy/uefi_two_disks.json");
        let mut deploy: Deploy = serde_json::from_str(text).unwrap();
        for plan in &mut deploy.disks {
            plan.size_bytes = DISK_BYTES;
            plan.agreed = schema_ids::ContentId::Blank;
        }
        let job = JobRef {
            machine: MachineId(Uuid::from_bytes([1; 16])),
            generation: Generation(7),
            attempt: 1,
        };
        let bed = Self {
            root,
            sysfs,
            deploy,
            job,
        };
        fs::create_dir(bed.path("dev")).unwrap();
        for (name, plan) in NAMES.iter().zip(&bed.deploy.disks) {
            let (scheme, value) = plan.disk.as_str().split_once(':').unwrap();
            bed.plant(&format!("sys/block/{name}/device/model"), "disk");
            bed.plant(&format!("sys/block/{name}/size"), &(DISK_BYTES / 512).to_string());
            bed.plant(&format!("sys/block/{name}/dev"), "0:0");
            match scheme {
                "nguid" => bed.plant(&format!("sys/block/{name}/nguid"), value),
                _ => bed.plant(
                    &format!("sys/block/{name}/device/wwid"),
                    &format!("naa.{}", value.trim_start_matches("0x")),
                ),
            }
            bed.new_disk(name);
        }
        bed
    }

    fn path(&self, inner: &str) -> PathBuf {
        self.root.path().join(inner)
    }

    fn plant(&self, inner: &str, text: &str) {
        let path = self.path(inner);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn new_disk(&self, name: &str) {
        let file = File::create_new(self.path(&format!("dev/{name}"))).unwrap();
        file.set_len(DISK_BYTES).unwrap();
    }

    fn write(&self, name: &str, offset: u64, bytes: &[u8]) {
        let file = OpenOptions::new()
            .write(true)
            .open(self.path(&format!("dev/{name}")))
            .unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    /// Everything on a disk.
    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(&format!("dev/{name}"))).unwrap()
    }

    fn states(&self) -> [Option<State>; 2] {
        NAMES.map(|name| {
            let at = usize::try_from(marker::OFFSET).unwrap();
            let marker = Marker::decode(&self.read(name)[at..at + BLOCK_BYTES])?;
            Some(marker.state)
        })
    }

    fn claim(&self) -> Result<Vec<OwnedDisk<'_>>, DeployError> {
        claim(&self.sysfs, &self.job, &self.deploy.writes())
    }

    fn volumes<'d, 'a>(&'a self, disks: &'d [OwnedDisk<'a>]) -> Volumes<'d, 'a> {
        Volumes {
            sysfs: &self.sysfs,
            disks,
            deploy: &self.deploy,
        }
    }

    /// The kernel shows the partitions of a disk as planned.
    fn show_partitions(&self, disk: usize) {
        let name = NAMES[disk];
        for partition in &self.deploy.disks[disk].partitions {
            let node = format!("{name}{}", partition.number);
            let plant = |attribute: &str, value: u64| {
                self.plant(
                    &format!("sys/block/{name}/{node}/{attribute}"),
                    &value.to_string(),
                );
            };
            plant("partition", partition.number.into());
            plant("start", partition.start_bytes / 512);
            plant("size", partition.size_bytes / 512);
            self.plant(&format!("sys/block/{name}/{node}/dev"), "0:0");
            self.plant(&format!("dev/{node}"), "");
        }
    }

    /// The kernel shows an array or a volume over these.
    fn show_device(&self, name: &str, node: &str, slaves: &[&str]) {
        self.plant(&format!("sys/block/{name}/dev"), "0:0");
        self.plant(&format!("dev/{node}"), "");
        for slave in slaves {
            self.plant(&format!("sys/block/{name}/slaves/{slave}/dev"), "0:0");
        }
    }

    fn unfinished(&self) -> Result<Vec<OwnedDisk<'_>>, DeployError> {
        unfinished(&self.sysfs, &self.job, &self.deploy)
    }

    /// The first disk goes away and another one appears under its name, with somebody's data on it and
    /// even with our own marker copied.
    fn rename_the_first(&self) -> Vec<u8> {
        fs::rename(self.path("dev/sda"), self.path("dev/sdc")).unwrap();
        self.new_disk("sda");
        self.write("sda", 0, &self.read("sdc")[..2 << 20]);
        self.write("sda", 12345, b"somebody's");
        self.write("sda", DISK_BYTES - 10, b"data");
        self.read("sda")
    }
}

#[test]
fn from_the_first_marker_to_the_last() {
    let bed = Bed::new();
    let disks = bed.claim().unwrap();
    assert_eq!(bed.states(), [Some(State::Writing); 2]);
    assert_eq!(
        disks[0].node().unwrap(),
        bed.path("dev/sda").display().to_string()
    );
    finish(&disks).unwrap();
    assert_eq!(bed.states(), [Some(State::Installed); 2]);
    assert!(bed.unfinished().unwrap().is_empty());
}

#[test]
fn one_disk_that_nobody_agreed_to_erase_keeps_all_as_they_are() {
    let bed = Bed::new();
    bed.write("sdb", marker::OFFSET + 70_000, b"data");
    let before = NAMES.map(|name| bed.read(name));
    let error = bed.claim().unwrap_err();
    assert_eq!(error.code(), "UNEXPECTED_CONTENTS");
    assert!(NAMES.map(|name| bed.read(name)) == before);
}

#[test]
fn a_name_that_leads_elsewhere_is_not_followed() {
    let bed = Bed::new();
    let disks = bed.claim().unwrap();
    let theirs = bed.rename_the_first();
    let moved = |result: Result<(), DeployError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, DeployError::Moved { .. }), "{error:?}");
        assert!(bed.read("sda") == theirs, "somebody's disk was written");
    };
    moved(disks[0].node().map(drop));
    moved(disks[0].open(OFlags::empty()).map(drop));
    moved(partition::partition(&disks[0]));
    moved(filesystems::make(bed.volumes(&disks)));
    moved(finish(&disks));
    assert_eq!(bed.states()[1], Some(State::Writing), "all or none");
}

#[test]
fn a_disk_that_is_another_ones_name_now_is_not_written() {
    let bed = Bed::new();
    let disks = bed.claim().unwrap();
    // Both stand where they stood, but the plan's first disk is the one that appeared second.
    for (from, to) in [("sda", "other"), ("sdb", "sda"), ("other", "sdb")] {
        let directory = |name: &str| bed.path(&format!("sys/block/{name}"));
        fs::rename(directory(from), directory(to)).unwrap();
    }
    let before = NAMES.map(|name| bed.read(name));
    for disk in &disks {
        let error = partition::partition(disk).unwrap_err();
        assert!(matches!(error, DeployError::Moved { .. }), "{error:?}");
    }
    assert!(NAMES.map(|name| bed.read(name)) == before);
}

#[test]
fn a_disk_is_not_taken_for_one_that_has_another_number() {
    let bed = Bed::new();
    bed.plant("sys/block/sda/dev", "8:0");
    let error = bed.claim().unwrap_err();
    assert!(matches!(error, DeployError::Moved { .. }), "{error:?}");
    assert_eq!(bed.states(), [None; 2]);
}

#[test]
fn without_our_marker_nothing_is_written() {
    let bed = Bed::new();
    let disks = bed.claim().unwrap();
    let other = Marker {
        generation: Generation(8),
        ..marker_of(&bed.job, &bed.deploy.writes(), State::Writing)
    };
    for block in [other.encode(), [0; BLOCK_BYTES]] {
        bed.write("sda", marker::OFFSET, &block);
        bed.write("sda", 0, b"table");
        let before = bed.read("sda");
        for result in [
            partition::partition(&disks[0]),
            filesystems::make(bed.volumes(&disks)),
            finish(&disks),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, DeployError::NotOurs { .. }), "{error:?}");
            assert!(bed.read("sda") == before);
        }
    }
    assert_eq!(bed.states()[1], Some(State::Writing), "all or none");
}

#[test]
fn a_partition_is_one_of_the_plan_or_none() {
    let bed = Bed::new();
    let disks = bed.claim().unwrap();
    let error = disks[1].partition(2).unwrap_err();
    assert!(matches!(error, DeployError::NoPartition { .. }), "{error:?}");
    bed.show_partitions(1);
    let node = bed.path("dev/sdb2").display().to_string();
    assert_eq!(disks[1].partition(2).unwrap(), node);
    bed.plant("sys/block/sdb/sdb2/start", "4095");
    assert!(disks[1].partition(2).is_err(), "it begins elsewhere");
    bed.plant("sys/block/sdb/sdb2/start", "4096");
    assert!(disks[1].partition(2).is_ok());
    bed.plant("sys/block/sdb/sdb2/dev", "8:18");
    assert!(disks[1].partition(2).is_err(), "the node is another device");
}

#[test]
fn a_volume_stands_on_this_jobs_disks_or_has_no_node() {
    let mut bed = Bed::new();
    bed.deploy.arrays = serde_json::from_value(serde_json::json!([{
        "name": "sys", "level": 1, "uuid": "33333333-0000-4000-8000-000000000001",
        "members": [
            { "disk": bed.deploy.disks[0].disk, "partition": 2 }, { "disk": bed.deploy.disks[1].disk, "partition": 2 },
        ],
        "data_offset_bytes": 1 << 20, "member_bytes": 1 << 20,
    }]))
    .unwrap();
    bed.deploy.groups = serde_json::from_value(serde_json::json!([{
        "name": "vg-0", "members": [{ "array": "sys" }], "extent_bytes": 4 << 20,
        "volumes": [{ "name": "root", "size_bytes": null }],
    }]))
    .unwrap();
    let volume: Device = serde_json::from_str(r#"{ "group": "vg-0", "volume": "root" }"#).unwrap();
    let disks = bed.claim().unwrap();
    bed.show_partitions(0);
    bed.show_partitions(1);
    let node = || bed.volumes(&disks).node(&volume);
    let absent = |why: &str| {
        let error = node().unwrap_err();
        assert!(matches!(error, DeployError::NoVolume(_)), "{why}: {error:?}");
    };
    absent("there is no array");
    bed.show_device("md0", "md0", &["sda2"]);
    absent("a member is missing");
    bed.show_device("md0", "md0", &["sdb2"]);
    absent("there is no volume");
    bed.show_device("dm-3", "mapper/vg--0-root", &["md0"]);
    absent("it has another name");
    bed.plant("sys/block/dm-3/dm/name", "vg--0-root");
    assert_eq!(
        node().unwrap(),
        bed.path("dev/mapper/vg--0-root").display().to_string()
    );
    bed.plant("sys/block/dm-3/slaves/sdc/dev", "0:0");
    absent("it also stands on another disk");
    fs::remove_dir_all(bed.path("sys/block/dm-3/slaves/sdc")).unwrap();
    bed.plant("sys/block/dm-3/dev", "254:3");
    absent("the node is another device");
    bed.plant("sys/block/dm-3/dev", "0:0");
    assert!(node().is_ok());
    bed.write("sdb", marker::OFFSET, &[0; BLOCK_BYTES]);
    let error = node().unwrap_err();
    assert!(matches!(error, DeployError::NotOurs { .. }), "{error:?}");
}

/// The superblock of a member of an array, metadata 1.2, as md lays it out (`struct mdp_superblock_1`).
fn superblock(array: u8) -> [u8; 256] {
    let mut block = [0; 256];
    block[..4].copy_from_slice(&0xa92b_4efc_u32.to_le_bytes());
    block[4] = 1;
    block[16..32].fill(array);
    block[32..39].copy_from_slice(b"any:old");
    // In sectors of 512 bytes: where it lies itself.
    block[144] = 8;
    block
}

#[test]
fn an_array_that_does_not_run_is_found_where_it_reaches_beyond_the_wipe_set() {
    let bed = Bed::new();
    bed.plant("sys/block/sdc/device/model", "disk");
    bed.plant("sys/block/sdc/device/wwid", "naa.5000c50000000003");
    bed.plant("sys/block/sdc/size", &(DISK_BYTES / 512).to_string());
    bed.new_disk("sdc");
    let refuse = || reaching_out::refuse(&bed.sysfs, &bed.deploy.disks, &bed.deploy.groups);
    for (disk, array) in [("sda", 7), ("sdb", 7), ("sdc", 9)] {
        bed.write(disk, 4096, &superblock(array));
    }
    refuse().unwrap();
    bed.write("sdc", 4096, &superblock(7));
    let error = refuse().unwrap_err();
    assert_eq!(error.code(), "UNEXPECTED_CONTENTS");
    let wanted =
        "the array any:old (07070707-0707-0707-0707-070707070707) is on the disk wwn:0x5000c50000000003 too";
    assert!(chain(&error).contains(wanted), "{}", chain(&error));
}

#[test]
fn an_array_that_reaches_beyond_the_wipe_set_keeps_all_as_they_are() {
    let bed = Bed::new();
    bed.plant("sys/block/sdb/holders/md127/dev", "0:0");
    bed.plant("sys/block/md127/slaves/sdb/dev", "0:0");
    bed.plant("sys/block/md127/slaves/sdz/dev", "0:0");
    let before = NAMES.map(|name| bed.read(name));
    let error = bed.claim().unwrap_err();
    assert_eq!(error.code(), "UNEXPECTED_CONTENTS");
    assert!(
        chain(&error).contains("the array md127 is on the disk sdz too"),
        "{error:?}"
    );
    assert!(NAMES.map(|name| bed.read(name)) == before);
}

#[test]
fn a_job_cut_between_two_final_markers_is_finished_and_nothing_else_is_written() {
    let bed = Bed::new();
    finish(&bed.claim().unwrap()[..1]).unwrap();
    assert_eq!(bed.states(), [Some(State::Installed), Some(State::Writing)]);
    bed.write("sdb", 0, b"the new system");
    bed.write("sdb", DISK_BYTES - 4, b"tail");
    let (first, mut wanted) = (bed.read("sda"), bed.read("sdb"));
    let at = usize::try_from(marker::OFFSET).unwrap();
    let done = marker_of(&bed.job, &bed.deploy.writes(), State::Installed);
    wanted[at..at + BLOCK_BYTES].copy_from_slice(&done.encode());
    let disks = bed.unfinished().unwrap();
    assert_eq!(disks.len(), 1);
    finish(&disks).unwrap();
    assert!(bed.read("sda") == first, "it was finished before");
    assert!(bed.read("sdb") == wanted);
}

#[test]
fn another_specs_markers_are_not_finished() {
    let mut bed = Bed::new();
    finish(&bed.claim().unwrap()[..1]).unwrap();
    bed.deploy.spec = Digest([9; 32]);
    let error = bed.unfinished().unwrap_err();
    assert!(matches!(error, DeployError::NotOurs { .. }), "{error:?}");
}

#[test]
fn a_claim_is_no_second_beginning() {
    let bed = Bed::new();
    drop(bed.claim().unwrap());
    let disks = bed.claim().unwrap();
    assert_eq!(bed.states(), [Some(State::Writing); 2], "a retry begins anew");
    // A final marker counts only under a table that has its partition.
    let mut table = [0; 1536];
    table[512..520].copy_from_slice(b"EFI PART");
    table[584..592].copy_from_slice(&2_u64.to_le_bytes());
    table[1024..1040].copy_from_slice(&MARKER_TYPE_BYTES);
    table[1056..1064].copy_from_slice(&2048_u64.to_le_bytes());
    for name in NAMES {
        bed.write(name, 0, &table);
    }
    for (at, standing) in [(0, Standing::Finish), (1, Standing::Installed)] {
        finish(&disks[at..=at]).unwrap();
        let error = bed.claim().unwrap_err();
        assert!(
            matches!(error, DeployError::Overtaken(now) if now == standing),
            "{error:?}"
        );
        let last = [State::Writing, State::Installed][at];
        assert_eq!(bed.states(), [Some(State::Installed), Some(last)]);
    }
}
