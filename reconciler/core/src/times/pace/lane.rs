//! Machines of which so many go at once, and when the last of them is done.

use super::Clock;
use crate::window::Window;
use schema_ids::{MachineId, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

const HOUR_SECONDS: u64 = 3600;

/// Machines of which so many go at once.
pub(super) struct Lane<'a> {
    pub(super) at_once: usize,
    pub(super) place: Place,
    /// When one of them may begin; absent for always.
    pub(super) window: Option<&'a Window>,
    /// A wave begins when the one before it is over.
    pub(super) waves: Vec<Vec<MachineId>>,
}

/// When a place is free again.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// So many seconds after its machine is done.
    Soaks(u64),
    /// An hour after its machine began.
    WithinAnHour,
}

/// When the machines of a lane may begin and how long they take, in seconds from now.
pub(super) struct Run<'a> {
    pub(super) clock: &'a Clock,
    /// How long each takes.
    pub(super) takes: &'a BTreeMap<MachineId, u64>,
    /// Before which time a machine does not begin.
    pub(super) not_before: &'a BTreeMap<MachineId, u64>,
    /// Whether windows count.
    pub(super) windows: bool,
}

impl<'a> Lane<'a> {
    pub(super) fn of(at_once: u32, machines: Vec<MachineId>) -> Self {
        Self {
            at_once: at_once as usize,
            place: Place::Soaks(0),
            window: None,
            waves: vec![machines],
        }
    }

    /// When its last machine is done: each begins at the first place that is free, those first that may first.
    pub(super) fn seconds(&self, run: &Run<'_>) -> u64 {
        // No more places than machines, however many git allows.
        let machines = self.waves.iter().map(Vec::len).sum::<usize>();
        let places = self.at_once.clamp(1, machines.max(1));
        let mut free: BinaryHeap<Reverse<u64>> = std::iter::repeat_n(Reverse(0), places).collect();
        let mut door = Door::of(self.window.filter(|_| run.windows));
        let (mut begins, mut over) = (0, 0);
        let of = |seconds: &BTreeMap<MachineId, u64>, id| seconds.get(id).copied().unwrap_or(0);
        for wave in self.waves.iter().filter(|wave| !wave.is_empty()) {
            let mut wave: Vec<&MachineId> = wave.iter().collect();
            wave.sort_by_key(|machine| of(run.not_before, machine));
            for machine in wave {
                let Reverse(place) = free.pop().expect("there is at least one place");
                let earliest = place.max(begins).max(of(run.not_before, machine));
                let began = door.passed(run.clock, earliest);
                let ended = began.saturating_add(of(run.takes, machine));
                let freed = match self.place {
                    Place::Soaks(seconds) => ended.saturating_add(seconds),
                    Place::WithinAnHour => began.saturating_add(HOUR_SECONDS),
                };
                free.push(Reverse(freed));
                over = over.max(ended);
            }
            begins = match self.place {
                Place::Soaks(seconds) => over.saturating_add(seconds),
                Place::WithinAnHour => over,
            };
        }
        over
    }
}

/// A window, with the opening that was looked up last: most machines begin within one.
pub(super) struct Door<'a> {
    window: Option<&'a Window>,
    opening: Option<(Timestamp, Timestamp)>,
}

impl<'a> Door<'a> {
    pub(super) fn of(window: Option<&'a Window>) -> Self {
        Self {
            window,
            opening: None,
        }
    }

    /// When one who comes so many seconds from now may begin. Where nobody knows when it opens, it does not count.
    pub(super) fn passed(&mut self, clock: &Clock, seconds: u64) -> u64 {
        let Some(window) = self.window else {
            return seconds;
        };
        let at = clock.at(seconds);
        if self.opening.is_none_or(|(from, to)| at < from || to <= at) {
            self.opening = window.opening(at);
        }
        self.opening
            .map_or(seconds, |(from, _)| clock.until(from).max(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Weekday;
    use schema_ids::Uuid;

    /// Thursday, the first of January 1970.
    fn clock() -> Clock {
        Clock {
            now: Timestamp::from_unix_ms(0),
        }
    }

    fn machines(count: u8) -> Vec<MachineId> {
        (0..count)
            .map(|number| MachineId(Uuid::from_bytes([number; 16])))
            .collect()
    }

    fn run(lane: &Lane<'_>, takes: &[u64], not_before: &[u64]) -> u64 {
        let all = machines(16);
        let of = |seconds: &[u64]| all.iter().copied().zip(seconds.iter().copied()).collect();
        let (takes, not_before) = (of(takes), of(not_before));
        lane.seconds(&Run {
            clock: &clock(),
            takes: &takes,
            not_before: &not_before,
            windows: true,
        })
    }

    /// Waves of so many machines, which are numbered through.
    fn lane(at_once: usize, place: Place, waves: &[usize]) -> Lane<'static> {
        let mut left = machines(16).into_iter();
        let waves = waves
            .iter()
            .map(|size| left.by_ref().take(*size).collect())
            .collect();
        Lane {
            at_once,
            place,
            window: None,
            waves,
        }
    }

    #[test]
    fn places_waves_and_soak_are_kept() {
        use Place::Soaks;
        for (lane, wanted) in [
            (lane(1, Soaks(0), &[]), 0),
            (lane(1, Soaks(0), &[3]), 30),
            (lane(2, Soaks(0), &[3]), 20),
            (lane(8, Soaks(0), &[3]), 10),
            // Of what git allows, as many places as there are machines.
            (lane(usize::MAX, Soaks(0), &[3]), 10),
            // The last one is not waited for once it runs.
            (lane(1, Soaks(5), &[3]), 40),
            (lane(1, Soaks(5), &[1]), 10),
            // A wave of one, then two at once.
            (lane(2, Soaks(5), &[1, 4]), 40),
            // A wave in which nothing is changed is over already.
            (lane(2, Soaks(5), &[0, 4]), 25),
            // Two within an hour, whatever they take.
            (lane(2, Place::WithinAnHour, &[2]), 10),
            (lane(2, Place::WithinAnHour, &[3]), 3610),
            (lane(2, Place::WithinAnHour, &[5]), 7210),
        ] {
            assert_eq!(run(&lane, &[10; 16], &[]), wanted);
        }
    }

    #[test]
    fn a_slow_machine_keeps_one_place() {
        assert_eq!(run(&lane(2, Place::Soaks(0), &[4]), &[30, 10, 10, 10], &[]), 30);
    }

    #[test]
    fn who_waits_keeps_nobody_waiting() {
        let one = lane(1, Place::Soaks(0), &[3]);
        assert_eq!(run(&one, &[10; 3], &[100, 0, 100]), 120);
    }

    #[test]
    fn nobody_begins_before_its_time_or_before_the_window_opens() {
        let two = lane(2, Place::Soaks(0), &[2]);
        assert_eq!(run(&two, &[10, 10], &[0, 100]), 110);
        // Thursday from 01:00 to 02:00: one begins at 01:00, the next as it is done, the third a week later.
        let window = Window {
            days: [Weekday::Thu].into(),
            from: 60,
            to: 120,
            zone: "UTC".to_owned(),
        };
        let one_by_one = |count| Lane {
            window: Some(&window),
            ..lane(1, Place::Soaks(0), &[count])
        };
        let half_an_hour = [1800; 16];
        assert_eq!(run(&one_by_one(1), &half_an_hour, &[]), 3600 + 1800);
        assert_eq!(run(&one_by_one(2), &half_an_hour, &[]), 3600 + 3600);
        let week = 7 * 24 * 3600;
        assert_eq!(run(&one_by_one(3), &half_an_hour, &[]), week + 3600 + 1800);
        let nowhere = Window {
            zone: "Nowhere/At_All".to_owned(),
            ..window.clone()
        };
        let never = Lane {
            window: Some(&nowhere),
            ..lane(1, Place::Soaks(0), &[1])
        };
        assert_eq!(run(&never, &half_an_hour, &[]), 1800);
    }
}
