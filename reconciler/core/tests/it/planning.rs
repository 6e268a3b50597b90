//! Planning, case by case: `tests/cases/plan/*.toml`.
//!
//! A case is a list of steps. A step with `fleet` is a commit; one without plans the same commit with
//! new facts. What was seen is said briefly (`see`, `installed`, `in-use`); the snapshot is what a
//! person would want to know of each plan. Whatever a case does, planning again changes nothing.

mod formed;
mod told;

use crate::seen::{SeenMachine, own};
use crate::world::{World, fleet};
use formed::Forms;
use reconciler_core::form::{Detail, Setting, markdown, text};
use reconciler_core::plan::adoption::adoptable;
use reconciler_core::plan::opened::{self, Opened};
use reconciler_core::times::Took;
use schema_ids::{DiskId, Generation, MachineId, Name};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;
use told::{brief, describe};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What is to be seen in it.
    #[expect(dead_code, reason = "for the reader of the case")]
    why: String,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Step {
    say: String,
    /// Machines, deployments and the like; beside `base.toml`.
    fleet: Option<String>,
    /// Fields of the fleet object.
    settings: Option<String>,
    /// So much later than a minute after the step before: hours.
    later: Option<String>,
    /// Inspected now.
    #[serde(default)]
    see: BTreeMap<String, SeenMachine>,
    /// Installed now as the adopted plan wants it.
    #[serde(default)]
    installed: Vec<String>,
    /// Told that they may write, as the adopted plan wants it.
    #[serde(default)]
    begun: Vec<String>,
    /// Seen off by an order of the adopted plan's intent, or vouched for.
    #[serde(default)]
    gone: Vec<String>,
    /// Erased now, all disks as the adopted plan wants it, and looked at.
    #[serde(default)]
    erased: Vec<String>,
    /// On record as erased by a job of this generation, all disks that the adopted plan erases.
    #[serde(default)]
    recorded: BTreeMap<String, u64>,
    /// Disks on record as erased by the release that is under way, and not looked at since.
    #[serde(default)]
    partly_erased: BTreeMap<String, Vec<DiskId>>,
    /// Of which the database lost what was written, and by whom: it comes from a backup.
    #[serde(default)]
    forgotten: Vec<String>,
    /// Addresses of strangers.
    #[serde(default)]
    in_use: Vec<std::net::IpAddr>,
    /// The newest installations; they are remembered.
    took: Option<Vec<Measured>>,
    /// Machines that are out of service and with which nothing goes on, each with why; they are remembered.
    unhealthy: Option<BTreeMap<String, String>>,
    /// Whether people saw this very plan before it is adopted.
    #[serde(default = "yes")]
    shown: bool,
    /// Guards that are opened for the plan, each by these people.
    #[serde(default)]
    opened: BTreeMap<String, Vec<String>>,
    /// Machines whose whole intent is of interest.
    #[serde(default)]
    detail: Vec<String>,
    /// Machines whose disks, all that are bound, are of interest.
    #[serde(default)]
    bound: Vec<String>,
    /// Machines whose network is of interest.
    #[serde(default)]
    network: Vec<String>,
}

/// An installation that is over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    image: Name,
    #[serde(default)]
    model: String,
    minutes: u64,
}

impl Measured {
    fn took(&self) -> Took {
        Took {
            image: self.image.clone(),
            model: self.model.clone(),
            seconds: 60 * self.minutes,
        }
    }
}

fn yes() -> bool {
    true
}
fn id(world: &World, name: &str) -> MachineId {
    world
        .parent
        .machine(name)
        .unwrap_or_else(|| panic!("no plan knows {name}"))
        .0
}

/// What a case comes to: what a person would want to know of each plan, and every form of it.
struct Told {
    text: String,
    forms: Forms,
}

fn run(case: &Case) -> Told {
    let mut forms = Forms::default();
    let mut world = World::new();
    let mut current = None;
    let mut in_force = None;
    let mut text = String::new();
    for step in &case.step {
        world.later();
        if let Some(hours) = step.later.as_ref().and_then(|text| text.strip_suffix('h')) {
            let hours: u64 = hours.parse().expect("hours");
            world.observed.at = world.observed.at.plus(Duration::from_secs(hours * 3600));
        }
        world.forget_old();
        if let Some(added) = &step.fleet {
            world.next_commit();
            let added = own(&world.parent, added);
            current = Some(fleet(step.settings.as_deref().unwrap_or_default(), &added));
        }
        let fleet = current.as_ref().expect("the first step has a fleet");
        for (name, seen) in &step.see {
            let id = id(&world, name);
            world.see(id, seen.inventory(&world.parent));
        }
        for name in &step.installed {
            let id = id(&world, name);
            world.install(id);
        }
        for name in &step.begun {
            world.begin(id(&world, name));
        }
        for name in &step.gone {
            world.leave(id(&world, name));
        }
        for name in &step.erased {
            world.erase(id(&world, name));
        }
        for (name, generation) in &step.recorded {
            world.record(id(&world, name), Generation(*generation));
        }
        for (name, disks) in &step.partly_erased {
            world.erase_some(id(&world, name), disks);
        }
        for name in &step.forgotten {
            world.forget(id(&world, name));
        }
        if let Some(unhealthy) = &step.unhealthy {
            let found = unhealthy
                .iter()
                .map(|(name, why)| (id(&world, name), why.clone()));
            world.observed.unhealthy = found.collect();
        }
        if let Some(took) = &step.took {
            world.took = took.iter().map(Measured::took).collect();
        }
        world.observed.addresses_in_use = step.in_use.iter().map(|address| (*address, None)).collect();
        let new = world.plan(fleet);
        world.assert_same_elsewhere(fleet, &new);
        writeln!(text, "== {}", step.say).unwrap();
        text.push_str(&describe(&new, step));
        forms.add(&step.say, &new, world.times(&new));
        let shown = step.shown.then_some(&new);
        let opened = step.opened.iter().flat_map(|(guard, people)| {
            people.iter().map(|who| Opened {
                guard: guard.clone(),
                who: who.clone(),
                why: "it is intended".to_owned(),
                at: new.made,
            })
        });
        let opened: Vec<Opened> = opened.collect();
        let unreviewed = opened::unreviewed(&fleet.settings, in_force.as_ref());
        match adoptable(&new, &world.parent, shown, unreviewed, &opened) {
            Ok(()) => {
                world.adopt(fleet, new);
                in_force = Some(fleet.settings.clone());
            }
            Err((code, why)) => writeln!(text, "  NOT ADOPTED {code}: {}", brief(&why)).unwrap(),
        }
    }
    Told { text, forms }
}

#[test]
fn cases() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("../cases/plan");
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::glob!("../cases/plan", "*.toml", |path| {
            let case: Case = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            let told = run(&case);
            insta::assert_snapshot!("plan", told.text);
            insta::assert_snapshot!("text", told.forms.text);
            insta::assert_snapshot!("markdown", told.forms.markdown);
        });
    });
}

/// What git says of a machine cannot draw over what is said of another.
#[test]
fn a_value_moves_nothing_on_a_screen() {
    let shown = |serial: &str| {
        let machine = |number: u8, serial: &str| {
            format!(
                "[machine.m{number}]\nrack = \"r1\"\nserial = \"{serial}\"\nboot.mode = \"bios\"\n\
                 nic.p0 = {{ mac = \"52:54:00:77:00:0{number}\", link = \"lab/pxe\" }}\n"
            )
        };
        let machines = machine(1, serial) + &machine(2, "S2");
        let mut world = World::new();
        world.next_commit();
        let plan = world.plan(&fleet("", &machines));
        text::render(&plan, &Setting::default(), Detail::Full)
    };
    let (plain, hostile) = (
        shown("S1"),
        shown("S1\\u001b[40A\\u001b[0J\\n          keep  all\\r\\u202e"),
    );
    assert_eq!(hostile.lines().count(), plain.lines().count(), "{hostile:?}");
    let moves = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
    assert!(!hostile.contains(moves), "{hostile:?}");
    assert!(hostile.contains("keep  all"), "{hostile:?}");
}

/// A part says that it is one, and what is not done of the deployment that was asked about.
#[test]
fn a_part_does_not_speak_of_the_whole() {
    let machine = |number: u8| {
        format!(
            "[machine.m{number}]\nrack = \"r1\"\nboot.mode = \"bios\"\n\
             nic.p0 = {{ mac = \"52:54:00:77:00:0{number}\", link = \"lab/pxe\" }}\n"
        )
    };
    let web = "[deployment.web]\ncount = 2\nrequire = { cpu-cores = \">= 64\" }\nhostname = \"web-{slot}\"\nimage = \"debian-a\"\n\
               storage = \"disk\"\nnetwork = \"auto\"\n";
    let two = machine(1) + &machine(2);
    let (one, both) = (two.clone() + web, two + &machine(3) + web);
    let mut world = World::new();
    world.next_commit();
    let first = fleet("", &one);
    let plan = world.plan(&first);
    world.adopt(&first, plan);
    world.next_commit();
    let whole = world.plan(&fleet("", &both));
    assert!(!whole.changes.is_empty());
    let shown = |only: &str| {
        let part = whole.part_called(only).unwrap();
        let setting = Setting {
            only: Some(only.to_owned()),
            ..Setting::default()
        };
        let shown = text::render(&part, &setting, Detail::Normal);
        let last = format!("No changes to {only}; the rest of the fleet is not shown.");
        assert!(shown.contains(&last), "{shown}");
        assert!(!shown.contains("as this revision wants it"), "{shown}");
        let comment = markdown::render(&part, &setting).expect("it is short");
        assert!(
            comment.contains("the rest of the fleet is not shown."),
            "{comment}"
        );
        shown
    };
    assert!(!shown("machine:m1").contains("deployment.web "));
    for only in ["deployment:web", "deployment:w*"] {
        let shown = shown(only);
        assert!(
            shown.contains("NOT DONE\n\n    deployment.web   COMMISSIONING"),
            "{shown}"
        );
    }
    assert!(whole.part_called("deployment:other").is_err());
}
