//! Facts: what was seen or done, stored and never edited.

use crate::{boot_order::BootOrderSeen, inventory::Inventory, job::JobRef, order::OrderRef};
use schema_ids::{BindingId, ContentId, Digest, DiskId, Mac, MachineId, Timestamp, Uuid};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Something an agent saw or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The agent's clock: evidence, never compared with another clock.
    pub at: Timestamp,
    /// What.
    pub body: FactBody,
}

/// What was seen or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FactBody {
    /// A boot in progress: one growing summary per boot, by MAC since the machine may be unknown.
    Boot {
        /// Whose boot, if a file declares the MAC.
        machine: Option<MachineId>,
        /// What was seen.
        boot: BootEvidence,
    },
    /// An address was leased.
    Leased {
        /// To whom.
        mac: Mac,
        /// What.
        address: IpAddr,
        /// Until when, by the agent's clock.
        until: Timestamp,
    },
    /// An address is in use by someone we did not give it to (DECLINE, ARP, ND).
    AddressSeen {
        /// Which.
        address: IpAddr,
        /// By whom, if known.
        mac: Option<Mac>,
    },
    /// The BMC told the power state, on change.
    Power {
        /// Whose.
        machine: MachineId,
        /// What.
        power: PowerSeen,
    },
    /// The BMC did not do its part.
    BmcFault {
        /// Whose.
        machine: MachineId,
        /// How.
        fault: BmcFaultKind,
        /// The whole error, for people.
        detail: String,
    },
    /// The agent will carry out this order; for the boot lane: it is in force.
    OrderTaken {
        /// Which.
        order: OrderRef,
    },
    /// The agent will not.
    OrderRefused {
        /// Which.
        order: OrderRef,
        /// Why.
        why: String,
        /// When it would take it, by the clock of this fact's time, if time alone ends what is in the way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The state wanted was seen.
    OrderDone {
        /// Which.
        order: OrderRef,
    },
    /// It could not be brought about.
    OrderFailed {
        /// Which.
        order: OrderRef,
        /// What was being done.
        step: String,
        /// The whole error.
        error: String,
    },
    /// A machine that no file declares was inspected.
    Enlisted {
        /// The interface it booted from.
        mac: Mac,
        /// The link it booted on.
        link: String,
        /// What it is made of.
        inventory: Box<Inventory>,
    },
    /// The in-machine agent is up and has its job.
    JobStarted {
        /// Which.
        job: JobRef,
        /// The boot it runs in.
        boot_id: Uuid,
    },
    /// The inventory of a declared machine.
    Inventory {
        /// The job it was taken by.
        job: JobRef,
        /// What the machine is made of.
        inventory: Box<Inventory>,
    },
    /// In which order the firmware starts things.
    BootOrder {
        /// The job that looked, and put it right.
        job: JobRef,
        /// Before and after.
        order: BootOrderSeen,
    },
    /// A step of a job.
    Step {
        /// Which job.
        job: JobRef,
        /// The boot it runs in.
        boot_id: Uuid,
        /// Its name: `partition`, `unpack` …
        step: String,
        /// How it goes.
        state: StepState,
    },
    /// A disk was erased: a record that is kept for ever.
    Erased {
        /// Which job.
        job: JobRef,
        /// The binding whose disk it was.
        binding: BindingId,
        /// Which disk.
        disk: DiskId,
        /// How, in words: `quick, discarded`.
        method: String,
        /// What was read back, in words.
        sample: String,
    },
    /// The system is on the disk and the final marker is written. After this no limit and no retry
    /// may write a disk.
    Installed {
        /// Which job.
        job: JobRef,
        /// The binding that owns the disks now.
        binding: BindingId,
        /// The spec that was carried out.
        spec: Digest,
        /// The disks that were written.
        disks: Vec<DiskId>,
    },
    /// The installed system booted.
    PhonedHome {
        /// Whose.
        machine: MachineId,
        /// The binding it believes it belongs to.
        binding: BindingId,
        /// The boot.
        boot_id: Uuid,
        /// The disk under its root filesystem; absent if the system could not tell.
        root_disk: Option<DiskId>,
        /// The device under its root filesystem, for people.
        root_device: String,
    },
    /// The job is over without a failure.
    JobDone {
        /// Which.
        job: JobRef,
        /// The boot it ran in.
        boot_id: Uuid,
    },
}

/// A boot in progress. Times are the agent's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootEvidence {
    /// The interface.
    pub mac: Mac,
    /// The link.
    pub link: String,
    /// When its first packet came.
    pub began: Timestamp,
    /// The client, as it calls itself: option 60 and 77.
    pub client: String,
    /// System UUID from option 97, if sent.
    pub uuid: Option<Uuid>,
    /// The address acknowledged.
    pub address: Option<IpAddr>,
    /// The last file by TFTP.
    pub tftp: Option<String>,
    /// The answer of the boot script: `job`, `local`, `enlist`, `refuse`.
    pub answer: Option<String>,
    /// The last artefact by HTTP and how much of it.
    pub http: Option<String>,
    /// When it last did anything.
    pub last: Timestamp,
}

/// A power state as a BMC told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerSeen {
    /// On.
    On,
    /// Off.
    Off,
    /// It does not tell.
    Unknown,
}

/// How a BMC fails, as far as anyone branches on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BmcFaultKind {
    /// No answer.
    Silent,
    /// The account or password is wrong; not tried again until the credential changes.
    Credentials,
    /// It answers, but will not or cannot.
    Refused,
    /// It answers what nobody can read.
    Garbled,
}

/// The code of a step that got other bytes than its image has. The rack agent that served them acts on it.
pub const IMAGE_DIGEST_MISMATCH: &str = "IMAGE_DIGEST_MISMATCH";

/// The code of a step that could not erase a disk, or found data where it had erased.
pub const ERASE_FAILED: &str = "ERASE_FAILED";

/// How a step goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Begun.
    Started,
    /// So much of so much, in bytes.
    Progress {
        /// Done.
        done: u64,
        /// Of, 0 if unknown.
        total: u64,
    },
    /// Ended well.
    Done,
    /// Ended badly.
    Failed {
        /// A condition's code if one fits, such as `UNEXPECTED_CONTENTS`; else `STEP_FAILED`.
        code: String,
        /// The whole error, naming what it is about.
        error: String,
    },
}

/// A disk as the machine sees it just before the first write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSeen {
    /// Which.
    pub disk: DiskId,
    /// What is on it.
    pub content: ContentId,
    /// Bytes.
    pub size_bytes: u64,
}
