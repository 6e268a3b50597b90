//! Whether a machine's firmware starts things in the order that git wants: the rack first, then its own system.
//!
//! Every job puts the order right and reads it back, so what is wrong here is what the firmware would not take,
//! or what somebody changed before the last look. It keeps no machine from its work: a wrong order is shown.

use crate::facts::{MachineFacts, Seen};
use crate::intent::Intent;
use crate::plan::MachinePlan;
use rack_api::boot_order::{BootEntry, BootOrder, BootOrderSeen, Starts};
use rack_api::job::{Deploy, PartitionKind};
use schema_ids::Uuid;

/// What is wrong with the order, in words. `None` also where nobody knows it: a PC BIOS tells nobody.
pub(crate) fn fault(machine: &MachinePlan, facts: &MachineFacts) -> Option<String> {
    let order = &facts.boot_order.as_ref()?.value.left;
    let is_network = |entry: &&BootEntry| match entry.starts {
        Starts::Network { mac } => machine.nics.iter().any(|nic| nic.mac == mac),
        Starts::Partition { .. } | Starts::Other => false,
    };
    let first = order.first()?;
    if machine.boot_order == BootOrder::NetworkFirst && !is_network(&first) {
        return Some(format!("{} comes before the network", quoted(first)));
    }
    let Intent::Deployed(deploy) = &machine.wanted.intent else {
        return None;
    };
    facts.installed_as(deploy)?;
    let starts_system = |entry: &BootEntry| match entry.starts {
        Starts::Partition { uuid } => efi_partitions(deploy).any(|own| own == uuid),
        Starts::Network { .. } | Starts::Other => false,
    };
    let after = match machine.boot_order {
        BootOrder::NetworkFirst => order.iter().find(|entry| !is_network(entry)),
        BootOrder::DiskFirst => order.first(),
    };
    match after {
        Some(entry) if starts_system(entry) => None,
        Some(entry) => Some(format!("{} comes before the installed system", quoted(entry))),
        None => Some("nothing in it starts the installed system".to_owned()),
    }
}

/// What is said of the order to a person who asks about the machine.
pub(crate) fn lines(machine: &MachinePlan, facts: &MachineFacts) -> Vec<String> {
    let Some(Seen { value, since }) = &facts.boot_order else {
        return Vec::new();
    };
    let BootOrderSeen { found, left } = value;
    let mut lines = vec![format!("  boot order {}, since {since}", words(left))];
    if found != left {
        lines.push(format!("    was      {}", words(found)));
    }
    if let Some(fault) = fault(machine, facts) {
        lines.push(format!(
            "    WRONG    {fault}; the firmware did not take muster's order: set it in its setup, then raise `inspect`"
        ));
    }
    lines
}

/// An order in words: the names in the firmware's menu.
pub(crate) fn words(order: &[BootEntry]) -> String {
    match order {
        [] => "nothing".to_owned(),
        _ => order.iter().map(quoted).collect::<Vec<_>>().join(", "),
    }
}

fn quoted(entry: &BootEntry) -> String {
    format!("{:?}", entry.label)
}

fn efi_partitions(deploy: &Deploy) -> impl Iterator<Item = Uuid> {
    let partitions = deploy.disks.iter().flat_map(|disk| &disk.partitions);
    partitions
        .filter(|partition| partition.kind == PartitionKind::Esp)
        .map(|partition| partition.uuid)
}
