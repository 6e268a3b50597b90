//! Whose doing a change is, and what makes a plan stale.

use crate::seen::{SeenMachine, own};
use crate::world::{World, fleet};
use reconciler_core::form::{Detail, Setting, text};
use reconciler_core::plan::{Cause, Effect, Plan};

const ONE: &str = r#"
[machine.m1]
rack = "r1"
boot.mode = "bios"
nic.p0 = { mac = "52:54:00:77:00:01", link = "lab/pxe" }
[deployment.web]
machines = ["m1"]
hostname = "web-{slot}"
image = "debian-a"
storage = "disk"
network = "auto"
"#;

const ANOTHER: &str = r#"
[machine.m2]
rack = "r1"
boot.mode = "bios"
nic.p0 = { mac = "52:54:00:77:00:02", link = "lab/pxe" }
"#;

/// One machine, inspected and installed.
fn installed() -> World {
    let mut world = World::new();
    world.next_commit();
    let one = fleet("", ONE);
    let plan = world.plan(&one);
    world.adopt(&one, plan);
    see(&mut world);
    let plan = world.plan(&one);
    world.adopt(&one, plan);
    let (id, _) = world.parent.machine("m1").unwrap();
    world.later();
    world.install(id);
    let plan = world.plan(&one);
    world.adopt(&one, plan);
    world
}

fn see(world: &mut World) {
    let (id, _) = world.parent.machine("m1").unwrap();
    let seen = r#"
serial = "S1"
macs = ["52:54:00:77:00:01"]
disks = [{ id = "serial:d1", gb = 10 }, { id = "serial:d2", gb = 20 }]
"#;
    let seen: SeenMachine = toml::from_str(&own(&world.parent, seen)).unwrap();
    let inventory = seen.inventory(&world.parent);
    world.later();
    world.see(id, inventory);
}

fn causes(plan: &Plan) -> Vec<(&str, Cause)> {
    let changes = plan.changes.iter();
    changes
        .map(|change| (change.object.as_str(), change.cause))
        .collect()
}

#[test]
fn what_the_base_asks_for_too_is_pending() {
    let mut world = installed();
    let bumped = ONE.replace("debian-a", "debian-b");
    let base = fleet("", &bumped);
    let head = fleet("", &format!("{bumped}{ANOTHER}"));
    world.next_commit();
    let beside_the_adopted = world.plan_beside(&head, Some(&fleet("", ONE)));
    let mine = Cause::ThisChange;
    assert_eq!(
        causes(&beside_the_adopted),
        [("deployment.web[1]", mine), ("machine.m2", mine)]
    );
    let plan = world.plan_beside(&head, Some(&base));
    assert_eq!(
        causes(&plan),
        [("deployment.web[1]", Cause::Pending), ("machine.m2", mine)]
    );
    assert_eq!(
        plan.base.as_deref(),
        Some("ba5e000000000000000000000000000000000000")
    );
    let shown = text::render(&plan, &Setting::default(), Detail::Normal);
    let (own, beside) = shown
        .split_once("NOT CAUSED BY THIS CHANGE")
        .expect("it is told apart");
    assert!(
        own.contains("machine.m2") && !own.contains("redeploy deployment.web[1]"),
        "{shown}"
    );
    assert!(
        beside.contains("-/+ redeploy deployment.web[1]   [WIPE os]"),
        "{shown}"
    );
    assert!(own.contains("This change asks for none of it."), "{shown}");
    // What differs between base and head is the head's, though both touch the machine.
    let head = fleet("", &format!("{bumped}reinstall = 1\n"));
    let plan = world.plan_beside(&head, Some(&base));
    assert_eq!(causes(&plan), [("deployment.web[1]", mine)]);
    assert_eq!(plan.changes[0].effect, Effect::WipeOs);
}

#[test]
fn a_stale_plan_says_what_it_had_read_otherwise() {
    let mut world = installed();
    let head = fleet("", &ONE.replace("debian-a", "debian-b"));
    world.next_commit();
    let old = world.plan(&head);
    assert!(old.outdated_reads(&world.plan(&head)).is_empty());
    see(&mut world);
    let new = world.plan(&head);
    let said = old.outdated_reads(&new);
    assert!(
        said.len() == 1 && said[0].starts_with("machine.m1: inspected "),
        "{said:?}"
    );
    let said = old.outdated_reads(&world.plan(&fleet("", ONE)));
    assert_eq!(said, ["machine.m1: it would not be changed any more"]);
}
