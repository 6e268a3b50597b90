//! Bugs, and the invariant that finds each: a checker that has never found anything proves nothing.

use rack_api::fact::FactBody;
use rack_api::machine::{GoRequest, Verdict};
use rack_api::order::{Action, NextBoot, Order};
use rack_api::sync::{BootGoRequest, SyncRequest};
use rack_proto::boot::{self, LiveGo};
use rack_proto::session::KeptSpool;
use reconciler_core::admit::{Leave, Permits};
use reconciler_core::condition::Condition;
use reconciler_core::facts::{IssuedOrder, MachineFacts, WriteStart};
use reconciler_core::fence::{self, Ground};
use reconciler_core::intent::Intent;
use reconciler_core::next::Decision;
use reconciler_core::observed::{BindingState, Observed};
use reconciler_core::plan::{self, Desired, Effect, Plan};
use reconciler_core::tick::{self, Tick};
use schema_ids::{Name, Timestamp};
use std::time::Duration;
use testbed_sim::{Code, Invariant, Settings, Violation, run};

/// A bug that is not found in so many seeds would be found by luck.
const SEEDS_MAX: u64 = 40;

/// Two bindings get one disk.
struct SharedDisk;

impl Code for SharedDisk {
    fn plan(&self, desired: &Desired<'_>, observed: &Observed, parent: &Plan, now: Timestamp) -> Plan {
        let mut plan = plan::plan(desired, observed, parent, now);
        let disks = plan.bindings.values().next().map(|first| first.disks.clone());
        if let (Some(disks), Some(last)) = (disks, plan.bindings.values_mut().last()) {
            last.disks.extend(disks);
        }
        plan
    }
}

/// Every plan is made as if there had been none before.
struct NoParent;

impl Code for NoParent {
    fn plan(&self, desired: &Desired<'_>, observed: &Observed, parent: &Plan, now: Timestamp) -> Plan {
        let none = Plan::empty(parent.fleet.clone());
        Plan {
            parent: Some(parent.id.clone()),
            ..plan::plan(desired, observed, &none, now)
        }
    }
}

/// A binding that leaves ends with the next plan, whatever is still on its disks.
struct EndsEarly;

impl Code for EndsEarly {
    fn plan(&self, desired: &Desired<'_>, observed: &Observed, parent: &Plan, now: Timestamp) -> Plan {
        let mut plan = plan::plan(desired, observed, parent, now);
        plan.bindings.retain(|id, _| {
            let before = parent.bindings.get(id);
            before.is_none_or(|binding| binding.state != BindingState::Leaving)
        });
        plan
    }
}

/// A binding whose disks are kept ends ten seconds after a plan, whether its machine still runs or not.
struct EndsBeforeOff;

impl Code for EndsBeforeOff {
    fn plan(&self, desired: &Desired<'_>, observed: &Observed, parent: &Plan, now: Timestamp) -> Plan {
        let mut observed = observed.clone();
        for (id, machine) in &parent.machines {
            if let (Intent::Released(erase), Some(seen)) =
                (&machine.wanted.intent, observed.machines.get_mut(id))
                && erase.disks.is_empty()
                && now.since(parent.made) > Duration::from_secs(10)
            {
                seen.gone_in = Some(machine.wanted.generation);
            }
        }
        plan::plan(desired, &observed, parent, now)
    }
}

/// Of two daemons that planned, both adopt.
struct BothAdopt;

impl Code for BothAdopt {
    fn is_parent(&self, _: &str, _: &str) -> bool {
        true
    }
}

/// A plan is adopted over machines that began to write since it was made.
struct OverBegun;

impl Code for OverBegun {
    fn knows_goes(&self, _: Option<&Name>) -> bool {
        true
    }
}

/// What was decided by a plan is written, whichever plan is adopted by then.
struct StalePlan;

impl Code for StalePlan {
    fn is_current(&self, _: &str, _: &str) -> bool {
        true
    }
}

/// A yes that is on record is repeated, though now the answer would be no.
struct OldYes;

impl Code for OldYes {
    fn word(&self, _: WriteStart, record: WriteStart) -> WriteStart {
        record
    }
}

/// Whatever job an agent has may boot.
struct AnyBoot;

impl Code for AnyBoot {
    fn may_boot(&self, _: &Ground<'_>, _: &BootGoRequest) -> bool {
        true
    }
}

/// An agent that cannot reach the daemon serves the job it has, to whomever.
struct JobWithoutWord;

impl Code for JobWithoutWord {
    fn boot<'a>(&self, question: &boot::Question<'a>) -> boot::Decision<'a> {
        let live = question.live.map(|_| LiveGo::Go);
        boot::decide(&boot::Question { live, ..*question })
    }
}

/// The daemon says yes, and does not write that down.
struct UnrecordedGo;

impl Code for UnrecordedGo {
    fn records(&self, start: &WriteStart) -> bool {
        start.refused.is_some()
    }
}

/// The fence takes the plan's word for what the disks hold.
struct BlindFence;

impl Code for BlindFence {
    fn may_write(&self, ground: &Ground<'_>, request: &GoRequest) -> Verdict {
        let mut request = request.clone();
        if let Intent::Deployed(deploy) = &ground.machine.wanted.intent {
            for plan in &deploy.disks {
                let seen = request.disks.iter_mut().find(|seen| seen.disk == plan.disk);
                seen.expect("the disks of this world stay where they are").content = plan.agreed.clone();
            }
        }
        fence::judge(ground, &request)
    }
}

/// Installations are forgotten, and the fence does not look at the disks either.
struct ForgottenInstallation;

impl Code for ForgottenInstallation {
    fn known(&self, folded: MachineFacts) -> MachineFacts {
        MachineFacts {
            installed: None,
            ..folded
        }
    }

    fn may_write(&self, ground: &Ground<'_>, request: &GoRequest) -> Verdict {
        BlindFence.may_write(ground, request)
    }
}

/// The daemon decides without the grants that stand.
struct IgnoredPermits;

impl Code for IgnoredPermits {
    fn tick(&self, world: &tick::World<'_>, now: Timestamp) -> Tick {
        let permits = Permits::default();
        tick::tick(
            &tick::World {
                permits: &permits,
                ..*world
            },
            now,
        )
    }
}

/// A budget lets one more out of service than its number.
struct MiscountedBudget;

impl Code for MiscountedBudget {
    fn tick(&self, world: &tick::World<'_>, now: Timestamp) -> Tick {
        let mut plan = world.plan.clone();
        for budget in plan.budgets.values_mut() {
            budget.max_unavailable += 1;
        }
        tick::tick(
            &tick::World {
                plan: &plan,
                ..*world
            },
            now,
        )
    }
}

/// Now and then facts are acknowledged and not stored.
struct LostFacts;

impl Code for LostFacts {
    fn stores_facts(&self, sync: &SyncRequest) -> bool {
        sync.facts.last().is_none_or(|last| last.sequence % 50 != 0)
    }
}

/// An agent's spool is empty after a start.
struct LostSpool;

impl Code for LostSpool {
    fn spool_kept(&self, spool: KeptSpool) -> KeptSpool {
        let boots = |body: &FactBody| matches!(body, FactBody::Boot { .. });
        let acknowledged = spool.acknowledged;
        let facts = spool
            .facts
            .into_iter()
            .filter(|spooled| boots(&spooled.fact.body))
            .collect();
        KeptSpool { acknowledged, facts }
    }
}

/// An installed machine is called settled before it was seen to run.
struct EarlySettled;

impl Code for EarlySettled {
    fn tick(&self, world: &tick::World<'_>, now: Timestamp) -> Tick {
        let mut step = tick::tick(world, now);
        for decision in step.decisions.values_mut() {
            if matches!(decision, Decision::Wait(wait) if wait.condition == Condition::FirstBoot) {
                *decision = Decision::Settled;
            }
        }
        step
    }
}

/// What an installed system says is forgotten.
struct ForgottenWord;

impl Code for ForgottenWord {
    fn known(&self, folded: MachineFacts) -> MachineFacts {
        MachineFacts {
            phoned_home: None,
            ..folded
        }
    }
}

/// A settled machine is given its last boot order again each hour.
struct Restless;

impl Code for Restless {
    fn tick(&self, world: &tick::World<'_>, now: Timestamp) -> Tick {
        let mut step = tick::tick(world, now);
        for (id, decision) in &step.decisions {
            let Some(facts) = world.facts.get(id).filter(|_| *decision == Decision::Settled) else {
                continue;
            };
            let Some(last) = facts.orders.last().map(|seen| &seen.issued) else {
                continue;
            };
            if now.since(last.at) > Duration::from_secs(3600) {
                let order = Order {
                    number: facts.next_number(),
                    action: Action::Boot(NextBoot::Local),
                    ..last.order.clone()
                };
                let order = Box::new(IssuedOrder { order, at: now });
                step.effects.push(tick::Effect::Issue {
                    order,
                    leave: Leave::Unneeded,
                });
            }
        }
        step
    }
}

/// Whoever asks whether it may write is told so, whatever is stopped.
struct DeafToStops;

impl Code for DeafToStops {
    fn may_write(&self, ground: &Ground<'_>, request: &GoRequest) -> Verdict {
        let denials = &[];
        fence::judge(&Ground { denials, ..*ground }, request)
    }
}

/// What leaves is erased at once, whatever its quarantine.
struct NoQuarantine;

impl Code for NoQuarantine {
    fn tick(&self, world: &tick::World<'_>, now: Timestamp) -> Tick {
        let mut plan = world.plan.clone();
        for machine in plan.machines.values_mut() {
            machine.quarantine = None;
        }
        tick::tick(
            &tick::World {
                plan: &plan,
                ..*world
            },
            now,
        )
    }
}

/// The plan does not say which disks it erases.
struct Unshown;

impl Code for Unshown {
    fn plan(&self, desired: &Desired<'_>, observed: &Observed, parent: &Plan, now: Timestamp) -> Plan {
        let mut plan = plan::plan(desired, observed, parent, now);
        plan.changes.iter_mut().for_each(|change| change.erases.clear());
        plan
    }
}

/// The plan says of what takes a system away that nothing comes of it.
struct Harmless;

impl Code for Harmless {
    fn plan(&self, desired: &Desired<'_>, observed: &Observed, parent: &Plan, now: Timestamp) -> Plan {
        let mut plan = plan::plan(desired, observed, parent, now);
        for change in &mut plan.changes {
            change.effect = Effect::None;
        }
        plan
    }
}

/// What was destroyed before counts against no limit.
struct ForgottenDay;

impl Code for ForgottenDay {
    fn plan(&self, desired: &Desired<'_>, observed: &Observed, parent: &Plan, now: Timestamp) -> Plan {
        let mut observed = observed.clone();
        observed.destroyed.clear();
        plan::plan(desired, &observed, parent, now)
    }
}

/// Each bug with the invariant that must find it.
const BUGS: [(&str, &(dyn Code + Sync), Invariant); 25] = [
    ("shared disk", &SharedDisk, Invariant::OneBinding),
    ("no parent", &NoParent, Invariant::PlanStands),
    ("ends early", &EndsEarly, Invariant::ReleasedErased),
    ("ends before off", &EndsBeforeOff, Invariant::ReleasedErased),
    ("both adopt", &BothAdopt, Invariant::OneIntent),
    ("over begun", &OverBegun, Invariant::WrittenStays),
    ("stale plan", &StalePlan, Invariant::OnlyWhatIsWanted),
    ("old yes", &OldYes, Invariant::OnlyWhatIsWanted),
    ("any boot", &AnyBoot, Invariant::OnlyWhatIsWanted),
    ("job without word", &JobWithoutWord, Invariant::OwnDisk),
    ("unrecorded go", &UnrecordedGo, Invariant::GoOnRecord),
    ("blind fence", &BlindFence, Invariant::AgreedContents),
    (
        "forgotten installation",
        &ForgottenInstallation,
        Invariant::InstalledOnce,
    ),
    ("no quarantine", &NoQuarantine, Invariant::Quarantine),
    ("deaf to stops", &DeafToStops, Invariant::Stopped),
    ("ignored permits", &IgnoredPermits, Invariant::Limits),
    ("miscounted budget", &MiscountedBudget, Invariant::Budget),
    ("unshown erasure", &Unshown, Invariant::Planned),
    ("harmless change", &Harmless, Invariant::Planned),
    ("forgotten day", &ForgottenDay, Invariant::DayLimit),
    ("lost facts", &LostFacts, Invariant::FactsKept),
    ("lost spool", &LostSpool, Invariant::FactsKept),
    ("early settled", &EarlySettled, Invariant::HonestStatus),
    ("forgotten word", &ForgottenWord, Invariant::Convergence),
    ("restless", &Restless, Invariant::Rest),
];

/// The first time that the invariant is seen to be broken, without faults or within [`SEEDS_MAX`] seeds.
fn found(code: &dyn Code, invariant: Invariant) -> Option<Violation> {
    // First where nothing else goes wrong: amid faults a machine may end badly for reasons of its own.
    let calm = run(0, &Settings::small(), code).err();
    let settings = match invariant {
        Invariant::Budget => Settings::rolling(),
        Invariant::DayLimit => Settings::removing(),
        _ => Settings::default(),
    };
    let broken = (0..SEEDS_MAX).filter_map(|seed| run(seed, &settings, code).err());
    calm.into_iter()
        .chain(broken)
        .find(|violation| violation.invariant == invariant)
}

#[test]
fn each_bug_is_found_by_its_invariant() {
    let missed = BUGS.iter().filter_map(|(name, code, invariant)| {
        let found = found(*code, *invariant);
        println!(
            "{name}: {}",
            found.as_ref().map_or("missed".to_owned(), ToString::to_string)
        );
        found
            .is_none()
            .then(|| format!("{name} is not found by {invariant}"))
    });
    let missed: Vec<String> = missed.collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn each_invariant_finds_some_bug() {
    for invariant in Invariant::ALL {
        let finds = BUGS.iter().any(|(.., finder)| *finder == invariant);
        assert!(finds, "nothing shows that this can break: {invariant}");
    }
}

/// Whoever reads a violation learns what, when, what came before, and how to see it again.
#[test]
fn a_violation_can_be_read() {
    let violation = found(&BlindFence, Invariant::AgreedContents).expect("the blind fence is found");
    let text = violation.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "broken: AgreedContents: nothing is written but what the plan agreed to erase"
    );
    assert!(lines[1].starts_with("  seen:  m"), "{text}");
    assert!(
        lines[2].starts_with(&format!("  when:  seed {}, ", violation.seed)),
        "{text}"
    );
    assert_eq!(lines[3], "  before it:");
    assert_eq!(lines.len(), 4 + 20, "{text}");
    assert!(lines[23].contains(" begins to write serial:m"), "{text}");
}
