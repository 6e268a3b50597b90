//! The quick erasure, on disks that are files below a tree that looks like the kernel's.

use crate::rack_agent::{Reply, Request, serve};
use crate::sample;
use rack_api::fact::{FactBody, StepState};
use rack_api::job::{DiskErase, Erase, EraseMethod};
use rack_api::machine::{GoAnswer, GoRequest, Report, Verdict};
use rack_api::rack_path;
use rack_inmachine::content::{self, Signature};
use rack_inmachine::erase::{self, Extent, MARKER, demand_zeros, places, zero};
use rack_inmachine::marker::{self, Marker, State};
use rack_inmachine::rack::Rack;
use rack_inmachine::step::Steps;
use rack_inmachine::sysfs::Sysfs;
use schema_ids::{ContentId, Digest, Generation};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

const DISK_BYTES: u64 = 16 << 20;

/// The last one is nobody's to erase.
const NAMES: [&str; 3] = ["sda", "sdb", "sdc"];

/// Where every disk has a partition beside the marker's: the fourth mebibyte to the twelfth.
const PARTITION: Extent = Extent {
    from: 4 << 20,
    bytes: 8 << 20,
};

/// What is on the disks everywhere.
const DATA: u8 = 0xa5;

struct Bed {
    root: tempfile::TempDir,
    erase: Erase,
}

impl Bed {
    /// Three disks full of data, two of them with the first marker of an earlier job of this binding.
    fn new() -> Self {
        let disks = NAMES[..2].iter().map(|name| DiskErase {
            disk: id(name).parse().unwrap(),
            agreed: ContentId::Blank,
            size_bytes: DISK_BYTES,
        });
        let erase = Erase {
            binding: sample::home("").binding,
            incarnation: sample::deploy("uefi_two_disks").incarnation,
            spec: Digest([9; 32]),
            method: EraseMethod::Quick,
            disks: disks.collect(),
        };
        let bed = Self {
            root: tempfile::tempdir().unwrap(),
            erase,
        };
        bed.plant(
            "proc/sys/kernel/random/uuid",
            "00000000-0000-4000-8000-0000000000aa\n",
        );
        for name in NAMES {
            bed.plant(&format!("sys/block/{name}/device/model"), "disk");
            bed.plant(&format!("sys/block/{name}/device/serial"), name);
            bed.plant(&format!("sys/block/{name}/size"), &(DISK_BYTES / 512).to_string());
            bed.plant(&format!("sys/block/{name}/dev"), "0:0");
            for (attribute, value) in [
                ("partition", 2),
                ("start", PARTITION.from / 512),
                ("size", PARTITION.bytes / 512),
            ] {
                bed.plant(
                    &format!("sys/block/{name}/{name}2/{attribute}"),
                    &value.to_string(),
                );
            }
            bed.plant(&format!("dev/{name}"), "");
            let file = bed.open(name);
            file.write_all_at(&vec![DATA; usize::try_from(DISK_BYTES).unwrap()], 0)
                .unwrap();
        }
        NAMES[..2].iter().for_each(|name| bed.mark(name));
        bed
    }

    fn plant(&self, inner: &str, text: &str) {
        let path = self.root.path().join(inner);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("dev").join(name)
    }

    fn open(&self, name: &str) -> File {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(name))
            .unwrap()
    }

    fn mark(&self, name: &str) {
        let marker = Marker {
            state: State::Writing,
            incarnation: self.erase.incarnation,
            binding: self.erase.binding,
            generation: Generation(1),
            spec: Digest([1; 32]),
            epoch: 0,
            machine: sample::job().machine,
        };
        marker.write_to(&self.open(name)).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn content(&self, name: &str) -> ContentId {
        let ends = content::read_ends(&self.path(name), DISK_BYTES).unwrap();
        content::identify(&ends, &Signature::default())
    }

    /// Runs the job; whether it ended well, and all that it told.
    fn run(&self, verdict: Verdict) -> (bool, Vec<FactBody>) {
        let (server, requests) = serve(move |request: &Request| {
            if request.path != rack_path::GO {
                return Reply::bytes(200, vec![]);
            }
            let asked: GoRequest = serde_json::from_str(&request.body).unwrap();
            Reply::json(&GoAnswer {
                nonce: asked.nonce,
                verdict: verdict.clone(),
            })
        });
        let mut rack = Rack::new(&server, "token");
        let mut steps = Steps {
            rack: &mut rack,
            job: sample::job(),
            boot_id: sample::uuid(3),
        };
        let ended = erase::run(&Sysfs::below(self.root.path()), &mut steps, &self.erase);
        (ended.is_ok(), told(&requests))
    }
}

fn id(name: &str) -> String {
    format!("serial:disk_{name}")
}

fn told(requests: &Receiver<Request>) -> Vec<FactBody> {
    let reports = requests
        .try_iter()
        .filter(|request| request.path == rack_path::REPORT);
    let reports = reports.map(|request| serde_json::from_str::<Report>(&request.body).unwrap());
    reports
        .flat_map(|report| report.facts)
        .map(|fact| fact.body)
        .collect()
}

/// The disks on record, in the order of the records.
fn erased(told: &[FactBody]) -> Vec<&str> {
    let records = told.iter().filter_map(|body| match body {
        FactBody::Erased { disk, .. } => Some(disk.as_str()),
        _ => None,
    });
    records.collect()
}

fn failure(told: &[FactBody]) -> Option<(&str, &str)> {
    told.iter().find_map(|body| match body {
        FactBody::Step {
            step,
            state: StepState::Failed { code, .. },
            ..
        } => Some((step.as_str(), code.as_str())),
        _ => None,
    })
}

#[test]
fn the_disks_of_the_job_are_erased_and_no_other() {
    let bed = Bed::new();
    let other = bed.read("sdc");
    let (well, told) = bed.run(Verdict::Go);
    assert!(well, "{told:?}");
    assert_eq!(erased(&told), [id("sda"), id("sdb")]);
    for name in &NAMES[..2] {
        assert_eq!(bed.content(name), ContentId::Blank, "{name}");
        let bytes = bed.read(name);
        for place in places(DISK_BYTES, &[PARTITION]).iter().chain([&MARKER]) {
            let range = usize::try_from(place.from).unwrap()..usize::try_from(place.end()).unwrap();
            assert!(bytes[range].iter().all(|byte| *byte == 0), "{name} {place:?}");
        }
        // What lies between is not said to be gone.
        let between = usize::try_from(PARTITION.from + (3 << 20) + 1).unwrap();
        assert_eq!(bytes[between], DATA);
    }
    let FactBody::Erased { method, sample, .. } = told
        .iter()
        .find(|body| matches!(body, FactBody::Erased { .. }))
        .unwrap()
    else {
        panic!("a record")
    };
    assert_eq!(method, "quick");
    assert!(
        sample.contains("read back as zeros") && !sample.contains("64 of 64"),
        "{sample}"
    );
    assert!(
        bed.read("sdc") == other,
        "a disk that is not of the job was written"
    );
}

#[test]
fn whatever_a_power_cut_left_ends_the_same() {
    let whole = places(DISK_BYTES, &[PARTITION]);
    let marker = [MARKER];
    // Cut before any place, after each of them, and after the marker is gone.
    for cleared in (0..=whole.len()).step_by(9).chain([whole.len()]) {
        let bed = Bed::new();
        zero(&bed.open("sda"), &whole[..cleared], "sda").unwrap();
        let (well, told) = bed.run(Verdict::Go);
        assert!(well, "cut after {cleared}: {told:?}");
        assert_eq!(
            (bed.content("sda"), bed.content("sdb")),
            (ContentId::Blank, ContentId::Blank)
        );
    }
    let bed = Bed::new();
    for extents in [&whole[..], &marker[..]] {
        zero(&bed.open("sda"), extents, "sda").unwrap();
    }
    assert_eq!(
        bed.content("sda"),
        ContentId::Blank,
        "blank is what the erasure makes it"
    );
    let (well, told) = bed.run(Verdict::Go);
    assert!(well, "{told:?}");
    assert_eq!(erased(&told), [id("sda"), id("sdb")]);
}

#[test]
fn what_nobody_agreed_to_erase_stays_to_the_byte() {
    let bed = Bed::new();
    let block = vec![DATA; marker::BLOCK_BYTES];
    bed.open("sdb").write_all_at(&block, marker::OFFSET).unwrap();
    let before = NAMES.map(|name| bed.read(name));
    let (well, told) = bed.run(Verdict::Go);
    assert!(!well);
    assert_eq!(failure(&told), Some(("fence", "UNEXPECTED_CONTENTS")));
    assert!(
        NAMES.map(|name| bed.read(name)) == before,
        "something was written"
    );
}

#[test]
fn without_the_daemons_go_nothing_is_written() {
    let bed = Bed::new();
    let before = NAMES.map(|name| bed.read(name));
    let (well, told) = bed.run(Verdict::Refuse {
        code: "HELD".to_owned(),
        reason: "held".to_owned(),
    });
    assert!(!well);
    assert_eq!(failure(&told), Some(("fence", "HELD")));
    assert!(
        NAMES.map(|name| bed.read(name)) == before,
        "something was written"
    );
}

#[test]
fn data_where_zeros_were_written_is_found_when_read_back() {
    let bed = Bed::new();
    let file = bed.open("sda");
    let head = [Extent { from: 0, bytes: 4096 }];
    zero(&file, &head, "sda").unwrap();
    assert!(demand_zeros(&file, &head, "sda").is_ok());
    file.write_all_at(&[1], 4095).unwrap();
    let error = demand_zeros(&file, &head, "sda").unwrap_err();
    assert_eq!(error.code(), "ERASE_FAILED", "{error}");
}
