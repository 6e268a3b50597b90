//! VLANs of a fabric: M0209, M0210, M0216, and relays that lead somewhere.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::fabric::{DhcpMode, Fabric, Vlan},
    span::Span,
};
use schema_ids::Name;
use std::{collections::BTreeMap, net::IpAddr};

/// The largest VLAN id (IEEE 802.1Q §9.6; 4095 is reserved).
const VID_MAX: u16 = 4094;

/// Looks at every fabric.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, fabric) in &subject.draft.fabrics {
        let object = format!("fabric.{name}");
        let mut diagnostics = ids(name, fabric);
        for (vlan_name, vlan) in &fabric.vlan {
            diagnostics.extend(relay(vlan_name, vlan));
            diagnostics.extend(relay_elsewhere(subject, name, vlan_name, vlan));
            diagnostics.extend(leads_nowhere(subject, vlan_name, vlan));
            diagnostics.extend(nothing_to_give(subject, name, vlan_name, vlan));
        }
        found.extend(
            diagnostics
                .into_iter()
                .map(|diagnostic| diagnostic.in_object(&object)),
        );
    }
}

fn ids(fabric_name: &Name, fabric: &Fabric) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut first: BTreeMap<u16, (&Name, &Span)> = BTreeMap::new();
    for (name, vlan) in &fabric.vlan {
        let (vid, span) = (vlan.vid.value, &vlan.vid.span);
        if vid > VID_MAX {
            let title = format!("{vid} is not between 0 and {VID_MAX}");
            found.push(Diagnostic::error(Code::M0009, title, span, "out of range"));
        } else if let Some((other, first)) = first.get(&vid) {
            let title = format!("two VLANs of fabric \"{fabric_name}\" have id {vid}");
            found.push(
                Diagnostic::error(Code::M0210, title, span, format!("id of \"{name}\""))
                    .also(first, format!("id of \"{other}\"")),
            );
        } else {
            first.insert(vid, (name, span));
        }
    }
    found
}

fn relay(name: &Name, vlan: &Vlan) -> Option<Diagnostic> {
    let relays = vlan.dhcp.value == DhcpMode::Relay;
    match (&vlan.relay_to, relays) {
        (None, true) => Some(
            Diagnostic::error(
                Code::M0005,
                format!("VLAN \"{name}\" has no `relay-to`"),
                &vlan.dhcp.span,
                "to which VLAN's agents?",
            )
            .help("for example  relay-to = \"lab/pxe\""),
        ),
        (Some(to), false) => Some(
            Diagnostic::warning(
                Code::M0209,
                format!("`relay-to` of VLAN \"{name}\" has no effect"),
                &to.span,
                "only for dhcp = \"relay\"",
            )
            .also(&vlan.dhcp.span, format!("here it is \"{}\"", vlan.dhcp.value)),
        ),
        (Some(_), true) | (None, false) => None,
    }
}

/// A relay's address that is in no subnet of its VLAN: by it the subnet is chosen (RFC 2131 §4.3.1).
fn relay_elsewhere(subject: &Subject<'_>, fabric: &Name, name: &Name, vlan: &Vlan) -> Option<Diagnostic> {
    let subnets = subject.subnets_on(fabric, name);
    let is_in = |address: &IpAddr| subnets.iter().any(|(_, subnet)| subnet.cidr.contains(address));
    let wrong = vlan.giaddr.iter().find(|address| !is_in(&address.value))?;
    let (other, subnet) = subnets.first()?;
    let title = format!("the relay {wrong} is in no subnet of VLAN \"{fabric}/{name}\"");
    Some(
        Diagnostic::error(
            Code::M0216,
            title,
            &wrong.span,
            "its requests would be answered with nothing",
        )
        .also(&subnet.cidr.span, format!("subnet \"{other}\" of the VLAN"))
        .help("it is the relay's own address on this VLAN"),
    )
}

/// A relay to a VLAN on which nobody of ours listens.
fn leads_nowhere(subject: &Subject<'_>, name: &Name, vlan: &Vlan) -> Option<Diagnostic> {
    let to = vlan
        .relay_to
        .as_ref()
        .filter(|_| vlan.dhcp.value == DhcpMode::Relay)?;
    let fabric = subject.draft.fabrics.get(&to.value.fabric)?;
    let target = fabric.vlan.get(&to.value.vlan)?;
    (target.dhcp.value != DhcpMode::Rack).then(|| {
        let title = format!("nobody answers what the relay of VLAN \"{name}\" passes on");
        Diagnostic::warning(Code::M0209, title, &to.span, "no agent answers DHCP there")
            .also(&target.dhcp.span, format!("here it is \"{}\"", target.dhcp.value))
            .help("`relay-to` names a VLAN with dhcp = \"rack\"")
    })
}

fn nothing_to_give(subject: &Subject<'_>, fabric: &Name, name: &Name, vlan: &Vlan) -> Option<Diagnostic> {
    let subnets = &subject.draft.subnets;
    let undecoded = subject
        .declared
        .get("subnet")
        .is_some_and(|names| names.len() > subnets.len());
    let serves = !subject.subnets_on(fabric, name).is_empty();
    if vlan.dhcp.value == DhcpMode::Off || serves || undecoded || !subject.broken.is_empty() {
        return None;
    }
    let title = format!("DHCP on VLAN \"{fabric}/{name}\" has no addresses to give");
    Some(
        Diagnostic::warning(Code::M0209, title, &vlan.dhcp.span, "no subnet is on this VLAN")
            .also(&place(&vlan.origin), "the VLAN")
            .help(format!(
                "describe one:  [subnet.NAME]  vlan = \"{fabric}/{name}\"  cidr = \"…\""
            )),
    )
}
