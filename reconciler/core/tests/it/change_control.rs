//! Budgets, waves, windows, soaking, halts, the canary, the hourly limit and quarantines, over random sequences of plans, several
//! daemons with stale views, crashes between any two effects, and machines that fail.
//!
//! The judge keeps books of its own and asks none of the code that it judges: what was begun, what runs, what failed.

mod judge;
mod lab;
mod places;

use lab::{Git, Lab};
use proptest::prelude::*;

/// Something that happens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// A daemon looks at the world and decides.
    Look(u8),
    /// It performs the next of what it decided.
    Act(u8),
    /// It dies; what it had left to do is lost.
    Crash(u8),
    /// A machine gets on with what it was told.
    Advance(u8),
    /// Its job fails for good.
    Fail(u8),
    /// It goes off by itself, or comes back.
    Power(u8),
    /// A person switches it off, or on again.
    ByHand(u8),
    /// Time passes: minutes.
    Later(u8),
    /// A commit: another image, another epoch, another budget.
    Commit(u8),
    /// A commit: a machine is removed, with a quarantine, or another one, or it is taken back.
    Leave(u8),
    /// A person says "go on".
    Resume,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..2_u8).prop_map(Event::Look),
        10 => (0..2_u8).prop_map(Event::Act),
        1 => (0..2_u8).prop_map(Event::Crash),
        24 => any::<u8>().prop_map(Event::Advance),
        4 => any::<u8>().prop_map(Event::Fail),
        1 => any::<u8>().prop_map(Event::Power),
        1 => any::<u8>().prop_map(Event::ByHand),
        3 => (0..60_u8).prop_map(Event::Later),
        2 => any::<u8>().prop_map(Event::Commit),
        2 => any::<u8>().prop_map(Event::Leave),
        1 => Just(Event::Resume),
    ]
}

fn git() -> impl Strategy<Value = Git> {
    (
        (3..8_u8, 1..8_u8, prop::sample::select(vec!["1", "2", "\"40%\""])),
        (0..3_u8, any::<bool>(), any::<bool>(), 0..3_u8),
        (
            any::<bool>(),
            any::<bool>(),
            0..2_u8,
            prop::sample::select(vec![2_u32, 20]),
        ),
    )
        .prop_map(
            |((machines, second, most), (waves, soak, window, halt), (wide, other, canary, rate))| Git {
                machines,
                second: second.min(machines),
                most,
                waves,
                soak,
                window,
                halt,
                wide,
                other,
                canary: canary == 1,
                rate,
                image: 0,
                epoch: 0,
                named: 0,
                moved: false,
                leaves: None,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_rule_is_broken_and_the_change_comes_to_its_end(
        git in git(),
        events in prop::collection::vec(event(), 40..240),
    ) {
        let mut lab = Lab::new(git);
        for event in events {
            lab.happens(event).map_err(TestCaseError::fail)?;
        }
        lab.comes_to_its_end().map_err(TestCaseError::fail)?;
    }
}

/// There is room for a second machine, and the first has failed: nothing more is begun until a person says so.
#[test]
fn a_failure_halts_what_there_is_room_for() {
    let mut lab = Lab::new(Git {
        second: 2,
        ..Git::plain(4, "2")
    });
    let step = [Event::Look(0), Event::Act(0)];
    let rounds = |lab: &mut Lab, events: &[Event], times: usize| {
        for event in events.iter().cycle().take(events.len() * times) {
            lab.happens(*event).unwrap();
        }
    };
    rounds(&mut lab, &[Event::Commit(2)], 1);
    rounds(&mut lab, &step, 1);
    assert_eq!(lab.wiped.len(), 1, "one is begun");
    let on = [
        Event::Advance(0),
        Event::Advance(1),
        Event::Advance(2),
        Event::Advance(3),
    ];
    let begun = lab.wiped[0].0;
    while lab.metal[&begun].up || !lab.runs_a_job(begun) {
        // Only what was begun gets on: nobody else is looked at meanwhile.
        rounds(&mut lab, &on, 1);
        lab.goes_on_with(begun);
    }
    rounds(&mut lab, &[Event::Fail(0)], 1);
    rounds(&mut lab, &step, 9);
    assert_eq!((lab.failures.len(), lab.wiped.len()), (1, 1), "halted");
    rounds(&mut lab, &[Event::Resume], 1);
    rounds(&mut lab, &step, 9);
    assert_eq!(lab.wiped.len(), 2, "it goes on");
}

/// Who gives a grant back must have seen all that was ordered by it: another daemon orders an installation meanwhile.
#[test]
fn a_grant_is_not_given_back_behind_an_order() {
    use Event::*;
    let events = [
        Commit(105),
        ByHand(47),
        Later(15),
        Look(1),
        Act(1),
        Look(1),
        Look(0),
        Look(0),
        ByHand(0),
        Look(0),
        Look(0),
        Act(1),
        Advance(0),
        Advance(0),
        Act(0),
        Act(0),
        Look(0),
        Look(0),
        Look(0),
        Look(0),
        Look(0),
        Act(0),
        Advance(248),
        Later(58),
        Advance(234),
        Act(1),
        Later(37),
        Advance(136),
        Act(0),
        Advance(246),
        Act(0),
        Look(1),
        Advance(139),
        Act(1),
        Advance(15),
        Advance(198),
        Advance(140),
        Advance(103),
        Fail(199),
        Advance(123),
    ];
    let git = Git {
        second: 1,
        rate: 2,
        halt: 0,
        ..Git::plain(5, "2")
    };
    happens_well(git, events);
}

/// A machine that was switched off and on for an intent that was overtaken is not heard yet.
#[test]
fn who_was_switched_off_for_an_overtaken_intent_does_not_serve() {
    use Event::*;
    let events = [
        Commit(5),
        Look(0),
        Act(0),
        Commit(72),
        Power(39),
        Look(1),
        Act(1),
        Advance(42),
        Look(0),
        Act(0),
        Advance(15),
        Commit(15),
        Commit(89),
        Look(1),
        Act(1),
        ByHand(4),
        Look(0),
        Look(0),
        Look(0),
        Look(0),
        Look(0),
        Look(0),
        Advance(57),
        Later(27),
        Act(0),
        Advance(1),
        Crash(0),
        Look(1),
        Advance(143),
        Act(0),
        Act(0),
        Act(1),
        Commit(227),
        Power(29),
        Commit(219),
        Crash(1),
        Act(0),
        Advance(243),
        Advance(30),
        Act(1),
    ];
    let git = Git {
        second: 1,
        rate: 2,
        halt: 0,
        ..Git::plain(3, "2")
    };
    happens_well(git, events);
}

fn happens_well(git: Git, events: impl IntoIterator<Item = Event>) {
    let mut lab = Lab::new(git);
    for event in events {
        lab.happens(event).unwrap();
    }
    lab.comes_to_its_end().unwrap();
}

/// Whoever switches a machine off under a grant of an overtaken intent takes it anew: what a daemon decided before gives it not back.
#[test]
fn a_grant_that_a_person_took_anew_is_not_given_back() {
    use Event::*;
    let events = [
        Power(249),
        Power(5),
        Power(94),
        Later(54),
        Later(38),
        Later(53),
        Commit(25),
        Later(31),
        Look(0),
        Act(0),
        Act(0),
        Advance(182),
        Look(1),
        Later(35),
        Later(40),
        Act(1),
        Advance(58),
        Later(48),
        Advance(38),
        Advance(18),
        Later(48),
        Later(30),
        Later(7),
        Later(28),
        Commit(92),
        Later(7),
        Look(1),
        Act(1),
        Advance(146),
        Look(1),
        ByHand(150),
        Act(1),
        ByHand(127),
        Advance(102),
        Advance(5),
        Advance(56),
        Later(31),
        Advance(56),
        Act(0),
        Look(0),
    ];
    let git = Git {
        second: 3,
        most: "\"40%\"",
        window: true,
        rate: 2,
        halt: 0,
        canary: false,
        wide: false,
        ..Git::plain(4, "\"40%\"")
    };
    happens_well(git, events);
}
