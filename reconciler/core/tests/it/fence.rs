//! The daemon's side of the wipe fence: the table of cases that the in-machine agent is held to as well,
//! `rack/api/tests/cases/fence.toml`.

use crate::planning;
use rack_api::fact::DiskSeen;
use rack_api::job::{Deploy, Job, JobKind, JobRef};
use rack_api::machine::{GoRequest, Verdict};
use rack_api::order::{Action, NextBoot, Order};
use reconciler_core::facts::{IssuedOrder, MachineFacts, OrderSeen};
use reconciler_core::fence::{Ground, judge};
use reconciler_core::intent::Intent;
use reconciler_core::plan::MachinePlan;
use schema_ids::{Generation, Incarnation, MachineId, Timestamp, Uuid};
use serde::Deserialize;
use std::collections::BTreeMap;

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

/// A planned machine with so many disks in its wipe-set, for generation 7 of incarnation 2.
fn planned(disks: usize) -> (MachineId, MachinePlan) {
    let storage = if disks == 1 { "disk" } else { "split" };
    let mode = if disks == 1 { "bios" } else { "uefi" };
    let fleet = planning::fleet(
        "unreviewed = \"allow\"",
        &format!(
            "[machine.m1]\nrack = \"r1\"\nserial = \"S1\"\nboot.mode = \"{mode}\"\n\
             bmc = {{ driver = \"ipmi\", address = \"10.77.0.5\", secret = \"bmc\" }}\n\
             nic.p0 = {{ mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }}\n\
             [deployment.web]\nmachines = [\"m1\"]\nhostname = \"web\"\nimage = \"debian-a\"\n\
             storage = \"{storage}\"\nnetwork = \"auto\"\n"
        ),
    );
    let mut world = planning::World::new();
    world.next_commit();
    world.adopt(&fleet, world.plan(&fleet));
    let (id, _) = world.parent.machine("m1").unwrap();
    let seen: planning::SeenMachine = toml::from_str(&format!(
        "serial = \"S1\"\nmacs = [\"52:54:00:77:00:01\"]\nuefi = {}\n\
         disks = [{{ id = \"serial:d1\", gb = 20 }}, {{ id = \"serial:d2\", gb = 40 }}]",
        mode == "uefi"
    ))
    .unwrap();
    world.see(id, seen.inventory(&world.parent));
    world.later();
    world.adopt(&fleet, world.plan(&fleet));
    let mut machine = world.parent.machines[&id].clone();
    machine.wanted.generation = Generation(7);
    let deploy = deploy(&mut machine);
    assert_eq!(deploy.disks.len(), disks);
    deploy.binding = OURS.parse().unwrap();
    deploy.incarnation.number = 2;
    (id, machine)
}

fn deploy(machine: &mut MachinePlan) -> &mut Deploy {
    match &mut machine.wanted.intent {
        Intent::Deployed(deploy) => deploy,
        other => panic!("nothing is to be installed: {other:?}"),
    }
}

fn content(text: &str) -> schema_ids::ContentId {
    let text = text.replace("OURS", OURS).replace("OTHER", OTHER);
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
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

/// That this machine's first try is what it shall boot.
fn ordered(id: MachineId, deploy: &Deploy, incarnation: Incarnation) -> OrderSeen {
    let order = Order {
        machine: id,
        incarnation,
        generation: Generation(7),
        number: 1,
        deadline: Timestamp::from_unix_ms(1_700_000_000_000),
        cause: "the test".to_owned(),
        by_hand: None,
        action: Action::Boot(NextBoot::Job(Box::new(Job {
            job: job(id),
            name: "m1".parse().unwrap(),
            boot_order: rack_api::boot_order::BootOrder::NetworkFirst,
            kind: JobKind::Deploy(Box::new(deploy.clone())),
        }))),
    };
    OrderSeen {
        issued: IssuedOrder {
            order,
            at: Timestamp::from_unix_ms(1_700_000_000_000),
        },
        taken: BTreeMap::new(),
        refused: BTreeMap::new(),
        done: None,
        failed: None,
    }
}

fn job(machine: MachineId) -> JobRef {
    JobRef {
        machine,
        generation: Generation(7),
        attempt: 1,
    }
}

fn verdict(id: MachineId, machine: &mut MachinePlan, case: &Case) -> Verdict {
    let deploy = deploy(machine);
    for (plan, agreed) in deploy.disks.iter_mut().zip(&case.agreed) {
        plan.agreed = content(agreed);
    }
    let request = GoRequest {
        token: String::new(),
        nonce: Uuid::from_bytes([1; 16]),
        boot_id: Uuid::from_bytes([2; 16]),
        job: job(id),
        binding: deploy.binding,
        uuid: None,
        serial: Some("S1".to_owned()),
        macs: vec!["52:54:00:77:00:01".parse().unwrap()],
        disks: seen(deploy, &case.found),
    };
    let incarnation = deploy.incarnation;
    let facts = MachineFacts {
        orders: vec![ordered(id, deploy, incarnation)],
        ..MachineFacts::default()
    };
    let ground = Ground {
        id,
        machine,
        facts: &facts,
        incarnation,
        held: None,
    };
    judge(&ground, &request)
}

#[test]
fn the_table_holds() {
    let table: Table = toml::from_str(include_str!("../../../../rack/api/tests/cases/fence.toml")).unwrap();
    let mut machines = BTreeMap::from([(1, planned(1)), (2, planned(2))]);
    for case in &table.case {
        let (id, machine) = machines.get_mut(&case.agreed.len()).unwrap();
        let found = match verdict(*id, machine, case) {
            Verdict::Go => "go".to_owned(),
            Verdict::Refuse { code, .. } => code,
        };
        let wanted = match case.standing.as_str() {
            "may-write" | "finish" => "go",
            "installed" => "NOT_SEEN_AFTER_INSTALL",
            code => code,
        };
        assert_eq!(found, wanted, "{case:?}");
    }
}
