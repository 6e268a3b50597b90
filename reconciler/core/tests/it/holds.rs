//! What holds of holds and stops: nothing that one of them denies is admitted, in whatever order they stand; a stop is
//! before all; once they are gone the same goes on; and the table is as people are told.

use crate::world::{World, fleet};
use proptest::prelude::*;
use rack_api::order::{Action, Order, PowerWanted};
use reconciler_core::admit::{Admission, Ground, Permits, Policy, admit};
use reconciler_core::condition::Condition;
use reconciler_core::facts::MachineFacts;
use reconciler_core::hold::{Act, Deny, Effect, Hold, Keeper, Restraints, Stop};
use reconciler_core::next::{Need, Proposal};
use reconciler_core::plan::Plan;
use schema_ids::{MachineId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Four machines in two racks of two zones; m1 and m2 are in pool `a`.
fn plan() -> Plan {
    let machine = |number: u32| {
        let rack = if number < 3 { "r1" } else { "r2" };
        let pool = if number < 3 { "pool = \"a\"\n" } else { "" };
        format!(
            "[machine.m{number}]\nrack = \"{rack}\"\n{pool}tags = [\"t{}\"]\nboot.mode = \"bios\"\n\
             nic.p0 = {{ mac = \"52:54:00:77:00:0{number}\", link = \"lab/pxe\" }}\n",
            number % 2
        )
    };
    let machines: String = (1..5).map(machine).collect();
    let text = format!("[zone.z2]\n[rack.r2]\nzone = \"z2\"\nagents = [\"rackd-1\"]\n[pool.a]\n{machines}");
    let mut world = World::new();
    let fleet = fleet("", &text);
    world.next_commit();
    world.adopt(&fleet, world.plan(&fleet));
    world.parent
}

fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_700_000_000_000)
}

const SELECTORS: [&str; 8] = [
    "machine:m1",
    "machine:m*",
    "rack:r1",
    "zone:z2",
    "pool:a",
    "tag:t1",
    "fleet:lab",
    "machine:nobody",
];

/// Whom each of these is about, said by hand.
fn about(selector: &str, machine: &str) -> bool {
    let whom: &[&str] = match selector {
        "machine:m1" => &["m1"],
        "rack:r1" | "pool:a" => &["m1", "m2"],
        "zone:z2" => &["m3", "m4"],
        "tag:t1" => &["m1", "m3"],
        "machine:nobody" => &[],
        _ => &["m1", "m2", "m3", "m4"],
    };
    whom.contains(&machine)
}

/// A hold on one of [`SELECTORS`]; its time is over, to come, or without end.
fn hold() -> impl Strategy<Value = Hold> {
    let parts = (0..SELECTORS.len(), 0..Effect::ALL.len(), -1_i64..2, 0_u32..1000);
    parts.prop_map(|(selector, effect, time, id)| Hold {
        id: format!("h-{id}"),
        targets: vec![SELECTORS[selector].parse().unwrap()],
        effect: Effect::ALL[effect],
        until: match time {
            -1 => Some(now()),
            1 => Some(now().plus(Duration::from_secs(60))),
            _ => None,
        },
        reason: "why not".to_owned(),
        ticket: None,
        by: "anna".to_owned(),
        since: Some(now()),
    })
}

fn proposal(machine: MachineId, act: Act, number: u32) -> Proposal {
    let plan = Plan::empty("lab".parse().unwrap());
    let uuid = schema_ids::Uuid::from_bytes([0; 16]);
    Proposal {
        order: Order {
            machine,
            incarnation: schema_ids::Incarnation { number: 1, uuid },
            generation: schema_ids::Generation(1),
            number,
            deadline: now(),
            cause: String::new(),
            by_hand: None,
            action: Action::Power(PowerWanted::On),
        },
        act,
        need: matches!(act, Act::Power | Act::Inspect | Act::Write).then(|| Need::to_boot(None)),
        since: plan.made,
    }
}

/// Each act for each machine, as admitted or not.
fn answers(plan: &Plan, restraints: &Restraints) -> Vec<(String, Act, Admission)> {
    let policy = Policy {
        boots_max: 1000,
        ..Policy::under(
            plan,
            &BTreeMap::<MachineId, MachineFacts>::new(),
            restraints,
            now(),
        )
    };
    let asks: Vec<(String, Act, Proposal)> = plan
        .machines
        .iter()
        .flat_map(|(id, machine)| {
            let of = move |act| (machine.name.to_string(), act, proposal(*id, act, 1));
            Act::ALL.into_iter().map(of)
        })
        .collect();
    let proposals: Vec<Proposal> = asks.iter().map(|(.., proposal)| proposal.clone()).collect();
    let ground = Ground {
        plan,
        policy: &policy,
        standing: &BTreeMap::new(),
    };
    let admitted = admit(&proposals, &Permits::default(), &ground, now());
    let rows = asks.into_iter().zip(admitted);
    rows.map(|((machine, act, _), admission)| (machine, act, admission))
        .collect()
}

proptest! {
    /// Deny wins, whatever else stands and in whatever order; and what nobody denies goes.
    #[test]
    fn what_one_hold_denies_is_not_admitted(holds in prop::collection::vec(hold(), 0..6)) {
        let plan = plan();
        let denies = |machine: &str, act: Act| holds.iter().any(|hold| {
            let in_force = hold.until != Some(now());
            in_force && about(&hold.targets_text(), machine) && Deny::Hold(hold.effect).keeps_from(act)
        });
        let one_way = answers(&plan, &Restraints { holds: holds.clone(), stops: Vec::new() });
        for (machine, act, admission) in &one_way {
            match admission {
                Admission::Go(_) => prop_assert!(!denies(machine, *act), "{machine} {act:?}"),
                Admission::Wait(wait) => {
                    prop_assert!(denies(machine, *act), "{machine} {act:?}: {}", wait.evidence);
                    prop_assert_eq!(wait.condition, Condition::Held);
                    prop_assert!(wait.next_step.contains("muster hold rm"));
                }
            }
        }
        let other_way = Restraints { holds: holds.into_iter().rev().collect(), stops: Vec::new() };
        let verdicts = |answers: &[(String, Act, Admission)]| -> Vec<bool> {
            answers.iter().map(|(.., admission)| matches!(admission, Admission::Go(_))).collect()
        };
        prop_assert_eq!(verdicts(&one_way), verdicts(&answers(&plan, &other_way)));
        // Once all are taken away, all goes.
        let free = answers(&plan, &Restraints::default());
        prop_assert!(verdicts(&free).into_iter().all(|goes| goes));
    }

    /// Nothing goes in the scope of a stop, whatever is held; outside of it everything goes as before.
    #[test]
    fn a_stop_is_before_all(holds in prop::collection::vec(hold(), 0..4), scope in 0_usize..3) {
        let plan = plan();
        let scope = ["fleet", "zone:z2", "pool:a"][scope];
        let stop = Stop {
            scope: scope.parse().unwrap(),
            reason: "smoke".to_owned(),
            by: "anna".to_owned(),
            since: now(),
            keeper: Keeper::Database,
        };
        let stopped = Restraints { holds: holds.clone(), stops: vec![stop] };
        let before = answers(&plan, &Restraints { holds, stops: Vec::new() });
        for ((machine, act, admission), (.., before)) in answers(&plan, &stopped).into_iter().zip(before) {
            if about(if scope == "fleet" { "fleet:lab" } else { scope }, &machine) {
                let Admission::Wait(wait) = admission else {
                    panic!("{machine} {act:?} goes although {scope} is stopped");
                };
                let end = format!("`muster resume --scope {scope}`");
                prop_assert!(wait.evidence.starts_with(&format!("{scope} is stopped by anna")), "{}", wait.evidence);
                prop_assert!(wait.next_step.contains(&end), "{}", wait.next_step);
                prop_assert_eq!(wait.retry_at, None);
            } else {
                prop_assert_eq!(admission, before);
            }
        }
    }
}

/// The table that `docs/guide/holds.md` has.
#[test]
fn the_guide_has_the_table() {
    let rows = [
        ("`no-allocate`", Deny::Hold(Effect::NoAllocate)),
        ("`no-destructive`", Deny::Hold(Effect::NoDestructive)),
        ("`no-disruption`", Deny::Hold(Effect::NoDisruption)),
        ("`freeze`", Deny::Hold(Effect::Freeze)),
        ("a stop", Deny::Stop),
    ];
    let guide =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/holds.md")).unwrap();
    for (name, deny) in rows {
        let acts = [Act::Write, Act::Inspect, Act::Power, Act::Local, Act::Finish];
        let cells: Vec<&str> = acts
            .into_iter()
            .map(|act| if deny.keeps_from(act) { "stays" } else { "goes" })
            .collect();
        let slots = if name == "`no-allocate`" { "stays" } else { "goes" };
        let row = format!("| {name} | {} | {slots} |", cells.join(" | "));
        assert!(guide.contains(&row), "the guide has no row\n{row}");
    }
}
