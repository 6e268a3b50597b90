//! The plan: an immutable value that leaves its executors no choice.

mod addresses;
pub mod adoption;
pub mod against;
pub mod allocate;
pub mod approvals;
mod as_is;
mod budgets;
mod cause;
pub mod change;
mod changes;
mod claim;
mod compose;
mod contents;
mod control;
mod counted;
mod deployment;
mod digest;
mod effect;
mod fields;
mod funnel;
pub mod growth;
mod guards;
mod held;
pub mod identity;
mod interfaces;
mod layout;
pub mod limits;
mod links;
mod machines;
mod moved;
mod network;
mod not_yet;
pub mod opened;
mod ownership;
mod part;
mod pci;
mod quarantine;
pub mod reach;
mod reads;
mod release;
mod required;
mod slots;
mod uneven;
mod written;

pub use as_is::AsIs;
pub(crate) use budgets::length;
pub use budgets::{Budget, Wave};
pub use change::{Cause, Change, ChangeAction, Effect, FieldChange};
pub(crate) use control::layout_digest;
pub use control::{Canary, Control};
pub(crate) use effect::told_by;
pub(crate) use layout::size_text;
pub(crate) use ownership::not_left;
pub use ownership::{ForeignMark, MarkPlan, Opens};
pub use quarantine::{Quarantine, Said};
pub use reads::Read;
pub use written::Written;

use crate::condition::Condition;
use crate::hold::Hold;
use crate::intent::{Intent, Wanted};
use crate::observed::{Binding, DiskContents, Observed};
use rack_api::boot_order::BootOrder;
use rack_api::config::{Enlist, Ephemeral, Relay, Subnet};
use rack_api::inventory::FirmwareKind;
use rack_api::job::Deploy;
use schema_fleet::BootTimeout;
use schema_ids::{BindingId, DiskId, Generation, Mac, MachineId, Name, Timestamp, Uuid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// A whole plan. Its id is the digest of everything else in it but when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// `p-` and the first 12 digits of the digest.
    pub id: String,
    /// The adopted plan it was made against; adoption is a compare-and-set on it.
    pub parent: Option<String>,
    /// The commit, 40 digits; absent for the empty plan before any.
    pub commit: Option<String>,
    /// When it was first made; a plan that is made again in the same world is the same plan.
    pub made: Timestamp,
    /// The fleet's name.
    pub fleet: Name,
    /// Links that rack agents serve, by `fabric/vlan`.
    pub links: BTreeMap<String, LinkPlan>,
    /// The system that jobs run in.
    pub ephemeral: Option<Ephemeral>,
    /// Every machine that is or was declared; a retired one for as long as its `removed` entry stands.
    pub machines: BTreeMap<MachineId, MachinePlan>,
    /// Bindings that this plan keeps or makes.
    pub bindings: BTreeMap<BindingId, Binding>,
    /// Bindings that this plan ends, with the disks' fate already carried out or retained.
    pub ended: BTreeSet<BindingId>,
    /// What differs from the parent, destructive first.
    pub changes: Vec<Change>,
    /// Every disk that this plan may erase and that is not yet done.
    pub wipe_set: WipeSet,
    /// What each guard says.
    pub guards: Vec<GuardReport>,
    /// What a person asked for and this plan does not do, with the reason.
    pub notes: Vec<Note>,
    /// The holds that git declares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// The holds, of git and of run time, under which free machines were given no slots, by id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub no_allocate: BTreeSet<String>,
    /// What it compared its commit with, to tell whose doing each change is; absent where that is its parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What it read of each machine that it changes: once one of these differs, the plan is stale.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reads: BTreeMap<MachineId, Read>,
    /// The disks that its changes name, as people know them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disks: BTreeMap<DiskId, NamedDisk>,
    /// Machines that it newly releases, or of which it newly erases what is not blank, where they are in use or nobody consents
    /// to it: what limits count, now and for a day after it was adopted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub destroys: BTreeSet<MachineId>,
    /// How many machines may be out of service at once, by the budgets that git declares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<Name, Budget>,
    /// What else keeps changes from being carried out all at once.
    #[serde(default, skip_serializing_if = "Control::is_default")]
    pub control: Control,
}

/// A disk as people know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedDisk {
    /// Model.
    pub model: String,
    /// Bytes.
    pub bytes: u64,
    /// What is on it, in words: `gpt, ext4 "root"`; empty when blank.
    pub holds: String,
}

/// A link with what DHCP says on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkPlan {
    /// Whether rack agents answer DHCP.
    pub dhcp: bool,
    /// What unknown machines get.
    pub enlist: Enlist,
    /// Subnets, with whole dynamic ranges: the daemon splits them among the link's agents.
    pub subnets: Vec<Subnet>,
    /// The rack agents that stand on it, or that its relays lead to.
    pub agents: BTreeSet<Name>,
    /// Set where they do not stand on it.
    #[serde(default)]
    pub relay: Option<Relay>,
}

/// A machine as planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachinePlan {
    /// Its name.
    pub name: Name,
    /// The intent and its generation.
    pub wanted: Wanted,
    /// Where in git it stands.
    pub origin: Origin,
    /// Interfaces that may boot, in order of preference.
    pub nics: Vec<NicPlan>,
    /// Firmware, from git or the inventory.
    pub firmware: FirmwareKind,
    /// What its firmware shall try first: `boot.order`.
    #[serde(default)]
    pub boot_order: BootOrder,
    /// Whether its firmware starts signed loaders only: `boot.secure-boot`.
    #[serde(default)]
    pub secure_boot: bool,
    /// The longest time without news while it starts: `boot.timeout`. Plans stored before there was one
    /// have the default.
    #[serde(default = "boot_timeout_default")]
    pub boot_timeout_seconds: u64,
    /// Whether git says `power = "on"`: found off while deployed, it is switched on again.
    #[serde(default)]
    pub keep_on: bool,
    /// Whether git says `power = "off"`: found off while deployed, it is as wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_off: bool,
    /// Whether git says `manage = "observe"`: it is read and served, and nothing is ordered of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observe: bool,
    /// What is planned with its mark of ownership, where git asks for one or one was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Box<MarkPlan>>,
    /// The highest `inspect` that git ever said.
    #[serde(default)]
    pub inspect: u64,
    /// Its BMC.
    pub bmc: Option<BmcPlan>,
    /// The agent that drives the BMC; in a plan, the first that may (see [`roles`](crate::roles)).
    pub bmc_agent: Option<Name>,
    /// The other agents that may, in the order of git.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bmc_standby: Vec<Name>,
    /// Evidence of its identity, from git: the serial number.
    pub serial: Option<String>,
    /// Evidence of its identity, from git: the system UUID.
    pub uuid: Option<Uuid>,
    /// The last protection that was applied: sticky.
    pub protect: Option<Protect>,
    /// Whether it was protected before, since it has had its slot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_protected: bool,
    /// Whether git still declares it.
    pub declared: bool,
    /// Its rack: machines of one rack share a boot limit.
    pub rack: Option<Name>,
    /// Its rack's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Name>,
    /// Its pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Name>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<Name>,
    /// The inventory that this plan read, by when it was stored.
    pub inspected: Option<Timestamp>,
    /// What keeps git's wish for it out of this plan, for a person to solve.
    pub blocked: Option<Blocked>,
    /// What differs between git and what it runs, and is left so: `image`, `ssh-keys` …
    pub outdated: BTreeSet<String>,
    /// What it was last told to run, while its intent is another one: what comes back is compared with
    /// it, and not installed again for nothing.
    pub kept: Option<Arc<Deploy>>,
    /// What it was adopted with, while its binding has it and nothing was written for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_is: Option<Box<AsIs>>,
    /// The generation in which its binding began to leave, while it leaves: what was erased before then was
    /// erased for another reason. Plans of before this was written down have none, and count every record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving_since: Option<Generation>,
    /// How long it is kept off with its data before its disks are erased, while its binding leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// The generation in which it was taken back from a release, while that is the wanted one: what was switched off
    /// for the release is switched on again, once it is no more only observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<Generation>,
    /// The disks that its binding had begun to write when it was last told something else. Plans of before this
    /// was written down have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub written: BTreeMap<DiskId, Written>,
}

impl MachinePlan {
    /// The longest time without news while it starts.
    pub fn boot_timeout(&self) -> Duration {
        Duration::from_secs(self.boot_timeout_seconds)
    }

    /// Whether it runs, or may run, what muster did not install and is not asked to replace: where nobody can tell what it shall
    /// boot, it is its own disk.
    pub fn is_left_alone(&self) -> bool {
        let watched = matches!(self.wanted.intent, Intent::Observe { .. } | Intent::AsIs { .. });
        watched || self.observe || self.as_is.is_some() || self.foreign().is_some()
    }
}

fn boot_timeout_default() -> u64 {
    BootTimeout::DEFAULT.duration().as_secs()
}

/// Why a machine is not planned as git says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// What it waits on.
    pub condition: Condition,
    /// What was found, with the line to add to git where there is one.
    pub evidence: String,
}

/// Protection, remembered here and not in the file that is being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protect {
    /// May not be released.
    Release,
    /// May not be erased.
    Wipe,
}

/// A boot interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicPlan {
    /// The name in git.
    pub name: String,
    /// Its address.
    pub mac: Mac,
    /// Its link, if it boots there.
    pub link: Option<String>,
    /// The address reserved for it while it boots.
    pub address: Option<Ipv4Addr>,
}

/// A BMC without its credential: only the secret's name and what it holds are known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcPlan {
    /// The driver.
    pub driver: String,
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The `secret.*` object.
    pub secret: Option<Name>,
}

/// A place in git.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The file within the repository.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// What may be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WipeSet {
    /// `w-` and 12 digits over the entries.
    pub digest: String,
    /// By machine; a disk's content is what the plan agreed to.
    pub entries: BTreeMap<MachineId, BTreeSet<DiskContents>>,
}

/// One guard's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardReport {
    /// `limits`, `protection`, `empty`, `tombstones`, `wipe-set`.
    pub guard: String,
    /// `None` when it lets the plan pass; else the diagnostic's code and the reason.
    pub blocked: Option<(String, String)>,
    /// What it counted, for people.
    pub detail: String,
}

/// Something asked for that is not in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The object.
    pub object: String,
    /// A diagnostic's or condition's code.
    pub code: String,
    /// Why, and what to do.
    pub text: String,
    /// Where in git.
    pub origin: Option<Origin>,
}

/// What a commit says.
#[derive(Debug, Clone, Copy)]
pub struct Desired<'a> {
    /// The checked fleet.
    pub fleet: &'a schema_fleet::Fleet,
    /// The commit it was read from.
    pub commit: &'a str,
    /// What it is compared with; absent for the plan that is carried out.
    pub base: Option<Base<'a>>,
}

/// A commit that another is compared with: what it asks for as well is not the other's doing.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// Its checked fleet.
    pub fleet: &'a schema_fleet::Fleet,
    /// Its 40 digits.
    pub commit: &'a str,
}

impl Plan {
    /// The plan before any: nothing is wanted of anyone. Equal for equal names.
    pub fn empty(fleet: Name) -> Self {
        let mut plan = Self {
            id: String::new(),
            parent: None,
            commit: None,
            made: Timestamp::from_unix_ms(0),
            fleet,
            links: BTreeMap::new(),
            ephemeral: None,
            machines: BTreeMap::new(),
            bindings: BTreeMap::new(),
            ended: BTreeSet::new(),
            changes: Vec::new(),
            wipe_set: WipeSet::of(BTreeMap::new()),
            guards: Vec::new(),
            notes: Vec::new(),
            holds: Vec::new(),
            no_allocate: BTreeSet::new(),
            base: None,
            reads: BTreeMap::new(),
            disks: BTreeMap::new(),
            destroys: BTreeSet::new(),
            budgets: BTreeMap::new(),
            control: Control::default(),
        };
        digest::name(&mut plan);
        plan
    }

    /// Whether every guard lets it pass.
    pub fn applicable(&self) -> bool {
        self.guards.iter().all(|guard| guard.blocked.is_none())
    }

    /// The machine of this name.
    pub fn machine(&self, name: &str) -> Option<(MachineId, &MachinePlan)> {
        self.machines
            .iter()
            .find(|(_, machine)| machine.name.as_str() == name)
            .map(|(id, machine)| (*id, machine))
    }
}

/// Decides for the fleet. `parent` is the adopted plan.
pub fn plan(desired: &Desired<'_>, observed: &Observed, parent: &Plan, now: Timestamp) -> Plan {
    compose::plan(desired, observed, parent, now)
}
