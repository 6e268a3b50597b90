//! The world: its parts, its time, and the run from the first event to rest.

use crate::agent::Agent;
use crate::check::Checker;
use crate::code::Code;
use crate::daemon::{Daemon, Reply};
use crate::dice::Dice;
use crate::fault::Fault;
use crate::invariant::Invariant;
use crate::machine::{Machine, Stage};
use crate::people::{Change, People};
use crate::report::{Report, Story, Violation};
use crate::rpc::{Answer, Call, DecidedGo};
use crate::settings::Settings;
use crate::store::Store;
use rack_api::config::Desired;
use rack_api::sync::SyncRequest;
use schema_ids::{Digest, Name, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

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
        reply: Option<Reply>,
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
    /// What a daemon made of "may I write?" goes on record, if its plan is still the adopted one.
    GoDecided {
        daemon: usize,
        life: u64,
        decided: Box<DecidedGo>,
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
    Commit(Change),
}

/// Everything.
pub(crate) struct World<'a> {
    seed: u64,
    pub(crate) code: &'a dyn Code,
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
    story: Story,
    /// What agents are to do, as long as nothing changed that it is made of.
    pub(crate) made: BTreeMap<Name, (u64, Rc<(Digest, Desired)>)>,
    queue: BTreeMap<(Timestamp, u64), Event>,
    scheduled: u64,
    requests: u64,
}

/// How often a run is looked at for being at rest.
const LOOK_EVERY: Duration = Duration::from_secs(300);

/// Runs one seed.
///
/// # Errors
/// The first thing that must not be.
pub fn run(seed: u64, settings: &Settings, code: &dyn Code) -> Result<Report, Violation> {
    let mut world = World::new(seed, *settings, code);
    world.begin();
    world.until(world.start.plus(settings.faults_for))?;
    let converged_by = world.now.plus(settings.converges_within);
    while world.now < converged_by && !world.is_at_rest() {
        world.until(world.now.plus(LOOK_EVERY))?;
    }
    world.check_converged()?;
    let orders = world.report.orders;
    let plan = world.store.plan.id.clone();
    world.until(world.now.plus(settings.quiet_for))?;
    world.check_converged()?;
    if world.report.orders != orders || world.store.plan.id != plan {
        let what = "orders or plans were made after the fleet had converged";
        return Err(world.violation(Invariant::Rest, what));
    }
    world.check_facts_arrived()?;
    Ok(world.report)
}

impl<'a> World<'a> {
    fn new(seed: u64, settings: Settings, code: &'a dyn Code) -> Self {
        let start = Timestamp::from_unix_ms(1_700_000_000_000);
        let mut dice = Dice::new(seed);
        let fleet: Name = "lab".parse().expect("a name");
        let agents: Vec<Name> = ["rackd-a", "rackd-b"]
            .map(|name| name.parse().expect("a name"))
            .into();
        Self {
            seed,
            code,
            settings,
            now: start,
            start,
            store: Store::new(fleet, dice.uuid()),
            daemons: (0..settings.daemons).map(|_| Daemon::default()).collect(),
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
            story: Story::default(),
            made: BTreeMap::new(),
            dice,
            queue: BTreeMap::new(),
            scheduled: 0,
            requests: 0,
        }
    }
}

impl World<'_> {
    fn begin(&mut self) {
        self.commit_later(Duration::ZERO, Change::First);
        for daemon in 0..self.daemons.len() {
            self.later(Duration::from_millis(10), Event::DaemonStarts { daemon });
        }
        for agent in self.agents.keys().cloned().collect::<Vec<_>>() {
            self.later(Duration::from_millis(20), Event::AgentStarts { agent });
        }
        self.schedule_faults();
        self.schedule_commits();
    }

    /// Tells of something that happened, for whoever reads a violation.
    pub(crate) fn note(&mut self, who: impl Display, what: impl Display) {
        let line = format!("{:<8} {what}", who.to_string());
        self.story.note(self.now.since(self.start), line);
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
        (self.report.trace, self.now).hash(&mut hasher);
        std::mem::discriminant(event).hash(&mut hasher);
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
                reply,
            } => self.sync_answered(&agent, life, request, reply),
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
            Event::GoDecided {
                daemon,
                life,
                decided,
            } => self.go_decided(daemon, life, *decided),
            Event::CallAnswered { call, answer } => self.call_answered(call, answer),
            Event::Machine { machine, boot, stage } => self.machine_goes_on(machine, boot, stage),
            Event::Fault(fault) => {
                self.strike(fault);
                Ok(())
            }
            Event::Commit(change) => {
                self.commit(change);
                Ok(())
            }
        }
    }

    pub(crate) fn violation(&self, invariant: Invariant, what: impl Into<String>) -> Violation {
        Violation {
            invariant,
            what: what.into(),
            seed: self.seed,
            after: self.now.since(self.start),
            events: self.report.events,
            story: self.story.lines(),
        }
    }
}
