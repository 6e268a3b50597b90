//! Devices have what DHCP needs: M0215.

use super::{Subject, place};
use crate::{code::Code, diagnostic::Diagnostic};

/// Looks at every device. Its addresses and its MAC address are looked at with those of machines.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, device) in &subject.draft.devices {
        if !device.dhcp {
            continue;
        }
        let v4 = device.address.iter().any(|address| address.is_ipv4());
        let lacks = [
            ("mac", device.mac.is_none()),
            ("link", device.link.is_none()),
            ("address", !v4),
        ];
        for (key, _) in lacks.into_iter().filter(|(_, lacks)| *lacks) {
            let title = format!("device \"{name}\" is to be given an address by DHCP and has no `{key}`");
            let label = match key {
                "mac" => "by what is it known?",
                "link" => "on which VLAN?",
                _ => "which IPv4 address?",
            };
            found.push(
                Diagnostic::error(Code::M0215, title, &place(&device.origin), label)
                    .in_object(format!("device.{name}")),
            );
        }
    }
}
