//! What planning reads of the world: one snapshot, with its time.

use crate::facts::{Erasure, Seen};
use crate::hold::Restraints;
use crate::plan::{MachinePlan, Plan};
use rack_api::inventory::Inventory;
use rack_api::job::Deploy;
use schema_ids::{
    BindingId, ContentId, DiskId, Generation, Incarnation, Mac, MachineId, Name, Timestamp, Uuid,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The world as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// When this snapshot was taken.
    pub at: Timestamp,
    /// Random, made once by the store; seeds every minted identity.
    pub fleet_uid: Uuid,
    /// This life of the control plane.
    pub incarnation: Incarnation,
    /// Machines ever claimed.
    pub machines: BTreeMap<MachineId, ObservedMachine>,
    /// Bindings that have not ended.
    pub bindings: BTreeMap<BindingId, Binding>,
    /// Inspected machines that no file declared when they were seen, newest by boot MAC.
    pub discovered: BTreeMap<Mac, Discovered>,
    /// Addresses that may not be given out: live dynamic leases and addresses seen in use.
    pub addresses_in_use: BTreeMap<IpAddr, Option<Mac>>,
    /// Set when agents or markers know more than this database: nothing is ordered.
    pub restored: Option<String>,
    /// Machines that plans adopted within the last 24 hours have released or erased.
    #[serde(default)]
    pub destroyed: BTreeMap<MachineId, Destroyed>,
    /// The holds and stops that people made at run time.
    #[serde(default, skip_serializing_if = "Restraints::is_empty")]
    pub restraints: Restraints,
    /// Machines of the adopted plan that are out of service and with which nothing goes on by itself, each with why. It may be
    /// left empty where no deployment says `release-order = "unhealthy-first"`: nothing else reads it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unhealthy: BTreeMap<MachineId, String>,
}

impl Observed {
    /// A world in which nothing was ever claimed.
    pub fn empty(at: Timestamp, fleet_uid: Uuid, incarnation: Incarnation) -> Self {
        Self {
            at,
            fleet_uid,
            incarnation,
            machines: BTreeMap::new(),
            bindings: BTreeMap::new(),
            discovered: BTreeMap::new(),
            addresses_in_use: BTreeMap::new(),
            restored: None,
            destroyed: BTreeMap::new(),
            restraints: Restraints::default(),
            unhealthy: BTreeMap::new(),
        }
    }
}

/// That a machine was released or erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroyed {
    /// When that was last.
    pub at: Timestamp,
    /// The deployments that it was bound for then, or before within the time that counts.
    pub deployments: BTreeSet<Name>,
    /// The zones that it was in then, or before.
    #[serde(default)]
    pub zones: BTreeSet<Name>,
    /// The pools that it was in then, or before.
    #[serde(default)]
    pub pools: BTreeSet<Name>,
}

impl Destroyed {
    /// That a plan releases or erases a machine, by where it was under the plan's parent and where it is now.
    pub fn by(plan: &Plan, parent: &Plan, id: MachineId, at: Timestamp) -> Self {
        let machines = [parent, plan].map(|plan| plan.machines.get(&id));
        let places = |of: fn(&MachinePlan) -> Option<&Name>| {
            let places = machines.into_iter().flatten().filter_map(of);
            places.cloned().collect()
        };
        let bound = parent.bindings.values().filter(|binding| binding.machine == id);
        Self {
            at,
            deployments: bound.map(|binding| binding.deployment.clone()).collect(),
            zones: places(|machine| machine.zone.as_ref()),
            pools: places(|machine| machine.pool.as_ref()),
        }
    }

    /// With what is known from before.
    #[must_use]
    pub fn beside(mut self, before: Option<Self>) -> Self {
        if let Some(before) = before {
            self.deployments.extend(before.deployments);
            self.zones.extend(before.zones);
            self.pools.extend(before.pools);
        }
        self
    }
}

/// One claimed machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedMachine {
    /// Its name at the last adopted plan.
    pub name: Name,
    /// The newest inventory, if it was ever inspected.
    pub inventory: Option<Inventory>,
    /// When that was stored: [`crate::facts::MachineFacts::inventory`]'s `since`, to the millisecond.
    pub inspected: Option<Timestamp>,
    /// Whether an installation by us ever began on it.
    pub ever_written: bool,
    /// The newest finished installation, unless a disk of it was erased since.
    pub installed: Option<InstalledBinding>,
    /// The latest generation whose job was told that it may write. Snapshots of before it was kept have none.
    #[serde(default)]
    pub written_in: Option<Generation>,
    /// The latest generation whose newest power order has switched it off, or for which a person vouched that it is
    /// gone: [`crate::facts::MachineFacts::gone`].
    #[serde(default)]
    pub gone_in: Option<Generation>,
    /// Since when it was so; snapshots of before it was kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
    /// The newest erasure of each disk.
    #[serde(default)]
    pub erased: BTreeMap<DiskId, Seen<Erasure>>,
}

impl ObservedMachine {
    /// A machine of which nothing is known but its name.
    pub fn named(name: Name) -> Self {
        Self {
            name,
            inventory: None,
            inspected: None,
            ever_written: false,
            installed: None,
            written_in: None,
            gone_in: None,
            gone_at: None,
            erased: BTreeMap::new(),
        }
    }

    /// Whether what was last installed is of this binding, and no later job was told that it may write over it.
    pub fn serves(&self, binding: BindingId) -> bool {
        let done = self.installed.as_ref();
        done.is_some_and(|done| done.binding == binding && self.written_in <= Some(done.generation))
    }

    /// Whether the newest installation is this one, and no later job was told that it may write over it.
    pub fn runs(&self, deploy: &Deploy) -> bool {
        self.installed.as_ref().is_some_and(|done| {
            done.binding == deploy.binding
                && done.spec == deploy.spec
                && self.written_in <= Some(done.generation)
        })
    }
}

/// A finished installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledBinding {
    /// Whose.
    pub binding: BindingId,
    /// What was carried out: the deploy spec's digest.
    pub spec: schema_ids::Digest,
    /// The generation whose job did it; it stands in the disks' markers.
    pub generation: Generation,
    /// The disks written.
    pub disks: BTreeSet<DiskId>,
    /// When the fact was stored.
    pub at: Timestamp,
}

/// One machine bound to one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The deployment.
    pub deployment: Name,
    /// The slot, from 1.
    pub slot: u32,
    /// The machine.
    pub machine: MachineId,
    /// Its disks; each is in at most one binding that has not ended.
    pub disks: BTreeSet<DiskId>,
    /// Its addresses in the installed system; each is in at most one binding that has not ended.
    pub addresses: BTreeSet<IpAddr>,
    /// Where it stands.
    pub state: BindingState,
}

/// Where a binding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BindingState {
    /// The slot is this machine's.
    Active,
    /// On its way out: still owns disks and addresses.
    Leaving,
}

/// A machine that asked to boot and that no file declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovered {
    /// The link it stands on.
    pub link: String,
    /// When it was inspected.
    pub seen: Timestamp,
    /// What it is made of.
    pub inventory: Inventory,
}

/// A disk and what is on it: the unit of agreement to erase.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DiskContents {
    /// Which.
    pub disk: DiskId,
    /// What may be erased.
    pub content: ContentId,
}
