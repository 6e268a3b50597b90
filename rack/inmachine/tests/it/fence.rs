//! What may be written: a table of what is on the disk against what was agreed.

use crate::sample;
use rack_api::fact::DiskSeen;
use rack_api::job::Deploy;
use rack_inmachine::fence::{Standing, may_write};
use std::fmt::Write;

const OURS: &str = "bbbbbbbb-0000-8000-8000-000000000001";
const OTHER: &str = "cccccccc-0000-8000-8000-000000000001";

fn seen(deploy: &Deploy, contents: &[&str]) -> Vec<DiskSeen> {
    let disks = deploy.disks.iter().zip(contents);
    disks
        .map(|(plan, content)| DiskSeen {
            disk: plan.disk.clone(),
            content: content.parse().unwrap(),
            size_bytes: plan.size_bytes,
        })
        .collect()
}

fn outcome(deploy: &Deploy, seen: &[DiskSeen]) -> String {
    match may_write(&sample::job(), deploy, seen) {
        Ok(Standing::MayWrite) => "may write".to_owned(),
        Ok(Standing::Installed) => "installed already".to_owned(),
        Err(refusal) => refusal.code().to_owned(),
    }
}

/// The job is generation 7 of incarnation 2.
#[test]
fn one_disk() {
    let marker = |state: &str, incarnation: u64, binding: &str, generation: u64| {
        format!("muster:{state}:{incarnation}:{binding}:{generation}")
    };
    let found = [
        "blank".to_owned(),
        "data:gpt+0000000000000001".to_owned(),
        "data:gpt+0000000000000002".to_owned(),
        "data:unreadable".to_owned(),
        marker("writing", 2, OURS, 7),
        marker("writing", 2, OURS, 6),
        marker("writing", 1, OURS, 9),
        marker("writing", 2, OURS, 8),
        marker("writing", 3, OURS, 1),
        marker("writing", 2, OTHER, 7),
        marker("installed", 2, OURS, 7),
        marker("installed", 2, OURS, 6),
        marker("installed", 1, OURS, 7),
        marker("installed", 2, OTHER, 7),
    ];
    let agreed = [
        "blank",
        "data:gpt+0000000000000001",
        &marker("installed", 2, OURS, 6),
    ];
    let mut table = String::new();
    for agreed in agreed {
        let mut deploy = sample::deploy("bios_one_disk");
        deploy.disks[0].agreed = agreed.parse().unwrap();
        writeln!(table, "agreed: {agreed}").unwrap();
        for found in &found {
            let outcome = outcome(&deploy, &seen(&deploy, &[found.as_str()]));
            writeln!(table, "  {found:66} {outcome}").unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn every_disk_counts() {
    let mut deploy = sample::deploy("uefi_two_disks");
    deploy.incarnation.number = 2;
    let binding = deploy.binding;
    let (done, begun) = (
        format!("muster:installed:2:{binding}:7"),
        format!("muster:writing:2:{binding}:7"),
    );
    let outcome = |contents: [&str; 2]| outcome(&deploy, &seen(&deploy, &contents));
    assert_eq!(outcome([&done, &done]), "installed already");
    assert_eq!(
        outcome([&done, &begun]),
        "may write",
        "the power went between two final markers"
    );
    assert_eq!(
        outcome([&begun, "blank"]),
        "may write",
        "the power went between two first markers"
    );
    assert_eq!(outcome([&begun, "data:gpt+1"]), "UNEXPECTED_CONTENTS");
    assert_eq!(outcome(["data:gpt+0123456789abcdef", "blank"]), "may write");
}

#[test]
fn the_disk_must_be_the_one_that_was_planned() {
    let deploy = sample::deploy("bios_one_disk");
    let seen = seen(&deploy, &["blank"]);
    assert_eq!(outcome(&deploy, &[]), "DISK_MISSING");
    assert_eq!(
        outcome(&deploy, &[seen[0].clone(), seen[0].clone()]),
        "DISK_MISSING"
    );
    let smaller = DiskSeen {
        size_bytes: seen[0].size_bytes - 512,
        ..seen[0].clone()
    };
    assert_eq!(outcome(&deploy, &[smaller]), "DISK_MISSING");
}
