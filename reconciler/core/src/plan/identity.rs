//! Who a machine is: its identity is ours, hardware identifiers are evidence for it.
//!
//! Two sets of evidence are of one machine if at least two kinds agree and none contradicts. Known
//! junk never gets here: it counts as absent where it is read.

use crate::plan::MachinePlan;
use rack_api::inventory::Inventory;
use schema_ids::{DiskId, Mac, Uuid};
use std::collections::BTreeSet;

/// What speaks for a machine's identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// SMBIOS system UUID.
    pub uuid: Option<Uuid>,
    /// SMBIOS serial number.
    pub serial: Option<String>,
    /// MAC addresses of its interfaces, as far as they are known.
    pub macs: BTreeSet<Mac>,
    /// Its disks, as far as they are known.
    pub disks: BTreeSet<DiskId>,
}

/// Whether two sets of evidence are of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// Two kinds agree, none contradicts.
    Same,
    /// None contradicts, but too little agrees.
    Unclear {
        /// What agrees: `nothing`, `the MAC addresses` …
        agreed: &'static str,
    },
    /// A kind contradicts.
    Other {
        /// Which, with both values.
        why: String,
    },
}

impl Evidence {
    /// What a machine's last inspection found.
    pub fn of_inventory(inventory: &Inventory) -> Self {
        Self {
            uuid: inventory.uuid,
            serial: inventory.serial.clone(),
            macs: inventory.nics.iter().map(|nic| nic.mac).collect(),
            disks: inventory
                .disks
                .iter()
                .filter_map(|disk| disk.id.clone())
                .collect(),
        }
    }

    /// What git says of a planned machine, and where it says nothing, what its inspection found.
    pub fn of_plan(machine: &MachinePlan, inventory: Option<&Inventory>) -> Self {
        let mut evidence = inventory.map(Self::of_inventory).unwrap_or_default();
        evidence.uuid = machine.uuid.or(evidence.uuid);
        evidence.serial = machine.serial.clone().or(evidence.serial);
        evidence.macs.extend(machine.nics.iter().map(|nic| nic.mac));
        evidence
    }

    /// Compares with what another source says.
    pub fn compare(&self, other: &Self) -> Match {
        let mut agreed = Vec::new();
        if let (Some(a), Some(b)) = (self.uuid, other.uuid) {
            if a != b && a.swapped() != b {
                return Match::Other {
                    why: format!("the system UUID is {b}, known is {a}"),
                };
            }
            agreed.push("the system UUID");
        }
        if let (Some(a), Some(b)) = (&self.serial, &other.serial) {
            if a != b {
                return Match::Other {
                    why: format!("the serial number is {b:?}, known is {a:?}"),
                };
            }
            agreed.push("the serial number");
        }
        if !self.macs.is_empty() && !other.macs.is_empty() {
            if self.macs.is_disjoint(&other.macs) {
                return Match::Other {
                    why: "none of its MAC addresses is known".to_owned(),
                };
            }
            agreed.push("the MAC addresses");
        }
        // Disks move between machines and are replaced: they agree or say nothing.
        if !self.disks.is_empty() && self.disks.is_subset(&other.disks) {
            agreed.push("the disks");
        }
        match agreed.as_slice() {
            [] => Match::Unclear { agreed: "nothing" },
            [one] => Match::Unclear { agreed: one },
            _ => Match::Same,
        }
    }
}
