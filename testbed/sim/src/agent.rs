//! The rack agent's shell: the shipped session, power lanes and boot answers, with a disk, a network
//! and BMCs that are modelled.

mod lane;

use crate::code::Code;
use crate::daemon::Reply;
use crate::dice::Dice;
use crate::report::Violation;
use crate::store;
use crate::world::{Event, World};
use rack_api::config::{Desired, RackConfig};
use rack_api::fact::{BootEvidence, Fact, FactBody};
use rack_api::job::{Job, JobRef};
use rack_api::order::{Action, NextBoot, Order, OrderRef};
use rack_api::sync::{BootGoRequest, Spooled, SyncRequest};
use rack_proto::boot::{self, LiveGo};
use rack_proto::orders::Orders;
use rack_proto::power::PowerLane;
use rack_proto::session::{Effect, Event as SessionEvent, Kept, KeptSpool, Session};
use schema_ids::{Generation, Mac, MachineId, Name, Timestamp, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One `muster-rackd` with its disk.
pub(crate) struct Agent {
    name: Name,
    up: bool,
    /// Rises with each start.
    pub(crate) life: u64,
    session: Session,
    /// What it serves.
    config: RackConfig,
    /// On disk: the daemon's last word, the spool.
    kept: (RackConfig, Orders),
    acknowledged: u64,
    spool: Vec<Spooled>,
    /// In memory: one lane for each BMC, known by the machine's place in the world.
    lanes: BTreeMap<usize, PowerLane>,
    /// The wake-ups that still count: of the session, and of each lane.
    session_alarm: u64,
    lane_alarms: BTreeMap<usize, u64>,
    alarms: u64,
    /// The request that is out.
    out: Option<u64>,
    /// Jobs that ended in a boot.
    ended: BTreeSet<(JobRef, Uuid)>,
    /// The highest generation it was told of, for the checker.
    pub(crate) highest: BTreeMap<MachineId, Generation>,
}

/// What a booting machine is told.
pub(crate) enum BootAnswer {
    Ask(BootGoRequest),
    Job,
    Local,
}

impl Agent {
    pub(crate) fn new(name: Name, dice: &mut Dice) -> Self {
        Self {
            session: session(&name, dice, Orders::default(), KeptSpool::default()),
            name,
            up: false,
            life: 0,
            config: RackConfig::default(),
            kept: (RackConfig::default(), Orders::default()),
            acknowledged: 0,
            spool: Vec::new(),
            lanes: BTreeMap::new(),
            session_alarm: 0,
            lane_alarms: BTreeMap::new(),
            alarms: 0,
            out: None,
            ended: BTreeSet::new(),
            highest: BTreeMap::new(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// Whether everything it saw has arrived.
    pub(crate) fn has_told_all(&self) -> bool {
        self.spool.is_empty()
    }

    /// The machine that declares an interface.
    pub(crate) fn machine_of(&self, mac: Mac) -> Option<MachineId> {
        rack_proto::dhcp::machine_of(&self.config, mac).map(|(id, _)| id)
    }

    /// What a machine gets that boots from this interface.
    pub(crate) fn boot_answer(
        &self,
        code: &dyn Code,
        mac: Mac,
        live: Option<LiveGo>,
        now: Timestamp,
    ) -> BootAnswer {
        let order = self.machine_of(mac).and_then(|id| self.session.orders().boot(id));
        let question = boot::Question {
            config: &self.config,
            order,
            link: "lab/pxe",
            mac,
            hardware: boot::Hardware::default(),
            stopped: false,
            enlisted: false,
            heard: self.session.has_word(),
            live,
            now,
        };
        match code.boot(&question) {
            boot::Decision::AskDaemon(request) => BootAnswer::Ask(request),
            boot::Decision::Job { .. } => BootAnswer::Job,
            boot::Decision::Local { .. } | boot::Decision::Enlist | boot::Decision::Refuse { .. } => {
                BootAnswer::Local
            }
        }
    }

    /// The job that an in-machine agent is told to do next, unless it ended in this boot.
    pub(crate) fn job_for(&self, machine: MachineId, boot_id: Uuid) -> Option<Job> {
        match &self.session.orders().boot(machine)?.action {
            Action::Boot(NextBoot::Job(job)) if !self.ended.contains(&(job.job, boot_id)) => {
                Some((**job).clone())
            }
            Action::Boot(_) | Action::Power(_) => None,
        }
    }

    pub(crate) fn ends(&mut self, job: JobRef, boot_id: Uuid) {
        self.ended.insert((job, boot_id));
    }

    /// The power order in force for a machine, and whether the machine will boot a job.
    fn power_order(&self, id: MachineId) -> Option<(Order, bool)> {
        let orders = self.session.orders();
        let order = orders.power().find(|order| order.machine == id)?;
        let job = |order: &Order| matches!(order.action, Action::Boot(NextBoot::Job(_)));
        Some((order.clone(), orders.boot(id).is_some_and(job)))
    }
}

fn session(name: &Name, dice: &mut Dice, orders: Orders, spool: KeptSpool) -> Session {
    Session::new(Kept {
        agent: name.clone(),
        boot: dice.uuid(),
        orders,
        spool: Some(spool),
    })
}

impl World<'_> {
    pub(crate) fn agent_starts(&mut self, name: &Name) -> Result<(), Violation> {
        self.note(name, "starts");
        let code = self.code;
        let agent = self.agents.get_mut(name).expect("agents are never taken away");
        agent.life += 1;
        agent.up = true;
        let (config, orders) = agent.kept.clone();
        let spool = code.spool_kept(KeptSpool {
            acknowledged: agent.acknowledged,
            facts: agent.spool.clone(),
        });
        agent.config = config;
        agent.spool.clone_from(&spool.facts);
        agent.session = session(name, &mut self.dice, orders, spool);
        agent.lanes.clear();
        agent.lane_alarms.clear();
        agent.ended.clear();
        agent.out = None;
        self.tell_session(name, SessionEvent::Started)
    }

    pub(crate) fn agent_crashes(&mut self, name: &Name, down: Duration) {
        let agent = self.agents.get_mut(name).expect("agents are never taken away");
        if !agent.up {
            return;
        }
        agent.up = false;
        *self.report.faults.entry("agent crash").or_default() += 1;
        self.note(name, "dies");
        self.later(down, Event::AgentStarts { agent: name.clone() });
    }

    /// Reports facts; whether whoever reports them hears that they are on disk.
    pub(crate) fn tell(&mut self, name: &Name, bodies: Vec<FactBody>) -> Result<bool, Violation> {
        let at = self.now;
        let facts = bodies.into_iter().map(|body| Fact { at, body }).collect();
        self.tell_session(name, SessionEvent::Facts(facts))?;
        Ok(self.agents[name].up)
    }

    fn tell_session(&mut self, name: &Name, event: SessionEvent) -> Result<(), Violation> {
        let now = self.now;
        let agent = self.agents.get_mut(name).expect("agents are never taken away");
        if !agent.up {
            return Ok(());
        }
        for effect in agent.session.handle(event, now) {
            self.perform(name, effect)?;
            if !self.agents[name].up {
                return Ok(());
            }
        }
        Ok(())
    }

    fn perform(&mut self, name: &Name, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::Spool(facts) => self.spools(name, facts),
            Effect::Respool(facts) => {
                let agent = self.agent(name);
                agent.spool.clear();
                agent.acknowledged = agent.session.acknowledged().unwrap_or(0);
                self.spools(name, facts)
            }
            Effect::Send(sync) => {
                self.sends(name, sync);
                Ok(())
            }
            Effect::Cancel => {
                self.agent(name).out = None;
                Ok(())
            }
            Effect::Obey(desired) => self.obeys(name, *desired),
            Effect::KeepOrders => {
                self.keeps_orders(name);
                Ok(())
            }
            Effect::Refuse(foreign) => {
                self.note(name, format_args!("refuses the daemon's word: {foreign}"));
                Ok(())
            }
            Effect::Forget(sequence) => {
                if self.agent_dies_here(name) {
                    return Ok(());
                }
                self.check_forgotten(name, sequence)?;
                let agent = self.agent(name);
                agent.acknowledged = sequence;
                agent.spool.retain(|spooled| spooled.sequence > sequence);
                Ok(())
            }
            Effect::WakeAt(time) => {
                let agent = self.agent(name);
                agent.alarms += 1;
                agent.session_alarm = agent.alarms;
                let (agent, life, alarm) = (name.clone(), agent.life, agent.alarms);
                self.at(time, Event::AgentTimer { agent, life, alarm });
                Ok(())
            }
        }
    }

    fn agent(&mut self, name: &Name) -> &mut Agent {
        self.agents.get_mut(name).expect("agents are never taken away")
    }

    fn spools(&mut self, name: &Name, facts: Vec<Spooled>) -> Result<(), Violation> {
        if self.agent_dies_here(name) {
            return Ok(());
        }
        let last = facts.last().map_or(0, |fact| fact.sequence);
        for spooled in &facts {
            let body = &spooled.fact.body;
            let whose = store::about(body).map_or_else(|| "no machine".to_owned(), |id| self.name_of(id));
            self.note(name, format_args!("spools of {whose}: {}", fact_words(body)));
            self.check.spooled(name, spooled);
        }
        self.agent(name).spool.extend(facts);
        // On disk, and nobody was told of it yet, neither who reported it nor the daemon.
        if self.agent_dies_here(name) {
            return Ok(());
        }
        self.tell_session(name, SessionEvent::Durable(last))
    }

    fn sends(&mut self, name: &Name, sync: Box<SyncRequest>) {
        let request = self.request();
        let agent = self.agent(name);
        agent.out = Some(request);
        let (agent, life) = (name.clone(), agent.life);
        for _ in 0..self.copies() {
            let delay = self.delay();
            let (agent, sync) = (agent.clone(), sync.clone());
            self.later(delay, Event::SyncArrives { agent, request, sync });
        }
        // Lost on the way: the connection is given up after the long poll and a margin.
        let patience = Duration::from_millis(sync.wait_ms + 10_000);
        self.later(
            patience,
            Event::SyncAnswered {
                agent,
                life,
                request,
                reply: None,
            },
        );
    }

    /// In force at once, and then on disk.
    fn obeys(&mut self, name: &Name, desired: Desired) -> Result<(), Violation> {
        if self.agent_dies_here(name) {
            return Ok(());
        }
        let agent = self.agent(name);
        for order in &desired.orders {
            let highest = agent.highest.entry(order.machine).or_default();
            *highest = (*highest).max(order.generation);
        }
        agent.config = desired.config;
        self.drive(name)?;
        self.keeps_orders(name);
        Ok(())
    }

    fn keeps_orders(&mut self, name: &Name) {
        if !self.agents[name].up || self.agent_dies_here(name) {
            return;
        }
        let agent = self.agent(name);
        agent.kept = (agent.config.clone(), agent.session.orders().clone());
    }

    pub(crate) fn agent_timer(&mut self, name: &Name, life: u64, alarm: u64) -> Result<(), Violation> {
        let agent = &self.agents[name];
        if agent.life == life && agent.session_alarm == alarm {
            return self.tell_session(name, SessionEvent::Timer);
        }
        Ok(())
    }

    pub(crate) fn sync_answered(
        &mut self,
        name: &Name,
        life: u64,
        request: u64,
        reply: Option<Reply>,
    ) -> Result<(), Violation> {
        let agent = self.agents.get_mut(name).expect("agents are never taken away");
        if agent.life != life || agent.out != Some(request) {
            return Ok(());
        }
        agent.out = None;
        let event = match reply {
            Some(Reply::Answer(response)) => SessionEvent::Answered(response),
            Some(Reply::Taken(taken)) => SessionEvent::Taken(taken),
            None => SessionEvent::Failed,
        };
        self.tell_session(name, event)
    }

    /// The agent that a machine finds on its network.
    pub(crate) fn some_agent(&mut self) -> Option<Name> {
        let up: Vec<Name> = self
            .agents
            .values()
            .filter(|agent| agent.up)
            .map(|agent| agent.name.clone())
            .collect();
        let at = self.dice.between(0, up.len().max(1) as u64) as usize;
        up.get(at).cloned()
    }

    /// Tells of a boot, as far as it came.
    pub(crate) fn tell_boot(&mut self, name: &Name, mac: Mac, answer: Option<&str>) -> Result<(), Violation> {
        let machine = self.agents[name].machine_of(mac);
        let boot = BootEvidence {
            mac,
            link: "lab/pxe".to_owned(),
            began: self.now,
            client: "iPXE".to_owned(),
            uuid: None,
            address: None,
            tftp: None,
            answer: answer.map(str::to_owned),
            http: None,
            last: self.now,
        };
        self.tell(name, vec![FactBody::Boot { machine, boot }])
            .map(|_| ())
    }
}

/// A fact for a reader: without the machine's whole inventory.
fn fact_words(body: &FactBody) -> String {
    let order = |order: &OrderRef| format!("generation {}, number {}", order.generation, order.number);
    let job = |job: &JobRef| format!("generation {}, try {}", job.generation, job.attempt);
    match body {
        FactBody::Boot { boot, .. } => {
            format!(
                "{} boots: {}",
                boot.mac,
                boot.answer.as_deref().unwrap_or("asked")
            )
        }
        FactBody::Power { power, .. } => format!("power {power:?}"),
        FactBody::BmcFault { fault, .. } => format!("BMC {fault:?}"),
        FactBody::OrderTaken { order: of } => format!("order taken, {}", order(of)),
        FactBody::OrderRefused { order: of, why, .. } => format!("order refused, {}: {why}", order(of)),
        FactBody::OrderDone { order: of } => format!("order done, {}", order(of)),
        FactBody::OrderFailed { order: of, step, .. } => format!("order failed, {}: {step}", order(of)),
        FactBody::JobStarted { job: of, .. } => format!("job started, {}", job(of)),
        FactBody::Inventory { job: of, .. } => format!("inventory, {}", job(of)),
        FactBody::BootOrder { job: of, .. } => format!("boot order, {}", job(of)),
        FactBody::Step {
            job: of, step, state, ..
        } => format!("step {step} {state:?}, {}", job(of)),
        FactBody::Erased { job: of, disk, .. } => format!("erased {disk}, {}", job(of)),
        FactBody::Installed { job: of, .. } => format!("installed, {}", job(of)),
        FactBody::JobDone { job: of, .. } => format!("job done, {}", job(of)),
        FactBody::PhonedHome { binding, .. } => format!("{binding} phoned home"),
        FactBody::Leased { .. } | FactBody::AddressSeen { .. } | FactBody::Enlisted { .. } => {
            "about its link".to_owned()
        }
    }
}
