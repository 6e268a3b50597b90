//! Whatever commits follow on an adoption, in whatever order: nothing is erased that nobody consented to, and nobody but git
//! and people switches the machine.

use crate::seen::SeenMachine;
use crate::world::{World, checked};
use proptest::prelude::*;
use rack_api::fact::{BootEvidence, PowerSeen};
use rack_api::job::JobKind;
use rack_api::order::{Action, NextBoot, PowerWanted};
use reconciler_core::condition::Condition;
use reconciler_core::facts::{AgentSeen, MachineFacts, Seen};
use reconciler_core::intent::Intent;
use reconciler_core::next::{Around, Decision, next};
use reconciler_core::observed::BindingState;
use reconciler_core::plan::Plan;
use reconciler_core::plan::adoption::adoptable;
use schema_ids::{ContentId, MachineId};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const FOREIGN: &str = "data:ext4-0123";

/// Another control plane.
const THEIRS: &str = "7d3a1f60-5c2e-4b19-8a44-0f6e9d21c7b3";

/// What a commit says of the one machine and its deployment.
#[derive(Debug, Clone)]
struct Commit {
    declared: bool,
    observe: bool,
    entry: bool,
    named: bool,
    counted: bool,
    consents: bool,
    reinstall: u64,
    inspect: u64,
    other_image: bool,
    gone: Option<&'static str>,
    on: bool,
    /// Whether an inspection before it finds another's mark.
    marked: bool,
    /// Whether it takes the machine over from that one.
    taken: bool,
    /// What happened before it.
    happened: Happened,
}

impl Commit {
    /// The first two of every history: observed, then adopted.
    fn begin(entry: bool) -> Self {
        Self {
            declared: true,
            observe: !entry,
            entry,
            named: entry,
            counted: false,
            consents: false,
            reinstall: 0,
            inspect: 0,
            other_image: false,
            gone: None,
            on: false,
            marked: false,
            taken: false,
            happened: Happened::Nothing,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Happened {
    Nothing,
    Inspected,
    Off,
    Erased,
}

fn commit() -> impl Strategy<Value = Commit> {
    let bools = prop::array::uniform10(any::<bool>());
    let fates = prop::sample::select(vec![None, None, None, None, Some("retain"), Some("quick")]);
    let happened = prop::sample::select(vec![
        Happened::Nothing,
        Happened::Nothing,
        Happened::Inspected,
        Happened::Off,
        Happened::Erased,
    ]);
    (
        bools,
        0_u64..3,
        0_u64..2,
        fates,
        happened,
        prop::bool::weighted(0.9),
    )
        .prop_map(|(said, reinstall, inspect, gone, happened, declared)| Commit {
            declared,
            observe: said[0],
            entry: said[1] || said[2],
            named: said[1] || said[3],
            counted: said[4],
            consents: said[5],
            reinstall,
            inspect,
            other_image: said[6],
            gone,
            on: said[7],
            marked: said[8],
            taken: said[9],
            happened,
        })
}

fn text(commit: &Commit) -> String {
    let mut text = String::new();
    if commit.declared {
        text.push_str(
            "[machine.m1]\nrack = \"r1\"\nboot.mode = \"bios\"\nnic.p0 = { mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }\n\
             bmc = { driver = \"ipmi\", address = \"10.77.0.5\", secret = \"bmc\" }\n",
        );
        writeln!(text, "inspect = {}", commit.inspect).unwrap();
        if commit.observe {
            text.push_str("manage = \"observe\"\n");
        }
        if commit.on {
            text.push_str("power = \"on\"\n");
        }
        if commit.taken {
            writeln!(text, "mark = true\ntaken-from = \"{THEIRS}\"").unwrap();
        }
        if commit.consents {
            writeln!(
                text,
                "consent = [{{ disk = \"serial:d1\", contents = \"{FOREIGN}\" }}]"
            )
            .unwrap();
        }
    }
    if let Some(fate) = commit.gone {
        writeln!(
            text,
            "[removed.deployment.db]\ndisks = \"{fate}\"\nreason = \"over\""
        )
        .unwrap();
    } else if commit.named && commit.declared || commit.counted {
        let whom = match commit.counted {
            true => "count = 1",
            false => "machines = [\"m1\"]",
        };
        let image = if commit.other_image {
            "debian-b"
        } else {
            "debian-a"
        };
        writeln!(
            text,
            "[deployment.db]\n{whom}\nhostname = \"db\"\nimage = \"{image}\"\nstorage = \"disk\"\nnetwork = \"auto\"\nreinstall = {}",
            commit.reinstall
        )
        .unwrap();
        if commit.entry && commit.declared {
            text.push_str("adopt = [{ machine = \"m1\" }]\n");
        }
    }
    text
}

fn look(world: &mut World, id: MachineId, mark: &str) {
    let seen = format!(
        "serial = \"S1\"\nmacs = [\"52:54:00:77:00:01\"]\ndisks = [{{ id = \"serial:d1\", gb = 20, holds = \"{FOREIGN}\" }}, \
         {{ id = \"serial:d2\", gb = 40 }}]\nmark = \"{mark}\""
    );
    let inventory = toml::from_str::<SeenMachine>(&seen)
        .unwrap()
        .inventory(&world.parent);
    world.see(id, inventory);
}

/// Whether a machine runs what it was adopted with, and is not on its way out.
fn runs_as_it_is(plan: &Plan, id: MachineId) -> bool {
    let record = plan.machines[&id].as_is.as_ref();
    let bound = record.and_then(|record| plan.bindings.get(&record.binding));
    bound.is_some_and(|bound| bound.state == BindingState::Active)
}

/// Nothing that was not said by git comes of this plan.
fn holds(before: &Plan, now: &Plan, id: MachineId, commit: &Commit) -> Result<(), TestCaseError> {
    let (was, is) = (&before.machines[&id], &now.machines[&id]);
    let shown: BTreeSet<_> = before.wipe_set.entries.get(&id).cloned().unwrap_or_default();
    for erased in now.wipe_set.entries.get(&id).into_iter().flatten() {
        let is_agreed = erased.content == ContentId::Blank || commit.consents && commit.declared;
        prop_assert!(is_agreed || shown.contains(erased), "{erased:?} of {commit:?}");
    }
    if !runs_as_it_is(before, id) {
        return Ok(());
    }
    match &is.wanted.intent {
        Intent::AsIs { .. } | Intent::Observe { .. } | Intent::Orphaned { .. } => {}
        Intent::Deployed(_) => {
            let record = was.as_is.as_ref().unwrap();
            prop_assert!(commit.reinstall > record.epoch && !commit.observe);
        }
        Intent::Released(erase) => {
            prop_assert!(!(commit.observe && commit.declared));
            match erase.disks.is_empty() {
                true => prop_assert_eq!(commit.gone, Some("retain")),
                false => prop_assert!(commit.gone == Some("quick") && commit.consents),
            }
        }
        Intent::Ready { .. } | Intent::Retired => prop_assert!(false, "{:?} of {commit:?}", is.wanted),
    }
    Ok(())
}

/// What is decided of a machine of which nothing but the power was seen since.
fn decided(plan: &Plan, id: MachineId, power: PowerSeen) -> Decision {
    let around = Around {
        id,
        incarnation: schema_ids::Incarnation {
            number: 1,
            uuid: schema_ids::Uuid::from_bytes([1; 16]),
        },
        boot_agents: BTreeSet::new(),
        ephemeral: true,
        deployment: None,
        planned: plan.made,
        restored: None,
    };
    let facts = MachineFacts {
        power: Some(Seen {
            value: power,
            since: plan.made,
        }),
        ..MachineFacts::default()
    };
    next(&plan.machines[&id], &facts, &around, plan.made)
}

/// A machine that is let alone is ordered nothing but the look that a person asked for, and to be on where git says so.
fn is_let_alone(plan: &Plan, id: MachineId, power: PowerSeen) -> Result<(), TestCaseError> {
    let machine = &plan.machines[&id];
    if !matches!(
        machine.wanted.intent,
        Intent::AsIs { .. } | Intent::Observe { .. }
    ) {
        return Ok(());
    }
    if let Decision::Propose(proposal) = decided(plan, id, power) {
        match &proposal.order.action {
            Action::Boot(NextBoot::Local) => {}
            Action::Boot(NextBoot::Job(job)) => prop_assert!(job.kind == JobKind::Inspect && job.leaves),
            Action::Power(_) => {
                let is_back = machine.taken_back == Some(machine.wanted.generation);
                prop_assert!((machine.keep_on || is_back) && !machine.observe && power == PowerSeen::Off);
            }
        }
    }
    Ok(())
}

/// A machine that bears another's mark is ordered nothing but a look, and no plan erases it.
fn is_anothers(plan: &Plan, id: MachineId, power: PowerSeen) -> Result<(), TestCaseError> {
    let machine = &plan.machines[&id];
    if machine.foreign().is_none() {
        return Ok(());
    }
    prop_assert!(
        !plan.wipe_set.entries.contains_key(&id) && !matches!(machine.wanted.intent, Intent::Released(_))
    );
    if let Decision::Propose(proposal) = decided(plan, id, power) {
        let Action::Boot(NextBoot::Job(job)) = &proposal.order.action else {
            return Err(TestCaseError::fail(format!("{proposal:?}")));
        };
        prop_assert!(job.kind == JobKind::Inspect && job.leaves && proposal.need.is_none());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_adopted_machine_is_left_alone_by_all_that_git_does_not_say(
        commits in prop::collection::vec(commit(), 1..7),
        is_on in any::<bool>(),
    ) {
        let mut world = World::new();
        let all = [Commit::begin(false), Commit::begin(true)].into_iter().chain(commits);
        for (at, commit) in all.enumerate() {
            world.later();
            let known = world.parent.machine("m1").map(|(id, _)| id);
            match (known, commit.happened) {
                (Some(id), _) if at == 1 => look(&mut world, id, "none"),
                (Some(id), Happened::Inspected) => {
                    // What was taken over is replaced by the inspection.
                    let wish = world.parent.machines[&id].mark.as_ref();
                    let over = wish.and_then(|mark| mark.wish.over.as_ref());
                    let found = match commit.marked {
                        true if over.is_some() => "ours",
                        true => THEIRS,
                        false => "none",
                    };
                    look(&mut world, id, found);
                }
                (Some(id), Happened::Off) => world.leave(id),
                (Some(id), Happened::Erased)
                    if matches!(&world.parent.machines[&id].wanted.intent, Intent::Released(erase) if !erase.disks.is_empty())
                        && world.parent.machines[&id].blocked.is_none() =>
                {
                    world.erase(id);
                }
                _ => {}
            }
            // What contradicts itself is refused before it is planned.
            let Ok(fleet) = checked("", &text(&commit)) else { continue };
            world.next_commit();
            let new = world.plan(&fleet);
            if let Some(id) = known.filter(|id| new.machines.contains_key(id)) {
                holds(&world.parent, &new, id, &commit)?;
                is_anothers(&new, id, if is_on { PowerSeen::On } else { PowerSeen::Off })?;
                is_let_alone(&new, id, if is_on { PowerSeen::On } else { PowerSeen::Off })?;
            }
            if at == 1 {
                let (id, machine) = new.machine("m1").unwrap();
                prop_assert!(machine.as_is.is_some() && runs_as_it_is(&new, id));
            }
            if adoptable(&new, &world.parent, Some(&new), fleet.settings.unreviewed, &[]).is_ok() {
                world.adopt(&fleet, new);
            }
        }
    }
}

/// A machine whose installation was taken back after it was restarted for it is led back to its own disk, without its power.
#[test]
fn a_machine_that_stands_in_a_job_nobody_wants_is_led_back_to_its_own_disk() {
    let mut world = World::new();
    for entry in [false, true] {
        world.later();
        if let Some((id, _)) = world
            .parent
            .machine("m1")
            .map(|(id, machine)| (id, machine.clone()))
        {
            look(&mut world, id, "none");
        }
        let fleet = checked("", &text(&Commit::begin(entry))).unwrap();
        world.next_commit();
        let new = world.plan(&fleet);
        world.adopt(&fleet, new);
    }
    let plan = &world.parent;
    let (id, machine) = plan.machine("m1").unwrap();
    let around = Around {
        id,
        incarnation: world.observed.incarnation,
        boot_agents: BTreeSet::new(),
        ephemeral: true,
        deployment: None,
        planned: plan.made,
        restored: None,
    };
    let decided = |answer: &str| {
        let boot = BootEvidence {
            mac: "52:54:00:77:00:01".parse().unwrap(),
            link: "lab/pxe".to_owned(),
            began: plan.made,
            client: String::new(),
            uuid: None,
            address: None,
            tftp: None,
            answer: Some(answer.to_owned()),
            http: None,
            last: plan.made,
        };
        let seen = |since| Seen {
            value: boot.clone(),
            since,
        };
        let facts = MachineFacts {
            boot: Some(seen(plan.made)),
            boot_began: Some(plan.made),
            ..MachineFacts::default()
        };
        next(machine, &facts, &around, plan.made)
    };
    assert_eq!(decided("local"), Decision::Settled);
    let Decision::Propose(proposal) = decided("job") else {
        panic!("{:?}", decided("job"));
    };
    let Action::Boot(NextBoot::Job(job)) = &proposal.order.action else {
        panic!("{proposal:?}");
    };
    assert!(job.kind == JobKind::Inspect && job.leaves, "{job:?}");
}

/// An adopted machine that was switched off for its release, which was taken back, is switched on again, once.
#[test]
fn a_machine_that_was_adopted_is_switched_on_again_when_its_release_is_taken_back() {
    let commit = |entry: bool, gone: Option<&'static str>| Commit {
        consents: true,
        gone,
        ..Commit::begin(entry)
    };
    let mut world = World::new();
    let adopts = |world: &mut World, commit: &Commit| {
        world.later();
        if let Some((id, _)) = world.parent.machine("m1") {
            look(world, id, "none");
        }
        let fleet = checked("", &text(commit)).unwrap();
        world.next_commit();
        let new = world.plan(&fleet);
        world.adopt(&fleet, new);
    };
    let decided = |world: &World, power: PowerSeen| {
        let plan = &world.parent;
        let (id, machine) = plan.machine("m1").unwrap();
        let around = Around {
            id,
            incarnation: world.observed.incarnation,
            boot_agents: BTreeSet::new(),
            ephemeral: true,
            deployment: None,
            planned: plan.made,
            restored: None,
        };
        let agent = AgentSeen {
            heard: plan.made,
            watermark: plan.made,
            steady: plan.made,
        };
        let facts = MachineFacts {
            power: Some(Seen {
                value: power,
                since: plan.made,
            }),
            agents: [("rackd-1".parse().unwrap(), agent)].into(),
            ..MachineFacts::default()
        };
        next(machine, &facts, &around, plan.made)
    };
    for fate in ["retain", "quick"] {
        adopts(&mut world, &commit(false, None));
        adopts(&mut world, &commit(true, None));
        let shown = decided(&world, PowerSeen::Off);
        assert!(
            matches!(&shown, Decision::Wait(wait) if wait.condition == Condition::PowerDrift),
            "off without our doing, it is shown: {shown:?}"
        );
        adopts(&mut world, &commit(true, Some(fate)));
        let (id, _) = world.parent.machine("m1").unwrap();
        assert!(
            matches!(world.parent.machines[&id].wanted.intent, Intent::Released(_)),
            "{fate}: {:?}",
            world.parent.machines[&id].wanted
        );
        adopts(&mut world, &commit(true, None));
        assert!(runs_as_it_is(&world.parent, id), "{fate}");
        let Decision::Propose(proposal) = decided(&world, PowerSeen::Off) else {
            panic!("{fate}: it stays off: {:?}", decided(&world, PowerSeen::Off));
        };
        assert_eq!(proposal.order.action, Action::Power(PowerWanted::On), "{fate}");
        assert!(
            proposal.order.cause.contains("taken back"),
            "{}",
            proposal.order.cause
        );
        // One that runs is let alone.
        assert_eq!(decided(&world, PowerSeen::On), Decision::Settled, "{fate}");
        world = World::new();
    }
}
