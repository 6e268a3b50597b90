//! The in-machine agent's conversation with its rack agent.

use crate::{
    fact::{DiskSeen, Fact},
    job::{Job, JobRef},
    ownership::MarkSeen,
};
use schema_ids::{BindingId, DiskId, Mac, MachineId, Uuid};
use serde::{Deserialize, Serialize};

/// "I am up; what shall I do?" Asked at start and after each job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// From the kernel command line.
    pub token: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: Uuid,
    /// The interface that booted.
    pub mac: Mac,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HelloAnswer {
    /// This job.
    Job {
        /// What to do.
        job: Box<Job>,
        /// Kept by the installed system for its [`PhoneHome`]; the boot's own token ends with the boot.
        phone_home_token: String,
    },
    /// Inspect and report [`crate::fact::FactBody::Enlisted`]; then its own disk, or off where blank.
    Enlist {
        /// The link it stands on.
        link: String,
    },
    /// Ask again.
    Wait {
        /// In so many seconds.
        seconds: u32,
        /// Why, for the console.
        reason: String,
    },
    /// Nothing more to do: the power will be cut, or cut it yourself after a minute.
    PowerOff {
        /// Why, for the console.
        reason: String,
    },
}

/// Facts from inside the machine. Answered when they are in the rack agent's spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// From the kernel command line.
    pub token: String,
    /// What was seen or done.
    pub facts: Vec<Fact>,
}

/// "May I write?" Sent before the first write of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoRequest {
    /// From the kernel command line; empty once the rack agent has verified it.
    pub token: String,
    /// Made for this question; the answer counts for it and for this boot only.
    pub nonce: Uuid,
    /// This boot.
    pub boot_id: Uuid,
    /// The job.
    pub job: JobRef,
    /// The binding it would write for.
    pub binding: BindingId,
    /// SMBIOS system UUID.
    pub uuid: Option<Uuid>,
    /// SMBIOS serial number.
    pub serial: Option<String>,
    /// All interfaces.
    pub macs: Vec<Mac>,
    /// Every disk that has an identity, with what is on it.
    pub disks: Vec<DiskSeen>,
    /// The mark of ownership that stands on the machine now. Agents of before it was looked at say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<MarkSeen>,
}

/// The daemon's word on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoAnswer {
    /// The question's.
    pub nonce: Uuid,
    /// Yes or no.
    pub verdict: Verdict,
}

/// Yes or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The start is on record; write.
    Go,
    /// Write nothing.
    Refuse {
        /// The condition's code.
        code: String,
        /// In words, naming what differs.
        reason: String,
    },
}

/// The installed system's word that it runs, once per boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneHome {
    /// Given at installation, valid for this machine and binding.
    pub token: String,
    /// Whose.
    pub machine: MachineId,
    /// The binding.
    pub binding: BindingId,
    /// This boot.
    pub boot_id: Uuid,
    /// The disk under the root filesystem.
    pub root_disk: Option<DiskId>,
    /// The device under the root filesystem.
    pub root_device: String,
}
