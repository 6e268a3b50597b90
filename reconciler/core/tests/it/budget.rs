//! A deployment's budget is its own whatever it is called, and counts who is out by when that was said, and who is switched by
//! hand from then on.

mod grants;

use crate::seen::SeenMachine;
use crate::world::{World, fleet};
use rack_api::fact::{Fact, FactBody, PowerSeen};
use rack_api::job::JobRef;
use rack_api::order::Order;
use reconciler_core::admit::{self, Grant, Ground, Leave, Permits, Policy};
use reconciler_core::condition::Condition;
use reconciler_core::facts::{AgentSeen, IssuedOrder, MachineFacts, StoredFact};
use reconciler_core::next::{Decision, Need, PowerWish, Wish};
use reconciler_core::tick::{self, Effect, Tick, stand, tick};
use schema_fleet::Fleet;
use schema_ids::{Generation, MachineId, Timestamp, Uuid};
use std::collections::BTreeMap;
use std::time::Duration;

/// Two machines that one deployment of this name runs.
fn named(name: &str, reinstall: u32, lines: &str) -> Fleet {
    let machine = |number| {
        format!(
            "[machine.m{number}]\nrack = \"r1\"\nserial = \"S{number}\"\nboot.mode = \"bios\"\n\
             nic.p0 = {{ mac = \"52:54:00:77:00:0{number}\", link = \"lab/pxe\" }}\n\
             bmc = {{ driver = \"ipmi\", address = \"10.77.0.{number}\", secret = \"bmc\" }}\n"
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

type Facts = BTreeMap<MachineId, MachineFacts>;

/// What a daemon knows now, handed to this.
fn with_world<T>(
    world: &World,
    permits: &Permits,
    facts: &Facts,
    then: impl FnOnce(&tick::World<'_>) -> T,
) -> T {
    let now = world.observed.at;
    let seen = AgentSeen {
        heard: now,
        watermark: now,
        steady: now,
    };
    then(&tick::World {
        plan: &world.parent,
        incarnation: world.observed.incarnation,
        facts,
        agents: &BTreeMap::from([("rackd-1".parse().unwrap(), seen)]),
        permits,
        policy: &Policy::default(),
        restored: None,
        stopped: None,
    })
}

fn ticked(world: &World, permits: &Permits, facts: &Facts) -> Tick {
    with_world(world, permits, facts, |around| tick(around, world.observed.at))
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

/// Budget `one`, by which one of both may be out.
const ONE: &str = "[budget.one]\ntargets = [\"deployment:web\"]\nmax-unavailable = 1\n";

/// Both machines run what the first commit wants.
fn running() -> (World, Vec<MachineId>) {
    let mut world = World::new();
    let first = named("web", 0, ONE);
    adopt(&mut world, &first);
    inspect(&mut world);
    adopt(&mut world, &first);
    let machines: Vec<MachineId> = world.parent.machines.keys().copied().collect();
    for id in &machines {
        world.install(*id);
    }
    (world, machines)
}

/// So many seconds before now.
fn ago(world: &World, seconds: u64) -> Timestamp {
    world.observed.at.minus(Duration::from_secs(seconds))
}

/// What was heard of a machine: who said it, how many seconds ago that arrived and was said, and what.
type Word = (&'static str, u64, u64, FactBody);

/// It was installed as wanted and has come home, so many seconds ago.
fn came_home(world: &World, id: MachineId, seconds: u64) -> Vec<Word> {
    let wanted = &world.parent.machines[&id].wanted;
    let deploy = wanted.intent.deploy().unwrap();
    let disk = deploy.disks[0].disk.clone();
    let installed = FactBody::Installed {
        job: JobRef {
            machine: id,
            generation: wanted.generation,
            attempt: 1,
        },
        binding: deploy.binding,
        spec: deploy.spec,
        disks: vec![disk.clone()],
    };
    let home = FactBody::PhonedHome {
        machine: id,
        binding: deploy.binding,
        boot_id: Uuid::from_bytes([1; 16]),
        root_disk: Some(disk),
        root_device: "/dev/vda2".to_owned(),
    };
    vec![
        ("rackd-1", seconds + 60, seconds + 60, power(id, PowerSeen::On)),
        ("rackd-1", seconds + 10, seconds + 10, installed),
        ("rackd-1", seconds, seconds, home),
    ]
}

fn power(machine: MachineId, power: PowerSeen) -> FactBody {
    FactBody::Power { machine, power }
}

fn folded(world: &World, id: MachineId, orders: Vec<IssuedOrder>, words: Vec<Word>) -> MachineFacts {
    let stored: Vec<StoredFact> = (1..)
        .zip(words)
        .map(|(sequence, (agent, received, said, body))| StoredFact {
            agent: agent.parse().unwrap(),
            sequence,
            received: ago(world, received),
            fact: Fact {
                at: ago(world, said),
                body,
            },
        })
        .collect();
    let now = world.observed.at;
    let agent = AgentSeen {
        heard: now,
        watermark: now,
        steady: now,
    };
    let agents = BTreeMap::from([("rackd-1".parse().unwrap(), agent)]);
    let generation = world.parent.machines[&id].wanted.generation;
    MachineFacts::fold(generation, orders, Vec::new(), &stored, agents)
}

/// It came home long ago with what it was to run before, and is to run something else.
fn runs_what_was_before(world: &World, id: MachineId) -> MachineFacts {
    folded(world, id, Vec::new(), of_before(world, id))
}

fn of_before(world: &World, id: MachineId) -> Vec<Word> {
    let generation = world.parent.machines[&id].wanted.generation;
    let mut words = came_home(world, id, 1000);
    for (.., body) in &mut words {
        if let FactBody::Installed { job, spec, .. } = body {
            (job.generation, *spec) = (Generation(generation.0 - 1), schema_ids::Digest([9; 32]));
        }
    }
    words
}

/// Who is out by the budget, each with why.
fn out(world: &World, facts: &Facts) -> Vec<String> {
    let permits = Permits::default();
    with_world(world, &permits, facts, |around| {
        let step = tick(around, world.observed.at);
        let standing = stand(around, &step.decisions);
        let ground = Ground {
            plan: around.plan,
            policy: around.policy,
            standing: &standing,
        };
        admit::told(&permits, &ground, world.observed.at)[0].out.clone()
    })
}

/// The agent of its BMC was cut off: what it saw before the machine came home is heard long after that.
#[test]
fn a_late_word_of_off_takes_nobody_out_who_came_home_since() {
    let (world, machines) = running();
    let with = |said: u64| -> Facts {
        let words = |id: MachineId| {
            let mut words = came_home(&world, id, 100);
            if id == machines[0] {
                words.push(("rackd-2", 10, said, power(id, PowerSeen::Off)));
                words.push(("rackd-2", 9, said - 1, power(id, PowerSeen::On)));
            }
            words
        };
        machines
            .iter()
            .map(|id| (*id, folded(&world, *id, Vec::new(), words(*id))))
            .collect()
    };
    assert_eq!(out(&world, &with(105)), Vec::<String>::new());
    // Said behind its word, it was off, and nothing was heard of its system since.
    let off = out(&world, &with(95));
    assert!(
        matches!(&off[..], [one] if one.starts_with("m1 was off at ") && one.ends_with("is not heard since")),
        "{off:?}"
    );
}

/// What a person orders of a machine's power now, and what that takes.
fn by_hand(
    world: &World,
    permits: &Permits,
    facts: &Facts,
    id: MachineId,
    power: PowerWish,
) -> (Order, admit::ByHand) {
    let now = world.observed.at;
    with_world(world, permits, facts, |around| {
        let step = tick(around, now);
        let machine = &around.plan.machines[&id];
        let wish = Wish {
            machine,
            facts: &around.facts[&id],
            around: &tick::around(around, id, machine),
            decision: &step.decisions[&id],
            policy: around.policy,
            power,
            who: "ada",
            why: "a fan",
        };
        let order = wish.order(now).unwrap();
        let standing = stand(around, &step.decisions);
        let ground = Ground {
            plan: around.plan,
            policy: around.policy,
            standing: &standing,
        };
        let taken = admit::by_hand(&order, around.permits, &ground, now);
        (order, taken)
    })
}

/// Its change is over and its place is about to be given back, when a person switches it off: the place counts from then on.
#[test]
fn power_by_hand_takes_a_place_anew_that_is_held_already() {
    let (mut world, machines) = running();
    adopt(&mut world, &named("web", 1, ONE));
    let (first, second) = (machines[0], machines[1]);
    let generation = world.parent.machines[&first].wanted.generation;
    world.install(first);
    world.later();
    let begun = Grant {
        machine: first,
        generation,
        need: Need {
            erases: Some("web".parse().unwrap()),
            budgets: ["one".parse().unwrap()].into(),
            ..Need::default()
        },
        at: ago(&world, 300),
    };
    let mut permits = Permits {
        grants: BTreeMap::from([(first, begun)]),
    };
    let mut facts: Facts = BTreeMap::from([
        (
            first,
            folded(&world, first, Vec::new(), came_home(&world, first, 100)),
        ),
        (second, runs_what_was_before(&world, second)),
    ]);
    let (order, taken) = by_hand(&world, &permits, &facts, first, PowerWish::Off);
    assert_eq!(taken.exceeds, None, "it has a place");
    if let Leave::Take(grant) = taken.leave {
        assert_eq!(grant.generation, generation, "no leave for what is wanted later");
        permits.grants.insert(first, grant);
    }
    let at = world.observed.at;
    let ordered = vec![IssuedOrder { order, at }];
    facts.insert(
        first,
        folded(&world, first, ordered, came_home(&world, first, 100)),
    );
    waits_for_a_place(&world, &permits, &facts, second);
}

/// Its system comes up again, or an older word of it arrives late.
fn speaks_again(words: &mut Vec<Word>, received: u64, said: u64) {
    let mut known = words.iter().map(|(.., body)| body);
    let mut body = known
        .rfind(|body| matches!(body, FactBody::PhonedHome { .. }))
        .unwrap()
        .clone();
    if let FactBody::PhonedHome { boot_id, .. } = &mut body {
        *boot_id = Uuid::from_bytes([2; 16]);
    }
    words.push(("rackd-3", received, said, body));
}

/// The first one runs what is wanted, the second one is to be installed anew.
fn one_is_to_be_changed() -> (World, MachineId, MachineId) {
    let (mut world, machines) = running();
    adopt(&mut world, &named("web", 1, ONE));
    world.install(machines[0]);
    world.later();
    (world, machines[0], machines[1])
}

/// It waits for a place, also when every grant is given back that may be.
#[track_caller]
fn waits_for_a_place(world: &World, permits: &Permits, facts: &Facts, id: MachineId) {
    let mut permits = permits.clone();
    for _ in 0..2 {
        let step = ticked(world, &permits, facts);
        let Decision::Wait(wait) = &step.decisions[&id] else {
            panic!("both are taken out: {:?}", step.decisions);
        };
        assert_eq!(wait.condition, Condition::Budget);
        for effect in &step.effects {
            if let Effect::ReleaseGrant { machine, .. } = effect {
                permits.grants.remove(machine);
            }
        }
    }
}

/// It lost its power and boots again, when a person switches it off; its system speaks once more before it has shut down.
#[test]
fn who_is_being_switched_off_is_out_whatever_is_heard_of_it() {
    let (world, first, second) = one_is_to_be_changed();
    let permits = Permits::default();
    let mut words = came_home(&world, first, 1000);
    words.push(("rackd-1", 300, 300, power(first, PowerSeen::Off)));
    words.push(("rackd-1", 200, 200, power(first, PowerSeen::On)));
    let mut facts: Facts = BTreeMap::from([
        (first, folded(&world, first, Vec::new(), words.clone())),
        (second, runs_what_was_before(&world, second)),
    ]);
    let (order, taken) = by_hand(&world, &permits, &facts, first, PowerWish::SoftOff);
    assert_eq!(taken.leave, Leave::Unneeded, "it is out");

    speaks_again(&mut words, 5, 5);
    let of = |at: Timestamp, order: &Order, words: &[Word]| {
        let at = vec![IssuedOrder {
            order: order.clone(),
            at,
        }];
        folded(&world, first, at, words.to_vec())
    };
    facts.insert(first, of(ago(&world, 10), &order, &words));
    waits_for_a_place(&world, &permits, &facts, second);
    assert_eq!(out(&world, &facts), ["m1 is being switched off"]);

    // Its agent gave up, or must have: it runs.
    let (step, error) = ("power soft-off".to_owned(), "it is not off".to_owned());
    let gave_up = FactBody::OrderFailed {
        order: order.reference(),
        step,
        error,
    };
    let told = [words.clone(), vec![("rackd-1", 1, 1, gave_up)]].concat();
    facts.insert(first, of(ago(&world, 10), &order, &told));
    assert_eq!(out(&world, &facts), Vec::<String>::new());
    let mut long_ago = order;
    long_ago.deadline = ago(&world, 61);
    facts.insert(first, of(ago(&world, 661), &long_ago, &words));
    assert_eq!(out(&world, &facts), Vec::<String>::new());
}

/// An older word of its system was under way for long, and arrives behind the order and even behind what its BMC says.
#[test]
fn a_late_word_of_its_system_frees_no_place_of_who_is_switched_off() {
    let (world, first, second) = one_is_to_be_changed();
    let mut words = came_home(&world, first, 1000);
    let mut facts: Facts = BTreeMap::from([
        (first, folded(&world, first, Vec::new(), words.clone())),
        (second, runs_what_was_before(&world, second)),
    ]);
    let (order, taken) = by_hand(&world, &Permits::default(), &facts, first, PowerWish::Off);
    let Leave::Take(mut grant) = taken.leave else {
        panic!("it serves: {:?}", taken.leave);
    };
    let at = ago(&world, 20);
    grant.at = at;
    let permits = Permits {
        grants: BTreeMap::from([(first, grant)]),
    };
    let ordered = vec![IssuedOrder {
        order: order.clone(),
        at,
    }];
    speaks_again(&mut words, 5, 900);
    facts.insert(first, folded(&world, first, ordered.clone(), words.clone()));
    waits_for_a_place(&world, &permits, &facts, second);

    let done = FactBody::OrderDone {
        order: order.reference(),
    };
    words.push(("rackd-1", 10, 10, power(first, PowerSeen::Off)));
    words.push(("rackd-1", 10, 10, done));
    facts.insert(first, folded(&world, first, ordered, words));
    waits_for_a_place(&world, &permits, &facts, second);
}
