//! What all tasks of the agent share: the daemon's word in force, leases, boots, and the way to tell
//! facts.
//!
//! The locks here are held for a look or a change in memory, never across an await.

use crate::{
    cache::Cache,
    clock,
    daemon::Daemon,
    host_stop,
    interfaces::{Interface, Netlink},
    settings::Settings,
};
use rack_api::{
    config::{Ephemeral, RackConfig},
    fact::{Fact, FactBody},
    job::{JobKind, JobRef},
    order::{Action, NextBoot, Order, OrderRef},
    stop::HostStop,
};
use rack_proto::{
    boot::{BootLog, Sign},
    dhcp::{Leases, client_of},
    orders::Orders,
    token::TokenKey,
};
use schema_ids::{Digest, Mac, MachineId, Timestamp, Uuid};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

/// A reporter hears within this whether its facts are on disk.
const DURABLE_MAX: Duration = Duration::from_secs(10);

/// Messages on their way to the sync task, which takes them faster than a rack can make them unless the
/// disk hangs.
pub(crate) const MESSAGES_MAX: usize = 10_000;

/// Undeclared machines remembered as inspected.
const ENLISTED_MAX: usize = 4096;

/// The daemon's word in force.
#[derive(Debug, Default)]
pub(crate) struct Served {
    pub(crate) config: RackConfig,
    pub(crate) boot: BTreeMap<MachineId, Order>,
    pub(crate) power: BTreeMap<MachineId, Order>,
    pub(crate) key: Option<TokenKey>,
    /// Whether it is the daemon's word of this life, not what an earlier one left on disk.
    pub(crate) heard: bool,
}

impl Served {
    /// Takes the orders in force out of all that was ordered.
    pub(crate) fn new(config: RackConfig, orders: &Orders, heard: bool) -> Self {
        let boot = |id: &MachineId| orders.boot(*id).map(|order| (*id, order.clone()));
        Self {
            boot: config.machines.keys().filter_map(boot).collect(),
            power: orders
                .power()
                .map(|order| (order.machine, order.clone()))
                .collect(),
            key: TokenKey::from_hex(&config.token_key),
            config,
            heard,
        }
    }
}

impl Served {
    /// Every artefact that may be asked for.
    pub(crate) fn named(&self) -> BTreeSet<Digest> {
        let mut named = self.config.artefacts.clone();
        if let Some(system) = &self.config.ephemeral {
            named.extend([system.kernel, system.initrd, system.rootfs]);
        }
        named.extend(self.boot.values().filter_map(|order| match &order.action {
            Action::Boot(NextBoot::Job(job)) => match &job.kind {
                JobKind::Deploy(deploy) => Some(deploy.image.digest),
                JobKind::Inspect | JobKind::Erase(_) => None,
            },
            Action::Boot(NextBoot::Local) | Action::Power(_) => None,
        }));
        named
    }

    /// Whether an artefact may be asked for.
    pub(crate) fn names(&self, digest: Digest) -> bool {
        self.named().contains(&digest)
    }

    /// Whether an artefact is part of the system that jobs run in, not an image that they write.
    pub(crate) fn is_ephemeral(&self, digest: Digest) -> bool {
        let system = self.config.ephemeral.as_ref();
        system.is_some_and(|system| [system.kernel, system.initrd, system.rootfs].contains(&digest))
    }

    /// What an artefact is, for people.
    pub(crate) fn title(&self, digest: Digest) -> String {
        let system = self.config.ephemeral.as_ref();
        let part = |is: fn(&Ephemeral) -> Digest| system.is_some_and(|system| is(system) == digest);
        if part(|system| system.kernel) {
            "kernel".to_owned()
        } else if part(|system| system.initrd) {
            "initrd".to_owned()
        } else if part(|system| system.rootfs) {
            "rootfs".to_owned()
        } else {
            format!("image {}", digest.short())
        }
    }
}

/// To the sync task.
#[derive(Debug)]
pub(crate) enum ToSync {
    /// Tell these; the sender hears when they are on disk.
    Facts(Vec<Fact>, Option<oneshot::Sender<()>>),
    /// This job asks whether it may write: count that, on disk, or say why it may not now.
    Writes(JobRef, oneshot::Sender<Result<(), String>>),
    /// A power order was carried out or given up: tell these, and begin it no more.
    OrderEnded(OrderRef, Vec<Fact>),
}

/// Facts are not on disk in time: the disk is full, or slower than anyone waits.
#[derive(Debug, thiserror::Error)]
#[error("facts are not on disk after {DURABLE_MAX:?}")]
pub(crate) struct NotDurable;

/// What all tasks share.
#[derive(Debug)]
pub(crate) struct Rack {
    pub(crate) settings: Settings,
    pub(crate) daemon: Daemon,
    pub(crate) netlink: Netlink,
    /// Threads that send artefacts, and may wait for the disk.
    pub(crate) senders: tokio::runtime::Handle,
    pub(crate) cache: Cache,
    /// The in-machine agent as an initrd archive.
    pub(crate) agent_archive: Arc<[u8]>,
    /// Loaders by file name.
    pub(crate) loaders: BTreeMap<&'static str, Arc<[u8]>>,
    pub(crate) served: watch::Receiver<Arc<Served>>,
    /// Interfaces by name, as they are now.
    pub(crate) interfaces: watch::Receiver<BTreeMap<String, Interface>>,
    pub(crate) to_sync: mpsc::Sender<ToSync>,
    pub(crate) leases: Arc<Mutex<Leases>>,
    pub(crate) boots: Mutex<BootLog>,
    /// The job that each machine ended last, and in which boot: the same boot is not given it again.
    pub(crate) ended: Mutex<BTreeMap<MachineId, (JobRef, Uuid)>>,
    /// When undeclared machines were inspected.
    pub(crate) enlisted: Mutex<BTreeMap<Mac, Timestamp>>,
}

impl Rack {
    /// The daemon's word in force now.
    pub(crate) fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served.borrow())
    }

    /// The leases, for a moment.
    pub(crate) fn leases(&self) -> MutexGuard<'_, Leases> {
        lock(&self.leases)
    }

    /// The boots, for a moment.
    pub(crate) fn boots(&self) -> MutexGuard<'_, BootLog> {
        lock(&self.boots)
    }

    /// The interface of a link, if it is up with an address.
    pub(crate) fn interface(&self, link: &str) -> Option<Interface> {
        let name = self.settings.links.get(link)?;
        self.interfaces.borrow().get(name).cloned()
    }

    /// The agent's own address on a link: one in a subnet of the link, else any.
    pub(crate) fn own_address(&self, link: &str) -> Option<Ipv4Addr> {
        let interface = self.interface(link)?;
        let served = self.served();
        let fits = |address: &&Ipv4Addr| {
            rack_proto::dhcp::subnet_of(&served.config, IpAddr::V4(**address))
                .is_some_and(|(name, _)| name == link)
        };
        let addresses = &interface.addresses;
        addresses.iter().find(fits).or(addresses.first()).copied()
    }

    /// The client behind an address of a link.
    pub(crate) fn client(&self, link: &str, address: Ipv4Addr) -> Option<Mac> {
        client_of(&self.served().config, &self.leases(), link, address, clock::now())
    }

    /// Tells facts without waiting for the disk.
    pub(crate) fn tell(&self, bodies: Vec<FactBody>) {
        if !bodies.is_empty() {
            self.send(ToSync::Facts(stamped(bodies), None));
        }
    }

    /// Tells how a power order ended. It goes as one message: an order whose end is not told has not ended.
    pub(crate) fn tell_end(&self, order: OrderRef, bodies: Vec<FactBody>) {
        self.send(ToSync::OrderEnded(order, stamped(bodies)));
    }

    /// Tells facts and waits until they are on disk.
    pub(crate) async fn tell_durably(&self, facts: Vec<Fact>) -> Result<(), NotDurable> {
        let (durable, heard) = oneshot::channel();
        let told = async {
            let sent = self.to_sync.send(ToSync::Facts(facts, Some(durable))).await;
            sent.is_ok() && heard.await.is_ok()
        };
        match tokio::time::timeout(DURABLE_MAX, told).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(NotDurable),
        }
    }

    /// Counts that a job is about to write; why it may not now, if so.
    pub(crate) async fn writes(&self, job: JobRef) -> Result<Result<(), String>, NotDurable> {
        let (counted, heard) = oneshot::channel();
        let told = async {
            self.to_sync.send(ToSync::Writes(job, counted)).await.ok()?;
            heard.await.ok()
        };
        let told = tokio::time::timeout(DURABLE_MAX, told).await;
        told.ok().flatten().ok_or(NotDurable)
    }

    /// Sends to the sync task. What finds no room is dropped: later facts say more, and an order that is
    /// not seen to end is carried out again, which changes nothing.
    fn send(&self, message: ToSync) {
        if let Err(error) = self.to_sync.try_send(message) {
            tracing::warn!(%error, "the sync task does not keep up");
        }
    }

    /// A person's stop of this host, if there is one; asked anew each time.
    pub(crate) fn stop(&self) -> Option<HostStop> {
        host_stop::look(&self.settings.state_dir)
    }

    /// Why nothing may be done to a machine that writes it or switches it: a person has stopped this host, or the
    /// daemon says that one has stopped the machine. The machines are served and read all the same.
    pub(crate) fn stopped(&self, machine: MachineId) -> Option<String> {
        let Some(HostStop { reason, by, since }) = self.stop() else {
            return self.served().config.machines.get(&machine)?.stopped.clone();
        };
        let name = &self.settings.name;
        Some(format!(
            "{name} is stopped on its own host by {by} since {since}: {reason} (`muster-rackd resume` there ends it)"
        ))
    }

    /// Whether this boot has ended this job already.
    pub(crate) fn has_ended(&self, machine: MachineId, boot: Uuid, job: JobRef) -> bool {
        lock(&self.ended).get(&machine) == Some(&(job, boot))
    }

    /// A boot has ended a job.
    pub(crate) fn set_ended(&self, job: JobRef, boot: Uuid) {
        lock(&self.ended).insert(job.machine, (job, boot));
    }

    /// When an undeclared machine was inspected.
    pub(crate) fn enlisted_since(&self, mac: Mac) -> Option<Timestamp> {
        lock(&self.enlisted).get(&mac).copied()
    }

    /// An undeclared machine was inspected. Remembered for so many; a flood of strangers forgets all.
    pub(crate) fn set_enlisted(&self, mac: Mac, at: Timestamp) {
        let mut enlisted = lock(&self.enlisted);
        if enlisted.len() >= ENLISTED_MAX {
            enlisted.clear();
        }
        enlisted.insert(mac, at);
    }

    /// Notes what a boot did.
    pub(crate) fn note_boot(&self, mac: Mac, sign: Sign) {
        self.boots().note(mac, sign, clock::now());
    }
}

fn stamped(bodies: Vec<FactBody>) -> Vec<Fact> {
    let at = clock::now();
    bodies.into_iter().map(|body| Fact { at, body }).collect()
}

/// A poisoned lock means that another task panicked in the middle of a change in memory; the maps
/// behind these locks are whole all the same.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
