//! What a machine is ordered while it bears another's mark, and what its inspections do about the mark.

use crate::seen::SeenMachine;
use crate::world::{World, fleet};
use rack_api::fact::PowerSeen;
use rack_api::job::{Job, JobKind, JobRef};
use rack_api::order::{Action, NextBoot};
use reconciler_core::condition::Condition;
use reconciler_core::facts::{AgentSeen, IssuedOrder, JobSeen, MachineFacts, OrderSeen, Seen};
use reconciler_core::intent::Intent;
use reconciler_core::next::{Around, Decision, next};
use reconciler_core::status::why;
use schema_ids::{MachineId, Name, Uuid};
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
        // What saw the mark stays up in the machine: one look more leads that back to the machine's own disk. One that was
        // to be adopted has gone there already.
        if !text.contains("adopt") {
            let back = decide(&world, &MachineFacts::default());
            assert!(job(&back).kind == JobKind::Inspect && job(&back).leaves, "{text}");
            assert!(
                matches!(&back, Decision::Propose(proposal) if proposal.need.is_none()),
                "nobody restarts it: {text}"
            );
            let stands = decide(&world, &given(&back));
            assert!(
                matches!(&stands, Decision::Wait(wait) if wait.condition == Condition::MarkedByAnother),
                "nobody is asked to restart it: {stands:?}"
            );
        }
        let looked = MachineFacts {
            inspected_in: Some(world.parent.machines[&id(&world)].wanted.generation),
            ..MachineFacts::default()
        };
        let generation = looked.inspected_in;
        look(&mut world, &text, THEIRS);
        let now = world.parent.machines[&id(&world)].wanted.generation;
        assert_eq!(Some(now), generation, "it is not asked again: {text}");
        let decision = decide(&world, &looked);
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
    for disks in ["quick", "retain"] {
        let mut world = World::new();
        commit(&mut world, &text);
        look(&mut world, &text, "none");
        world.install(id(&world));
        look(&mut world, &text, THEIRS);
        assert!(job(&decide(&world, &MachineFacts::default())).leaves);
        let was = world.parent.clone();
        let gone = format!("[removed.machine.m1]\ndisks = \"{disks}\"\nreason = \"gone\"\n");
        commit(&mut world, &gone);
        let plan = &world.parent;
        assert_eq!(
            decide(&world, &MachineFacts::default()),
            Decision::Settled,
            "{disks}"
        );
        assert!(
            plan.bindings.is_empty() && plan.wipe_set.entries.is_empty(),
            "{disks}"
        );
        assert_eq!(plan.ended, was.bindings.keys().copied().collect(), "{disks}");
    }
}

/// What was to be erased, and was marked by another before it began.
#[test]
fn a_machine_that_leaves_and_was_marked_by_another_since_is_let_go_as_it_runs() {
    let deployed = format!(
        "{MACHINE}[deployment.db]\nmachines = [\"m1\"]\nhostname = \"db\"\nimage = \"debian-a\"\nstorage = \"disk\"\n\
         network = \"auto\"\n"
    );
    let mut world = World::new();
    commit(&mut world, &deployed);
    look(&mut world, &deployed, "none");
    world.install(id(&world));
    let gone = "[removed.machine.m1]\ndisks = \"quick\"\nreason = \"gone\"\n";
    commit(&mut world, gone);
    let leaves = &world.parent.machines[&id(&world)].wanted;
    assert!(matches!(leaves.intent, Intent::Released(_)));
    let released = leaves.generation;
    look(&mut world, gone, THEIRS);
    let plan = &world.parent;
    assert!(plan.bindings.is_empty() && plan.wipe_set.entries.is_empty());
    assert_eq!(plan.machines[&id(&world)].wanted.intent, Intent::Retired);
    let at = plan.made;
    // The agent that was refused is still up: it is led back to the machine's own disk.
    let up = MachineFacts {
        power: Some(Seen {
            value: PowerSeen::On,
            since: at,
        }),
        earlier_job: Some(JobSeen {
            job: JobRef {
                machine: id(&world),
                generation: released,
                attempt: 1,
            },
            boot_id: Uuid::from_bytes([2; 16]),
            started: at,
            last: at,
            steps: Vec::new(),
            done: Some(at),
        }),
        ..MachineFacts::default()
    };
    let back = decide(&world, &up);
    assert!(job(&back).kind == JobKind::Inspect && job(&back).leaves);
    // Nobody is: nothing is done.
    assert_eq!(decide(&world, &MachineFacts::default()), Decision::Settled);
}

/// One that git merely stops naming keeps its slot, and what was ordered of it is void.
#[test]
fn a_machine_that_git_stops_naming_while_it_is_another_s_is_only_observed() {
    let deployed = format!(
        "{MACHINE}[deployment.db]\nmachines = [\"m1\"]\nhostname = \"db\"\nimage = \"debian-a\"\nstorage = \"disk\"\n\
         network = \"auto\"\n"
    );
    let mut world = World::new();
    commit(&mut world, &deployed);
    look(&mut world, &deployed, "none");
    world.install(id(&world));
    look(&mut world, &deployed, THEIRS);
    let other = "[machine.m2]\nrack = \"r1\"\nboot.mode = \"bios\"\nnic.p0 = { mac = \"52:54:00:77:00:02\", link = \"lab/pxe\" }\n";
    commit(&mut world, other);
    let plan = &world.parent;
    let machine = &plan.machines[&id(&world)];
    assert!(matches!(machine.wanted.intent, Intent::Observe { .. }));
    assert_eq!(plan.bindings.len(), 1);
    let blocked = machine.blocked.as_ref().expect("it waits");
    assert!(
        blocked.evidence.contains("removed.machine.m1") && !blocked.evidence.contains("taken-from"),
        "{}",
        blocked.evidence
    );
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
            inventory: inventory.map(|value| Seen {
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
