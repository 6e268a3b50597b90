//! The rack agent's shell: the shipped session, power lanes and boot answers, with a disk, a network
//! and BMCs that are modelled.

use crate::check::Violation;
use crate::dice::Dice;
use crate::world::{Event, Plant, World};
use rack_api::config::RackConfig;
use rack_api::fact::{BmcFaultKind, BootEvidence, Fact, FactBody};
use rack_api::job::{Job, JobRef};
use rack_api::order::{Action, NextBoot, Order, PowerWanted};
use rack_api::sync::{BootGoRequest, Spooled, SyncResponse};
use rack_proto::boot::{self, LiveGo};
use rack_proto::orders::Orders;
use rack_proto::power::{PowerEffect, PowerEvent, PowerFault, PowerLane};
use rack_proto::session::{Effect, Event as SessionEvent, Kept, KeptSpool, Session};
use schema_ids::{Generation, Mac, MachineId, Name, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One `muster-rackd` with its disk.
pub(crate) struct Agent {
    name: Name,
    up: bool,
    /// Rises with each start.
    pub(crate) life: u64,
    session: Session,
    /// On disk: what it obeys, the orders, the spool.
    config: RackConfig,
    orders: Orders,
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
            orders: Orders::default(),
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

    /// The machine that declares an interface.
    pub(crate) fn machine_of(&self, mac: Mac) -> Option<MachineId> {
        rack_proto::dhcp::machine_of(&self.config, mac).map(|(id, _)| id)
    }

    /// What a machine gets that boots from this interface.
    pub(crate) fn boot_answer(
        &self,
        mac: Mac,
        live: Option<LiveGo>,
        now: schema_ids::Timestamp,
    ) -> BootAnswer {
        let order = self.machine_of(mac).and_then(|id| self.session.orders().boot(id));
        let question = boot::Question {
            config: &self.config,
            order,
            link: "lab/pxe",
            mac,
            enlisted: false,
            live,
            now,
        };
        match boot::decide(&question) {
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

impl World {
    pub(crate) fn agent_starts(&mut self, name: &Name) -> Result<(), Violation> {
        let forgets = self.settings.plant == Some(Plant::ForgetfulAgent);
        let agent = self.agents.get_mut(name).expect("agents are never taken away");
        agent.life += 1;
        agent.up = true;
        let orders = if forgets {
            Orders::default()
        } else {
            agent.orders.clone()
        };
        let spool = KeptSpool {
            acknowledged: agent.acknowledged,
            facts: agent.spool.clone(),
        };
        agent.session = session(name, &mut self.dice, orders, spool);
        agent.lanes.clear();
        agent.lane_alarms.clear();
        agent.ended.clear();
        agent.out = None;
        self.tell_session(name, SessionEvent::Started)
    }

    pub(crate) fn agent_stops(&mut self, name: &Name) {
        let agent = self.agents.get_mut(name).expect("agents are never taken away");
        if !agent.up {
            return;
        }
        agent.up = false;
        *self.report.faults.entry("agent restart").or_default() += 1;
        let down = if self.dice.chance(200) {
            self.seconds(120, 2400)
        } else {
            self.seconds(1, 20)
        };
        self.later(down, Event::AgentStarts { agent: name.clone() });
    }

    /// Reports facts; they are on disk when this returns.
    pub(crate) fn tell(&mut self, name: &Name, bodies: Vec<FactBody>) -> Result<(), Violation> {
        let at = self.now;
        let facts = bodies.into_iter().map(|body| Fact { at, body }).collect();
        self.tell_session(name, SessionEvent::Facts(facts))
    }

    fn tell_session(&mut self, name: &Name, event: SessionEvent) -> Result<(), Violation> {
        let now = self.now;
        let agent = self.agents.get_mut(name).expect("agents are never taken away");
        if !agent.up {
            return Ok(());
        }
        let effects = agent.session.handle(event, now);
        for effect in effects {
            self.perform(name, effect)?;
        }
        Ok(())
    }

    fn perform(&mut self, name: &Name, effect: Effect) -> Result<(), Violation> {
        let request = self.request();
        let agent = self.agents.get_mut(name).expect("agents are never taken away");
        match effect {
            Effect::Spool(facts) => {
                let last = facts.last().map_or(0, |fact| fact.sequence);
                agent.spool.extend(facts);
                self.tell_session(name, SessionEvent::Durable(last))?;
            }
            Effect::Send(sync) => {
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
                        response: None,
                    },
                );
            }
            Effect::Cancel => agent.out = None,
            Effect::Obey(desired) => {
                for order in &desired.orders {
                    let highest = agent.highest.entry(order.machine).or_default();
                    *highest = (*highest).max(order.generation);
                }
                agent.config = desired.config.clone();
                agent.orders = agent.session.orders().clone();
                self.drive(name)?;
            }
            Effect::KeepOrders => agent.orders = agent.session.orders().clone(),
            Effect::Refuse(_) => {}
            Effect::Forget(sequence) => {
                agent.acknowledged = sequence;
                agent.spool.retain(|spooled| spooled.sequence > sequence);
            }
            Effect::WakeAt(time) => {
                agent.alarms += 1;
                agent.session_alarm = agent.alarms;
                let (agent, life, alarm) = (name.clone(), agent.life, agent.alarms);
                self.at(time, Event::AgentTimer { agent, life, alarm });
            }
        }
        Ok(())
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
        response: Option<Box<SyncResponse>>,
    ) -> Result<(), Violation> {
        let agent = self.agents.get_mut(name).expect("agents are never taken away");
        if agent.life != life || agent.out != Some(request) {
            return Ok(());
        }
        agent.out = None;
        let event = response.map_or(SessionEvent::Failed, SessionEvent::Answered);
        self.tell_session(name, event)
    }

    /// Gives each BMC's lane the order that is in force.
    fn drive(&mut self, name: &Name) -> Result<(), Violation> {
        let agent = &self.agents[name];
        let driven: Vec<(usize, MachineId)> = agent
            .config
            .machines
            .iter()
            .filter(|(_, machine)| machine.bmc.is_some())
            .filter_map(|(id, machine)| Some((self.place_of(machine.nics.first()?.mac)?, *id)))
            .collect();
        for (machine, id) in driven {
            let agent = self.agents.get_mut(name).expect("agents are never taken away");
            let order = agent.power_order(id);
            agent.lanes.entry(machine).or_insert_with(|| PowerLane::new(id));
            self.tell_lane(name, machine, PowerEvent::Order(order))?;
        }
        Ok(())
    }

    fn tell_lane(&mut self, name: &Name, machine: usize, event: PowerEvent) -> Result<(), Violation> {
        let now = self.now;
        let agent = self.agents.get_mut(name).expect("agents are never taken away");
        let life = agent.life;
        let Some(lane) = agent.lanes.get_mut(&machine).filter(|_| agent.up) else {
            return Ok(());
        };
        for effect in lane.handle(event, now) {
            let agent = name.clone();
            match effect {
                PowerEffect::Read => {
                    let delay = self.bmc_delay();
                    self.later(delay, Event::PowerRead { agent, life, machine });
                }
                PowerEffect::BootFromNetwork => {
                    let delay = self.bmc_delay();
                    self.later(
                        delay,
                        Event::PowerCommanded {
                            agent,
                            life,
                            machine,
                            wanted: None,
                        },
                    );
                }
                PowerEffect::Command(wanted) => {
                    self.check_command(name, machine)?;
                    let delay = self.bmc_delay();
                    self.later(
                        delay,
                        Event::PowerCommanded {
                            agent,
                            life,
                            machine,
                            wanted: Some(wanted),
                        },
                    );
                }
                PowerEffect::Tell(body) => self.tell(name, vec![body])?,
                PowerEffect::Ended(order) => self.tell_session(name, SessionEvent::OrderEnded(order))?,
                PowerEffect::WakeAt(time) => {
                    let agent = self.agents.get_mut(name).expect("agents are never taken away");
                    agent.alarms += 1;
                    let alarm = agent.alarms;
                    agent.lane_alarms.insert(machine, alarm);
                    self.at(
                        time,
                        Event::PowerTimer {
                            agent: name.clone(),
                            life,
                            machine,
                            alarm,
                        },
                    );
                }
            }
        }
        Ok(())
    }

    /// Checked from outside: whoever has heard of a generation obeys no older one.
    fn check_command(&self, name: &Name, machine: usize) -> Result<(), Violation> {
        let agent = &self.agents[name];
        let id = agent.machine_of(self.machines[machine].mac);
        let order = id.and_then(|id| agent.power_order(id)).map(|(order, _)| order);
        let Some(order) = order else { return Ok(()) };
        let highest = agent.highest.get(&order.machine).copied().unwrap_or_default();
        if order.generation < highest {
            let what = format!(
                "{} obeys generation {} after {highest}",
                agent.name, order.generation
            );
            return Err(self.violation("generations", what));
        }
        Ok(())
    }

    fn bmc_delay(&mut self) -> Duration {
        Duration::from_millis(self.dice.between(100, 2500))
    }

    pub(crate) fn power_timer(
        &mut self,
        name: &Name,
        life: u64,
        machine: usize,
        alarm: u64,
    ) -> Result<(), Violation> {
        let agent = &self.agents[name];
        if agent.life == life && agent.lane_alarms.get(&machine) == Some(&alarm) {
            return self.tell_lane(name, machine, PowerEvent::Timer);
        }
        Ok(())
    }

    pub(crate) fn power_read(&mut self, name: &Name, life: u64, machine: usize) -> Result<(), Violation> {
        if self.agents[name].life != life {
            return Ok(());
        }
        let seen = self.bmc_reads(machine).map_err(silent);
        self.tell_lane(name, machine, PowerEvent::Read(seen))
    }

    pub(crate) fn power_commanded(
        &mut self,
        name: &Name,
        life: u64,
        machine: usize,
        wanted: Option<PowerWanted>,
    ) -> Result<(), Violation> {
        // The command is with the BMC, whether or not the agent lives to hear of it.
        let result = self.bmc_obeys(machine, wanted).map_err(silent);
        if self.agents[name].life != life {
            return Ok(());
        }
        self.tell_lane(name, machine, PowerEvent::Commanded(result))
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
    }
}

fn silent(_: crate::machine::Unanswered) -> PowerFault {
    PowerFault {
        kind: BmcFaultKind::Silent,
        detail: "no answer".to_owned(),
    }
}
