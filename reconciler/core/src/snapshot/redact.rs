//! What a snapshot leaves out, field by field, and how it is put back.
//!
//! Each type is taken apart by name, so that a field that is added has to be decided on here.

use super::NotRestored;
use crate::intent::Intent;
use crate::observed::{Discovered, Observed, ObservedMachine};
use crate::plan::{BmcPlan, MachinePlan, Plan};
use rack_api::inventory::{Firmware, Inventory, Nic, PciDevices};
use rack_api::job::Deploy;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// What stands for user-data: this, and its blob in git.
const BLOB: &str = "git-blob:";

/// The names that stand for the addresses of BMCs, and the addresses that a repository knows of them.
///
/// A name is a digest of the address and of the tree of the adopted commit, which is not in the snapshot: who has no
/// repository cannot even try all addresses. It is written as an address of 100::/64, which leads nowhere (RFC 6666).
#[derive(Debug, Clone)]
pub struct BmcNames {
    tree: String,
    known: BTreeMap<IpAddr, IpAddr>,
}

impl BmcNames {
    /// The names under a tree of these addresses.
    pub fn new(tree: &str, known: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut names = Self {
            tree: tree.to_owned(),
            known: BTreeMap::new(),
        };
        let pairs = known.into_iter().map(|address| (names.name(address), address));
        let pairs = pairs.collect();
        names.known = pairs;
        names
    }

    fn name(&self, address: IpAddr) -> IpAddr {
        let mut hash = Sha256::new();
        hash.update(format!("muster-snapshot bmc\n{}\n{address}\n", self.tree));
        let digest: [u8; 32] = hash.finalize().into();
        let mut octets = [0; 16];
        octets[0] = 1;
        octets[8..].copy_from_slice(&digest[..8]);
        IpAddr::V6(Ipv6Addr::from(octets))
    }
}

/// A plan as far as planning reads its parent. What it changed, noted and found was for people, and was for then.
pub(super) fn plan(plan: Plan, names: &BmcNames, blob: impl Fn(&[u8]) -> String) -> Plan {
    let mut machines = plan.machines;
    for machine in machines.values_mut() {
        if let Some(bmc) = &mut machine.bmc {
            bmc.address = names.name(bmc.address);
        }
        for deploy in deploys(machine) {
            let body = deploy.user_data.as_ref();
            deploy.user_data = body.map(|body| format!("{BLOB}{}", blob(body.as_bytes())));
        }
    }
    Plan {
        id: plan.id,
        parent: plan.parent,
        commit: plan.commit,
        made: plan.made,
        fleet: plan.fleet,
        links: plan.links,
        ephemeral: plan.ephemeral,
        machines,
        bindings: plan.bindings,
        ended: plan.ended,
        changes: Vec::new(),
        wipe_set: plan.wipe_set,
        guards: Vec::new(),
        notes: Vec::new(),
        holds: plan.holds,
        no_allocate: plan.no_allocate,
        base: None,
        reads: BTreeMap::new(),
        disks: BTreeMap::new(),
        destroys: plan.destroys,
        budgets: plan.budgets,
        control: plan.control,
    }
}

/// Puts back what [`plan`] left out. A machine that git no longer names keeps the name of its BMC: planning only asks
/// whether it is another machine's now.
pub(super) fn restore(
    plan: &mut Plan,
    names: &BmcNames,
    blob: impl Fn(&str) -> Option<String>,
) -> Result<(), NotRestored> {
    for machine in plan.machines.values_mut() {
        let name = machine.name.clone();
        if let Some(BmcPlan { address, .. }) = &mut machine.bmc {
            match names.known.get(address) {
                Some(known) => *address = *known,
                None if machine.declared => return Err(NotRestored::Bmc { machine: name }),
                None => {}
            }
        }
        for deploy in deploys(machine) {
            let Some(stand_in) = &mut deploy.user_data else {
                continue;
            };
            let id = stand_in.strip_prefix(BLOB).unwrap_or_default();
            let body = blob(id).ok_or_else(|| NotRestored::UserData {
                machine: name.clone(),
                blob: id.to_owned(),
            })?;
            *stand_in = body;
        }
    }
    Ok(())
}

/// What a machine runs, or last ran.
fn deploys(machine: &mut MachinePlan) -> impl Iterator<Item = &mut Deploy> {
    let wanted = match &mut machine.wanted.intent {
        Intent::Deployed(deploy) => Some(deploy),
        Intent::Observe { .. }
        | Intent::Ready { .. }
        | Intent::AsIs { .. }
        | Intent::Orphaned { .. }
        | Intent::Released(_)
        | Intent::Retired => None,
    };
    wanted.into_iter().chain(&mut machine.kept).map(Arc::make_mut)
}

/// The world as far as planning reads it.
pub(super) fn observed(observed: Observed) -> Observed {
    let machines = observed.machines.into_iter().map(|(id, machine)| {
        let ObservedMachine {
            name,
            inventory,
            inspected,
            ever_written,
            installed,
            written_in,
            gone_in,
            gone_at,
            erased,
        } = machine;
        let machine = ObservedMachine {
            name,
            inventory: inventory.map(self::inventory),
            inspected,
            ever_written,
            installed,
            written_in,
            gone_in,
            gone_at,
            erased,
        };
        (id, machine)
    });
    let discovered = observed.discovered.into_iter().map(|(mac, found)| {
        let Discovered {
            link,
            seen,
            inventory,
        } = found;
        let found = Discovered {
            link,
            seen,
            inventory: self::inventory(inventory),
        };
        (mac, found)
    });
    Observed {
        at: observed.at,
        fleet_uid: observed.fleet_uid,
        incarnation: observed.incarnation,
        machines: machines.collect(),
        bindings: observed.bindings,
        discovered: discovered.collect(),
        addresses_in_use: observed.addresses_in_use,
        restored: None,
        destroyed: observed.destroyed,
        restraints: observed.restraints,
        unhealthy: observed.unhealthy,
    }
}

/// Hardware as far as planning compares it, and by its model, how long it takes: what only people read of it is left out.
fn inventory(inventory: Inventory) -> Inventory {
    let Inventory {
        uuid,
        serial,
        vendor: _,
        product,
        firmware,
        cpu,
        memory_bytes,
        disks,
        nics,
        bmc: _,
        pci,
        mark,
    } = inventory;
    let nics = nics.into_iter().map(|nic| {
        let Nic {
            name,
            mac,
            speed_mbps: _,
            link: _,
            driver: _,
        } = nic;
        Nic {
            name,
            mac,
            speed_mbps: None,
            link: false,
            driver: String::new(),
        }
    });
    Inventory {
        uuid,
        serial,
        vendor: String::new(),
        product,
        firmware: Firmware {
            kind: firmware.kind,
            version: String::new(),
        },
        cpu,
        memory_bytes,
        disks,
        nics: nics.collect(),
        bmc: None,
        pci: pci.map(|all| all.into_iter().map(self::pci).collect()),
        mark,
    }
}

/// Devices as far as they are asked for: not the cards that they sit on.
fn pci(devices: PciDevices) -> PciDevices {
    let PciDevices {
        class,
        vendor,
        device,
        subsystem: _,
        window_bytes,
        count,
    } = devices;
    PciDevices {
        class,
        vendor,
        device,
        subsystem: None,
        window_bytes,
        count,
    }
}
