//! What all tasks of the agent share: the daemon's word in force, leases, boots, and the way to tell
//! facts.
//!
//! The locks here are held for a look or a change in memory, never across an await.

use crate::{
    cache::Cache, clock, daemon::Daemon, interfaces::{Interface, Netlink}, settings::Settings,
};
use bytes::Bytes;
use rack_api::{
    config::RackConfig,
    fact::{Fact, FactBody},
    order::{Order, OrderRef},
};
use rack_proto::{
    boot::{BootLog, Sign},
    dhcp::{Leases, client_of},
    orders::Orders,
    token::TokenKey,
};
use schema_ids::{Mac, MachineId};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

/// A reporter hears within this whether its facts are on disk.
const DURABLE_MAX: Duration = Duration::from_secs(10);

/// The daemon's word in force.
#[derive(Debug, Default)]
pub(crate) struct Served {
    pub(crate) config: RackConfig,
    pub(crate) boot: BTreeMap<MachineId, Order>,
    pub(crate) power: BTreeMap<MachineId, Order>,
    pub(crate) key: Option<TokenKey>,
}

impl Served {
    /// Takes the orders in force out of all that was ordered.
    pub(crate) fn new(config: RackConfig, orders: &Orders) -> Self {
        let boot = |id: &MachineId| orders.boot(*id).map(|order| (*id, order.clone()));
        Self {
            boot: config.machines.keys().filter_map(boot).collect(),
            power: orders
                .power()
                .map(|order| (order.machine, order.clone()))
                .collect(),
            key: TokenKey::from_hex(&config.token_key),
            config,
        }
    }
}

/// To the sync task.
#[derive(Debug)]
pub(crate) enum ToSync {
    /// Tell these; the sender hears when they are on disk.
    Facts(Vec<Fact>, Option<oneshot::Sender<()>>),
    /// A power order was carried out or given up.
    OrderEnded(OrderRef),
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
    pub(crate) cache: Cache,
    /// The in-machine agent as an initrd archive.
    pub(crate) agent_archive: Bytes,
    /// Loaders by file name.
    pub(crate) loaders: BTreeMap<&'static str, Arc<[u8]>>,
    pub(crate) served: watch::Receiver<Arc<Served>>,
    /// Interfaces by name, as they are now.
    pub(crate) interfaces: watch::Receiver<BTreeMap<String, Interface>>,
    pub(crate) to_sync: mpsc::UnboundedSender<ToSync>,
    pub(crate) leases: Arc<Mutex<Leases>>,
    pub(crate) boots: Mutex<BootLog>,
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
        let at = clock::now();
        let facts: Vec<Fact> = bodies.into_iter().map(|body| Fact { at, body }).collect();
        if !facts.is_empty() {
            self.send(ToSync::Facts(facts, None));
        }
    }

    /// Tells facts and waits until they are on disk.
    pub(crate) async fn tell_durably(&self, facts: Vec<Fact>) -> Result<(), NotDurable> {
        let (durable, heard) = oneshot::channel();
        self.send(ToSync::Facts(facts, Some(durable)));
        match tokio::time::timeout(DURABLE_MAX, heard).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotDurable),
        }
    }

    /// Sends to the sync task.
    pub(crate) fn send(&self, message: ToSync) {
        if self.to_sync.send(message).is_err() {
            tracing::debug!("a fact came after the sync had stopped");
        }
    }

    /// Notes what a boot did.
    pub(crate) fn note_boot(&self, mac: Mac, sign: Sign) {
        self.boots().note(mac, sign, clock::now());
    }
}

/// A poisoned lock means that another task panicked in the middle of a change in memory; the maps
/// behind these locks are whole all the same.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
