//! What may be written: the table of cases that the daemon is held to as well,
//! `rack/api/tests/cases/fence.toml`.

use crate::sample;
use rack_api::fact::DiskSeen;
use rack_api::job::{Deploy, DiskErase, Erase, EraseMethod};
use rack_api::writes::Agreed;
use rack_inmachine::fence::{Refusal, Standing, may_write};
use schema_ids::{ContentId, Digest, Incarnation, Uuid};
use serde::Deserialize;

const OURS: &str = "bbbbbbbb-0000-8000-8000-000000000001";
const OTHER: &str = "cccccccc-0000-8000-8000-000000000001";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
    erase: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    agreed: Vec<String>,
    found: Vec<String>,
    standing: String,
}

fn content(text: &str) -> ContentId {
    let text = text.replace("OURS", OURS).replace("OTHER", OTHER);
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A deployment with this wipe-set, whose job is generation 7 of incarnation 2.
fn deploy(agreed: &[String]) -> Deploy {
    let mut deploy = sample::deploy(match agreed.len() {
        1 => "bios_one_disk",
        _ => "uefi_two_disks",
    });
    assert_eq!(deploy.disks.len(), agreed.len());
    deploy.binding = OURS.parse().unwrap();
    deploy.incarnation.number = 2;
    for (plan, agreed) in deploy.disks.iter_mut().zip(agreed) {
        plan.agreed = content(agreed);
    }
    deploy
}

/// What the disks of a deployment show.
fn seen<D: Agreed>(disks: &[D], found: &[String]) -> Vec<DiskSeen> {
    let mut seen = Vec::new();
    for (plan, found) in disks.iter().zip(found) {
        let disk = |size_bytes, content| DiskSeen {
            disk: plan.disk().clone(),
            content,
            size_bytes,
        };
        let agreed = || plan.agreed().clone();
        let size = plan.size_bytes();
        seen.extend(match found.as_str() {
            "absent" => vec![],
            "twice" => vec![disk(size, agreed()), disk(size, agreed())],
            "smaller" => vec![disk(size - 512, agreed())],
            found => vec![disk(size, content(found))],
        });
    }
    seen
}

fn word(judged: Result<Standing, Refusal>) -> &'static str {
    match judged {
        Ok(Standing::MayWrite) => "may-write",
        Ok(Standing::Finish) => "finish",
        Ok(Standing::Installed) => "installed",
        Err(refusal) => refusal.code(),
    }
}

/// An erasure of these contents, for generation 7 of incarnation 2.
fn erase(agreed: &[String]) -> Erase {
    let disks = agreed.iter().enumerate().map(|(at, agreed)| DiskErase {
        disk: format!("serial:d{}", at + 1).parse().unwrap(),
        agreed: content(agreed),
        size_bytes: 20_000_000_000,
    });
    Erase {
        binding: OURS.parse().unwrap(),
        incarnation: Incarnation {
            number: 2,
            uuid: Uuid::from_bytes([2; 16]),
        },
        spec: Digest([9; 32]),
        method: EraseMethod::Quick,
        disks: disks.collect(),
    }
}

#[test]
fn the_table_holds() {
    let table: Table = toml::from_str(include_str!("../../../api/tests/cases/fence.toml")).unwrap();
    for case in &table.case {
        let deploy = deploy(&case.agreed);
        let seen = seen(&deploy.disks, &case.found);
        let judged = may_write(&sample::job(), &deploy.writes(), &seen);
        assert_eq!(word(judged), case.standing, "{case:?}");
    }
    for case in &table.erase {
        let erase = erase(&case.agreed);
        let seen = seen(&erase.disks, &case.found);
        let judged = may_write(&sample::job(), &erase.writes(), &seen);
        assert_eq!(word(judged), case.standing, "erasing: {case:?}");
    }
}
