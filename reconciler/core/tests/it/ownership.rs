//! What a machine is ordered while it bears another's mark, and what its inspections do about the mark.

use crate::seen::SeenMachine;
use crate::world::{World, fleet};
use rack_api::job::{Job, JobKind};
use rack_api::order::{Action, NextBoot};
use reconciler_core::condition::Condition;
use reconciler_core::facts::{AgentSeen, IssuedOrder, MachineFacts, OrderSeen};
use reconciler_core::next::{Around, Decision, next};
use reconciler_core::status::why;
use schema_ids::{MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};

const THEIRS: &str = "7d3a1f60-5c2e-4b19-8a44-0f6e9d21c7b3";

const MACHINE: &str = "[machine.m1]\nrack = \"r1\"\nboot.mode = \"bios\"\n\
    nic.p0 = { mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }\n\
    bmc = { driver = \"ipmi\", address = \"10.77.0.5\", secret = \"bmc\" }\n";

/// A commit, with what its machine says beside that.
fn commit(world: &mut World, text: &str) {
    world.later();
    world.next_commit();
    let fleet = fleet("", text);
    let new = world.plan(&fleet);
    world.adopt(&fleet, new);
}

/// The same commit, once the machine was seen with this mark.
fn look(world: &mut World, text: &str, mark: &str) {
    world.later();
    let id = id(world);
    let seen = format!(
        "serial = \"S1\"\nmacs = [\"52:54:00:77:00:01\"]\ndisks = [{{ id = \"serial:d1\", gb = 20 }}]\nmark = \"{mark}\""
    );
    let seen = toml::from_str::<SeenMachine>(&seen).unwrap();
    let inventory = seen.inventory(&world.parent);
    world.see(id, inventory);
    let fleet = fleet("", text);
    let new = world.plan(&fleet);
    world.adopt(&fleet, new);
}

fn id(world: &World) -> MachineId {
    world.parent.machine("m1").unwrap().0
}

fn around(world: &World) -> Around<'_> {
    Around {
        id: id(world),
        incarnation: world.observed.incarnation,
        boot_agents: BTreeSet::from([agent()]),
        ephemeral: true,
        deployment: None,
        planned: world.parent.made,
        restored: None,
    }
}

fn agent() -> Name {
    "rackd-1".parse().unwrap()
}

fn decide(world: &World, facts: &MachineFacts) -> Decision {
    let machine = &world.parent.machines[&id(world)];
    next(machine, facts, &around(world), world.observed.at)
}

fn job(decision: &Decision) -> &Job {
    let Decision::Propose(proposal) = decision else {
        panic!("{decision:?}");
    };
    match &proposal.order.action {
        Action::Boot(NextBoot::Job(job)) => job,
        other => panic!("{other:?}"),
    }
}

/// That this order stands, and nothing came of it yet.
fn given(decision: &Decision) -> MachineFacts {
    let Decision::Propose(proposal) = decision else {
        panic!("{decision:?}");
    };
    let at = proposal.since;
    let order = OrderSeen {
        issued: IssuedOrder {
            order: proposal.order.clone(),
            at,
        },
        taken: BTreeMap::from([(agent(), at)]),
        refused: BTreeMap::new(),
        refused_until: BTreeMap::new(),
        done: None,
        failed: None,
    };
    let heard = AgentSeen {
        heard: at,
        watermark: at,
        steady: at,
    };
    MachineFacts {
        orders: vec![order],
        agents: BTreeMap::from([(agent(), heard)]),
        ..MachineFacts::default()
    }
}

#[test]
fn an_inspection_is_told_what_git_asks_by_the_time_that_it_begins() {
    let mut world = World::new();
    let observed = format!("{MACHINE}manage = \"observe\"\ninspect = 1\n");
    commit(&mut world, &observed);
    let first = decide(&world, &MachineFacts::default());
    assert_eq!((job(&first).mark.as_ref(), job(&first).leaves), (None, true));
    let facts = given(&first);

    // Asked for while it waits for somebody to restart the machine: the generation is the same, and the job another.
    let marked = format!("{observed}mark = true\n");
    commit(&mut world, &marked);
    let again = decide(&world, &facts);
    let wish = job(&again).mark.as_ref().expect("a mark is asked for");
    let stands = wish.stands.as_ref().expect("one shall stand");
    assert_eq!(
        (stands.plane, stands.machine),
        (world.observed.fleet_uid, id(&world))
    );
    assert_eq!(
        (job(&again).job.attempt, &job(&again).kind),
        (2, &JobKind::Inspect)
    );
    let Decision::Wait(wait) = decide(&world, &given(&again)) else {
        panic!("it is given once more");
    };
    assert_eq!(wait.condition, Condition::RestartAwaited);

    look(&mut world, &marked, "ours");
    commit(&mut world, &observed.replace("inspect = 1", "inspect = 2"));
    let last = decide(&world, &MachineFacts::default());
    let wish = job(&last).mark.as_ref().expect("it is to be taken away");
    assert_eq!(
        (wish.plane, &wish.stands, &wish.over),
        (world.observed.fleet_uid, &None, &None)
    );
}

#[test]
fn another_s_machine_gets_no_order_whatever_git_wants_of_it() {
    let deployment = "[deployment.db]\nmachines = [\"m1\"]\nhostname = \"db\"\nimage = \"debian-a\"\nstorage = \"disk\"\n\
                      network = \"auto\"\n";
    let wants = [
        MACHINE.to_owned(),
        format!("{MACHINE}power = \"on\"\n"),
        format!("{MACHINE}{deployment}"),
        format!("{MACHINE}{deployment}adopt = [{{ machine = \"m1\" }}]\n"),
        format!("{MACHINE}mark = true\ntaken-from = \"7d3a1f60-5c2e-4b19-8a44-0f6e9d21c7b4\"\n{deployment}"),
    ];
    for text in wants {
        let mut world = World::new();
        commit(&mut world, &text);
        look(&mut world, &text, THEIRS);
        let decision = decide(&world, &MachineFacts::default());
        let Decision::Wait(wait) = &decision else {
            panic!("{decision:?} of {text}");
        };
        assert_eq!(wait.condition, Condition::MarkedByAnother, "{text}");
        assert!(wait.evidence.contains(THEIRS), "{}", wait.evidence);
        // Where it is removed, it is left as it runs.
        let gone = "[removed.machine.m1]\ndisks = \"quick\"\nreason = \"gone\"\n";
        commit(&mut world, gone);
        assert_eq!(
            decide(&world, &MachineFacts::default()),
            Decision::Settled,
            "{text}"
        );
    }
}

#[test]
fn a_machine_that_was_installed_and_marked_by_another_since_is_neither_erased_nor_switched_off() {
    let text = format!(
        "{MACHINE}[deployment.db]\nmachines = [\"m1\"]\nhostname = \"db\"\nimage = \"debian-a\"\nstorage = \"disk\"\n\
         network = \"auto\"\n"
    );
    let waits = |world: &World| match decide(world, &MachineFacts::default()) {
        Decision::Wait(wait) => wait.condition,
        other => panic!("{other:?}"),
    };
    for disks in ["quick", "retain"] {
        let mut world = World::new();
        commit(&mut world, &text);
        look(&mut world, &text, "none");
        world.install(id(&world));
        look(&mut world, &text, THEIRS);
        assert_eq!(waits(&world), Condition::MarkedByAnother);
        let gone = format!("[removed.machine.m1]\ndisks = \"{disks}\"\nreason = \"gone\"\n");
        commit(&mut world, &gone);
        assert_eq!(waits(&world), Condition::MarkedByAnother, "{disks}");
        let plan = &world.parent;
        let noted = plan.notes.iter().any(|note| note.code == "MARKED_BY_ANOTHER");
        assert!(noted, "{:?}", plan.notes);
    }
}

#[test]
fn a_person_is_told_what_stands_there_and_what_is_asked() {
    let told = |asked: &str, mark: &str| {
        let mut world = World::new();
        let text = format!("{MACHINE}{asked}");
        commit(&mut world, &text);
        look(&mut world, &text, mark);
        let machine = id(&world);
        let inventory = world.observed.machines[&machine].inventory.clone();
        let facts = MachineFacts {
            inventory: inventory.map(|value| reconciler_core::facts::Seen {
                value,
                since: world.observed.at,
            }),
            ..MachineFacts::default()
        };
        let decision = decide(&world, &facts);
        let text = why(&world.parent, machine, &facts, &decision, &[]);
        let lines = text.lines().filter(|line| {
            let line = line.trim_start();
            ["mark  ", "NOT LEFT", "NOT GONE", "wanted  "]
                .iter()
                .any(|word| line.starts_with(word))
        });
        lines.map(|line| line.trim_start().to_owned()).collect::<Vec<_>>()
    };
    let table = [
        ("", "none", &[][..]),
        ("", "no-place", &[]),
        (
            "",
            "ours",
            &["mark       this control plane's", "wanted   none: its next"],
        ),
        (
            "",
            "ours; it is write-protected",
            &[
                "mark       this control plane's",
                "NOT GONE it is write-protected",
                "wanted   none: its next",
            ],
        ),
        (
            "mark = true\n",
            "none",
            &["mark       none", "wanted   its next inspection leaves one"],
        ),
        (
            "mark = true\n",
            "no-place",
            &["mark       none", "NOT LEFT no place for a mark: boots by BIOS"],
        ),
        (
            "mark = true\n",
            "none; it is full",
            &["mark       none", "NOT LEFT it is full"],
        ),
        ("mark = true\n", THEIRS, &["mark       control plane 7d3a1f60"]),
        (
            "",
            "unreadable:0123456789abcdef",
            &["mark       unreadable:0123456789abcdef"],
        ),
    ];
    for (asked, mark, expected) in table {
        let lines = told(asked, mark);
        let fits = lines.len() == expected.len()
            && lines
                .iter()
                .zip(expected)
                .all(|(line, begins)| line.starts_with(begins));
        assert!(fits, "{asked:?} {mark}: {lines:#?}");
    }
}
