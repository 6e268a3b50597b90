//! The store as a model: what Postgres holds, and its compare-and-sets.
//!
//! It never fails: what fails is whoever was about to write to it, or was about to hear that it had.

use rack_api::fact::FactBody;
use rack_api::order::Order;
use rack_api::sync::SyncRequest;
use reconciler_core::admit::{Grant, Permits};
use reconciler_core::facts::{AgentSeen, IssuedOrder, MachineFacts, StoredFact, WriteStart};
use reconciler_core::intent::Intent;
use reconciler_core::observed::{InstalledBinding, Observed, ObservedMachine};
use reconciler_core::plan::Plan;
use schema_ids::{Generation, Incarnation, MachineId, Name, Timestamp, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// Everything stored.
pub(crate) struct Store {
    pub(crate) fleet_uid: Uuid,
    pub(crate) incarnation: Incarnation,
    pub(crate) plan: Plan,
    pub(crate) agents: BTreeMap<Name, AgentSeen>,
    pub(crate) permits: Permits,
    /// Rises with each grant taken or given back.
    pub(crate) permits_epoch: u64,
    pub(crate) orders: BTreeMap<MachineId, Vec<IssuedOrder>>,
    pub(crate) starts: Vec<WriteStart>,
    /// Rises with everything that an agent's desired value is made of.
    pub(crate) version: u64,
    acknowledged: BTreeMap<Name, u64>,
    facts: BTreeMap<MachineId, Vec<StoredFact>>,
    /// Folded facts that are still what the rows say.
    folded: BTreeMap<MachineId, (Generation, MachineFacts)>,
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
            orders: BTreeMap::new(),
            starts: Vec::new(),
            version: 0,
            acknowledged: BTreeMap::new(),
            facts: BTreeMap::new(),
            folded: BTreeMap::new(),
        }
    }

    /// Stores a sync's facts; everything up to the number given back is stored.
    pub(crate) fn append(&mut self, sync: &SyncRequest, now: Timestamp) -> u64 {
        let known = self.acknowledged.entry(sync.agent.clone()).or_insert(0);
        for spooled in &sync.facts {
            if spooled.sequence <= *known {
                continue;
            }
            *known = spooled.sequence;
            let Some(machine) = about(&spooled.fact.body) else {
                continue;
            };
            self.facts.entry(machine).or_default().push(StoredFact {
                agent: sync.agent.clone(),
                sequence: spooled.sequence,
                received: now,
                fact: spooled.fact.clone(),
            });
            self.folded.remove(&machine);
        }
        let delivered = *known >= sync.watermark;
        let seen = AgentSeen::after_sync(self.agents.get(&sync.agent), now, delivered);
        self.agents.insert(sync.agent.clone(), seen);
        *known
    }

    /// Everything of this agent up to here is stored.
    pub(crate) fn acknowledged(&self, agent: &Name) -> u64 {
        self.acknowledged.get(agent).copied().unwrap_or(0)
    }

    /// What is known of each machine of the adopted plan.
    pub(crate) fn facts(&mut self) -> BTreeMap<MachineId, MachineFacts> {
        let machines: Vec<(MachineId, Generation)> = self
            .plan
            .machines
            .iter()
            .map(|(id, machine)| (*id, machine.wanted.generation))
            .collect();
        machines
            .into_iter()
            .map(|(id, generation)| (id, self.facts_of(id, generation)))
            .collect()
    }

    pub(crate) fn facts_of(&mut self, id: MachineId, generation: Generation) -> MachineFacts {
        let agents: BTreeSet<Name> = self
            .plan
            .machines
            .get(&id)
            .map(|machine| self.plan.agents_of(machine))
            .unwrap_or_default();
        let agents = self.agents.iter().filter(|(name, _)| agents.contains(*name));
        let agents: BTreeMap<Name, AgentSeen> =
            agents.map(|(name, seen)| (name.clone(), seen.clone())).collect();
        match self.folded.get(&id) {
            Some((folded, facts)) if *folded == generation => MachineFacts {
                agents,
                ..facts.clone()
            },
            _ => {
                let orders = self.orders.get(&id).into_iter().flatten();
                let orders = orders
                    .filter(|issued| issued.order.generation == generation)
                    .cloned()
                    .collect();
                let starts = self
                    .starts
                    .iter()
                    .filter(|start| start.job.machine == id && start.job.generation == generation);
                let rows = self.facts.get(&id).map(Vec::as_slice).unwrap_or_default();
                let facts = MachineFacts::fold(generation, orders, starts.cloned().collect(), rows, agents);
                self.folded.insert(id, (generation, facts.clone()));
                facts
            }
        }
    }

    /// The snapshot that planning reads.
    pub(crate) fn observed(&mut self, now: Timestamp) -> Observed {
        let machines: Vec<(MachineId, Name, Generation)> = self
            .plan
            .machines
            .iter()
            .map(|(id, machine)| (*id, machine.name.clone(), machine.wanted.generation))
            .collect();
        let machines = machines.into_iter().map(|(id, name, generation)| {
            let facts = self.facts_of(id, generation);
            let installed = facts.installed.map(|seen| InstalledBinding {
                binding: seen.value.binding,
                spec: seen.value.spec,
                generation: seen.value.job.generation,
                disks: seen.value.disks.into_iter().collect(),
                at: seen.since,
            });
            let began = |start: &WriteStart| start.job.machine == id && start.refused.is_none();
            let machine = ObservedMachine {
                name,
                inspected: facts.inventory.as_ref().map(|seen| seen.since),
                inventory: facts.inventory.map(|seen| seen.value),
                ever_written: self.starts.iter().any(began),
                installed,
            };
            (id, machine)
        });
        let machines = machines.collect();
        Observed {
            at: now,
            fleet_uid: self.fleet_uid,
            incarnation: self.incarnation,
            machines,
            bindings: self.plan.bindings.clone(),
            discovered: BTreeMap::new(),
            addresses_in_use: BTreeMap::new(),
            restored: None,
        }
    }

    /// Adopts a plan if its parent is still the adopted one.
    pub(crate) fn adopt(&mut self, plan: Plan) -> bool {
        let current = plan.parent.as_deref() == Some(self.plan.id.as_str());
        if current {
            self.version += 1;
            self.plan = plan;
        }
        current
    }

    /// Records an order and takes its grant, if plan, permits and number are as they were decided by.
    pub(crate) fn issue(&mut self, decided: &Decided, issued: IssuedOrder, grant: Option<Grant>) -> bool {
        let order = &issued.order;
        let place = self.orders.entry(order.machine).or_default();
        let taken = place.iter().any(|known| same_place(&known.order, order));
        let moved = grant.is_some() && decided.permits_epoch != self.permits_epoch;
        if self.plan.id != decided.plan || taken || moved {
            return false;
        }
        self.folded.remove(&order.machine);
        self.version += 1;
        place.push(issued);
        if let Some(grant) = grant {
            self.permits_epoch += 1;
            self.permits.grants.insert(grant.machine, grant);
        }
        true
    }

    pub(crate) fn release(&mut self, machine: MachineId, generation: Generation) {
        if self
            .permits
            .grants
            .get(&machine)
            .is_some_and(|grant| grant.generation == generation)
        {
            self.permits.grants.remove(&machine);
            self.permits_epoch += 1;
        }
    }

    /// Records the answer to a question; a nonce is answered once. `None` if a go was decided by a plan
    /// that is no longer adopted.
    pub(crate) fn record_start(&mut self, plan: &str, start: WriteStart) -> Option<WriteStart> {
        let current = self.plan.id == plan;
        let known = self
            .starts
            .iter()
            .find(|known| known.nonce == start.nonce)
            .cloned();
        let recorded = known.unwrap_or_else(|| {
            if start.refused.is_some() || current {
                self.folded.remove(&start.job.machine);
                self.version += 1;
                self.starts.push(start.clone());
            }
            start
        });
        (recorded.refused.is_some() || current).then_some(recorded)
    }
}

/// What an effect was decided by.
#[derive(Clone)]
pub(crate) struct Decided {
    pub(crate) plan: String,
    pub(crate) permits_epoch: u64,
}

fn same_place(a: &Order, b: &Order) -> bool {
    (a.generation, a.number, a.incarnation.number) == (b.generation, b.number, b.incarnation.number)
}

/// Whom a fact is about.
fn about(body: &FactBody) -> Option<MachineId> {
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
        | FactBody::Step { job, .. }
        | FactBody::Erased { job, .. }
        | FactBody::Installed { job, .. }
        | FactBody::JobDone { job, .. } => Some(job.machine),
        FactBody::Leased { .. } | FactBody::AddressSeen { .. } | FactBody::Enlisted { .. } => None,
    }
}

/// Machines on which an installation of ours ever began.
pub(crate) fn written(store: &Store) -> BTreeSet<MachineId> {
    let gone = store.starts.iter().filter(|start| start.refused.is_none());
    gone.map(|start| start.job.machine).collect()
}

/// The deploy job that an intent wants.
pub(crate) fn deploy_of(intent: &Intent) -> Option<&rack_api::job::Deploy> {
    match intent {
        Intent::Deployed(deploy) => Some(deploy),
        Intent::Observe { .. } | Intent::Ready | Intent::Orphaned { .. } => None,
    }
}
