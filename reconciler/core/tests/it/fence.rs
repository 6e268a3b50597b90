//! The daemon's side of the wipe fence: the table of cases that the in-machine agent is held to as well,
//! `rack/api/tests/cases/fence.toml`.

use crate::seen::SeenMachine;
use crate::world;
use rack_api::fact::DiskSeen;
use rack_api::job::{Deploy, DiskErase, Erase, EraseMethod, Job, JobKind, JobRef};
use rack_api::machine::{GoRequest, Verdict};
use rack_api::order::{Action, ByHand, NextBoot, Order, PowerWanted};
use rack_api::ownership::{MarkFound, MarkSeen, MarkWish, OwnershipMark};
use rack_api::sync::BootGoRequest;
use rack_api::writes::Agreed;
use reconciler_core::admit::Grant;
use reconciler_core::facts::{IssuedOrder, MachineFacts, OrderSeen};
use reconciler_core::fence::{Ground, judge, may_boot};
use reconciler_core::intent::Intent;
use reconciler_core::next::Need;
use reconciler_core::plan::{ForeignMark, MachinePlan, MarkPlan, Opens};
use schema_ids::{Digest, Generation, Incarnation, MachineId, MarkOwner, Timestamp, Uuid};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// A planned machine with so many disks in its wipe-set, for generation 7 of incarnation 2.
fn planned(disks: usize) -> (MachineId, MachinePlan) {
    let storage = if disks == 1 { "disk" } else { "split" };
    let mode = if disks == 1 { "bios" } else { "uefi" };
    let fleet = world::fleet(
        "unreviewed = \"allow\"",
        &format!(
            "[machine.m1]\nrack = \"r1\"\nserial = \"S1\"\nboot.mode = \"{mode}\"\n\
             bmc = {{ driver = \"ipmi\", address = \"10.77.0.5\", secret = \"bmc\" }}\n\
             nic.p0 = {{ mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }}\n\
             [deployment.web]\nmachines = [\"m1\"]\nhostname = \"web\"\nimage = \"debian-a\"\n\
             storage = \"{storage}\"\nnetwork = \"auto\"\n"
        ),
    );
    let mut world = world::World::new();
    world.next_commit();
    world.adopt(&fleet, world.plan(&fleet));
    let (id, _) = world.parent.machine("m1").unwrap();
    let seen: SeenMachine = toml::from_str(&format!(
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
        Intent::Deployed(deploy) => Arc::make_mut(deploy),
        other => panic!("nothing is to be installed: {other:?}"),
    }
}

fn content(text: &str) -> schema_ids::ContentId {
    let text = text.replace("OURS", OURS).replace("OTHER", OTHER);
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
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

/// That this machine's first try is what it shall boot.
fn ordered(id: MachineId, kind: JobKind, incarnation: Incarnation) -> OrderSeen {
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
            leaves: false,
            mark: None,
            kind,
        }))),
    };
    OrderSeen {
        issued: IssuedOrder {
            order,
            at: Timestamp::from_unix_ms(1_700_000_000_000),
        },
        taken: BTreeMap::new(),
        refused: BTreeMap::new(),
        refused_until: BTreeMap::new(),
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

fn verdict(id: MachineId, machine: &mut MachinePlan, case: &Case) -> Verdict {
    let deploy = deploy(machine);
    for (plan, agreed) in deploy.disks.iter_mut().zip(&case.agreed) {
        plan.agreed = content(agreed);
    }
    let kind = JobKind::Deploy(Box::new(deploy.clone()));
    let disks = seen(&deploy.disks, &case.found);
    let incarnation = deploy.incarnation;
    judged(id, machine, vec![ordered(id, kind, incarnation)], disks)
}

fn erase_verdict(id: MachineId, machine: &MachinePlan, case: &Case) -> Verdict {
    let erase = erase(&case.agreed);
    let mut machine = machine.clone();
    machine.wanted.intent = Intent::Released(Box::new(erase.clone()));
    let disks = seen(&erase.disks, &case.found);
    let incarnation = erase.incarnation;
    let order = ordered(id, JobKind::Erase(Box::new(erase)), incarnation);
    judged(id, &machine, vec![order], disks)
}

fn judged(id: MachineId, machine: &MachinePlan, orders: Vec<OrderSeen>, disks: Vec<DiskSeen>) -> Verdict {
    judged_beside((id, machine), orders, disks, None)
}

/// The same, where this mark of ownership is found.
fn judged_beside(
    (id, machine): (MachineId, &MachinePlan),
    orders: Vec<OrderSeen>,
    disks: Vec<DiskSeen>,
    mark: Option<MarkSeen>,
) -> Verdict {
    let grant = held(id, 7, Need::to_boot(None));
    judged_holding((id, machine), orders, disks, mark, Some(&grant))
}

/// A grant that it holds.
fn held(machine: MachineId, generation: u64, need: Need) -> Grant {
    Grant {
        machine,
        generation: Generation(generation),
        need,
        at: Timestamp::from_unix_ms(1_699_999_000_000),
    }
}

/// The same, where it holds this grant or none.
fn judged_holding(
    (id, machine): (MachineId, &MachinePlan),
    orders: Vec<OrderSeen>,
    disks: Vec<DiskSeen>,
    mark: Option<MarkSeen>,
    grant: Option<&Grant>,
) -> Verdict {
    let incarnation = orders[0].issued.order.incarnation;
    let request = GoRequest {
        token: String::new(),
        nonce: Uuid::from_bytes([1; 16]),
        boot_id: Uuid::from_bytes([2; 16]),
        job: job(id),
        binding: OURS.parse().unwrap(),
        uuid: None,
        serial: Some("S1".to_owned()),
        macs: vec!["52:54:00:77:00:01".parse().unwrap()],
        disks,
        mark,
    };
    let facts = MachineFacts {
        orders,
        ..MachineFacts::default()
    };
    let ground = Ground {
        id,
        machine,
        facts: &facts,
        incarnation,
        restored: None,
        denials: &[],
        grant,
    };
    judge(&ground, &request)
}

fn word(verdict: Verdict) -> String {
    match verdict {
        Verdict::Go => "go".to_owned(),
        Verdict::Refuse { code, .. } => code,
    }
}

/// A person's order for this machine's power.
fn by_hand(id: MachineId, wanted: PowerWanted) -> OrderSeen {
    let mut seen = ordered(id, JobKind::Inspect, deploy(&mut planned(1).1).incarnation);
    let order = &mut seen.issued.order;
    order.number = 2;
    order.action = Action::Power(wanted);
    order.by_hand = Some(ByHand {
        who: "ada".to_owned(),
        why: String::new(),
        cycle: false,
    });
    seen
}

#[test]
fn nothing_begins_that_a_person_is_about_to_cut() {
    let (id, mut machine) = planned(1);
    let deploy = deploy(&mut machine).clone();
    let disks = seen(&deploy.disks, &["blank".to_owned()]);
    let booted = ordered(id, JobKind::Deploy(Box::new(deploy.clone())), deploy.incarnation);
    let given = |hand: Vec<OrderSeen>| {
        let orders = [vec![booted.clone()], hand].concat();
        word(judged(id, &machine, orders, disks.clone()))
    };
    assert_eq!(given(vec![]), "go");
    for wanted in [PowerWanted::Off, PowerWanted::SoftOff] {
        assert_eq!(given(vec![by_hand(id, wanted)]), "STEP_FAILED");
    }
    assert_eq!(given(vec![by_hand(id, PowerWanted::On)]), "go");
    let mut over = by_hand(id, PowerWanted::Off);
    over.done = Some(over.issued.at);
    assert_eq!(given(vec![over]), "go");
}

/// What it is granted may be given back while a rack agent has its job yet.
#[test]
fn nothing_that_takes_a_machine_away_runs_without_its_grant() {
    let (id, mut machine) = planned(1);
    let old = content("muster:installed:1:OURS:6");
    let blank = machine.clone();
    deploy(&mut machine).disks[0].agreed = old.clone();
    let with = |machine: &MachinePlan, grant: Option<&Grant>| {
        let mut machine = machine.clone();
        let deploy = deploy(&mut machine).clone();
        let disks = seen(&deploy.disks, &[deploy.disks[0].agreed.to_string()]);
        let order = ordered(id, JobKind::Deploy(Box::new(deploy.clone())), deploy.incarnation);
        let facts = MachineFacts {
            orders: vec![order.clone()],
            ..MachineFacts::default()
        };
        let request = BootGoRequest {
            machine: id,
            generation: Generation(7),
            attempt: 1,
        };
        let ground = Ground {
            id,
            machine: &machine,
            facts: &facts,
            incarnation: deploy.incarnation,
            restored: None,
            denials: &[],
            grant,
        };
        let boots = may_boot(&ground, &request);
        let judged = word(judged_holding((id, &machine), vec![order], disks, None, grant));
        (boots, judged)
    };
    let go = || (true, "go".to_owned());
    let refused = || (false, "BUDGET".to_owned());
    let boots = Need::to_boot(None);
    assert_eq!(with(&machine, Some(&held(id, 7, boots.clone()))), go());
    assert_eq!(with(&machine, None), refused(), "it was given back");
    assert_eq!(
        with(&machine, Some(&held(id, 6, boots))),
        refused(),
        "it is of before"
    );
    let by_hand = Need {
        budgets: ["one".parse().unwrap()].into(),
        boots: false,
        ..Need::default()
    };
    assert_eq!(
        with(&machine, Some(&held(id, 7, by_hand))),
        refused(),
        "power by hand"
    );
    assert_eq!(with(&blank, None), go(), "nobody counts on it");
}

#[test]
fn the_table_holds() {
    let table: Table = toml::from_str(include_str!("../../../../rack/api/tests/cases/fence.toml")).unwrap();
    let mut machines = BTreeMap::from([(1, planned(1)), (2, planned(2))]);
    let wanted = |case: &Case| match case.standing.as_str() {
        "may-write" | "finish" => "go".to_owned(),
        "installed" => "NOT_SEEN_AFTER_INSTALL".to_owned(),
        code => code.to_owned(),
    };
    for case in &table.case {
        let (id, machine) = machines.get_mut(&case.agreed.len()).unwrap();
        assert_eq!(word(verdict(*id, machine, case)), wanted(case), "{case:?}");
    }
    for case in &table.erase {
        let (id, machine) = &machines[&case.agreed.len()];
        let found = word(erase_verdict(*id, machine, case));
        assert_eq!(found, wanted(case), "erasing: {case:?}");
    }
}

/// A mark that was left since the machine was inspected keeps it from being written, and one that this control plane knows does
/// not.
#[test]
fn nothing_is_written_under_a_mark_that_no_plan_knows() {
    let (id, planned) = planned(1);
    let plane = |text: &str| -> Uuid { text.parse().unwrap() };
    let (ours, theirs) = (
        plane("00000000-0000-4000-8000-00000000f1ee"),
        plane("7d3a1f60-5c2e-4b19-8a44-0f6e9d21c7b3"),
    );
    let mark = |plane: Uuid| {
        MarkFound::Mark(OwnershipMark {
            plane,
            fleet: "lab".parse().unwrap(),
            machine: id,
        })
    };
    let unreadable = || MarkFound::Unreadable {
        owner: "unreadable:0123456789abcdef".parse().unwrap(),
        why: String::new(),
    };
    let wish = |over: Option<MarkOwner>| {
        let plan = MarkPlan {
            wish: MarkWish {
                plane: ours,
                stands: None,
                over: over.clone(),
            },
            said: over,
            spent: false,
            foreign: None,
        };
        Some(Box::new(plan))
    };
    let foreign = || {
        let mut plan = wish(None)?;
        plan.foreign = Some(ForeignMark {
            owner: MarkOwner::Plane(theirs),
            says: "it is theirs".to_owned(),
            taken_over: false,
            opens: Opens::TakenFrom,
        });
        Some(plan)
    };
    let code = |known: Option<Box<MarkPlan>>, found: Option<MarkFound>| {
        let mut machine = planned.clone();
        machine.mark = known;
        let deploy = deploy(&mut machine).clone();
        let order = ordered(id, JobKind::Deploy(Box::new(deploy.clone())), deploy.incarnation);
        let disks = seen(&deploy.disks, &["blank".to_owned()]);
        match judged_beside((id, &machine), vec![order], disks, found.map(MarkSeen::of)) {
            Verdict::Go => "go".to_owned(),
            Verdict::Refuse { code, .. } => code,
        }
    };
    let refused = "MARKED_BY_ANOTHER";
    let table = [
        (None, None, "go"),
        (None, Some(MarkFound::NoPlace), "go"),
        (None, Some(MarkFound::Absent), "go"),
        (None, Some(mark(theirs)), refused),
        (None, Some(mark(ours)), refused),
        (None, Some(unreadable()), refused),
        (wish(None), Some(mark(ours)), "go"),
        (wish(None), Some(mark(theirs)), refused),
        (wish(Some(MarkOwner::Plane(theirs))), Some(mark(theirs)), "go"),
        (wish(Some(MarkOwner::Plane(theirs))), Some(unreadable()), refused),
        (wish(unreadable().owner()), Some(unreadable()), "go"),
        // What is planned stands, whatever it tells of itself now.
        (foreign(), None, refused),
        (foreign(), Some(MarkFound::NoPlace), refused),
        (foreign(), Some(mark(ours)), refused),
        (foreign(), Some(mark(theirs)), refused),
    ];
    for (known, found, expected) in table {
        let told = format!("{known:?} {found:?}");
        assert_eq!(code(known, found), expected, "{told}");
    }
}
