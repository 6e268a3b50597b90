//! No two machines are the same thing: M0301, M0303.

use super::Subject;
use crate::{code::Code, diagnostic::Diagnostic, span::Span};
use schema_ids::Name;
use std::{
    collections::{BTreeMap, btree_map},
    fmt,
};

/// What was met before, and where.
type Seen<'s, K> = BTreeMap<K, (Who<'s>, &'s Span)>;

/// Who has something that only one may have.
#[derive(Clone, Copy)]
enum Who<'s> {
    Machine(&'s Name),
    Port(&'s Name, &'s Name),
    Device(&'s Name),
}

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(name) => name.fmt(f),
            Self::Port(machine, port) => write!(f, "port {port} of {machine}"),
            Self::Device(name) => write!(f, "device {name}"),
        }
    }
}

impl Who<'_> {
    fn object(self) -> String {
        match self {
            Self::Machine(name) | Self::Port(name, _) => format!("machine.{name}"),
            Self::Device(name) => format!("device.{name}"),
        }
    }
}

/// Looks at MAC addresses, serial numbers and UUIDs.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let draft = subject.draft;
    let (mut macs, mut serials, mut uuids) = (Seen::new(), Seen::new(), Seen::new());
    for (name, machine) in &draft.machines {
        for (port, nic) in &machine.nic {
            let who = Who::Port(name, port);
            if let Some(first) = again(&mut macs, nic.mac.value, who, &nic.mac.span) {
                let title = format!("MAC address {} is used twice", nic.mac.value);
                found.push(twice(Code::M0301, title, first, who, &nic.mac.span));
            }
        }
        let who = Who::Machine(name);
        if let Some(serial) = &machine.serial
            && let Some(first) = again(&mut serials, serial.as_str(), who, &serial.span)
        {
            let title = format!("serial number {} is given to two machines", serial.value);
            found.push(twice(Code::M0303, title, first, who, &serial.span));
        }
        if let Some(uuid) = &machine.uuid
            && let Some(first) = again(&mut uuids, uuid.value, who, &uuid.span)
        {
            let title = format!("UUID {} is given to two machines", uuid.value);
            found.push(twice(Code::M0303, title, first, who, &uuid.span));
        }
    }
    for (name, device) in &draft.devices {
        let Some(mac) = &device.mac else { continue };
        let who = Who::Device(name);
        if let Some(first) = again(&mut macs, mac.value, who, &mac.span) {
            let title = format!("MAC address {} is used twice", mac.value);
            found.push(twice(Code::M0301, title, first, who, &mac.span));
        }
    }
}

fn twice(code: Code, title: String, first: (Who<'_>, &Span), who: Who<'_>, span: &Span) -> Diagnostic {
    Diagnostic::error(code, title, span, format!("second use: {who}"))
        .in_object(who.object())
        .also(first.1, format!("first use: {}", first.0))
}

/// The first use of a key, if there was one; otherwise this is it.
fn again<'s, K: Ord>(
    seen: &mut Seen<'s, K>,
    key: K,
    who: Who<'s>,
    span: &'s Span,
) -> Option<(Who<'s>, &'s Span)> {
    match seen.entry(key) {
        btree_map::Entry::Occupied(first) => Some(*first.get()),
        btree_map::Entry::Vacant(place) => {
            place.insert((who, span));
            None
        }
    }
}
