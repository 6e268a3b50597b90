//! Static addresses: each in a subnet of its link, once, and out of the dynamic ranges: M0204, M0207,
//! M0208, M0305.

use super::{Subject, subnet::is_edge};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::subnet::{Range, RangeUse, Subnet},
    span::{Span, Spanned},
    value::vlan_ref::VlanRef,
};
use schema_ids::Name;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Who has an address that is written in git.
struct Holder<'s> {
    span: &'s Span,
    who: String,
    bmc: bool,
}

/// Looks at the addresses of interfaces, gateways and BMCs.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut held: BTreeMap<IpAddr, Holder<'_>> = BTreeMap::new();
    for (name, subnet) in &subject.draft.subnets {
        if let Some(gateway) = &subnet.gateway {
            let who = format!("the gateway of subnet \"{name}\"");
            hold(
                &mut held,
                gateway.value,
                Holder {
                    span: &gateway.span,
                    who,
                    bmc: false,
                },
                found,
            );
        }
    }
    for (name, machine) in &subject.draft.machines {
        for (port, nic) in &machine.nic {
            let Some(address) = &nic.address else { continue };
            let who = format!("port {port} of {name}");
            hold(
                &mut held,
                address.value,
                Holder {
                    span: &address.span,
                    who,
                    bmc: false,
                },
                found,
            );
            found.extend(
                in_no_subnet(subject, nic.link.as_ref(), address.value, &address.span)
                    .map(|diagnostic| diagnostic.in_object(format!("machine.{name}"))),
            );
        }
        // Two machines with one BMC are told as that, not as two holders of an address.
        if let Some(address) = machine.bmc.as_ref().and_then(|bmc| bmc.address.as_ref()) {
            let who = format!("the BMC of {name}");
            held.entry(address.value).or_insert(Holder {
                span: &address.span,
                who,
                bmc: true,
            });
        }
    }
    of_devices(subject, &mut held, found);
    for (name, subnet) in &subject.draft.subnets {
        for range in subnet
            .range
            .iter()
            .filter(|range| range.purpose == RangeUse::Dynamic)
        {
            let diagnostics = covered(range, &held);
            found.extend(
                diagnostics
                    .into_iter()
                    .map(|found| found.in_object(format!("subnet.{name}"))),
            );
        }
    }
}

/// Addresses of devices: each once, and in a subnet of its link.
fn of_devices<'s>(
    subject: &Subject<'s>,
    held: &mut BTreeMap<IpAddr, Holder<'s>>,
    found: &mut Vec<Diagnostic>,
) {
    let gateways: BTreeSet<IpAddr> = subject
        .draft
        .subnets
        .values()
        .filter_map(|subnet| Some(subnet.gateway.as_ref()?.value))
        .collect();
    for (name, device) in &subject.draft.devices {
        for address in &device.address {
            let who = format!("device {name}");
            let holder = Holder {
                span: &address.span,
                who,
                bmc: false,
            };
            // A router is a device as well, and one address of it is a gateway.
            if !gateways.contains(&address.value) {
                hold(held, address.value, holder, found);
            }
            let outside = device
                .link
                .as_ref()
                .and_then(|link| in_no_subnet(subject, Some(link), address.value, &address.span));
            found.extend(outside.map(|diagnostic| diagnostic.in_object(format!("device.{name}"))));
        }
    }
}

fn hold<'s>(
    held: &mut BTreeMap<IpAddr, Holder<'s>>,
    address: IpAddr,
    holder: Holder<'s>,
    found: &mut Vec<Diagnostic>,
) {
    if let Some(first) = held.get(&address) {
        found.push(
            Diagnostic::error(
                Code::M0208,
                format!("address {address} is used twice"),
                holder.span,
                format!("second use: {}", holder.who),
            )
            .also(first.span, format!("first use: {}", first.who))
            .help("leave one of them out and the planner will choose a free address"),
        );
    } else {
        held.insert(address, holder);
    }
}

/// An address must lie in a subnet of the VLAN its port is on, and be a host there.
fn in_no_subnet(
    subject: &Subject<'_>,
    link: Option<&Spanned<VlanRef>>,
    address: IpAddr,
    span: &Span,
) -> Option<Diagnostic> {
    let Some(link) = link else {
        return Some(
            Diagnostic::error(
                Code::M0204,
                format!("address {address} is on a port without `link`"),
                span,
                "on which VLAN?",
            )
            .help("for example  link = \"lab/pxe\""),
        );
    };
    let mut subnets: Vec<(&Name, &Subnet)> = subject.subnets_on(&link.fabric, &link.vlan).to_vec();
    let host = |subnet: &Subnet| subnet.cidr.contains(&address) && !is_edge(&subnet.cidr, address);
    if subnets.iter().any(|(_, subnet)| host(subnet)) {
        return None;
    }
    // The nearest guess first: of the same family.
    subnets.sort_by_key(|(_, subnet)| subnet.cidr.addr().is_ipv4() != address.is_ipv4());
    let Some((name, subnet)) = subnets.first() else {
        let title = format!(
            "address {address} is on VLAN \"{}\", which has no subnet",
            link.value
        );
        return Some(Diagnostic::error(Code::M0204, title, span, "no subnet to be in").also(&link.span, ""));
    };
    let title = format!(
        "address {address} is no host of subnet \"{name}\" ({})",
        subnet.cidr.value
    );
    let edges = format!("{} to {}", subnet.cidr.network(), subnet.cidr.broadcast());
    Some(Diagnostic::error(Code::M0204, title, span, "outside").also(&subnet.cidr.span, edges))
}

/// Addresses written in git that a lease could take.
fn covered(range: &Range, held: &BTreeMap<IpAddr, Holder<'_>>) -> Vec<Diagnostic> {
    let (from, to) = (range.from.value, range.to.value);
    if from > to || from.is_ipv4() != to.is_ipv4() {
        return Vec::new();
    }
    let (bmcs, others): (Vec<_>, Vec<_>) = held.range(from..=to).partition(|(_, holder)| holder.bmc);
    let mut found = Vec::new();
    if let Some((_, first)) = others.first() {
        let more = if others.len() > 1 {
            format!(", and {} more", others.len() - 1)
        } else {
            String::new()
        };
        found.push(
            Diagnostic::error(
                Code::M0207,
                "a dynamic range covers a static address",
                &range.to.span,
                format!("range {from} - {to}"),
            )
            .also(first.span, format!("{}{more}", first.who))
            .help("end the range before it, or move the address"),
        );
    }
    if let Some((address, first)) = bmcs.first() {
        let more = if bmcs.len() > 1 {
            format!(", and {} more", bmcs.len() - 1)
        } else {
            String::new()
        };
        found.push(
            Diagnostic::error(
                Code::M0305,
                format!("BMC address {address} lies in a dynamic range"),
                first.span,
                format!("{}{more}", first.who),
            )
            .also(&range.from.span, format!("range {from} - {to}"))
            .help("a lease could give the address to something else, and its power with it"),
        );
    }
    found
}
