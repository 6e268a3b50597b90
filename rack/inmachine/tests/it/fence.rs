//! What may be written: the table of cases that the daemon is held to as well,
//! `rack/api/tests/cases/fence.toml`.

use crate::sample;
use rack_api::fact::DiskSeen;
use rack_api::job::Deploy;
use rack_inmachine::fence::{Standing, may_write};
use schema_ids::ContentId;
use serde::Deserialize;

const OURS: &str = "bbbbbbbb-0000-8000-8000-000000000001";
const OTHER: &str = "cccccccc-0000-8000-8000-000000000001";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
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
fn seen(deploy: &Deploy, found: &[String]) -> Vec<DiskSeen> {
    let mut seen = Vec::new();
    for (plan, found) in deploy.disks.iter().zip(found) {
        let disk = |size_bytes, content| DiskSeen {
            disk: plan.disk.clone(),
            content,
            size_bytes,
        };
        let agreed = || plan.agreed.clone();
        seen.extend(match found.as_str() {
            "absent" => vec![],
            "twice" => vec![disk(plan.size_bytes, agreed()), disk(plan.size_bytes, agreed())],
            "smaller" => vec![disk(plan.size_bytes - 512, agreed())],
            found => vec![disk(plan.size_bytes, content(found))],
        });
    }
    seen
}

#[test]
fn the_table_holds() {
    let table: Table = toml::from_str(include_str!("../../../api/tests/cases/fence.toml")).unwrap();
    for case in &table.case {
        let deploy = deploy(&case.agreed);
        let standing = match may_write(&sample::job(), &deploy.writes(), &seen(&deploy, &case.found)) {
            Ok(Standing::MayWrite) => "may-write",
            Ok(Standing::Finish) => "finish",
            Ok(Standing::Installed) => "installed",
            Err(refusal) => refusal.code(),
        };
        assert_eq!(standing, case.standing, "{case:?}");
    }
}
