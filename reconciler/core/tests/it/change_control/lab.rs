//! Machines, a store and two daemons as values.

mod daemon;
mod git;
mod metal;

pub(crate) use git::Git;

use super::Event;
use super::judge::Judge;
use crate::seen::SeenMachine;
use crate::world::World;
use daemon::Todo;
use metal::Metal;
use rack_api::fact::{Fact, FactBody, PowerSeen};
use rack_api::job::{JobKind, JobRef};
use rack_api::order::{Action, NextBoot};
use reconciler_core::admit::{BudgetFailure, Permits, PermitsEpoch, Policy, Records, Resumed};
use reconciler_core::condition::Wait;
use reconciler_core::facts::{AgentSeen, IssuedOrder, MachineFacts, StoredFact, WriteStart};
use reconciler_core::hold::Restraints;
use reconciler_core::intent::Intent;
use reconciler_core::next::Decision;
use reconciler_core::tick::{self, Tick, stand, tick};
use schema_fleet::Fleet;
use schema_ids::{Generation, MachineId, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(crate) struct Lab {
    pub(crate) world: World,
    git: Git,
    fleet: Fleet,
    pub(crate) metal: BTreeMap<MachineId, Metal>,
    facts: BTreeMap<MachineId, Vec<StoredFact>>,
    pub(crate) orders: BTreeMap<MachineId, Vec<IssuedOrder>>,
    starts: BTreeMap<MachineId, Vec<WriteStart>>,
    pub(crate) permits: Permits,
    epoch: u64,
    pub(crate) failures: Vec<BudgetFailure>,
    pub(crate) wiped: Vec<(MachineId, Generation, Timestamp)>,
    sequence: u64,
    daemons: [VecDeque<Todo>; 2],
    /// The epoch that each daemon's step goes on under.
    under: [PermitsEpoch; 2],
    judge: Judge,
    /// Since when the last machine leaves.
    left: Timestamp,
}

impl Lab {
    pub(crate) fn new(git: Git) -> Self {
        let mut world = World::new();
        // 09:00 UTC of a Tuesday.
        world.observed.at = "2026-11-17T09:00:00Z".parse().unwrap();
        let fleet = git.fleet();
        world.next_commit();
        world.adopt(&fleet, world.plan(&fleet));
        let mut lab = Self {
            world,
            fleet,
            metal: BTreeMap::new(),
            facts: BTreeMap::new(),
            orders: BTreeMap::new(),
            starts: BTreeMap::new(),
            permits: Permits::default(),
            epoch: 0,
            failures: Vec::new(),
            wiped: Vec::new(),
            sequence: 0,
            daemons: [VecDeque::new(), VecDeque::new()],
            under: [PermitsEpoch::read(0); 2],
            judge: Judge::default(),
            left: Timestamp::from_unix_ms(0),
            git,
        };
        lab.first_installation();
        lab
    }

    /// Everything runs what git says, since two days.
    fn first_installation(&mut self) {
        for number in 1..=self.git.machines {
            self.inspect(number);
        }
        self.world.adopt(&self.fleet, self.world.plan(&self.fleet));
        self.world.later();
        let ids: Vec<MachineId> = self.world.parent.machines.keys().copied().collect();
        for id in ids {
            let power = PowerSeen::On;
            self.tell(id, FactBody::Power { machine: id, power });
            let job = JobRef {
                machine: id,
                generation: self.generation(id),
                attempt: 1,
            };
            self.metal.entry(id).or_default().running = Some((job, true));
            self.installed(id);
            self.home(id);
        }
        self.world.observed.at = self.world.observed.at.plus(Duration::from_secs(48 * 3600));
    }

    fn inspect(&mut self, number: u8) -> MachineId {
        let (id, _) = self.world.parent.machine(&format!("m{number}")).unwrap();
        let seen: SeenMachine = toml::from_str(&format!(
            "serial = \"S{number}\"\nmacs = [\"52:54:00:77:00:0{number}\"]\n\
             disks = [{{ id = \"serial:d{number}\", gb = 20 }}]"
        ))
        .unwrap();
        let inventory = seen.inventory(&self.world.parent);
        self.world.see(id, inventory);
        id
    }

    /// Git names one machine more, which is there and was inspected.
    pub(crate) fn arrives(&mut self) -> MachineId {
        self.now_says(|git| git.machines += 1);
        let id = self.inspect(self.git.machines);
        self.metal.entry(id).or_default();
        let power = PowerSeen::Off;
        self.tell(id, FactBody::Power { machine: id, power });
        self.adopt();
        id
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world.observed.at
    }

    pub(crate) fn generation(&self, id: MachineId) -> Generation {
        self.world.parent.machines[&id].wanted.generation
    }

    pub(crate) fn pick(&self, number: u8) -> MachineId {
        let at = usize::from(number) % self.world.parent.machines.len();
        *self.world.parent.machines.keys().nth(at).unwrap()
    }

    /// Whether it runs what the plan wants of it.
    pub(crate) fn is_well(&self, id: MachineId) -> bool {
        self.metal[&id].up && self.is_installed(id)
    }

    /// Whether what is wanted of it is installed on it.
    pub(crate) fn is_installed(&self, id: MachineId) -> bool {
        let Intent::Deployed(deploy) = &self.world.parent.machines[&id].wanted.intent else {
            return false;
        };
        self.metal[&id].spec == Some(deploy.spec)
    }

    fn tell(&mut self, id: MachineId, body: FactBody) {
        self.sequence += 1;
        let (sequence, at) = (self.sequence, self.now());
        self.facts.entry(id).or_default().push(StoredFact {
            agent: "rackd-1".parse().unwrap(),
            sequence,
            received: at,
            fact: Fact { at, body },
        });
    }

    pub(crate) fn folded(&self, id: MachineId) -> MachineFacts {
        let generation = self.generation(id);
        let orders = self.orders.get(&id).into_iter().flatten();
        let orders = orders.filter(|issued| issued.order.generation == generation);
        let now = self.now();
        let agent = AgentSeen {
            heard: now,
            watermark: now,
            steady: Timestamp::from_unix_ms(0),
        };
        MachineFacts::fold(
            generation,
            orders.cloned().collect(),
            self.starts.get(&id).cloned().unwrap_or_default(),
            self.facts.get(&id).map_or(&[], Vec::as_slice),
            BTreeMap::from([("rackd-1".parse().unwrap(), agent)]),
        )
    }

    /// Loads the world and hands it to whoever decides.
    fn with_world<T>(&self, decide: impl FnOnce(&tick::World<'_>, Timestamp) -> T) -> T {
        let ids = self.world.parent.machines.keys();
        let facts: BTreeMap<MachineId, MachineFacts> = ids.map(|id| (*id, self.folded(*id))).collect();
        let now = self.now();
        let policy = Policy {
            records: Records {
                failures: self.failures.clone(),
                wiped: self.wiped.clone(),
            },
            ..Policy::under(&self.world.parent, &facts, &Restraints::default(), now)
        };
        let world = tick::World {
            plan: &self.world.parent,
            incarnation: self.world.observed.incarnation,
            facts: &facts,
            agents: &BTreeMap::new(),
            permits: &self.permits,
            policy: &policy,
            restored: None,
            stopped: None,
        };
        decide(&world, now)
    }

    fn tick(&self) -> Tick {
        self.with_world(tick)
    }

    fn commit(&mut self, what: u8) {
        match what % 5 {
            0 | 1 => self.git.image += 1,
            2 => self.git.epoch = self.git.epoch.saturating_add(1),
            3 => self.git.named = (self.git.named + 1) % 3,
            _ => self.git.most = if self.git.most == "1" { "2" } else { "1" },
        }
        self.adopt();
    }

    /// The last machine is removed, for so long in quarantine; or kept for another time, or taken back.
    fn leave(&mut self, length: u8) {
        let stays = self.git.leaves.is_none();
        if stays {
            self.left = self.now();
        }
        self.git.leaves = Some(length).filter(|length| stays || length % 3 > 0);
        self.adopt();
    }

    /// A commit that says this.
    pub(crate) fn now_says(&mut self, change: impl FnOnce(&mut Git)) {
        change(&mut self.git);
        self.adopt();
    }

    fn adopt(&mut self) {
        self.fleet = self.git.fleet();
        self.world.next_commit();
        let ids: Vec<MachineId> = self.world.parent.machines.keys().copied().collect();
        for id in ids {
            let (gone, generation) = (self.folded(id).gone(), self.generation(id));
            let seen = self.world.observed.machines.get_mut(&id).unwrap();
            (seen.gone_in, seen.gone_at) = (gone.map(|_| generation), gone);
        }
        let before = self.world.parent.clone();
        self.world.adopt(&self.fleet, self.world.plan(&self.fleet));
        // What was ordered and not carried out is withdrawn: who runs was not disturbed.
        for (id, machine) in &self.world.parent.machines {
            let known = before.machines.get(id);
            let is_new = known.is_some_and(|known| known.wanted.generation != machine.wanted.generation);
            if is_new && self.metal[id].up {
                self.judge.finished(*id);
            }
        }
    }

    fn resume(&mut self) {
        let at = self.now();
        for failure in &mut self.failures {
            failure.resumed.get_or_insert(Resumed {
                who: "ada".to_owned(),
                why: "looked at".to_owned(),
                at,
            });
        }
        self.epoch += 1;
    }

    fn later(&mut self, minutes: u64) {
        self.world.observed.at = self.now().plus(Duration::from_secs(60 * minutes));
        let ids: Vec<MachineId> = self.world.parent.machines.keys().copied().collect();
        ids.into_iter().for_each(|id| self.give_up(id));
    }

    pub(crate) fn happens(&mut self, event: Event) -> Result<(), String> {
        self.world.observed.at = self.now().plus(Duration::from_secs(1));
        match event {
            Event::Look(daemon) => self.look(daemon.into()),
            Event::Act(daemon) => {
                self.act(daemon.into())?;
            }
            Event::Crash(daemon) => self.daemons[usize::from(daemon)].clear(),
            Event::Advance(number) => {
                self.advance(self.pick(number));
            }
            Event::Fail(number) => {
                let runs = |metal: &&Metal| matches!(metal.running, Some((_, false)));
                let running = self
                    .metal
                    .iter()
                    .filter(|(_, metal)| runs(metal))
                    .map(|(id, _)| *id);
                let running: Vec<MachineId> = running.collect();
                if !running.is_empty() {
                    self.fail(running[usize::from(number) % running.len()]);
                }
            }
            Event::Power(number) => self.power(self.pick(number)),
            Event::ByHand(number) => self.by_hand(self.pick(number))?,
            Event::Later(minutes) => self.later(minutes.into()),
            Event::Commit(what) => self.commit(what),
            Event::Leave(length) => self.leave(length),
            Event::Resume => self.resume(),
        }
        Ok(())
    }

    /// Nothing fails any more, people do their part, and time passes: everything comes to run as wanted.
    pub(crate) fn comes_to_its_end(&mut self) -> Result<(), String> {
        self.git.epoch = self.git.epoch.saturating_add(1);
        self.git.leaves = None;
        self.adopt();
        let ids: Vec<MachineId> = self.world.parent.machines.keys().copied().collect();
        for _ in 0..600 {
            self.resume();
            for id in &ids {
                self.comes_back(*id);
            }
            self.look(0);
            let mut acted = false;
            while !self.daemons[0].is_empty() {
                acted |= self.act(0)?;
            }
            for id in &ids {
                self.world.observed.at = self.now().plus(Duration::from_secs(1));
                acted |= self.advance(*id);
            }
            if ids.iter().all(|id| self.is_well(*id)) {
                return Ok(());
            }
            if !acted {
                self.later(17);
            }
        }
        let step = self.tick();
        let left: Vec<_> = ids
            .iter()
            .filter(|id| !self.is_well(**id))
            .map(|id| &step.decisions[id])
            .collect();
        Err(format!(
            "it does not come to its end: {left:#?}\ngrants {:#?}\n{:?}",
            self.permits, self.metal
        ))
    }

    /// What is decided for a machine, and how it stands.
    pub(crate) fn decision(&self, id: MachineId) -> String {
        self.with_world(|world, now| {
            let step = tick(world, now);
            let standing = stand(world, &step.decisions);
            format!("{:?}", standing.get(&id))
        })
    }

    /// Why it is not begun, if it waits.
    pub(crate) fn wait(&self, id: MachineId) -> Option<Wait> {
        match self.tick().decisions.remove(&id)? {
            Decision::Wait(wait) => Some(wait),
            Decision::Propose(_) | Decision::Settled => None,
        }
    }

    /// Whether a job is at work in it.
    pub(crate) fn runs_a_job(&self, id: MachineId) -> bool {
        matches!(self.metal[&id].running, Some((_, false)))
    }

    /// Whether a job of this machine's intent was ordered.
    pub(crate) fn given_over(&self, id: MachineId) -> bool {
        let generation = self.generation(id);
        let orders = self.orders.get(&id).into_iter().flatten();
        orders.into_iter().any(|issued| {
            issued.order.generation == generation
                && matches!(&issued.order.action, Action::Boot(NextBoot::Job(job)) if matches!(job.kind, JobKind::Deploy(_)))
        })
    }
}
