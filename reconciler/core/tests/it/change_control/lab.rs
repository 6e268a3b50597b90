//! Machines, a store and two daemons as values.

use super::Event;
use super::judge::Judge;
use crate::seen::SeenMachine;
use crate::world::{World, fleet};
use rack_api::fact::{Fact, FactBody, PowerSeen, StepState};
use rack_api::job::{JobKind, JobRef};
use rack_api::order::{Action, Lane, NextBoot, Order, PowerWanted};
use reconciler_core::admit::{self, BudgetFailure, Grant, Ground, Permits, Policy, Records, Resumed};
use reconciler_core::condition::Wait;
use reconciler_core::facts::{AgentSeen, IssuedOrder, MachineFacts, StoredFact, WriteStart};
use reconciler_core::hold::Restraints;
use reconciler_core::intent::Intent;
use reconciler_core::next::Decision;
use reconciler_core::tick::{self, Effect, Tick, stand, tick};
use schema_fleet::Fleet;
use schema_ids::{Digest, Generation, MachineId, Timestamp, Uuid};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

/// What git says; a commit changes some of it.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    pub(crate) machines: u8,
    /// The first machine of the second deployment.
    pub(crate) second: u8,
    pub(crate) most: &'static str,
    pub(crate) waves: u8,
    pub(crate) soak: bool,
    pub(crate) window: bool,
    pub(crate) halt: u8,
    /// Whether the budget is about the whole fleet.
    pub(crate) wide: bool,
    /// Whether there is a second budget over all of it.
    pub(crate) other: bool,
    pub(crate) canary: bool,
    pub(crate) rate: u32,
    pub(crate) image: u8,
    pub(crate) epoch: u8,
    /// What the budget is called now.
    pub(crate) named: u8,
    /// Whether the first deployment is called `site` now.
    pub(crate) moved: bool,
    /// How long the last machine is kept with its data, while it is removed.
    pub(crate) leaves: Option<u8>,
}

impl Git {
    /// One deployment, and a budget over the fleet that halts at the first failure and asks for nothing else.
    pub(crate) fn plain(machines: u8, most: &'static str) -> Self {
        Self {
            machines,
            second: machines,
            most,
            waves: 0,
            soak: false,
            window: false,
            halt: 1,
            wide: true,
            other: false,
            canary: false,
            rate: 20,
            image: 0,
            epoch: 0,
            named: 0,
            moved: false,
            leaves: None,
        }
    }

    fn fleet(&self) -> Fleet {
        let mut text = String::new();
        let leaves = |number: &u8| self.leaves.is_some() && *number == self.machines;
        for number in (1..=self.machines).filter(|number| !leaves(number)) {
            writeln!(
                text,
                "[machine.m{number}]\nrack = \"r1\"\nserial = \"S{number}\"\nboot.mode = \"bios\"\n\
                 bmc = {{ driver = \"ipmi\", address = \"10.77.0.1{number}\", secret = \"bmc\" }}\n\
                 nic.p0 = {{ mac = \"52:54:00:77:00:0{number}\", link = \"lab/pxe\" }}"
            )
            .unwrap();
        }
        let image = ["debian-a", "debian-b"][usize::from(self.image % 2)];
        let stay = (1..=self.machines).filter(|number| !leaves(number));
        let (first, second): (Vec<u8>, Vec<u8>) = stay.partition(|number| *number <= self.second);
        if let Some(length) = self.leaves {
            let length = QUARANTINES[usize::from(length) % QUARANTINES.len()];
            writeln!(
                text,
                "[removed.machine.m{}]\ndisks = \"quick\"\nquarantine = \"{length}\"\nreason = \"over\"",
                self.machines
            )
            .unwrap();
        }
        let web = if self.moved { "site" } else { "web" };
        // Hosts keep their names: a new one would be another intent.
        for (name, host, machines) in [(web, "web", first), ("db", "db", second)] {
            if machines.is_empty() {
                continue;
            }
            let list: Vec<String> = machines.iter().map(|number| format!("\"m{number}\"")).collect();
            writeln!(
                text,
                "[deployment.{name}]\nmachines = [{}]\nhostname = \"{host}-{{slot}}\"\nimage = \"{image}\"\n\
                 storage = \"disk\"\nnetwork = \"auto\"\nreinstall = {}",
                list.join(", "),
                self.epoch
            )
            .unwrap();
        }
        if self.moved {
            text.push_str("[moved.deployment.web]\nto = \"site\"\n");
        }
        let targets = match self.wide {
            true => "fleet:lab".to_owned(),
            false => format!("deployment:{web}"),
        };
        let soak = if self.soak { "soak = \"20m\"\n" } else { "" };
        let window = match self.window {
            true => "window = { hours = \"08:00-16:00\", tz = \"UTC\" }\n",
            false => "",
        };
        let waves = match self.waves {
            0 => "",
            1 => "wave = [{ name = \"canary\", machines = 1 }]\n",
            _ => "wave = [{ name = \"canary\", machines = 1 }, { name = \"half\", percent = 50 }]\n",
        };
        writeln!(
            text,
            "[budget.b{}]\ntargets = [\"{targets}\"]\nmax-unavailable = {}\nhalt-after-failures = {}\n{soak}{window}{waves}",
            self.named, self.most, self.halt
        )
        .unwrap();
        if self.other {
            text.push_str(
                "[budget.all]\ntargets = [\"machine:m*\"]\nmax-unavailable = 2\nhalt-after-failures = 0\n",
            );
        }
        let settings = format!(
            "unreviewed = \"allow\"\nlimits.max-destroyed = 100\nlimits.max-wiped-per-hour = {}\ncanary = {{ enabled = {}, soak = \"5m\" }}",
            self.rate, self.canary
        );
        fleet(&settings, &text)
    }
}

/// How long what leaves is kept with its data.
const QUARANTINES: [&str; 4] = ["20m", "45m", "2h", "0s"];

/// A machine as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metal {
    /// Whether its installed system runs.
    pub(crate) up: bool,
    pub(crate) home: Option<Timestamp>,
    pub(crate) installed_at: Option<Timestamp>,
    /// What is installed on it.
    pub(crate) spec: Option<Digest>,
    pub(crate) image: Option<Digest>,
    /// Since when it is off, and from when to when it was before.
    off: Option<Timestamp>,
    rests: Vec<(Timestamp, Timestamp)>,
    boots: u8,
    /// The job that runs.
    running: Option<(JobRef, bool)>,
}

struct Todo {
    plan: String,
    epoch: u64,
    effect: Effect,
    /// Machines that were known to be down when it was decided.
    down: Vec<MachineId>,
    at: Timestamp,
}

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
    judge: Judge,
    /// Since when the last machine leaves.
    left: Timestamp,
}

/// A grant that was decided longer ago is not taken any more, as in the store.
const DECIDED_MAX: Duration = Duration::from_secs(60);

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
            let (id, _) = self.world.parent.machine(&format!("m{number}")).unwrap();
            let seen: SeenMachine = toml::from_str(&format!(
                "serial = \"S{number}\"\nmacs = [\"52:54:00:77:00:0{number}\"]\n\
                 disks = [{{ id = \"serial:d{number}\", gb = 20 }}]"
            ))
            .unwrap();
            let inventory = seen.inventory(&self.world.parent);
            self.world.see(id, inventory);
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
        let Intent::Deployed(deploy) = &self.world.parent.machines[&id].wanted.intent else {
            return false;
        };
        let metal = &self.metal[&id];
        metal.up && metal.spec == Some(deploy.spec)
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

    fn look(&mut self, daemon: usize) {
        let step = self.tick();
        let down: Vec<MachineId> = self
            .metal
            .iter()
            .filter(|(_, metal)| !metal.up)
            .map(|(id, _)| *id)
            .collect();
        let todo = step.effects.into_iter().map(|effect| Todo {
            plan: self.world.parent.id.clone(),
            epoch: self.epoch,
            effect,
            down: down.clone(),
            at: self.now(),
        });
        self.daemons[daemon] = todo.collect();
    }

    /// Performs one effect; whether something came of it.
    fn act(&mut self, daemon: usize) -> Result<bool, String> {
        let Some(todo) = self.daemons[daemon].pop_front() else {
            return Ok(false);
        };
        match todo.effect {
            Effect::Issue { order, grant } => {
                let is_new = self.place_is_free(&order.order);
                let is_stale = grant.as_ref().is_some_and(|grant| {
                    self.epoch != todo.epoch || self.now().since(grant.at) > DECIDED_MAX
                });
                if todo.plan != self.world.parent.id || !is_new || is_stale {
                    return Ok(false);
                }
                self.judge_erasure(&order.order, todo.at)?;
                if let Some(grant) = grant {
                    self.judge_start(&grant, &todo.down, todo.at)?;
                    self.grant(grant);
                }
                self.orders.entry(order.order.machine).or_default().push(*order);
                Ok(true)
            }
            Effect::ReleaseGrant { machine, generation } => {
                let held = self.permits.grants.get(&machine);
                let is_held = held.is_some_and(|grant| grant.generation == generation);
                if is_held {
                    self.permits.grants.remove(&machine);
                    self.epoch += 1;
                }
                Ok(is_held)
            }
            Effect::RecordFailure {
                budget,
                machine,
                generation,
                why,
            } => {
                let known = |failure: &BudgetFailure| {
                    (&failure.budget, failure.machine, failure.generation) == (&budget, machine, generation)
                };
                let is_new = !self.failures.iter().any(known);
                if is_new {
                    self.failures.push(BudgetFailure {
                        budget,
                        machine,
                        generation,
                        why,
                        at: self.now(),
                        resumed: None,
                    });
                    self.epoch += 1;
                }
                Ok(is_new)
            }
            Effect::Replan { .. } => Ok(false),
        }
    }

    fn judge_start(&mut self, grant: &Grant, down: &[MachineId], decided: Timestamp) -> Result<(), String> {
        let mut judge = std::mem::take(&mut self.judge);
        let judged = judge.start(self, grant, down, decided);
        self.judge = judge;
        judged
    }

    /// The first order of an intent that erases what was in use is decided when its machine has been off for as long as its
    /// quarantine, since it leaves.
    fn judge_erasure(&self, order: &Order, decided: Timestamp) -> Result<(), String> {
        let erases = |order: &Order| matches!(&order.action, Action::Boot(NextBoot::Job(job)) if matches!(job.kind, JobKind::Erase(_)));
        let mut before = self.orders.get(&order.machine).into_iter().flatten();
        let again = before.any(|known| known.order.generation == order.generation && erases(&known.order));
        let machine = &self.world.parent.machines[&order.machine];
        let Some(quarantine) = machine.quarantine.filter(|_| erases(order) && !again) else {
            return Ok(());
        };
        let metal = &self.metal[&order.machine];
        let open = metal.off.map(|off| (off, self.now()));
        let mut rests = metal.rests.iter().copied().chain(open);
        let rested = rests.any(|(off, on)| {
            off <= decided && decided <= on && decided.since(off.max(self.left)) >= quarantine.length()
        });
        match rested {
            true => Ok(()),
            false => Err(format!(
                "erased at {decided}, kept for {quarantine}, leaves since {}: {metal:?}",
                self.left
            )),
        }
    }

    /// Its power goes on or off.
    fn switched(&mut self, id: MachineId, on: bool) {
        let now = self.now();
        let metal = self.metal.get_mut(&id).unwrap();
        match on {
            true => metal.rests.extend(metal.off.take().map(|off| (off, now))),
            false => {
                metal.off.get_or_insert(now);
            }
        }
    }

    fn grant(&mut self, grant: Grant) {
        let now = self.now();
        if grant.need.wipes {
            let known = self
                .wiped
                .iter()
                .any(|(id, of, _)| (*id, *of) == (grant.machine, grant.generation));
            if !known {
                self.wiped.push((grant.machine, grant.generation, now));
            }
        }
        self.permits
            .grants
            .insert(grant.machine, Grant { at: now, ..grant });
        self.epoch += 1;
    }

    fn place_is_free(&self, order: &Order) -> bool {
        let orders = self.orders.get(&order.machine);
        let newest = orders.and_then(|orders| orders.last());
        newest.is_none_or(|newest| {
            (newest.order.generation, newest.order.number) < (order.generation, order.number)
        })
    }

    /// A machine gets on with the next thing that it was told; whether there was one.
    fn advance(&mut self, id: MachineId) -> bool {
        let facts = self.folded(id);
        let generation = self.generation(id);
        let (boot, power) = (
            facts.newest(Lane::Boot).cloned(),
            facts.newest(Lane::Power).cloned(),
        );
        if let Some(boot) = boot.as_ref().filter(|boot| boot.taken.is_empty()) {
            let order = boot.issued.order.reference();
            self.tell(id, FactBody::OrderTaken { order });
            return true;
        }
        if let Some(power) = power
            .as_ref()
            .filter(|power| power.done.is_none() && power.failed.is_none())
        {
            let order = power.issued.order.reference();
            let is_on = power.power() == Some(PowerWanted::On);
            let leaves = matches!(self.world.parent.machines[&id].wanted.intent, Intent::Released(_));
            if is_on && leaves {
                // It never comes up for its erasure: nothing is begun, so that it can be taken back.
                return false;
            }
            let state = if is_on { PowerSeen::On } else { PowerSeen::Off };
            self.switched(id, is_on);
            let metal = self.metal.get_mut(&id).unwrap();
            if !is_on {
                (metal.up, metal.running) = (false, None);
            }
            self.tell(
                id,
                FactBody::Power {
                    machine: id,
                    power: state,
                },
            );
            self.tell(id, FactBody::OrderDone { order });
            return true;
        }
        let is_on = facts
            .power
            .as_ref()
            .is_some_and(|power| power.value == PowerSeen::On);
        if !is_on || self.metal[&id].up {
            return false;
        }
        match boot.and_then(|boot| boot.job().cloned()) {
            Some(job) if job.job.generation == generation => self.on_with_job(id, &job.job, &job.kind),
            // What was begun to be written starts no more.
            _ if is_whole(&facts) => {
                self.home(id);
                true
            }
            _ => false,
        }
    }

    fn on_with_job(&mut self, id: MachineId, job: &JobRef, kind: &JobKind) -> bool {
        if matches!(kind, JobKind::Erase(_)) {
            return false;
        }
        let metal = &self.metal[&id];
        match metal.running {
            Some((running, _)) if running == *job => {
                if matches!(kind, JobKind::Deploy(_)) {
                    self.installed(id);
                }
                let boot_id = self.boot_id(id);
                self.tell(id, FactBody::JobDone { job: *job, boot_id });
                self.metal.get_mut(&id).unwrap().running = Some((*job, true));
                false
            }
            _ if metal
                .running
                .is_some_and(|(running, done)| done && running == *job) =>
            {
                false
            }
            _ => {
                let metal = self.metal.get_mut(&id).unwrap();
                metal.boots += 1;
                metal.running = Some((*job, false));
                let boot_id = self.boot_id(id);
                let at = self.now();
                if matches!(kind, JobKind::Deploy(_)) {
                    let nonce = Uuid::from_bytes([0xdd; 16]);
                    let start = WriteStart {
                        job: *job,
                        boot_id,
                        nonce,
                        at,
                        refused: None,
                    };
                    self.starts.entry(id).or_default().push(start);
                    self.world.begin(id);
                }
                self.tell(id, FactBody::JobStarted { job: *job, boot_id });
                true
            }
        }
    }

    fn boot_id(&self, id: MachineId) -> Uuid {
        Uuid::from_bytes([self.metal[&id].boots; 16])
    }

    fn installed(&mut self, id: MachineId) {
        let Intent::Deployed(deploy) = self.world.parent.machines[&id].wanted.intent.clone() else {
            return;
        };
        let (job, _) = self.metal[&id].running.unwrap();
        if self.metal[&id].spec == Some(deploy.spec) && job.generation != self.generation(id) {
            return;
        }
        self.tell(
            id,
            FactBody::Installed {
                job,
                binding: deploy.binding,
                spec: deploy.spec,
                disks: deploy.disks.iter().map(|disk| disk.disk.clone()).collect(),
            },
        );
        let now = self.now();
        let metal = self.metal.get_mut(&id).unwrap();
        (metal.spec, metal.image) = (Some(deploy.spec), Some(deploy.image.digest));
        metal.installed_at = Some(now);
        self.world.install(id);
    }

    fn home(&mut self, id: MachineId) {
        let now = self.now();
        let metal = self.metal.get_mut(&id).unwrap();
        metal.boots += 1;
        (metal.up, metal.running, metal.home) = (true, None, Some(now));
        self.judge.finished(id);
        let Some(binding) = self
            .world
            .parent
            .bindings
            .iter()
            .find(|(_, bound)| bound.machine == id)
        else {
            return;
        };
        let (binding, root_disk) = (*binding.0, binding.1.disks.iter().next().cloned());
        let boot_id = self.boot_id(id);
        self.tell(
            id,
            FactBody::PhonedHome {
                machine: id,
                binding,
                boot_id,
                root_disk,
                root_device: "/dev/vda2".to_owned(),
            },
        );
    }

    /// A job that runs fails for good.
    fn fail(&mut self, id: MachineId) {
        let Some((job, false)) = self.metal[&id].running else {
            return;
        };
        let boot_id = self.boot_id(id);
        self.tell(
            id,
            FactBody::Step {
                job,
                boot_id,
                step: "unpack".to_owned(),
                state: StepState::Failed {
                    code: "IMAGE_DIGEST_MISMATCH".to_owned(),
                    error: "other bytes".to_owned(),
                },
            },
        );
        self.metal.get_mut(&id).unwrap().running = Some((job, true));
    }

    fn power(&mut self, id: MachineId) {
        let metal = self.metal.get_mut(&id).unwrap();
        if metal.up {
            metal.up = false;
            self.switched(id, false);
            let power = PowerSeen::Off;
            self.tell(id, FactBody::Power { machine: id, power });
        } else {
            self.comes_back(id);
        }
    }

    /// Somebody switches it on at its front: its own system starts, where there is one.
    fn comes_back(&mut self, id: MachineId) {
        let facts = self.folded(id);
        let is_off = facts
            .power
            .as_ref()
            .is_some_and(|power| power.value == PowerSeen::Off);
        if is_off && is_whole(&facts) && facts.newest(Lane::Boot).is_none_or(|order| order.job().is_none()) {
            let power = PowerSeen::On;
            self.switched(id, true);
            self.tell(id, FactBody::Power { machine: id, power });
            self.home(id);
        }
    }

    /// A person switches it off, if there is room.
    fn by_hand(&mut self, id: MachineId) -> Result<(), String> {
        let decided = self.with_world(|world, now| {
            let step = tick(world, now);
            let machine = &world.plan.machines[&id];
            let wish = reconciler_core::next::Wish {
                machine,
                facts: &world.facts[&id],
                around: &tick::around(world, id, machine),
                decision: &step.decisions[&id],
                policy: world.policy,
                power: reconciler_core::next::PowerWish::Off,
                who: "ada",
                why: "",
            };
            let order = wish.order(now).ok()?;
            let standing = stand(world, &step.decisions);
            let ground = Ground {
                plan: world.plan,
                policy: world.policy,
                standing: &standing,
            };
            let taken = admit::by_hand(&order, world.permits, &ground, now);
            taken.exceeds.is_none().then_some((order, taken.grant))
        });
        let Some((order, grant)) = decided else {
            return Ok(());
        };
        if let Some(grant) = grant {
            let down: Vec<MachineId> = self
                .metal
                .iter()
                .filter(|(_, metal)| !metal.up)
                .map(|(id, _)| *id)
                .collect();
            let mut judge = std::mem::take(&mut self.judge);
            let judged = judge.room(self, &grant, &down);
            judge.begun(grant.machine);
            self.judge = judge;
            judged?;
            self.grant(grant);
        }
        let at = self.now();
        self.orders.entry(id).or_default().push(IssuedOrder { order, at });
        Ok(())
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
            let is_new = before.machines[id].wanted.generation != machine.wanted.generation;
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

    /// An agent carries out no order whose time is over.
    fn give_up(&mut self, id: MachineId) {
        let Some(order) = self.folded(id).newest(Lane::Power).cloned() else {
            return;
        };
        if order.done.is_some() || order.failed.is_some() || order.issued.order.deadline > self.now() {
            return;
        }
        self.tell(
            id,
            FactBody::OrderFailed {
                order: order.issued.order.reference(),
                step: "power".to_owned(),
                error: "its time was over".to_owned(),
            },
        );
        if self.metal[&id].up && order.issued.order.by_hand.is_some() {
            self.judge.finished(id);
        }
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

    /// A daemon looks and performs what it decided, until it decides nothing more: each grant makes it decide anew.
    pub(crate) fn round(&mut self) {
        let mut acted = true;
        while acted {
            acted = false;
            self.happens(Event::Look(0)).unwrap();
            while !self.daemons[0].is_empty() {
                acted |= self.act(0).unwrap();
            }
        }
    }

    /// Whether a job is at work in it.
    pub(crate) fn runs_a_job(&self, id: MachineId) -> bool {
        matches!(self.metal[&id].running, Some((_, false)))
    }

    /// Gives the orders that this machine needs next, and no others.
    pub(crate) fn goes_on_with(&mut self, id: MachineId) {
        self.look(0);
        self.daemons[0]
            .retain(|todo| matches!(&todo.effect, Effect::Issue { order, .. } if order.order.machine == id));
        while !self.daemons[0].is_empty() {
            self.act(0).unwrap();
        }
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

/// Whether what is installed was not begun to be written over.
fn is_whole(facts: &MachineFacts) -> bool {
    let installed = facts.installed.as_ref();
    installed.is_some_and(|seen| facts.written_in <= Some(seen.value.job.generation))
}
