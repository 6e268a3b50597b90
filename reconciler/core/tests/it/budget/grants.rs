//! Grants: who keeps one, who gives it back, and who takes one anew.

use super::{
    Facts, ONE, adopt, ago, came_home, folded, named, of_before, running, runs_what_was_before, ticked,
    with_world,
};
use rack_api::fact::FactBody;
use reconciler_core::admit::{Grant, Leave, Permits, Policy, Records};
use reconciler_core::condition::Condition;
use reconciler_core::facts::IssuedOrder;
use reconciler_core::next::{Decision, Need};
use reconciler_core::tick::{self, Effect, tick};
use schema_ids::{Generation, MachineId};
use std::collections::BTreeMap;
use std::time::Duration;

/// A daemon that loaded an older plan reads the grants after another daemon has taken one for what a newer plan wants.
#[test]
fn a_grant_of_a_later_plan_is_not_given_back_by_an_older_one() {
    let (world, machines) = running();
    let id = machines[0];
    let wanted = world.parent.machines[&id].wanted.generation;
    let of = |generation: u64, need: Need| {
        let grant = Grant {
            machine: id,
            generation: Generation(generation),
            need,
            at: ago(&world, 300),
        };
        let permits = Permits {
            grants: BTreeMap::from([(id, grant)]),
        };
        let facts = BTreeMap::from([(id, folded(&world, id, Vec::new(), came_home(&world, id, 100)))]);
        let step = ticked(&world, &permits, &facts);
        let released = |effect: &Effect| matches!(effect, Effect::ReleaseGrant { .. });
        step.effects.iter().any(released)
    };
    let disrupts = Need {
        budgets: ["one".parse().unwrap()].into(),
        ..Need::to_boot(None)
    };
    for need in [Need::to_boot(None), disrupts] {
        assert!(of(wanted.0, need.clone()), "it is as wanted: {need:?}");
        assert!(!of(wanted.0 + 1, need.clone()), "{need:?}");
    }
}

/// Of a rack's two agents one is limited for the hour. The place is free where none of them boots the machine into its job, and only there.
#[test]
fn a_place_is_kept_while_an_agent_serves_the_job() {
    let (mut world, machines) = running();
    adopt(&mut world, &named("web", 1, ONE));
    for link in world.parent.links.values_mut() {
        link.agents.insert("rackd-2".parse().unwrap());
    }
    let before = |id: &MachineId| (*id, runs_what_was_before(&world, *id));
    let mut facts: Facts = machines.iter().map(before).collect();
    let effects = ticked(&world, &Permits::default(), &facts).effects;
    let (order, mut grant) = effects
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Issue {
                order,
                leave: Leave::Take(grant),
            } => Some((order.order, grant)),
            _ => None,
        })
        .unwrap();
    let (id, at) = (grant.machine, ago(&world, 60));
    grant.at = at;
    let mut permits = Permits {
        grants: BTreeMap::from([(id, grant)]),
    };
    let refused = || FactBody::OrderRefused {
        order: order.reference(),
        why: "4 machines were given over within an hour".to_owned(),
        until: Some(world.observed.at.plus(Duration::from_secs(1800))),
    };
    let taken = || FactBody::OrderTaken {
        order: order.reference(),
    };
    let mut is_released = |permits: &Permits, said: Vec<(&'static str, FactBody)>| {
        let mut words = of_before(&world, id);
        words.extend(said.into_iter().map(|(agent, body)| (agent, 50, 50, body)));
        let ordered = vec![IssuedOrder {
            order: order.clone(),
            at,
        }];
        let mut known = folded(&world, id, ordered, words);
        let agent = known.agents.values().next().unwrap().clone();
        known.agents.insert("rackd-2".parse().unwrap(), agent);
        facts.insert(id, known);
        let step = ticked(&world, permits, &facts);
        let Decision::Wait(wait) = &step.decisions[&id] else {
            panic!("{:?}", step.decisions);
        };
        assert_eq!(wait.condition, Condition::RateLimited);
        let released = |effect: &Effect| matches!(effect, Effect::ReleaseGrant { .. });
        step.effects.iter().any(released)
    };
    let by_one = vec![("rackd-1", taken()), ("rackd-2", refused())];
    assert!(!is_released(&permits, by_one), "one agent boots it into its job");
    let silent = vec![("rackd-2", refused())];
    assert!(!is_released(&permits, silent), "one agent may have taken it");
    let by_all = || vec![("rackd-1", refused()), ("rackd-2", refused())];
    assert!(is_released(&permits, by_all()), "nobody has begun");

    // What was ordered for an older intent may be carried out still.
    permits.grants.get_mut(&id).unwrap().generation.0 -= 1;
    assert!(!is_released(&permits, by_all()), "it is overtaken");
}

/// Its try ended without a write, longer than an hour after it was counted: it is counted anew before it is ordered again, and waits
/// with its grant where the hour is full.
#[test]
fn a_wipe_that_is_ordered_again_after_its_hour_is_counted_anew() {
    let (mut world, machines) = running();
    adopt(&mut world, &named("web", 1, ONE));
    let (id, other) = (machines[0], machines[1]);
    let generation = world.parent.machines[&id].wanted.generation;
    let before = |id: &MachineId| (*id, runs_what_was_before(&world, *id));
    let facts: Facts = machines.iter().map(before).collect();
    let grant = Grant {
        machine: id,
        generation,
        need: Need {
            erases: Some("web".parse().unwrap()),
            budgets: ["one".parse().unwrap()].into(),
            wipes: true,
            ..Need::to_boot(world.parent.machines[&id].rack.clone())
        },
        at: ago(&world, 18_000),
    };
    let permits = Permits {
        grants: BTreeMap::from([(id, grant)]),
    };
    let most = world.parent.control.wiped_per_hour;
    let decided = |wiped: Vec<(MachineId, u64)>| {
        let wiped = wiped
            .into_iter()
            .map(|(id, seconds)| (id, generation, ago(&world, seconds)));
        let policy = Policy {
            records: Records {
                wiped: wiped.collect(),
                ..Records::default()
            },
            ..Policy::default()
        };
        with_world(&world, &permits, &facts, |around| {
            let around = tick::World {
                policy: &policy,
                ..*around
            };
            let step = tick(&around, world.observed.at);
            let leave = step.effects.iter().find_map(|effect| match effect {
                Effect::Issue { order, leave } if order.order.machine == id => Some(leave.clone()),
                _ => None,
            });
            let released = |effect: &Effect| matches!(effect, Effect::ReleaseGrant { .. });
            assert!(!step.effects.iter().any(released), "{:?}", step.effects);
            (leave, step.decisions[&id].clone())
        })
    };
    assert_eq!(decided(vec![(id, 600)]).0, Some(Leave::Held), "within its hour");
    let Some(Leave::Take(anew)) = decided(vec![(id, 3600), (other, 600)]).0 else {
        panic!("it is not counted");
    };
    assert_eq!(anew.at, world.observed.at);
    let full = (0..most).map(|_| (other, 600)).collect();
    let (None, Decision::Wait(wait)) = decided(full) else {
        panic!("it is ordered in a full hour");
    };
    assert_eq!(wait.condition, Condition::RateLimited);
    assert_eq!(
        wait.retry_at,
        Some(ago(&world, 600).plus(Duration::from_secs(3600)))
    );
}
