//! An agent gives no more machines over within an hour than its own settings say, whatever it is told.

use proptest::prelude::*;
use rack_proto::wipes::Wipes;
use schema_ids::{Generation, MachineId, Timestamp, Uuid};
use std::time::Duration;

fn machine(number: u8) -> MachineId {
    MachineId(Uuid::from_bytes([number; 16]))
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_unix_ms((1_000_000 + minutes) * 60_000)
}

/// The steady clock, so many minutes after its host's start.
fn up(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[test]
fn one_that_comes_too_soon_is_told_when() {
    let mut wipes = Wipes::default();
    wipes.limit(2, false, at(0), up(0));
    let begin = |wipes: &mut Wipes, number, generation, minutes| {
        wipes.passed(up(minutes));
        wipes.begin(machine(number), Generation(generation), at(minutes.cast_signed()))
    };
    assert_eq!(begin(&mut wipes, 1, 2, 0), Ok(()));
    assert_eq!(begin(&mut wipes, 2, 2, 10), Ok(()));
    assert_eq!(begin(&mut wipes, 3, 2, 20), Err(at(60)));
    assert_eq!(begin(&mut wipes, 2, 2, 20), Ok(()), "it goes on");
    assert_eq!(
        begin(&mut wipes, 2, 3, 20),
        Err(at(60)),
        "another intent is another wipe"
    );
    assert_eq!(begin(&mut wipes, 3, 2, 60), Ok(()));
    assert_eq!(begin(&mut wipes, 4, 2, 60), Err(at(70)));
    wipes.limit(0, false, at(200), up(200));
    assert!(begin(&mut wipes, 5, 2, 200).is_err(), "none at all");
}

/// What was given over at 0:00 writes at 1:05.
#[test]
fn what_writes_later_counts_when_it_writes() {
    let mut wipes = Wipes::default();
    wipes.limit(2, false, at(0), up(0));
    wipes.begin(machine(1), Generation(2), at(0)).unwrap();
    wipes.passed(up(50));
    wipes.begin(machine(2), Generation(2), at(50)).unwrap();
    let write = |wipes: &mut Wipes, number, minutes: u64| {
        wipes.passed(up(minutes));
        wipes.write(machine(number), Generation(2), at(minutes.cast_signed()))
    };
    assert_eq!(write(&mut wipes, 1, 65), Ok(()));
    assert_eq!(wipes.begin(machine(3), Generation(2), at(65)), Err(at(110)));
    // Within its hour it has its place, and counts for an hour from then on.
    assert_eq!(write(&mut wipes, 2, 100), Ok(()));
    assert_eq!(wipes.begin(machine(3), Generation(2), at(100)), Err(at(125)));
    assert_eq!(write(&mut wipes, 4, 125), Ok(()));
    assert_eq!(
        write(&mut wipes, 1, 126),
        Err(at(160)),
        "its hour is over, and full of others"
    );
    let mut free = Wipes::default();
    assert_eq!(write(&mut free, 1, 0), Ok(()));
}

#[test]
fn a_restart_gains_nothing_and_a_lost_state_half() {
    let mut wipes = Wipes::default();
    wipes.limit(2, false, at(0), up(0));
    wipes.begin(machine(1), Generation(2), at(0)).unwrap();
    wipes.passed(up(1));
    wipes.begin(machine(2), Generation(2), at(1)).unwrap();
    let kept = serde_json::to_string(&wipes).unwrap();
    let mut again: Wipes = serde_json::from_str(&kept).unwrap();
    again.limit(2, false, at(2), up(2));
    assert_eq!(again.begin(machine(3), Generation(2), at(2)), Err(at(60)));
    // The host was started again, with its clock a year ahead: of the hour only what it is up for has passed.
    let mut ahead: Wipes = serde_json::from_str(&kept).unwrap();
    ahead.limit(2, false, at(525_600), up(0));
    ahead.passed(up(58));
    assert_eq!(
        ahead.begin(machine(3), Generation(2), at(525_658)),
        Err(at(525_659))
    );
    ahead.passed(up(59));
    assert_eq!(ahead.begin(machine(3), Generation(2), at(525_659)), Ok(()));
    let mut lost = Wipes::default();
    lost.limit(2, true, at(2), up(2));
    assert_eq!(lost.begin(machine(3), Generation(2), at(2)), Ok(()));
    assert_eq!(lost.begin(machine(4), Generation(2), at(2)), Err(at(62)));
}

proptest! {
    /// However it is asked, restarted, and its clock set: no hour has more.
    #[test]
    fn no_hour_has_more(
        most in 0_u32..5,
        asks in prop::collection::vec((0_u8..9, 1_u64..3, 0_u64..40, any::<bool>(), -200_i64..200), 1..60),
    ) {
        let mut wipes = Wipes::default();
        let mut now = 0_u64;
        wipes.limit(most, false, at(0), up(now));
        let mut begun: Vec<(u8, u64, u64)> = Vec::new();
        for (number, generation, pause, restart, wrong) in asks {
            now += pause;
            let wall = at(now.cast_signed() + wrong);
            if restart {
                wipes = serde_json::from_str(&serde_json::to_string(&wipes).unwrap()).unwrap();
                wipes.limit(most, false, wall, up(now));
            }
            wipes.passed(up(now));
            let in_the_hour = begun.iter().filter(|(.., when)| now - when < 60).count();
            let known = begun.iter().any(|(known, of, when)| (*known, *of) == (number, generation) && now - when < 60);
            match wipes.begin(machine(number), Generation(generation), wall) {
                Ok(()) if known => {}
                Ok(()) => {
                    prop_assert!(in_the_hour < most as usize, "{} of {}", in_the_hour + 1, most);
                    begun.push((number, generation, now));
                }
                Err(until) => {
                    prop_assert!(in_the_hour >= most as usize && !known);
                    prop_assert!(until > wall);
                }
            }
        }
    }
}
