//! One machine's BMC, command by command: the lane against a BMC that has faults on request.

use crate::orders::{machine, order};
use rack_api::{
    fact::{BmcFaultKind, FactBody, PowerSeen},
    order::{Action, Order, PowerWanted},
};
use rack_proto::power::{PowerEffect, PowerEvent, PowerFault, PowerLane, READ_EVERY};
use schema_ids::{MachineId, Timestamp, Uuid};
use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write as _,
    time::Duration,
};

/// Plays the shell: time goes from wish to wish, each command takes a second.
struct Bench {
    lane: PowerLane,
    now: Timestamp,
    wake: Option<Timestamp>,
    /// What the next readings say.
    readings: VecDeque<Result<PowerSeen, BmcFaultKind>>,
    log: String,
}

impl Bench {
    fn new(readings: &[Result<PowerSeen, BmcFaultKind>]) -> Self {
        Self {
            lane: PowerLane::new(machine(), READ_EVERY),
            now: Timestamp::from_unix_ms(0),
            wake: None,
            readings: readings.iter().copied().collect(),
            log: String::new(),
        }
    }

    fn give(&mut self, event: PowerEvent) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.lane.handle(event, self.now) {
                let second = self.now.unix_ms() / 1000;
                let line = match &effect {
                    PowerEffect::WakeAt(then) => {
                        self.wake = Some(*then);
                        continue;
                    }
                    PowerEffect::Tell(fact) => told(fact),
                    PowerEffect::Ended(_) => "ended".to_owned(),
                    other => format!("{other:?}"),
                };
                writeln!(self.log, "{second:>4}s {line}").unwrap();
                match effect {
                    PowerEffect::Read => {
                        self.now = self.now.plus(Duration::from_secs(1));
                        // The last reading stays true.
                        let seen = match self.readings.len() {
                            1 => self.readings[0],
                            _ => self.readings.pop_front().unwrap(),
                        };
                        events.push_back(PowerEvent::Read(seen.map_err(fault)));
                    }
                    PowerEffect::Command(_) | PowerEffect::BootFromNetwork => {
                        self.now = self.now.plus(Duration::from_secs(1));
                        events.push_back(PowerEvent::Commanded(Ok(())));
                    }
                    PowerEffect::Tell(_) | PowerEffect::Ended(_) | PowerEffect::WakeAt(_) => {}
                }
            }
        }
    }

    fn until(mut self, second: i64) -> String {
        while let Some(wake) = self.wake.take().filter(|wake| wake.unix_ms() <= second * 1000) {
            self.now = self.now.max(wake);
            self.give(PowerEvent::Timer);
        }
        self.log
    }
}

fn fault(kind: BmcFaultKind) -> PowerFault {
    PowerFault {
        kind,
        detail: "the BMC's words".to_owned(),
    }
}

fn told(fact: &FactBody) -> String {
    match fact {
        FactBody::Power { power, .. } => format!("tell power {power:?}"),
        FactBody::BmcFault { fault, .. } => format!("tell fault {fault:?}"),
        FactBody::OrderTaken { order } => format!("tell taken {}", order.number),
        FactBody::OrderDone { order } => format!("tell done {}", order.number),
        FactBody::OrderFailed { step, error, .. } => format!("tell failed: {step}: {error}"),
        other => panic!("{other:?}"),
    }
}

fn wanted(number: u32, wanted: PowerWanted) -> Order {
    order(1, number, Action::Power(wanted))
}

use PowerSeen::{Off, On};

#[test]
fn nothing_ordered_is_read_slowly_and_told_on_change() {
    let mut bench = Bench::new(&[Ok(Off), Ok(Off), Ok(On)]);
    bench.give(PowerEvent::Order(None));
    insta::assert_snapshot!(bench.until(300), @r"
       0s Read
       1s tell power Off
      88s Read
     148s Read
     149s tell power On
     208s Read
     268s Read
    ");
}

#[test]
fn each_machine_has_its_own_moment_of_the_interval() {
    let second = |machine: u8| {
        let mut lane = PowerLane::new(MachineId(Uuid::from_bytes([machine; 16])), READ_EVERY);
        let mut now = Timestamp::from_unix_ms(0);
        assert_eq!(lane.handle(PowerEvent::Order(None), now), [PowerEffect::Read]);
        let mut moments = Vec::new();
        for _ in 0..3 {
            let effects = lane.handle(PowerEvent::Read(Ok(Off)), now);
            let Some(PowerEffect::WakeAt(then)) = effects.last() else {
                panic!("{effects:?}");
            };
            moments.push(then.unix_ms());
            now = *then;
            assert_eq!(lane.handle(PowerEvent::Timer, now), [PowerEffect::Read]);
        }
        assert!((30_000..=90_000).contains(&moments[0]), "{moments:?}");
        assert_eq!(
            (moments[1] - moments[0], moments[2] - moments[1]),
            (60_000, 60_000)
        );
        moments[0] / 1000
    };
    let moments: BTreeSet<i64> = (0..30).map(second).collect();
    assert!(moments.len() > 15, "{moments:?}");
}

#[test]
fn power_on_for_a_job_sets_the_boot_device_first() {
    let mut bench = Bench::new(&[Ok(Off), Ok(Off), Ok(On)]);
    bench.give(PowerEvent::Order(Some((wanted(1, PowerWanted::On), true))));
    insta::assert_snapshot!(bench.until(30));
}

#[test]
fn a_state_that_is_there_needs_no_command() {
    let mut bench = Bench::new(&[Ok(On)]);
    bench.give(PowerEvent::Order(None));
    bench.give(PowerEvent::Order(Some((wanted(1, PowerWanted::On), true))));
    // The same order again is not begun again: its end is on its way to who orders.
    bench.give(PowerEvent::Order(Some((wanted(1, PowerWanted::On), true))));
    insta::assert_snapshot!(bench.until(10));
}

#[test]
fn a_command_is_repeated_until_the_deadline() {
    let mut bench = Bench::new(&[Ok(On)]);
    bench.give(PowerEvent::Order(Some((wanted(1, PowerWanted::Off), false))));
    insta::assert_snapshot!(bench.until(90));
}

#[test]
fn a_silent_bmc_is_told_once_and_the_order_carried_out_when_it_is_back() {
    let silent = Err(BmcFaultKind::Silent);
    let mut bench = Bench::new(&[Ok(Off), silent, silent, silent, Ok(Off), Ok(On)]);
    bench.give(PowerEvent::Order(None));
    bench.give(PowerEvent::Order(Some((wanted(1, PowerWanted::On), false))));
    insta::assert_snapshot!(bench.until(40));
}

#[test]
fn a_wrong_credential_is_not_tried_again_until_it_changes() {
    let mut bench = Bench::new(&[Err(BmcFaultKind::Credentials), Ok(Off), Ok(On)]);
    bench.give(PowerEvent::Order(Some((wanted(1, PowerWanted::On), false))));
    assert_eq!(bench.wake, None, "nothing more is tried");
    bench.give(PowerEvent::Order(None));
    bench.give(PowerEvent::Access);
    bench.give(PowerEvent::Order(Some((wanted(2, PowerWanted::On), false))));
    insta::assert_snapshot!(bench.until(30));
}

#[test]
fn an_order_that_is_replaced_or_withdrawn_is_dropped() {
    let mut bench = Bench::new(&[Ok(On)]);
    bench.give(PowerEvent::Order(Some((wanted(1, PowerWanted::SoftOff), false))));
    bench.give(PowerEvent::Order(Some((wanted(2, PowerWanted::Off), false))));
    bench.give(PowerEvent::Order(None));
    insta::assert_snapshot!(bench.until(20));
}
