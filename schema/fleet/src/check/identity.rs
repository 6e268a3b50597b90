//! No two machines are the same thing: M0301, M0303.

use super::Subject;
use crate::{code::Code, diagnostic::Diagnostic, span::Span};
use std::collections::BTreeMap;

/// What was met before, and where.
type Seen<'s, K> = BTreeMap<K, (String, &'s Span)>;

/// Looks at MAC addresses, serial numbers and UUIDs.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let (mut macs, mut serials, mut uuids) = (Seen::new(), Seen::new(), Seen::new());
    for (name, machine) in &subject.draft.machines {
        let object = format!("machine.{name}");
        let mut tell = |code, title: String, first: &(String, &Span), who: String, span: &Span| {
            found.push(
                Diagnostic::error(code, title, span, format!("second use: {who}"))
                    .in_object(&object)
                    .also(first.1, format!("first use: {}", first.0)),
            );
        };
        for (port, nic) in &machine.nic {
            let who = format!("port {port} of {name}");
            if let Some(first) = again(&mut macs, nic.mac.value, &who, &nic.mac.span) {
                let title = format!("MAC address {} is used twice", nic.mac.value);
                tell(Code::M0301, title, &first, who, &nic.mac.span);
            }
        }
        if let Some(serial) = &machine.serial
            && let Some(first) = again(&mut serials, serial.as_str(), name.as_str(), &serial.span)
        {
            let title = format!("serial number {} is given to two machines", serial.value);
            tell(Code::M0303, title, &first, name.to_string(), &serial.span);
        }
        if let Some(uuid) = &machine.uuid
            && let Some(first) = again(&mut uuids, uuid.value, name.as_str(), &uuid.span)
        {
            let title = format!("UUID {} is given to two machines", uuid.value);
            tell(Code::M0303, title, &first, name.to_string(), &uuid.span);
        }
    }
    for (name, device) in &subject.draft.devices {
        let Some(mac) = &device.mac else { continue };
        let who = format!("device {name}");
        if let Some(first) = again(&mut macs, mac.value, &who, &mac.span) {
            found.push(
                Diagnostic::error(
                    Code::M0301,
                    format!("MAC address {} is used twice", mac.value),
                    &mac.span,
                    format!("second use: {who}"),
                )
                .in_object(format!("device.{name}"))
                .also(first.1, format!("first use: {}", first.0)),
            );
        }
    }
}

/// The first use of a key, if there was one; otherwise this is it.
fn again<'s, K: Ord>(
    seen: &mut Seen<'s, K>,
    key: K,
    who: &str,
    span: &'s Span,
) -> Option<(String, &'s Span)> {
    let first = seen.get(&key).cloned();
    if first.is_none() {
        seen.insert(key, (who.to_owned(), span));
    }
    first
}
