//! The store as a model: what Postgres holds, and its compare-and-sets.
//!
//! It never fails: what fails is whoever was about to write to it, or was about to hear that it had.

use crate::code::Code;
use rack_api::fact::{Fact, FactBody};
use rack_api::job::JobRef;
use rack_api::order::Order;
use rack_api::sync::{NumbersTaken, Spooled, SyncRequest};
use reconciler_core::admit::{BudgetFailure, Leave, Permits, Records};
use reconciler_core::facts::{AgentSeen, IssuedOrder, MachineFacts, StoredFact, WriteStart};
use reconciler_core::fence::Takes;
use reconciler_core::hold::{Restraints, Stop};
use reconciler_core::intent::Intent;
use reconciler_core::observed::{Destroyed, InstalledBinding, Observed, ObservedMachine};
use reconciler_core::plan::Plan;
use schema_ids::{BindingId, DiskId, Generation, Incarnation, MachineId, Name, Timestamp, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long what plans destroyed counts, as in the store.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// Wipes are counted within this.
const HOUR: Duration = Duration::from_secs(3600);

/// A machine that is counted as begun to be erased for an intent, and since when.
type Wiped = (MachineId, Generation, Timestamp);

/// Everything stored.
pub(crate) struct Store {
    pub(crate) fleet_uid: Uuid,
    pub(crate) incarnation: Incarnation,
    pub(crate) plan: Plan,
    pub(crate) agents: BTreeMap<Name, AgentSeen>,
    pub(crate) permits: Permits,
    /// Rises with each grant taken or given back.
    pub(crate) permits_epoch: u64,
    /// Failures that budgets count, and what began to be erased within an hour.
    pub(crate) records: Records,
    /// What plans destroyed within a day.
    destroyed: BTreeMap<MachineId, Destroyed>,
    /// What people stopped.
    pub(crate) restraints: Restraints,
    /// Rises with each stop made or ended.
    pub(crate) restraints_epoch: u64,
    pub(crate) orders: BTreeMap<MachineId, Vec<IssuedOrder>>,
    pub(crate) starts: Vec<WriteStart>,
    /// Rises with everything that an agent's desired value is made of.
    pub(crate) version: u64,
    /// What is known of each machine of the adopted plan, as of the last [`Store::refresh`].
    pub(crate) known: BTreeMap<MachineId, MachineFacts>,
    /// Whose facts changed since.
    stale: BTreeSet<MachineId>,
    acknowledged: BTreeMap<Name, u64>,
    facts: BTreeMap<MachineId, Vec<StoredFact>>,
    /// Every fact by its place in its agent's spool.
    received: BTreeMap<(Name, u64), Fact>,
}

impl Store {
    pub(crate) fn new(fleet: Name, uuid: Uuid) -> Self {
        Self {
            fleet_uid: uuid,
            incarnation: Incarnation { number: 1, uuid },
            plan: Plan::empty(fleet),
            agents: BTreeMap::new(),
            permits: Permits::default(),
            permits_epoch: 0,
            records: Records::default(),
            destroyed: BTreeMap::new(),
            restraints: Restraints::default(),
            restraints_epoch: 0,
            orders: BTreeMap::new(),
            starts: Vec::new(),
            version: 0,
            known: BTreeMap::new(),
            stale: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
            facts: BTreeMap::new(),
            received: BTreeMap::new(),
        }
    }

    /// Stores a sync's facts, unless a bug has them only `kept` in name.
    ///
    /// # Errors
    /// Nothing was stored: another fact has the number of one of these.
    pub(crate) fn append(
        &mut self,
        sync: &SyncRequest,
        now: Timestamp,
        kept: bool,
    ) -> Result<(), NumbersTaken> {
        let other = |spooled: &&Spooled| {
            let stored = self.received(&sync.agent, spooled.sequence);
            stored.is_some_and(|stored| *stored != spooled.fact)
        };
        if let Some(other) = sync.facts.iter().find(other) {
            return Err(NumbersTaken {
                reason: "another fact has this number".to_owned(),
                from: other.sequence,
                acknowledged: self.acknowledged(&sync.agent),
            });
        }
        let known = self.acknowledged.entry(sync.agent.clone()).or_insert(0);
        for spooled in &sync.facts {
            if spooled.sequence <= *known {
                continue;
            }
            *known = spooled.sequence;
            if !kept {
                continue;
            }
            let place = (sync.agent.clone(), spooled.sequence);
            self.received.insert(place, spooled.fact.clone());
            let Some(machine) = about(&spooled.fact.body) else {
                continue;
            };
            self.facts.entry(machine).or_default().push(StoredFact {
                agent: sync.agent.clone(),
                sequence: spooled.sequence,
                received: now,
                fact: spooled.fact.clone(),
            });
            self.stale.insert(machine);
        }
        let delivered = *known >= sync.watermark;
        let seen = AgentSeen::after_sync(self.agents.get(&sync.agent), now, delivered);
        if self.agents.insert(sync.agent.clone(), seen).is_none() {
            self.known.clear();
        }
        Ok(())
    }

    /// Everything of this agent up to here is stored.
    pub(crate) fn acknowledged(&self, agent: &Name) -> u64 {
        self.acknowledged.get(agent).copied().unwrap_or(0)
    }

    /// The fact that an agent sent under this number.
    pub(crate) fn received(&self, agent: &Name, sequence: u64) -> Option<&Fact> {
        self.received.get(&(agent.clone(), sequence))
    }

    /// How many facts were ever stored.
    pub(crate) fn facts_count(&self) -> usize {
        self.received.len()
    }

    /// Folds the facts of every machine of which something was heard.
    pub(crate) fn refresh(&mut self, code: &dyn Code) {
        for (id, machine) in &self.plan.machines {
            match self.known.get_mut(id).filter(|_| !self.stale.contains(id)) {
                Some(known) => {
                    for (name, seen) in &mut known.agents {
                        seen.clone_from(&self.agents[name]);
                    }
                }
                None => {
                    let serve = self.plan.agents_of(machine);
                    let agents = self.agents.iter().filter(|(name, _)| serve.contains(*name));
                    let agents = agents.map(|(name, seen)| (name.clone(), seen.clone())).collect();
                    let folded = self.fold(*id, machine.wanted.generation, agents);
                    self.known.insert(*id, code.known(folded));
                }
            }
        }
        self.stale.clear();
    }

    fn fold(&self, id: MachineId, generation: Generation, agents: BTreeMap<Name, AgentSeen>) -> MachineFacts {
        let orders = self.orders.get(&id).into_iter().flatten();
        let orders = orders.filter(|issued| issued.order.generation == generation);
        let of_it = |start: &&WriteStart| start.job.machine == id;
        let starts = self.starts.iter().filter(of_it).cloned().collect();
        let rows = self.facts.get(&id).map(Vec::as_slice).unwrap_or_default();
        MachineFacts::fold(generation, orders.cloned().collect(), starts, rows, agents)
    }

    /// The snapshot that planning reads.
    pub(crate) fn observed(&mut self, now: Timestamp, code: &dyn Code) -> Observed {
        self.refresh(code);
        self.destroyed.retain(|_, destroyed| counts(destroyed, now));
        let written = written(self);
        let machines = self.plan.machines.iter().map(|(id, machine)| {
            let known = &self.known[id];
            let installed = known.installed.as_ref().map(|seen| InstalledBinding {
                binding: seen.value.binding,
                spec: seen.value.spec,
                generation: seen.value.job.generation,
                disks: seen.value.disks.iter().cloned().collect(),
                at: seen.since,
            });
            let machine = ObservedMachine {
                name: machine.name.clone(),
                inspected: known.inventory.as_ref().map(|seen| seen.since),
                inventory: known.inventory.as_ref().map(|seen| seen.value.clone()),
                ever_written: written.contains_key(id),
                installed,
                written_in: written.get(id).copied(),
                gone_in: known.gone().map(|_| machine.wanted.generation),
                gone_at: known.gone(),
                erased: known.erased.clone(),
            };
            (*id, machine)
        });
        Observed {
            machines: machines.collect(),
            bindings: self.plan.bindings.clone(),
            restraints: self.restraints.clone(),
            destroyed: self.destroyed.clone(),
            ..Observed::empty(now, self.fleet_uid, self.incarnation)
        }
    }

    /// Whether there is a record that a disk was erased for a binding.
    pub(crate) fn has_erased(&self, machine: MachineId, of: BindingId, of_disk: &DiskId) -> bool {
        let facts = self.facts.get(&machine).into_iter().flatten();
        facts.into_iter().any(|stored| {
            matches!(&stored.fact.body, FactBody::Erased { binding, disk, .. } if *binding == of && disk == of_disk)
        })
    }

    /// The first machine whose generation the plan raises, or that it drops, and that may write in a later generation
    /// than was known when the plan was made.
    pub(crate) fn began(&self, plan: &Plan, known: &BTreeMap<MachineId, Generation>) -> Option<&Name> {
        let written = written(self);
        let is_changed = |id: &MachineId, generation| {
            let planned = plan.machines.get(id);
            planned.is_none_or(|planned| planned.wanted.generation != generation)
        };
        let mut machines = self.plan.machines.iter();
        let began = machines.find(|(id, machine)| {
            is_changed(id, machine.wanted.generation) && written.get(id) > known.get(id)
        });
        began.map(|(_, machine)| &machine.name)
    }

    /// Adopts a plan whose parent is the adopted one.
    pub(crate) fn adopt(&mut self, plan: Plan, now: Timestamp) {
        self.version += 1;
        self.known.clear();
        for id in &plan.destroys {
            let before = self.destroyed.remove(id).filter(|before| counts(before, now));
            let destroyed = Destroyed::by(&plan, &self.plan, *id, now).beside(before);
            self.destroyed.insert(*id, destroyed);
        }
        self.plan = plan;
    }

    /// Keeps what people stop, or that they stop nothing any more.
    pub(crate) fn restrain(&mut self, stops: Vec<Stop>) {
        self.restraints.stops = stops;
        self.restraints_epoch += 1;
        self.version += 1;
    }

    /// Records an order and takes its grant, if its place is free.
    pub(crate) fn issue(&mut self, issued: IssuedOrder, leave: Leave) -> bool {
        let order = &issued.order;
        let place = self.orders.entry(order.machine).or_default();
        if place.iter().any(|known| same_place(&known.order, order)) {
            return false;
        }
        self.stale.insert(order.machine);
        self.version += 1;
        place.push(issued);
        if let Leave::Take(grant) = leave {
            self.permits_epoch += 1;
            let (machine, of, at) = (grant.machine, grant.generation, grant.at);
            let known =
                |(id, known, since): &Wiped| (*id, *known) == (machine, of) && at.since(*since) < HOUR;
            if grant.need.wipes && !self.records.wiped.iter().any(known) {
                self.wipe(machine, of, at);
            }
            self.permits.grants.insert(grant.machine, grant);
        }
        true
    }

    /// Counts a machine for an intent from now on.
    fn wipe(&mut self, machine: MachineId, of: Generation, now: Timestamp) {
        let wiped = &mut self.records.wiped;
        wiped.retain(|(id, known, _)| (*id, *known) != (machine, of));
        wiped.push((machine, of, now));
    }

    /// Whether what a go takes is there; what it erases is counted, once for each intent.
    fn take(&mut self, job: JobRef, takes: Takes, now: Timestamp) -> Result<(), Missing> {
        let (machine, of) = (job.machine, job.generation);
        let grant = self.permits.grants.get(&machine);
        if takes.place && !grant.is_some_and(|grant| grant.generation == of && grant.need.boots) {
            return Err(Missing::Place);
        }
        let mut goes = self.starts.iter().filter(|start| start.refused.is_none());
        let is_begun = goes.any(|go| (go.job.machine, go.job.generation) == (machine, of));
        if !takes.wipes || is_begun {
            return Ok(());
        }
        let counted = self.records.wiped.iter();
        let counted = counted.filter(|(.., at)| now.since(*at) < HOUR);
        let (own, others): (Vec<&Wiped>, _) =
            counted.partition(|(id, known, _)| (*id, *known) == (machine, of));
        if own.is_empty() && others.len() >= self.plan.control.wiped_per_hour as usize {
            return Err(Missing::Hour);
        }
        self.wipe(machine, of, now);
        self.permits_epoch += 1;
        Ok(())
    }

    /// Records a failure that a budget counts; whether it was not on record.
    pub(crate) fn record_failure(&mut self, failure: BudgetFailure) -> bool {
        let of = |known: &BudgetFailure| (known.budget.clone(), known.machine, known.generation);
        let is_new = self
            .records
            .failures
            .iter()
            .all(|known| of(known) != of(&failure));
        if is_new {
            self.permits_epoch += 1;
            self.records.failures.push(failure);
        }
        is_new
    }

    /// Gives a grant back; whether it was there.
    pub(crate) fn release(
        &mut self,
        machine: MachineId,
        (generation, taken): (Generation, Timestamp),
        newest: Option<u32>,
    ) -> bool {
        let grant = self.permits.grants.get(&machine);
        let mut orders = self.orders.get(&machine).into_iter().flatten();
        let is_used = orders.any(|issued| {
            issued.order.generation == generation && newest.is_some_and(|newest| issued.order.number > newest)
        });
        let there =
            grant.is_some_and(|grant| (grant.generation, grant.at) == (generation, taken)) && !is_used;
        if there {
            self.permits.grants.remove(&machine);
            self.permits_epoch += 1;
        }
        there
    }

    /// Records the answer to a question; a nonce is answered once. `None` for a go that was decided by a
    /// plan which is not `current` any more, or whose machine lost its grant.
    pub(crate) fn record_start(
        &mut self,
        start: &WriteStart,
        current: bool,
        takes: Takes,
        now: Timestamp,
    ) -> Option<WriteStart> {
        let mut start = start.clone();
        if current && start.refused.is_none() {
            match self.take(start.job, takes, now) {
                Ok(()) => {}
                Err(Missing::Place) => return None,
                Err(Missing::Hour) => {
                    start.refused = Some(("RATE_LIMITED".to_owned(), "the hour is full".to_owned()));
                }
            }
        }
        let known = self.starts.iter().find(|known| known.nonce == start.nonce);
        let recorded = known.unwrap_or(&start).clone();
        let new = known.is_none();
        if recorded.refused.is_none() && !current {
            return None;
        }
        if new {
            self.stale.insert(recorded.job.machine);
            self.version += 1;
            self.starts.push(recorded.clone());
        }
        Some(recorded)
    }
}

/// What a go takes and is not there.
enum Missing {
    Place,
    Hour,
}

/// Whether it counts against the limits of a day still.
fn counts(destroyed: &Destroyed, now: Timestamp) -> bool {
    now.since(destroyed.at) < DAY
}

fn same_place(a: &Order, b: &Order) -> bool {
    (a.generation, a.number, a.incarnation.number) == (b.generation, b.number, b.incarnation.number)
}

/// Whom a fact is about.
pub(crate) fn about(body: &FactBody) -> Option<MachineId> {
    match body {
        FactBody::Boot { machine, .. } => *machine,
        FactBody::Power { machine, .. }
        | FactBody::BmcFault { machine, .. }
        | FactBody::PhonedHome { machine, .. } => Some(*machine),
        FactBody::OrderTaken { order }
        | FactBody::OrderRefused { order, .. }
        | FactBody::OrderDone { order }
        | FactBody::OrderFailed { order, .. } => Some(order.machine),
        FactBody::JobStarted { job, .. }
        | FactBody::Inventory { job, .. }
        | FactBody::BootOrder { job, .. }
        | FactBody::Step { job, .. }
        | FactBody::Erased { job, .. }
        | FactBody::Installed { job, .. }
        | FactBody::JobDone { job, .. } => Some(job.machine),
        FactBody::Leased { .. } | FactBody::AddressSeen { .. } | FactBody::Enlisted { .. } => None,
    }
}

/// Machines that were ever told that they may write, with the latest generation of such a job.
pub(crate) fn written(store: &Store) -> BTreeMap<MachineId, Generation> {
    let mut written: BTreeMap<MachineId, Generation> = BTreeMap::new();
    for start in store.starts.iter().filter(|start| start.refused.is_none()) {
        let newest = written.entry(start.job.machine).or_insert(start.job.generation);
        *newest = start.job.generation.max(*newest);
    }
    written
}

/// The deploy job that an intent wants.
pub(crate) fn deploy_of(intent: &Intent) -> Option<&rack_api::job::Deploy> {
    intent.deploy().map(Arc::as_ref)
}
