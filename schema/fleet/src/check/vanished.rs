//! What is no longer written was removed or renamed on purpose: M0104. Told of a change, not of a fleet.

use super::place;
use crate::{
    code::Code, count::count, diagnostic::Diagnostic, fleet::Fleet, kinds::machine::Machine, span::Span,
};
use schema_ids::Name;
use std::{collections::BTreeMap, sync::Arc};

/// Machines that are named in a message; the others are counted.
const NAMED_MAX: usize = 3;

/// Compares the machines before with those now, file by file of before.
pub(crate) fn check(before: &Fleet, now: &Fleet, found: &mut Vec<Diagnostic>) {
    let gone = |name: &Name| {
        !now.machines.contains_key(name)
            && !now.removed_machines.contains_key(name)
            && !now.moved_machines.contains_key(name)
    };
    let mut by_file: BTreeMap<Arc<str>, Vec<(&Name, &Machine)>> = BTreeMap::new();
    for (name, machine) in before.machines.iter().filter(|(name, _)| gone(name)) {
        by_file
            .entry(place(&machine.origin).file)
            .or_default()
            .push((name, machine));
    }
    for (file, machines) in by_file {
        let names: Vec<&str> = machines
            .iter()
            .take(NAMED_MAX)
            .map(|(name, _)| name.as_str())
            .collect();
        let more = match machines.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let title = format!(
            "{} vanished without a `removed` or `moved` entry",
            count(machines.len(), "machine")
        );
        let label = format!("it declared {}{more}", names.join(", "));
        let mut diagnostic = Diagnostic::warning(Code::M0104, title, &Span::start_of(file), label);
        for (name, machine) in machines {
            if let Some(other) = same(machine, before, now) {
                diagnostic.notes.push(format!(
                    "{other} is the same hardware: if {name} is called so now, write  [moved.machine.{name}]  to = \"{other}\", as \
                     `muster moved machine {name} {other}` prints it"
                ));
            }
        }
        diagnostic.notes.truncate(NAMED_MAX);
        diagnostic
            .notes
            .push("nothing is erased: they stay as they are, as orphans".to_owned());
        found.push(
            diagnostic
                .help("`muster removed machine NAME --disks retain|quick --reason WHY` writes the entries"),
        );
    }
}

/// A machine that is new, and has the serial number, UUID or a MAC address of this one.
fn same<'f>(machine: &Machine, before: &Fleet, now: &'f Fleet) -> Option<&'f Name> {
    let new = now
        .machines
        .iter()
        .filter(|(name, _)| !before.machines.contains_key(*name));
    let alike = |other: &Machine| {
        let serial = machine.serial.is_some() && machine.serial == other.serial;
        let uuid = machine.uuid.is_some() && machine.uuid == other.uuid;
        let port = machine
            .nic
            .values()
            .any(|nic| other.nic.values().any(|one| one.mac == nic.mac));
        serial || uuid || port
    };
    let mut new = new;
    new.find(|(_, other)| alike(other)).map(|(name, _)| name)
}
