//! An agent gives no more machines over within an hour than its own settings say, whatever it is told.

use proptest::prelude::*;
use rack_proto::wipes::Wipes;
use schema_ids::{Generation, MachineId, Timestamp, Uuid};

fn machine(number: u8) -> MachineId {
    MachineId(Uuid::from_bytes([number; 16]))
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_unix_ms((1_000_000 + minutes) * 60_000)
}

#[test]
fn one_that_comes_too_soon_is_told_when() {
    let mut wipes = Wipes::default();
    wipes.limit(2, false, at(0));
    assert_eq!(wipes.begin(machine(1), Generation(2), at(0)), Ok(()));
    assert_eq!(wipes.begin(machine(2), Generation(2), at(10)), Ok(()));
    assert_eq!(wipes.begin(machine(3), Generation(2), at(20)), Err(at(60)));
    assert_eq!(
        wipes.begin(machine(2), Generation(2), at(20)),
        Ok(()),
        "it goes on"
    );
    assert_eq!(
        wipes.begin(machine(2), Generation(3), at(20)),
        Err(at(60)),
        "another intent is another wipe"
    );
    assert_eq!(wipes.begin(machine(3), Generation(2), at(60)), Ok(()));
    assert_eq!(wipes.begin(machine(4), Generation(2), at(60)), Err(at(70)));
    wipes.limit(0, false, at(200));
    assert!(
        wipes.begin(machine(5), Generation(2), at(200)).is_err(),
        "none at all"
    );
}

#[test]
fn a_restart_gains_nothing_and_a_lost_state_half() {
    let mut wipes = Wipes::default();
    wipes.limit(2, false, at(0));
    wipes.begin(machine(1), Generation(2), at(0)).unwrap();
    wipes.begin(machine(2), Generation(2), at(1)).unwrap();
    let kept = serde_json::to_string(&wipes).unwrap();
    let mut again: Wipes = serde_json::from_str(&kept).unwrap();
    again.limit(2, false, at(2));
    assert_eq!(again.begin(machine(3), Generation(2), at(2)), Err(at(60)));
    let mut lost = Wipes::default();
    lost.limit(2, true, at(2));
    assert_eq!(lost.begin(machine(3), Generation(2), at(2)), Ok(()));
    assert_eq!(lost.begin(machine(4), Generation(2), at(2)), Err(at(62)));
}

proptest! {
    /// However it is asked, restarted, and its clock set back: no hour has more.
    #[test]
    fn no_hour_has_more(
        most in 0_u32..5,
        asks in prop::collection::vec((0_u8..9, 1_u64..3, 0_i64..40, any::<bool>()), 1..60),
    ) {
        let mut wipes = Wipes::default();
        let mut now = 0;
        wipes.limit(most, false, at(now));
        let mut begun: Vec<(u8, u64, i64)> = Vec::new();
        for (number, generation, pause, restart) in asks {
            now += pause;
            if restart {
                wipes = serde_json::from_str(&serde_json::to_string(&wipes).unwrap()).unwrap();
                wipes.limit(most, false, at(now));
            }
            let in_the_hour = begun.iter().filter(|(.., when)| now - when < 60).count();
            let known = begun.iter().any(|(known, of, when)| (*known, *of) == (number, generation) && now - when < 60);
            match wipes.begin(machine(number), Generation(generation), at(now)) {
                Ok(()) if known => {}
                Ok(()) => {
                    prop_assert!(in_the_hour < most as usize, "{} of {}", in_the_hour + 1, most);
                    begun.push((number, generation, now));
                }
                Err(until) => {
                    prop_assert!(in_the_hour >= most as usize && !known);
                    prop_assert!(until > at(now));
                }
            }
        }
    }
}
