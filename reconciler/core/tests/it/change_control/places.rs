//! Who takes a place, who waits for a wave, and until when: one small case each.

use super::Event;
use super::lab::{Git, Lab};
use reconciler_core::condition::Condition;
use schema_ids::MachineId;
use std::collections::BTreeMap;

impl Lab {
    fn machines(&self) -> BTreeMap<String, MachineId> {
        let machines = self.world.parent.machines.iter();
        machines
            .map(|(id, machine)| (machine.name.to_string(), *id))
            .collect()
    }

    /// The number by which an event calls a machine.
    fn number(&self, id: MachineId) -> u8 {
        let at = self.world.parent.machines.keys().position(|known| *known == id);
        u8::try_from(at.unwrap()).unwrap()
    }

    /// Those that hold grants.
    fn begun(&self) -> Vec<MachineId> {
        self.permits.grants.keys().copied().collect()
    }

    fn goes_off(&mut self, id: MachineId) {
        self.happens(Event::Power(self.number(id))).unwrap();
        assert!(!self.metal[&id].up);
    }

    /// A daemon begins one machine, of which nothing is carried out yet.
    fn begin_one(&mut self) -> MachineId {
        self.round();
        let [begun] = self.begun()[..] else {
            panic!("one is begun: {:?}", self.permits);
        };
        assert!(self.metal[&begun].up);
        begun
    }

    /// Why a machine that serves waits.
    fn waits(&self, id: MachineId) -> (Condition, String) {
        let wait = self.wait(id).unwrap();
        (wait.condition, wait.evidence)
    }
}

/// What was ordered for the old intent may still be carried out, so its place is free only when it cannot be any more.
#[test]
fn an_overtaken_grant_keeps_its_place_until_its_orders_are_over() {
    let mut lab = Lab::new(Git::plain(3, "1"));
    lab.now_says(|git| git.image = 1);
    let begun = lab.begin_one();
    let held = lab.permits.grants[&begun].generation;
    lab.now_says(|git| git.image = 0);
    assert!(lab.generation(begun) > held && lab.is_well(begun));
    let other = *lab.metal.keys().find(|id| **id != begun).unwrap();
    let by_hand = Event::ByHand(lab.number(other));
    for _ in 0..2 {
        lab.round();
        assert_eq!(lab.begun(), [begun]);
        lab.happens(by_hand).unwrap();
        assert_eq!(lab.begun(), [begun], "there is no room for another");
    }
    lab.happens(Event::Later(16)).unwrap();
    lab.round();
    assert!(lab.begun().is_empty(), "{:?}", lab.permits);
    lab.happens(by_hand).unwrap();
    assert_eq!(lab.begun(), [other]);
}

/// A machine of the last wave that is off may be brought back before the first wave is over; one that serves waits.
#[test]
fn who_is_out_waits_for_no_wave() {
    let mut lab = Lab::new(Git {
        waves: 1,
        ..Git::plain(3, "3")
    });
    let ids = lab.machines();
    let (first, out, serving) = (ids["m1"], ids["m2"], ids["m3"]);
    lab.goes_off(out);
    lab.now_says(|git| git.epoch = 1);
    lab.round();
    let mut begun = [first, out];
    begun.sort_unstable();
    assert_eq!(lab.begun(), begun);
    let (condition, evidence) = lab.waits(serving);
    assert_eq!(condition, Condition::EarlierWave, "{evidence}");
    assert!(evidence.contains("awaited: m1"), "{evidence}");
}

/// Two are out where one may be: both are brought back, and nobody who serves is begun.
#[test]
fn who_is_out_needs_no_place() {
    let mut lab = Lab::new(Git::plain(3, "1"));
    let ids = lab.machines();
    let (one, two, serving) = (ids["m1"], ids["m2"], ids["m3"]);
    lab.goes_off(one);
    lab.goes_off(two);
    lab.now_says(|git| git.epoch = 1);
    lab.round();
    let mut begun = [one, two];
    begun.sort_unstable();
    assert_eq!(lab.begun(), begun);
    let (condition, evidence) = lab.waits(serving);
    assert_eq!(condition, Condition::Budget);
    assert!(
        evidence.contains("2 of 1 machines are out of service"),
        "{evidence}"
    );
}

/// One is out and begun: it is counted once, so that where two may be out one more is begun, and no third.
#[test]
fn who_is_out_takes_no_further_place_and_who_serves_takes_one() {
    let mut lab = Lab::new(Git::plain(4, "1"));
    let out = lab.machines()["m1"];
    lab.goes_off(out);
    lab.now_says(|git| git.epoch = 1);
    lab.round();
    assert_eq!(lab.begun(), [out]);
    lab.now_says(|git| git.most = "2");
    lab.round();
    let begun = lab.begun();
    assert!(begun.len() == 2 && begun.contains(&out), "{begun:?}");
    for id in lab.metal.keys().filter(|id| !begun.contains(id)) {
        assert_eq!(lab.waits(*id).0, Condition::Budget);
    }
}

#[test]
fn a_renamed_budget_counts_what_was_begun_under_its_old_name() {
    let mut lab = Lab::new(Git::plain(2, "1"));
    lab.now_says(|git| git.epoch = 1);
    let begun = lab.begin_one();
    lab.now_says(|git| git.named = 1);
    lab.round();
    assert_eq!(lab.begun(), [begun]);
    let other = *lab.metal.keys().find(|id| **id != begun).unwrap();
    let (condition, evidence) = lab.waits(other);
    assert_eq!(condition, Condition::Budget);
    assert!(evidence.contains("budget b1: 1 of 1"), "{evidence}");
}

/// The budget shrinks to a deployment of which what was begun is none.
#[test]
fn a_budget_counts_what_was_begun_under_it_when_it_is_about_others_now() {
    let mut lab = Lab::new(Git {
        second: 1,
        ..Git::plain(2, "1")
    });
    let ids = lab.machines();
    let (web, db) = (ids["m1"], ids["m2"]);
    // There is room for whoever is off, and for nobody else.
    lab.goes_off(db);
    lab.now_says(|git| git.epoch = 1);
    lab.round();
    assert_eq!(lab.begun(), [db]);
    lab.now_says(|git| git.wide = false);
    assert_eq!(
        lab.world
            .parent
            .budgets
            .values()
            .next()
            .unwrap()
            .members()
            .collect::<Vec<_>>(),
        [web]
    );
    lab.round();
    assert_eq!(lab.begun(), [db]);
    let (condition, evidence) = lab.waits(web);
    assert_eq!(condition, Condition::Budget, "{evidence}");
}

/// Deployment and budget have new names, and the window has closed: what was begun goes on, and nothing else is begun.
#[test]
fn what_was_begun_goes_on_under_new_names() {
    let mut lab = Lab::new(Git {
        window: true,
        wide: false,
        ..Git::plain(2, "1")
    });
    lab.now_says(|git| git.epoch = 1);
    let begun = lab.begin_one();
    let held = lab.permits.grants[&begun].clone();
    lab.now_says(|git| (git.named, git.moved) = (1, true));
    assert_eq!(lab.generation(begun), held.generation, "a name is no intent");
    for _ in 0..2 {
        lab.happens(Event::Later(240)).unwrap();
    }
    let other = *lab.metal.keys().find(|id| **id != begun).unwrap();
    let begun_is = Event::Advance(lab.number(begun));
    for _ in 0..40 {
        lab.happens(begun_is).unwrap();
        lab.round();
        assert!(!lab.permits.grants.contains_key(&other));
    }
    assert!(lab.is_well(begun), "{:?}", lab.wait(begun));
    assert_eq!(lab.waits(other).0, Condition::WindowClosed);
}

/// The machine that failed is given a new intent, so that nothing fails any more: what is on record counts until a person
/// has looked, and is there once.
#[test]
fn a_halt_is_not_lifted_by_the_machine_that_failed() {
    let mut lab = Lab::new(Git::plain(3, "2"));
    lab.now_says(|git| git.epoch = 1);
    lab.happens(Event::Look(0)).unwrap();
    lab.happens(Event::Act(0)).unwrap();
    let [begun] = lab.begun()[..] else {
        panic!("one is begun");
    };
    while !lab.runs_a_job(begun) {
        lab.happens(Event::Advance(lab.number(begun))).unwrap();
        lab.goes_on_with(begun);
    }
    lab.happens(Event::Fail(0)).unwrap();
    lab.round();
    lab.round();
    let [failure] = &lab.failures[..] else {
        panic!("one failure is on record, once: {:?}", lab.failures);
    };
    assert_eq!(
        (failure.machine, failure.generation),
        (begun, lab.generation(begun))
    );
    assert!(failure.why.contains("other bytes"), "{failure:?}");

    lab.now_says(|git| git.epoch = 2);
    assert!(failed_no_more(&lab, begun), "{}", lab.decision(begun));
    let wiped = lab.wiped.len();
    lab.round();
    for id in lab.metal.keys() {
        assert_eq!(lab.waits(*id).0, Condition::BudgetHalted);
    }
    assert_eq!((lab.failures.len(), lab.wiped.len()), (1, wiped));
    lab.happens(Event::Resume).unwrap();
    lab.round();
    assert!(lab.wiped.len() > wiped, "it goes on");
}

/// A machine fails, which halts its budget; the machine and everything else is as it was but for the budget's name.
fn halted(git: Git) -> (Lab, MachineId) {
    let mut lab = Lab::new(git);
    lab.now_says(|git| git.epoch = 1);
    lab.happens(Event::Look(0)).unwrap();
    lab.happens(Event::Act(0)).unwrap();
    let [begun] = lab.begun()[..] else {
        panic!("one is begun");
    };
    while !lab.runs_a_job(begun) {
        lab.happens(Event::Advance(lab.number(begun))).unwrap();
        lab.goes_on_with(begun);
    }
    lab.happens(Event::Fail(0)).unwrap();
    lab.round();
    (lab, begun)
}

#[test]
fn a_renamed_budget_stays_halted_until_a_person_says_go_on() {
    let (mut lab, begun) = halted(Git::plain(3, "2"));
    // Nothing fails any more, and nothing is called as it was.
    lab.now_says(|git| git.epoch = 2);
    assert!(failed_no_more(&lab, begun));
    for named in [1, 2] {
        lab.now_says(|git| git.named = named);
        lab.round();
        let other = *lab.metal.keys().find(|id| **id != begun).unwrap();
        let (condition, evidence) = lab.waits(other);
        assert_eq!(condition, Condition::BudgetHalted, "{evidence}");
        let said = format!("budget b{named} is halted, 1 of 1 failures");
        assert!(evidence.contains(&said), "{evidence}");
        let step = lab.wait(other).unwrap().next_step;
        let wanted = format!("--scope budget:b{named} --seen 1");
        assert!(step.contains(&wanted), "{step}");
    }
    assert_eq!(lab.failures.len(), 1, "and it failed once");
    lab.happens(Event::Resume).unwrap();
    let wiped = lab.wiped.len();
    lab.round();
    assert!(lab.wiped.len() > wiped, "it goes on");
}

/// Still failing under a new name, it is not recorded a second time, and not after a person has looked at it.
#[test]
fn a_failure_counts_once_under_all_names() {
    let (mut lab, _) = halted(Git {
        halt: 2,
        ..Git::plain(4, "1")
    });
    lab.now_says(|git| git.named = 1);
    lab.round();
    assert_eq!(lab.failures.len(), 1, "{:?}", lab.failures);
    lab.happens(Event::Resume).unwrap();
    lab.now_says(|git| git.named = 2);
    lab.round();
    assert_eq!(lab.failures.len(), 1, "{:?}", lab.failures);
}

/// All that there is room for is begun after one look: each grant counts those before it.
#[test]
fn one_look_begins_all_that_there_is_room_for() {
    let mut lab = Lab::new(Git::plain(6, "4"));
    lab.now_says(|git| git.epoch = 1);
    lab.happens(Event::Look(0)).unwrap();
    for _ in 0..12 {
        lab.happens(Event::Act(0)).unwrap();
    }
    assert_eq!(lab.begun().len(), 4);
}

/// Two have looked; what the second one decided counts for nothing since the first one began something.
#[test]
fn nobody_goes_on_behind_anothers_word() {
    let mut lab = Lab::new(Git::plain(6, "4"));
    lab.now_says(|git| git.epoch = 1);
    for event in [Event::Look(0), Event::Look(1), Event::Act(0)] {
        lab.happens(event).unwrap();
    }
    for _ in 0..12 {
        lab.happens(Event::Act(1)).unwrap();
    }
    assert_eq!(lab.begun().len(), 1);
}

/// A new machine is given over to its first installation, which fails for good.
fn newcomer_fails(lab: &mut Lab) -> MachineId {
    let new = lab.arrives();
    lab.round();
    for _ in 0..20 {
        if lab.runs_a_job(new) {
            break;
        }
        lab.happens(Event::Advance(lab.number(new))).unwrap();
        lab.goes_on_with(new);
    }
    assert!(lab.runs_a_job(new), "{:?}", lab.wait(new));
    lab.happens(Event::Fail(0)).unwrap();
    lab.round();
    assert!(!failed_no_more(lab, new), "{}", lab.decision(new));
    new
}

/// Others run the same image on the same layout, so the fault is its own, and nobody counts on it yet.
#[test]
fn a_dead_new_machine_halts_nothing_and_takes_no_place() {
    let mut lab = Lab::new(Git::plain(3, "1"));
    let new = newcomer_fails(&mut lab);
    assert_eq!(lab.failures, [], "nothing is halted");
    // What serves goes on as if it were not there.
    let serving = *lab.metal.keys().find(|id| **id != new).unwrap();
    lab.happens(Event::ByHand(lab.number(serving))).unwrap();
    assert_eq!(lab.begun(), [serving], "there is room: {:?}", lab.wait(serving));
}

/// No machine has run the image yet: it may be what is wrong, and the next one would fail by it too.
#[test]
fn an_image_that_fails_on_a_new_machine_halts_the_change() {
    let mut lab = Lab::new(Git {
        canary: true,
        ..Git::plain(4, "4")
    });
    lab.now_says(|git| git.image = 1);
    let new = newcomer_fails(&mut lab);
    let [failure] = &lab.failures[..] else {
        panic!("it is on record: {:?}", lab.failures);
    };
    assert_eq!(failure.machine, new);
    // One of those that serve may have been begun beside it; nobody else is.
    let begun = lab.begun();
    let waiting: Vec<MachineId> = lab
        .metal
        .keys()
        .copied()
        .filter(|id| !begun.contains(id))
        .collect();
    assert!(!waiting.is_empty(), "{begun:?}");
    for id in waiting.into_iter().filter(|id| *id != new) {
        let (condition, evidence) = lab.waits(id);
        assert_eq!(condition, Condition::BudgetHalted, "{evidence}");
    }
}

fn failed_no_more(lab: &Lab, id: MachineId) -> bool {
    lab.decision(id).contains("failed: None")
}
