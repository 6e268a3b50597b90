//! The firmware's boot entries (UEFI 2.10 §3.1): read at every job, and put in the order that git wants.
//!
//! The boot order is muster's: a machine asks the rack first at every boot, then starts its own system. The
//! installed system also stands at the path for removable media, so firmware that refuses an entry still boots
//! it; a failure here is said, shown by what is read back, and is no failure of a job. Entries of others are
//! never removed, only moved back.

use crate::console::chain;
use crate::program::{self, ProgramError};
use crate::say;
use rack_api::boot_order::{BootEntry, BootOrder, BootOrderSeen, Starts};
use schema_ids::{Mac, Uuid};
use std::time::Duration;

/// Writing a variable takes a board's flash up to some seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// Firmware keeps some dozens of entries at most; what it tells beyond that is not passed on.
const ENTRIES_MAX: usize = 64;

/// An installed system's place: the disk's device node, the number of its EFI partition, and that partition's GUID.
pub(crate) struct System {
    pub(crate) node: String,
    pub(crate) partition: u32,
    pub(crate) uuid: Uuid,
}

/// What the firmware shall try first.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Network or disk.
    pub order: BootOrder,
    /// The interface that booted.
    pub mac: Mac,
}

/// What `efibootmgr` shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Entries {
    /// The entry of this boot.
    current: Option<String>,
    /// The order.
    order: Vec<String>,
    /// Number and meaning of each entry.
    entries: Vec<(String, BootEntry)>,
}

/// Puts the network where it shall be. `None` where the firmware has no boot entries or does not tell them.
pub(crate) fn put_right(wish: Wish) -> Option<BootOrderSeen> {
    arrange(wish, |_| Ok(Vec::new()))
}

/// Only reads the order. `None` as above.
pub(crate) fn read() -> Option<BootOrderSeen> {
    if !has_variables() {
        return None;
    }
    let found = entries()?;
    Some(BootOrderSeen {
        found: found.in_order(),
        left: found.in_order(),
    })
}

fn has_variables() -> bool {
    let variables = std::fs::read_dir("/sys/firmware/efi/efivars");
    variables.is_ok_and(|mut entries| entries.next().is_some())
}

fn entries() -> Option<Entries> {
    manage(&["--verbose"])
        .map(|text| parse(&text))
        .inspect_err(|error| say!("the firmware does not tell its boot order: {}", chain(error)))
        .ok()
}

/// Replaces the entries of this label by one per disk, in their place in the order. `None` as above.
pub(crate) fn install(wish: Wish, systems: &[System], label: &str) -> Option<BootOrderSeen> {
    arrange(wish, |found| {
        for number in numbers_of(found, label) {
            manage(&["--quiet", "--bootnum", &number, "--delete-bootnum"])?;
        }
        let loader = format!("\\EFI\\{label}\\grubx64.efi");
        for System { node, partition, .. } in systems {
            let partition = partition.to_string();
            let words = ["--quiet", "--create-only", "--disk", node, "--part", &partition];
            manage(&[&words[..], &["--label", label, "--loader", &loader]].concat())?;
        }
        Ok(systems.iter().map(|system| system.uuid).collect())
    })
}

/// Reads the order, lets entries be changed, puts the order as wished and reads it back. `change` tells the EFI
/// partitions of the installed system.
fn arrange(
    wish: Wish,
    change: impl FnOnce(&Entries) -> Result<Vec<Uuid>, ProgramError>,
) -> Option<BootOrderSeen> {
    if !has_variables() {
        return None;
    }
    let found = entries()?;
    let arranged = change(&found).and_then(|systems| {
        let now = parse(&manage(&["--verbose"])?);
        let order = wanted(&now, wish, &systems);
        if order == now.order {
            return Ok(());
        }
        manage(&["--quiet", "--bootorder", &order.join(",")]).map(drop)
    });
    if let Err(error) = arranged {
        say!("the firmware does not take its boot order: {}", chain(&error));
    }
    let left = entries()?;
    Some(BootOrderSeen {
        found: found.in_order(),
        left: left.in_order(),
    })
}

fn manage(arguments: &[&str]) -> Result<String, ProgramError> {
    program::run("efibootmgr", arguments, "", LIMIT)
}

impl Entries {
    fn in_order(&self) -> Vec<BootEntry> {
        let entries = self.order.iter().filter_map(|number| self.entry(number));
        entries.take(ENTRIES_MAX).cloned().collect()
    }

    fn entry(&self, number: &str) -> Option<&BootEntry> {
        let (_, entry) = self.entries.iter().find(|(known, _)| known == number)?;
        Some(entry)
    }

    fn starts(&self, number: &str) -> Option<&Starts> {
        self.entry(number).map(|entry| &entry.starts)
    }
}

fn parse(text: &str) -> Entries {
    let mut entries = Entries::default();
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("BootCurrent: ") {
            entries.current = Some(number.trim().to_owned());
        } else if let Some(order) = line.strip_prefix("BootOrder: ") {
            entries.order = order.trim().split(',').map(str::to_owned).collect();
        } else if let Some(entry) = line.strip_prefix("Boot")
            && let Some((number, rest)) = entry.split_at_checked(4)
            && number.chars().all(|c| c.is_ascii_hexdigit())
            && let Some(rest) = rest.strip_prefix("* ").or_else(|| rest.strip_prefix("  "))
        {
            let (label, path) = rest.split_once('\t').unwrap_or((rest, ""));
            let entry = BootEntry {
                label: label.to_owned(),
                starts: starts(path),
            };
            entries.entries.push((number.to_owned(), entry));
        }
    }
    entries
}

/// Reads a device path in the text form of UEFI 2.10 §10.6: the network if it goes over an interface, a
/// partition if it begins with one.
fn starts(path: &str) -> Starts {
    let mac = path.split_once("MAC(").and_then(|(_, rest)| {
        let digits = rest.get(..12)?.as_bytes();
        let pairs = digits.chunks(2).map(std::str::from_utf8);
        let text = pairs.collect::<Result<Vec<_>, _>>().ok()?.join(":");
        text.parse().ok()
    });
    if let Some(mac) = mac {
        return Starts::Network { mac };
    }
    let partition = path.strip_prefix("HD(").and_then(|rest| {
        let mut fields = rest.split(',').skip(1);
        let is_gpt = fields.next() == Some("GPT");
        fields.next()?.to_lowercase().parse().ok().filter(|_| is_gpt)
    });
    partition.map_or(Starts::Other, |uuid| Starts::Partition { uuid })
}

fn numbers_of(entries: &Entries, label: &str) -> Vec<String> {
    let ours = entries.entries.iter().filter(|(_, entry)| entry.label == label);
    ours.map(|(number, _)| number.clone()).collect()
}

/// The order that is wished for: the interface that booted and the installed system to the front, all else as it
/// was. A system that was not just installed keeps its place.
fn wanted(entries: &Entries, wish: Wish, systems: &[Uuid]) -> Vec<String> {
    let network = network(entries, wish.mac).into_iter();
    let is_system = |number: &&String| matches!(entries.starts(number), Some(Starts::Partition { uuid }) if systems.contains(uuid));
    let numbers = || entries.entries.iter().map(|(number, _)| number);
    let systems = numbers().filter(is_system);
    let front: Vec<&String> = match wish.order {
        BootOrder::NetworkFirst => network.chain(systems).collect(),
        // Without a system there is nothing to put before the network.
        BootOrder::DiskFirst => systems.collect(),
    };
    let mut order: Vec<String> = Vec::new();
    for number in front.into_iter().chain(&entries.order) {
        if entries.entry(number).is_some() && !order.contains(number) {
            order.push(number.clone());
        }
    }
    order
}

/// The network's entry: the one that booted us, else the interface's first. Only one, since each that fails
/// costs minutes before the disk is tried. A boot by other means, such as a stick with a loader on it, is put
/// first itself where the interface has no entry.
fn network(entries: &Entries, mac: Mac) -> Option<&String> {
    let is_ours = |number: &&String| entries.starts(number) == Some(&Starts::Network { mac });
    let current = entries.current.as_ref();
    let listed = entries.order.iter();
    let known = entries.entries.iter().map(|(number, _)| number);
    current
        .into_iter()
        .chain(listed)
        .chain(known)
        .find(is_ours)
        .or(current)
}

#[cfg(test)]
mod tests;
