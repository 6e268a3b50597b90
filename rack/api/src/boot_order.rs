//! What a machine's firmware starts, one after the other (UEFI 2.10 §3.1).
//!
//! The order is ours to set: the rack is asked first at every boot, then the installed system starts. A PC BIOS
//! tells nobody its order, so nothing here speaks of one.

use schema_ids::{Mac, Uuid};
use serde::{Deserialize, Serialize};

/// What the firmware shall try first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootOrder {
    /// The network, then the installed system.
    #[default]
    NetworkFirst,
    /// The installed system, then the network.
    DiskFirst,
}

/// The firmware's order around a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootOrderSeen {
    /// As the job found it.
    pub found: Vec<BootEntry>,
    /// As it was read back when the job had put it right.
    pub left: Vec<BootEntry>,
}

/// One place of the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootEntry {
    /// Its name in the firmware's menu.
    pub label: String,
    /// What it starts.
    pub starts: Starts,
}

/// What an entry starts, as far as its device path says so (UEFI 2.10 §10.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Starts {
    /// A boot over this network interface.
    Network {
        /// Its MAC.
        mac: Mac,
    },
    /// A file on a GPT partition.
    Partition {
        /// The partition's unique GUID.
        uuid: Uuid,
    },
    /// Something else: the firmware's own programs, a disk's removable media path.
    Other,
}
