//! What is known of one machine: stored facts and the daemon's own records, folded.
//!
//! Folding is the only reading of facts. Newest wins by sequence within one source and by receipt
//! across sources; a fact of another generation's job is history and changes nothing but the
//! inventory, the power state and the phone-home.

mod fold;

use rack_api::boot_order::BootOrderSeen;
use rack_api::fact::{BmcFaultKind, BootEvidence, Fact, PowerSeen, StepState};
use rack_api::inventory::Inventory;
use rack_api::job::{Deploy, Erase, Job, JobRef};
use rack_api::order::{Action, Lane, NextBoot, Order, PowerWanted};
use schema_ids::{BindingId, Digest, DiskId, Generation, Name, Timestamp, Uuid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A fact as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFact {
    /// Which agent said it.
    pub agent: Name,
    /// Its place in that agent's spool.
    pub sequence: u64,
    /// When it was stored, by the store's clock.
    pub received: Timestamp,
    /// What.
    pub fact: Fact,
}

/// An order as issued: the daemon's own record, kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedOrder {
    /// The order.
    pub order: Order,
    /// When.
    pub at: Timestamp,
}

/// A recorded answer to "may I write?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteStart {
    /// The job that asked.
    pub job: JobRef,
    /// The boot it counts for.
    pub boot_id: Uuid,
    /// The question's nonce.
    pub nonce: Uuid,
    /// When.
    pub at: Timestamp,
    /// `None` for go; else the condition's code and the reason.
    pub refused: Option<(String, String)>,
}

/// A rack agent as last heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSeen {
    /// The last sync, by the store's clock.
    pub heard: Timestamp,
    /// The last moment at which all its facts were delivered; while it stands still, the clocks of
    /// its machines stop.
    pub watermark: Timestamp,
    /// Since when it has been heard without a gap longer than [`AgentSeen::GAP`]: no limit counts from
    /// before, so that an outage of the daemon or of the agent times out nobody.
    pub steady: Timestamp,
}

impl AgentSeen {
    /// An agent not heard for so long is silent. It syncs at least every 25 s (the long poll); three
    /// may be lost.
    pub const GAP: Duration = Duration::from_secs(90);

    /// The record after a sync at `now`. `delivered` says whether the agent's whole spool is stored.
    pub fn after_sync(before: Option<&Self>, now: Timestamp, delivered: bool) -> Self {
        let steady = before
            .filter(|before| now.since(before.heard) <= Self::GAP)
            .map_or(now, |before| before.steady);
        let watermark = if delivered {
            now
        } else {
            before.map_or(steady, |before| before.watermark)
        };
        Self {
            heard: now,
            watermark,
            steady,
        }
    }

    /// Whether it was heard lately.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.since(self.heard) <= Self::GAP
    }
}

/// A value with how long it has held and when it was last confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen<T> {
    /// What.
    pub value: T,
    /// Since when, by the store's clock.
    pub since: Timestamp,
}

/// When something was told. Two agents' words may arrive in another order than they were said in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// By the store's clock.
    pub received: Timestamp,
    /// By the clock of the agent that told it.
    pub said: Timestamp,
}

/// Everything `next` knows of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MachineFacts {
    /// The power state as the BMC last told it.
    pub power: Option<Seen<PowerSeen>>,
    /// When its BMC last told that it is off, be it on again now: what ran before does not run since.
    pub off_at: Option<Told>,
    /// The BMC's standing fault; cleared by the next power state.
    pub bmc_fault: Option<Seen<(BmcFaultKind, String)>>,
    /// The newest inventory.
    pub inventory: Option<Seen<Inventory>>,
    /// The generation of the job that took it.
    pub inspected_in: Option<Generation>,
    /// The firmware's boot order around the newest job that could read it.
    pub boot_order: Option<Seen<BootOrderSeen>>,
    /// The newest boot from the network; `since` is when it was last added to.
    pub boot: Option<Seen<BootEvidence>>,
    /// When that boot began, by the store's clock; later than it did by as long as its word was under way.
    pub boot_began: Option<Timestamp>,
    /// Orders of the current generation in the order of issue, with what became of them.
    pub orders: Vec<OrderSeen>,
    /// The newest job of the current generation.
    pub job: Option<JobSeen>,
    /// The newest job of an earlier generation, if it is newer than any of this one: its in-machine
    /// agent may still be up and ask for more.
    pub earlier_job: Option<JobSeen>,
    /// The newest finished installation, of any generation, unless a disk of it was erased since.
    pub installed: Option<Seen<Installed>>,
    /// The latest generation whose job was told that it may write.
    pub written_in: Option<Generation>,
    /// The newest word from an installed system.
    pub phoned_home: Option<Seen<PhonedHome>>,
    /// When that was said, by the clock of the agent that heard it.
    pub home_told: Option<Timestamp>,
    /// The newest erasure of each disk, of any generation.
    pub erased: BTreeMap<DiskId, Seen<Erasure>>,
    /// Answers to "may I write?", oldest first, of the current generation.
    pub starts: Vec<WriteStart>,
    /// A person's word of the current generation that it is off and will not come back as it was.
    #[serde(default)]
    pub fenced: Option<Fenced>,
    /// The rack agents that serve it.
    pub agents: BTreeMap<Name, AgentSeen>,
}

/// An issued order and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSeen {
    /// The record.
    pub issued: IssuedOrder,
    /// Which agents took it, and when.
    pub taken: BTreeMap<Name, Timestamp>,
    /// Which agents refused it, and why.
    pub refused: BTreeMap<Name, String>,
    /// When those of them take it that time alone keeps from it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused_until: BTreeMap<Name, Timestamp>,
    /// When the state wanted was seen.
    pub done: Option<Timestamp>,
    /// When it was given up, the step and the error.
    pub failed: Option<(Timestamp, String, String)>,
}

/// A job as it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSeen {
    /// Which.
    pub job: JobRef,
    /// The boot it last ran in.
    pub boot_id: Uuid,
    /// When it started in that boot.
    pub started: Timestamp,
    /// When it last said anything.
    pub last: Timestamp,
    /// Steps in the order of their beginning.
    pub steps: Vec<StepSeen>,
    /// When it ended well.
    pub done: Option<Timestamp>,
}

/// A step as it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSeen {
    /// Its name.
    pub step: String,
    /// Its newest state.
    pub state: StepState,
    /// Since when it is in that state, progress apart.
    pub since: Timestamp,
    /// Its first progress, with what was done by then: rates count from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<(Timestamp, u64)>,
    /// When it last said anything.
    #[serde(default = "never")]
    pub last: Timestamp,
}

fn never() -> Timestamp {
    Timestamp::from_unix_ms(0)
}

/// A finished installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The job that did it.
    pub job: JobRef,
    /// Whose.
    pub binding: BindingId,
    /// What was carried out.
    pub spec: Digest,
    /// The disks written.
    pub disks: Vec<DiskId>,
}

/// The record of a disk's erasure, kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The job that did it.
    pub job: JobRef,
    /// The binding whose disk it was.
    pub binding: BindingId,
    /// How, in words.
    pub method: String,
    /// What was read back, in words.
    pub sample: String,
}

/// A person vouches that a machine is off, or cut off, and will not come back with the name and the addresses that it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fenced {
    /// When, by the store's clock.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// Why that person can say so.
    pub why: String,
}

/// Since when every disk of a release is on record as erased for it, by a job of the generation in which the
/// binding began to leave or of a later one; `None` while one is missing.
pub fn erased_for(
    erase: &Erase,
    leaving_since: Option<Generation>,
    records: &BTreeMap<DiskId, Seen<Erasure>>,
) -> Option<Timestamp> {
    let of = |disk: &DiskId| {
        let record = records.get(disk)?;
        let Erasure { job, binding, .. } = &record.value;
        // No generation is before every one.
        let counts = *binding == erase.binding && Some(job.generation) >= leaving_since;
        counts.then_some(record.since)
    };
    let times: Option<Vec<Timestamp>> = erase.disks.iter().map(|erased| of(&erased.disk)).collect();
    times?.into_iter().max()
}

/// An installed system's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhonedHome {
    /// The binding it believes in.
    pub binding: BindingId,
    /// Its boot.
    pub boot_id: Uuid,
    /// The disk under its root.
    pub root_disk: Option<DiskId>,
    /// The device under its root.
    pub root_device: String,
}

impl MachineFacts {
    /// Folds one machine's records. `issued` are the orders of `generation`. Facts may come in
    /// any order and more than once: they are read in the order of receipt, within one receipt in the
    /// order of their agent's spool, and each once. `starts` has beside those of `generation` at least one of
    /// the latest generation that was told to go.
    pub fn fold(
        generation: Generation,
        issued: Vec<IssuedOrder>,
        starts: Vec<WriteStart>,
        facts: &[StoredFact],
        agents: BTreeMap<Name, AgentSeen>,
    ) -> Self {
        fold::fold(generation, issued, starts, facts, agents)
    }

    /// The newest installation, if it is this one and no later job was told that it may write over it.
    pub fn installed_as(&self, deploy: &Deploy) -> Option<&Seen<Installed>> {
        let installed = self.installed.as_ref();
        installed.filter(|seen| {
            seen.value.binding == deploy.binding
                && seen.value.spec == deploy.spec
                && self.written_in <= Some(seen.value.job.generation)
        })
    }

    /// An installed system's own word: for this binding, and from a disk that was installed.
    ///
    /// # Errors
    /// What is missing in it.
    pub fn proof(&self, wanted: BindingId, installed: &Seen<Installed>) -> Result<&Seen<PhonedHome>, String> {
        let seen = self
            .phoned_home
            .as_ref()
            .filter(|seen| seen.since >= installed.since);
        let seen = seen.ok_or_else(|| "the installed system has not phoned home".to_owned())?;
        let PhonedHome {
            binding,
            root_disk,
            root_device,
            ..
        } = &seen.value;
        if *binding != wanted {
            return Err(format!("a system of another binding, {binding}, phoned home"));
        }
        match root_disk {
            Some(disk) if installed.value.disks.contains(disk) => Ok(seen),
            Some(disk) => Err(format!(
                "a system on {disk} ({root_device}) phoned home, which was not installed"
            )),
            None => Err(format!(
                "a system phoned home that could not tell the disk of {root_device}"
            )),
        }
    }

    /// Since when a release is over: every disk of it is on record as erased for it, see [`erased_for`]; where none is
    /// to be erased, the machine is gone.
    pub fn released(&self, erase: &Erase, leaving_since: Option<Generation>) -> Option<Timestamp> {
        match erase.disks.is_empty() {
            true => self.gone(),
            false => erased_for(erase, leaving_since, &self.erased),
        }
    }

    /// Since when nobody meets the machine as it was: the newest power order of the current generation has
    /// switched it off, or a person vouches for it.
    pub fn gone(&self) -> Option<Timestamp> {
        let order = self.newest(Lane::Power);
        let off = order.filter(|seen| seen.power() != Some(PowerWanted::On));
        let vouched = self.fenced.as_ref().map(|fenced| fenced.at);
        off.and_then(|seen| seen.done).or(vouched)
    }

    /// When something on the machine was last heard: its firmware that booted, an in-machine agent, its installed system.
    pub fn heard(&self) -> Option<Timestamp> {
        let jobs = [&self.earlier_job, &self.job].into_iter().flatten();
        let home = self.phoned_home.iter().map(|seen| seen.since);
        let heard = jobs.map(|job| job.last).chain(home).chain(self.boot_began);
        heard.max()
    }

    /// The times that a job of the current generation was told that it may write, oldest first.
    pub fn goes(&self) -> impl DoubleEndedIterator<Item = &WriteStart> {
        self.starts.iter().filter(|start| start.refused.is_none())
    }

    /// The newest order of a lane, of the current generation.
    pub fn newest(&self, lane: Lane) -> Option<&OrderSeen> {
        self.orders
            .iter()
            .filter(|seen| seen.issued.order.lane() == lane)
            .max_by_key(|seen| seen.number())
    }

    /// The number of the next order of this generation.
    pub fn next_number(&self) -> u32 {
        self.orders.iter().map(OrderSeen::number).max().unwrap_or(0) + 1
    }
}

impl OrderSeen {
    /// Its place among the orders of its generation.
    pub fn number(&self) -> u32 {
        self.issued.order.number
    }

    /// The job it wants booted, if it wants one.
    pub fn job(&self) -> Option<&Job> {
        match &self.issued.order.action {
            Action::Boot(NextBoot::Job(job)) => Some(job),
            Action::Boot(NextBoot::Local) | Action::Power(_) => None,
        }
    }

    /// The power state it wants, if it wants one.
    pub fn power(&self) -> Option<PowerWanted> {
        match self.issued.order.action {
            Action::Power(wanted) => Some(wanted),
            Action::Boot(_) => None,
        }
    }
}

impl JobSeen {
    /// The step that failed, with its code and error.
    pub fn failure(&self) -> Option<(&StepSeen, &str, &str)> {
        self.steps.iter().rev().find_map(|step| match &step.state {
            StepState::Failed { code, error } => Some((step, code.as_str(), error.as_str())),
            StepState::Started | StepState::Progress { .. } | StepState::Done => None,
        })
    }
}
