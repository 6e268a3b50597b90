//! A deployment's budget is its own whatever it is called.

use crate::seen::SeenMachine;
use crate::world::{World, fleet};
use reconciler_core::admit::{Leave, Permits, Policy};
use reconciler_core::condition::Condition;
use reconciler_core::facts::{AgentSeen, MachineFacts};
use reconciler_core::next::Decision;
use reconciler_core::tick::{self, Effect, Tick, tick};
use schema_fleet::Fleet;
use schema_ids::MachineId;
use std::collections::BTreeMap;

/// Two machines that one deployment of this name runs.
fn named(name: &str, reinstall: u32, lines: &str) -> Fleet {
    let machine = |number| {
        format!(
            "[machine.m{number}]\nrack = \"r1\"\nserial = \"S{number}\"\nboot.mode = \"bios\"\n\
             nic.p0 = {{ mac = \"52:54:00:77:00:0{number}\", link = \"lab/pxe\" }}\n"
        )
    };
    let text = format!(
        "{}{}[deployment.{name}]\nmachines = [\"m1\", \"m2\"]\nhostname = \"h-{{slot}}\"\nimage = \"debian-a\"\n\
         storage = \"disk\"\nnetwork = \"auto\"\nreinstall = {reinstall}\n{lines}",
        machine(1),
        machine(2)
    );
    fleet("unreviewed = \"allow\"\nlimits.max-destroyed = 100", &text)
}

fn ticked(world: &World, permits: &Permits, facts: &BTreeMap<MachineId, MachineFacts>) -> Tick {
    let now = world.observed.at;
    let seen = AgentSeen {
        heard: now,
        watermark: now,
        steady: now,
    };
    let around = tick::World {
        plan: &world.parent,
        incarnation: world.observed.incarnation,
        facts,
        agents: &BTreeMap::from([("rackd-1".parse().unwrap(), seen)]),
        permits,
        policy: &Policy::default(),
        restored: None,
        stopped: None,
    };
    tick(&around, now)
}

fn adopt(world: &mut World, fleet: &Fleet) {
    world.later();
    world.next_commit();
    world.adopt(fleet, world.plan(fleet));
}

/// Both are inspected, and blank.
fn inspect(world: &mut World) {
    for (id, machine) in world.parent.machines.clone() {
        let number = machine.name.as_str().trim_start_matches('m').to_owned();
        let seen: SeenMachine = toml::from_str(&format!(
            "serial = \"S{number}\"\nmacs = [\"52:54:00:77:00:0{number}\"]\n\
             disks = [{{ id = \"serial:d{number}\", gb = 20 }}]"
        ))
        .unwrap();
        let inventory = seen.inventory(&world.parent);
        world.see(id, inventory);
    }
}

#[test]
fn a_renamed_deployment_has_what_is_under_way_in_its_budget() {
    let mut world = World::new();
    let first = named("web", 0, "");
    adopt(&mut world, &first);
    inspect(&mut world);
    adopt(&mut world, &first);
    let machines: Vec<MachineId> = world.parent.machines.keys().copied().collect();
    for id in &machines {
        world.install(*id);
    }
    adopt(&mut world, &named("web", 1, ""));

    let (mut permits, mut facts) = (Permits::default(), BTreeMap::new());
    for effect in ticked(&world, &permits, &facts).effects {
        let Effect::Issue {
            order,
            leave: Leave::Take(grant),
        } = effect
        else {
            continue;
        };
        // It has its order, and asks for nothing more.
        let ordered = MachineFacts::fold(grant.generation, vec![*order], Vec::new(), &[], BTreeMap::new());
        facts.insert(grant.machine, ordered);
        permits.grants.insert(grant.machine, grant);
    }
    let [under_way] = permits.grants.keys().copied().collect::<Vec<_>>()[..] else {
        panic!("one at a time is erased: {permits:?}");
    };
    assert!(permits.grants[&under_way].need.erases.is_some(), "{permits:?}");

    adopt(
        &mut world,
        &named("site", 1, "[moved.deployment.web]\nto = \"site\"\n"),
    );
    let step = ticked(&world, &permits, &facts);
    let other = machines.iter().find(|id| **id != under_way).unwrap();
    let Decision::Wait(wait) = &step.decisions[other] else {
        panic!("the other is erased too: {:?}", step.decisions);
    };
    assert_eq!(wait.condition, Condition::Budget);
    assert!(wait.evidence.contains("of site"), "{}", wait.evidence);
}
