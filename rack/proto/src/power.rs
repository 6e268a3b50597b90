//! One machine's BMC as a state machine: one command at a time until the state wanted is seen.
//!
//! The power state is read on a schedule and told on change; each machine has its own moment of the interval, so
//! that the BMCs of a rack are not all asked at once. An order is carried out by reading first,
//! commanding where the state differs, and reading again; commands are repeated, since BMCs forget. It
//! ends when the state is seen, or at its deadline. A wrong credential is not tried again until the
//! configuration changes: accounts lock.

use rack_api::{
    fact::{BmcFaultKind, FactBody, PowerSeen},
    order::{Action, Order, OrderRef, PowerWanted},
};
use schema_ids::{MachineId, Timestamp};
use std::time::Duration;

/// How often the state is read when nothing is ordered, unless an agent is told otherwise: a machine switched by
/// hand is seen within a minute, and a BMC has a minute's rest between two sessions.
pub const READ_EVERY: Duration = Duration::from_secs(60);
/// How often while an order is carried out.
const READ_EVERY_BUSY: Duration = Duration::from_secs(3);
/// A command that had no effect for this long is given again.
const COMMAND_EVERY: Duration = Duration::from_secs(10);
/// An operating system gets this long to obey a soft off before it is asked again.
const SOFT_OFF_EVERY: Duration = Duration::from_secs(60);

/// One machine's power.
#[derive(Debug)]
pub struct PowerLane {
    machine: MachineId,
    read_every: Duration,
    working: Option<Working>,
    /// The order that was carried out or given up last.
    ended: Option<OrderRef>,
    /// What was told last; absent before the first reading and after a fault.
    told: Option<PowerSeen>,
    fault: Option<PowerFault>,
    /// A command is under way.
    busy: bool,
    read: Option<Timestamp>,
}

/// An order being carried out.
#[derive(Debug)]
struct Working {
    reference: OrderRef,
    deadline: Timestamp,
    wanted: PowerWanted,
    boots_job: bool,
    /// Whether the state was read since the order came.
    read: Option<PowerSeen>,
    boot_device_set: bool,
    commanded: Option<Timestamp>,
    error: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum PowerEvent {
    /// The power order in force, whether new or not; with whether the machine will boot a job, so that
    /// its boot device is set to the network first.
    Order(Option<(Order, bool)>),
    /// The access to the BMC changed.
    Access,
    /// The state was read.
    Read(Result<PowerSeen, PowerFault>),
    /// A command ended; the boot device counts as one.
    Commanded(Result<(), PowerFault>),
    /// The time asked for has come.
    Timer,
}

/// How it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerFault {
    /// As far as anyone branches on it.
    pub kind: BmcFaultKind,
    /// The whole error.
    pub detail: String,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum PowerEffect {
    /// Read the state.
    Read,
    /// Set the boot device of the next boot to the network, best effort.
    BootFromNetwork,
    /// Bring this about.
    Command(PowerWanted),
    /// Tell the daemon.
    Tell(FactBody),
    /// The order was carried out or given up.
    Ended(OrderRef),
    /// Report [`PowerEvent::Timer`] then; replaces an earlier wish.
    WakeAt(Timestamp),
}

impl PowerLane {
    /// Nothing is known yet; the state is read at once, and then once in each `read_every`.
    pub fn new(machine: MachineId, read_every: Duration) -> Self {
        Self {
            machine,
            read_every,
            working: None,
            ended: None,
            told: None,
            fault: None,
            busy: false,
            read: None,
        }
    }

    /// Takes an event.
    pub fn handle(&mut self, event: PowerEvent, now: Timestamp) -> Vec<PowerEffect> {
        let mut effects = Vec::new();
        match event {
            PowerEvent::Order(order) => self.ordered(order, &mut effects),
            PowerEvent::Access => {
                self.fault = None;
                self.read = None;
            }
            PowerEvent::Read(result) => {
                self.busy = false;
                self.read = Some(now);
                match result {
                    Ok(seen) => self.seen(seen, &mut effects),
                    Err(fault) => self.faulted(fault, &mut effects),
                }
            }
            PowerEvent::Commanded(result) => {
                self.busy = false;
                if let Err(fault) = result {
                    self.faulted(fault, &mut effects);
                }
            }
            PowerEvent::Timer => {}
        }
        self.go_on(now, &mut effects);
        effects
    }

    fn ordered(&mut self, order: Option<(Order, bool)>, effects: &mut Vec<PowerEffect>) {
        let Some((order, boots_job)) = order else {
            self.working = None;
            return;
        };
        let Action::Power(wanted) = order.action else {
            return;
        };
        let reference = order.reference();
        // Who orders hears of the end later than the lane knows it, and may say the order once more.
        let working = self.working.as_ref().map(|working| working.reference);
        if [working, self.ended].contains(&Some(reference)) {
            return;
        }
        effects.push(PowerEffect::Tell(FactBody::OrderTaken { order: reference }));
        self.working = Some(Working {
            reference,
            deadline: order.deadline,
            wanted,
            boots_job,
            read: None,
            boot_device_set: false,
            commanded: None,
            error: None,
        });
    }

    fn seen(&mut self, seen: PowerSeen, effects: &mut Vec<PowerEffect>) {
        self.fault = None;
        if self.told != Some(seen) {
            self.told = Some(seen);
            effects.push(PowerEffect::Tell(FactBody::Power {
                machine: self.machine,
                power: seen,
            }));
        }
        let Some(working) = &mut self.working else {
            return;
        };
        working.read = Some(seen);
        if is_wanted(working.wanted, seen) {
            let order = working.reference;
            self.working = None;
            self.ended = Some(order);
            effects.push(PowerEffect::Tell(FactBody::OrderDone { order }));
            effects.push(PowerEffect::Ended(order));
        }
    }

    fn faulted(&mut self, fault: PowerFault, effects: &mut Vec<PowerEffect>) {
        // Told again after the fault is over, so that the daemon sees that it is.
        self.told = None;
        if self.fault.as_ref().map(|before| before.kind) != Some(fault.kind) {
            self.fault = Some(fault.clone());
            effects.push(PowerEffect::Tell(FactBody::BmcFault {
                machine: self.machine,
                fault: fault.kind,
                detail: fault.detail.clone(),
            }));
        }
        if let Some(working) = &mut self.working {
            working.error = Some(fault.detail);
        }
    }

    /// The machine's moment after a reading: at least half an interval later.
    fn scheduled(&self, read: Timestamp) -> Timestamp {
        let every = i64::try_from(self.read_every.as_millis())
            .unwrap_or(i64::MAX)
            .max(1);
        let phase = i64::from(spread(self.machine)) % every;
        let earliest = read.plus(self.read_every / 2);
        let wait = (phase - earliest.unix_ms()).rem_euclid(every);
        earliest.plus(Duration::from_millis(wait.unsigned_abs()))
    }

    fn go_on(&mut self, now: Timestamp, effects: &mut Vec<PowerEffect>) {
        let refusal = self
            .fault
            .as_ref()
            .filter(|fault| fault.kind == BmcFaultKind::Credentials);
        let locked = refusal.is_some();
        if let Some(working) = &self.working
            && (locked || working.deadline <= now)
        {
            effects.extend(working.give_up(refusal));
            self.ended = Some(working.reference);
            self.working = None;
        }
        if self.busy {
            // The command has a deadline of its own and will be reported.
            return;
        }
        if locked {
            return;
        }
        let command = self.working.as_ref().and_then(|working| working.next(now));
        let unread = self
            .working
            .as_ref()
            .is_some_and(|working| working.read.is_none());
        let read_due = self.read.map(|read| match &self.working {
            None => self.scheduled(read),
            Some(_) => read.plus(READ_EVERY_BUSY),
        });
        let soon_enough = read_due.is_some_and(|due| due > now);
        // An order's first reading does not wait for the schedule, unless the last one just failed.
        let read_now = !soon_enough || (unread && self.fault.is_none());
        match command {
            Some(command) if !read_now => {
                self.busy = true;
                if let Some(working) = &mut self.working {
                    match command {
                        PowerEffect::BootFromNetwork => working.boot_device_set = true,
                        _ => working.commanded = Some(now),
                    }
                }
                effects.push(command);
            }
            _ if read_now => {
                self.busy = true;
                effects.push(PowerEffect::Read);
            }
            _ => {
                let due = read_due.unwrap_or(now);
                let deadline = self.working.as_ref().map_or(due, |working| working.deadline);
                effects.push(PowerEffect::WakeAt(due.min(deadline)));
            }
        }
    }
}

impl Working {
    /// The command that is due.
    fn next(&self, now: Timestamp) -> Option<PowerEffect> {
        self.read?;
        let every = match self.wanted {
            PowerWanted::On | PowerWanted::Off => COMMAND_EVERY,
            PowerWanted::SoftOff => SOFT_OFF_EVERY,
        };
        if self.commanded.is_some_and(|at| now.since(at) < every) {
            return None;
        }
        if self.wanted == PowerWanted::On && self.boots_job && !self.boot_device_set {
            return Some(PowerEffect::BootFromNetwork);
        }
        Some(PowerEffect::Command(self.wanted))
    }

    fn give_up(&self, refusal: Option<&PowerFault>) -> [PowerEffect; 2] {
        let (what, order) = (self.wanted, self.reference);
        let step = match (self.read, self.commanded) {
            (None, _) => "read power".to_owned(),
            (Some(_), _) => format!("power {}", word(what)),
        };
        let error = match (&self.error, refusal) {
            (Some(error), _) => error.clone(),
            (None, Some(refusal)) => format!("the BMC refuses the account: {}", refusal.detail),
            (None, None) => format!("its time is over and the machine is not {}", word(what)),
        };
        [
            PowerEffect::Tell(FactBody::OrderFailed { order, step, error }),
            PowerEffect::Ended(order),
        ]
    }
}

/// FNV-1a over the id: machines that were claimed one after the other shall not be read one upon the other.
fn spread(machine: MachineId) -> u32 {
    machine.0.bytes().iter().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

fn is_wanted(wanted: PowerWanted, seen: PowerSeen) -> bool {
    match wanted {
        PowerWanted::On => seen == PowerSeen::On,
        PowerWanted::Off | PowerWanted::SoftOff => seen == PowerSeen::Off,
    }
}

fn word(wanted: PowerWanted) -> &'static str {
    match wanted {
        PowerWanted::On => "on",
        PowerWanted::SoftOff | PowerWanted::Off => "off",
    }
}
