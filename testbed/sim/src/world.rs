//! The world: its parts, its time, and the run from the first event to rest.

use crate::agent::Agent;
use crate::check::{Checker, Violation};
use crate::daemon::Daemon;
use crate::dice::Dice;
use crate::fault::Fault;
use crate::machine::{Machine, Stage};
use crate::people::People;
use crate::rpc::{Answer, Call};
use crate::store::Store;
use rack_api::config::Desired;
use rack_api::sync::{SyncRequest, SyncResponse};
use schema_ids::{Digest, Name, Timestamp};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// What a run is made of.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many machines.
    pub machines: usize,
    /// For how long things fail.
    pub faults_for: Duration,
    /// How long after that the fleet may take to converge: the longest pause between two tries is an
    /// hour, and there are a few of them.
    pub converges_within: Duration,
    /// How long nothing may happen then.
    pub quiet_for: Duration,
    /// A bug to be found.
    pub plant: Option<Plant>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            machines: 6,
            faults_for: Duration::from_secs(5 * 3600),
            converges_within: Duration::from_secs(12 * 3600),
            quiet_for: Duration::from_secs(3 * 3600),
            plant: None,
        }
    }
}

/// Bugs that the checker must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// Every question for the first write is answered by yes.
    NoFence,
    /// Questions for the first write are judged by the plan before the adopted one.
    StalePlan,
    /// Facts are acknowledged and not stored, now and then.
    LostFacts,
    /// The agent forgets its orders when it starts, and with them the highest generation it saw.
    ForgetfulAgent,
    /// The daemon takes a job that ends for an installed system that was seen.
    BelievesTheJob,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Events that happened.
    pub events: u64,
    /// Orders that were issued.
    pub orders: usize,
    /// First writes that were allowed.
    pub writes: usize,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<&'static str, u32>,
    /// How machines ended: their decision in a word.
    pub ends: BTreeMap<String, u32>,
    /// Over every event, in order: two runs of one seed are the same run.
    pub trace: u64,
}

/// Something that happens at a time.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A daemon looks at the world.
    DaemonWakes {
        daemon: usize,
        life: u64,
        alarm: u64,
    },
    /// A daemon performs its next effect.
    DaemonActs {
        daemon: usize,
        life: u64,
    },
    DaemonStarts {
        daemon: usize,
    },
    /// A long poll's patience ends.
    PollEnds {
        daemon: usize,
        life: u64,
        request: u64,
    },
    SyncArrives {
        agent: Name,
        request: u64,
        sync: Box<SyncRequest>,
    },
    SyncAnswered {
        agent: Name,
        life: u64,
        request: u64,
        response: Option<Box<SyncResponse>>,
    },
    AgentTimer {
        agent: Name,
        life: u64,
        alarm: u64,
    },
    AgentStarts {
        agent: Name,
    },
    PowerTimer {
        agent: Name,
        life: u64,
        machine: usize,
        alarm: u64,
    },
    PowerRead {
        agent: Name,
        life: u64,
        machine: usize,
    },
    PowerCommanded {
        agent: Name,
        life: u64,
        machine: usize,
        wanted: Option<rack_api::order::PowerWanted>,
    },
    CallArrives {
        call: Call,
    },
    CallAnswered {
        call: Call,
        answer: Option<Answer>,
    },
    Machine {
        machine: usize,
        boot: u64,
        stage: Stage,
    },
    Fault(Fault),
    Commit,
}

/// Everything.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) now: Timestamp,
    pub(crate) start: Timestamp,
    pub(crate) dice: Dice,
    pub(crate) store: Store,
    pub(crate) daemons: Vec<Daemon>,
    pub(crate) agents: BTreeMap<Name, Agent>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) people: People,
    pub(crate) check: Checker,
    pub(crate) report: Report,
    /// What agents are to do, as long as nothing changed that it is made of.
    pub(crate) made: BTreeMap<Name, (u64, Rc<(Digest, Desired)>)>,
    queue: BTreeMap<(Timestamp, u64), Event>,
    scheduled: u64,
    requests: u64,
}

/// Runs one seed.
///
/// # Errors
/// The first thing that must not be.
pub fn run(seed: u64, settings: &Settings) -> Result<Report, Violation> {
    let mut world = World::new(seed, *settings);
    world.begin();
    let faults_end = world.start.plus(settings.faults_for);
    let converged_by = faults_end.plus(settings.converges_within);
    world.until(converged_by)?;
    world.check_converged()?;
    let orders = world.report.orders;
    let plan = world.store.plan.id.clone();
    world.until(converged_by.plus(settings.quiet_for))?;
    world.check_converged()?;
    if world.report.orders != orders || world.store.plan.id != plan {
        return Err(world.violation(
            "quiescence",
            "orders or plans were made after the fleet had converged",
        ));
    }
    Ok(world.report)
}

impl World {
    fn new(seed: u64, settings: Settings) -> Self {
        let start = Timestamp::from_unix_ms(1_700_000_000_000);
        let mut dice = Dice::new(seed);
        let fleet: Name = "lab".parse().expect("a name");
        let agents: Vec<Name> = ["rackd-a", "rackd-b"]
            .map(|name| name.parse().expect("a name"))
            .into();
        Self {
            settings,
            now: start,
            start,
            store: Store::new(fleet, dice.uuid()),
            daemons: (0..2).map(|_| Daemon::default()).collect(),
            machines: (0..settings.machines)
                .map(|number| Machine::new(number, &mut dice))
                .collect(),
            agents: agents
                .into_iter()
                .map(|name| (name.clone(), Agent::new(name, &mut dice)))
                .collect(),
            people: People::new(settings.machines, &mut dice),
            check: Checker::default(),
            report: Report::default(),
            made: BTreeMap::new(),
            dice,
            queue: BTreeMap::new(),
            scheduled: 0,
            requests: 0,
        }
    }

    fn begin(&mut self) {
        self.later(Duration::ZERO, Event::Commit);
        for daemon in 0..self.daemons.len() {
            self.later(Duration::from_millis(10), Event::DaemonStarts { daemon });
        }
        for agent in self.agents.keys().cloned().collect::<Vec<_>>() {
            self.later(Duration::from_millis(20), Event::AgentStarts { agent });
        }
        self.schedule_faults();
        self.schedule_commits();
    }

    /// Whether things still fail.
    pub(crate) fn faulty(&self) -> bool {
        self.now.since(self.start) < self.settings.faults_for
    }

    pub(crate) fn later(&mut self, after: Duration, event: Event) {
        self.at(self.now.plus(after), event);
    }

    pub(crate) fn at(&mut self, time: Timestamp, event: Event) {
        self.scheduled += 1;
        self.queue.insert((time.max(self.now), self.scheduled), event);
    }

    /// A number that no other request has.
    pub(crate) fn request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    pub(crate) fn seconds(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.dice.between(least * 1000, most * 1000))
    }

    fn until(&mut self, end: Timestamp) -> Result<(), Violation> {
        while let Some(entry) = self.queue.first_entry() {
            let (time, _) = *entry.key();
            if time > end {
                break;
            }
            let event = entry.remove();
            self.now = time;
            self.report.events += 1;
            self.trace(&event);
            self.happen(event)?;
        }
        self.now = end;
        Ok(())
    }

    fn trace(&mut self, event: &Event) {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (
            self.report.trace,
            self.now,
            format!("{:?}", std::mem::discriminant(event)),
        )
            .hash(&mut hasher);
        self.report.trace = hasher.finish();
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::DaemonWakes { daemon, life, alarm } => self.daemon_wakes(daemon, life, alarm),
            Event::DaemonActs { daemon, life } => self.daemon_acts(daemon, life),
            Event::DaemonStarts { daemon } => {
                self.daemon_starts(daemon);
                Ok(())
            }
            Event::PollEnds {
                daemon,
                life,
                request,
            } => {
                self.poll_ends(daemon, life, request);
                Ok(())
            }
            Event::SyncArrives { agent, request, sync } => {
                self.sync_arrives(agent, request, &sync);
                Ok(())
            }
            Event::SyncAnswered {
                agent,
                life,
                request,
                response,
            } => self.sync_answered(&agent, life, request, response),
            Event::AgentTimer { agent, life, alarm } => self.agent_timer(&agent, life, alarm),
            Event::AgentStarts { agent } => self.agent_starts(&agent),
            Event::PowerTimer {
                agent,
                life,
                machine,
                alarm,
            } => self.power_timer(&agent, life, machine, alarm),
            Event::PowerRead { agent, life, machine } => self.power_read(&agent, life, machine),
            Event::PowerCommanded {
                agent,
                life,
                machine,
                wanted,
            } => self.power_commanded(&agent, life, machine, wanted),
            Event::CallArrives { call } => self.call_arrives(call),
            Event::CallAnswered { call, answer } => self.call_answered(call, answer),
            Event::Machine { machine, boot, stage } => self.machine_goes_on(machine, boot, stage),
            Event::Fault(fault) => self.strike(fault),
            Event::Commit => {
                self.commit();
                self.replan()
            }
        }
    }

    pub(crate) fn violation(&self, invariant: &'static str, what: impl Into<String>) -> Violation {
        Violation {
            invariant,
            what: what.into(),
            after: self.now.since(self.start),
            events: self.report.events,
        }
    }
}
