//! Who commands a rack's BMCs, as its agents come and go.

use crate::world;
use reconciler_core::facts::AgentSeen;
use reconciler_core::plan::Plan;
use reconciler_core::roles::{self, BmcRole, BmcTimes, Moved};
use schema_ids::{Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

const RACK: &str = r#"
[machine.m1]
rack = "both"
serial = "S-1"
nic.p0 = { mac = "52:54:00:77:00:01", link = "lab/pxe" }
"#;

fn plan(agents: &str) -> Plan {
    let text = format!("[rack.both]\nagents = [{agents}]\n{RACK}");
    world::World::new().plan(&world::fleet("", &text))
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000 + seconds * 1000)
}

/// The only rack's role.
fn role(agent: Option<&str>, since: i64) -> BTreeMap<Name, BmcRole> {
    let role = BmcRole {
        agent: agent.map(name),
        epoch: 1,
        since: second(since),
    };
    BTreeMap::from([(name("both"), role)])
}

/// Who gets the only rack's BMCs at this second, if anyone: agents were last heard then.
fn due(
    plan: &Plan,
    roles: &BTreeMap<Name, BmcRole>,
    heard: &[(&str, i64)],
    at: i64,
) -> Option<Option<String>> {
    let seen = |at| AgentSeen::after_sync(None, second(at), true);
    let agents = heard.iter().map(|(agent, at)| (name(agent), seen(*at))).collect();
    let due = roles::due(plan, roles, &agents, BmcTimes::DEFAULT, second(at));
    assert!(due.len() <= 1, "{due:?}");
    due.into_iter().next().map(|due| due.to.map(|to| to.to_string()))
}

fn to(agent: &str) -> Option<Option<String>> {
    Some(Some(agent.to_owned()))
}

#[test]
fn a_bmc_moves_with_its_address_and_not_with_its_machine() {
    let plan = |machines: &[(&str, &str, &str)]| {
        let mut text = "[rack.one]\nagents = [\"a\"]\n[rack.two]\nagents = [\"b\"]\n".to_owned();
        for (name, rack, bmc) in machines {
            text += &format!(
                "[machine.{name}]\nrack = \"{rack}\"\nserial = \"{name}\"\n\
                 bmc = {{ driver = \"ipmi\", address = \"{bmc}\", secret = \"bmc\" }}\n"
            );
        }
        world::World::new().plan(&world::fleet("", &text))
    };
    let before = plan(&[("m1", "one", "10.77.0.5"), ("m2", "two", "10.77.0.6")]);
    assert_eq!(roles::moved(&before, &before), BTreeSet::new());
    let moved = BTreeSet::from([Moved {
        from: name("one"),
        to: name("two"),
    }]);
    let machine = plan(&[("m1", "two", "10.77.0.5"), ("m2", "two", "10.77.0.6")]);
    assert_eq!(roles::moved(&before, &machine), moved);
    let renamed = plan(&[("m3", "two", "10.77.0.5")]);
    assert_eq!(roles::moved(&before, &renamed), moved);
    let another = plan(&[("m1", "two", "10.77.0.7"), ("m2", "two", "10.77.0.6")]);
    assert_eq!(
        roles::moved(&before, &another),
        BTreeSet::new(),
        "no hand was there"
    );
}

#[test]
fn the_first_that_is_heard_begins_and_only_silence_takes_it_away() {
    let plan = plan(r#""a", "b""#);
    let nobody = BTreeMap::new();
    assert_eq!(due(&plan, &nobody, &[], 0), to("a"));
    assert_eq!(due(&plan, &nobody, &[("b", 0)], 10), to("b"));
    assert_eq!(due(&plan, &nobody, &[("a", 0), ("b", 0)], 10), to("a"));

    let held = role(Some("a"), 0);
    // Not by b's being there, not a moment before a lease and a half, and to nobody who is silent too.
    assert_eq!(due(&plan, &held, &[("a", 0), ("b", 89)], 89), None);
    assert_eq!(due(&plan, &held, &[("a", 0), ("b", 90)], 90), None);
    assert_eq!(due(&plan, &held, &[("a", 0), ("b", 91)], 91), to("b"));
    assert_eq!(due(&plan, &held, &[("a", 0), ("b", 0)], 91), None);
    assert_eq!(due(&plan, &held, &[("b", 91)], 91), to("b"), "a was never heard");
    // Whoever comes back does not take it back.
    assert_eq!(
        due(&plan, &role(Some("b"), 91), &[("a", 100), ("b", 100)], 100),
        None
    );
}

#[test]
fn a_holder_that_git_took_it_from_is_waited_for() {
    let plan = plan(r#""b""#);
    let heard = [("a", 100), ("b", 100)];
    assert_eq!(
        due(&plan, &role(Some("a"), 0), &heard, 100),
        Some(None),
        "first it is nobody's"
    );
    assert_eq!(due(&plan, &role(None, 100), &heard, 100), None);
    assert_eq!(due(&plan, &role(None, 100), &[("b", 190)], 190), None);
    assert_eq!(due(&plan, &role(None, 100), &[("b", 191)], 191), to("b"));
}

#[test]
fn the_holder_alone_is_told_of_the_bmc() {
    let plan = plan(r#""a", "b""#);
    let agent = |roles: &_| {
        let plan = roles::in_hand(plan.clone(), roles);
        plan.machines.values().next().unwrap().bmc_agent.clone()
    };
    assert_eq!(agent(&BTreeMap::new()), None);
    assert_eq!(agent(&role(Some("b"), 0)), Some(name("b")));
    assert_eq!(agent(&role(None, 0)), None);
    assert_eq!(agent(&role(Some("stranger"), 0)), None, "git does not name it");
}
