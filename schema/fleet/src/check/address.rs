//! Static addresses: each in a subnet of its link, once, and out of the dynamic ranges: M0204, M0207,
//! M0208, M0305.

use super::{Subject, subnet::is_edge, wrong_vlan::carried};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::{
        network::AddressMode,
        subnet::{Range, RangeUse, Subnet},
    },
    span::{Span, Spanned},
    value::{template::Placeholders, vlan_ref::VlanRef},
};
use ipnet::IpNet;
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
    let subnets = subject.draft.subnets.iter();
    let networks = subnets.map(|(name, subnet)| (subnet.cidr.network(), (name, subnet)));
    let networks = networks.collect();
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
                of_port(subject, nic.link.as_ref(), address.value, &address.span)
                    .map(|diagnostic| diagnostic.in_object(format!("machine.{name}"))),
            );
        }
        // Two machines with one BMC are told as that, not as two holders of an address.
        if let Some(address) = machine.bmc.as_ref().and_then(|bmc| bmc.address.as_ref()) {
            let who = format!("the BMC of {name}");
            found.extend(
                no_host(&networks, address.value, &address.span)
                    .map(|told| told.in_object(format!("machine.{name}"))),
            );
            held.entry(address.value).or_insert(Holder {
                span: &address.span,
                who,
                bmc: true,
            });
        }
    }
    of_devices(subject, &mut held, found);
    of_layouts(subject, &mut held, found);
    let servers = subject.draft.subnets.iter();
    let servers = servers.flat_map(|(name, subnet)| subnet.dns.iter().map(move |server| (name, server)));
    let servers = servers.map(|(name, server)| (server.value, (name, &server.span)));
    let servers: BTreeMap<IpAddr, (&Name, &Span)> = servers.collect();
    for (name, subnet) in &subject.draft.subnets {
        for range in subnet
            .range
            .iter()
            .filter(|range| range.purpose == RangeUse::Dynamic)
        {
            let mut diagnostics = covered(range, &held);
            diagnostics.extend(covers_server(range, &servers));
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
                .and_then(|link| of_port(subject, Some(link), address.value, &address.span));
            found.extend(outside.map(|diagnostic| diagnostic.in_object(format!("device.{name}"))));
        }
    }
}

/// Addresses that network layouts write for the machines of a deployment.
fn of_layouts<'s>(
    subject: &Subject<'s>,
    held: &mut BTreeMap<IpAddr, Holder<'s>>,
    found: &mut Vec<Diagnostic>,
) {
    let draft = subject.draft;
    for deployment in draft.deployments.values() {
        let Some(network) = draft.networks.get(&deployment.network.name) else {
            continue;
        };
        let object = format!("network.{}", deployment.network);
        let written = network.address.iter();
        let written = written.filter(|address| address.mode.value == AddressMode::Static);
        for (address, cidr) in written.filter_map(|address| Some((address, address.cidr.as_ref()?))) {
            for (slot, named) in (1..).zip(&deployment.machines) {
                let Some(machine) = draft.machines.get(&named.name) else {
                    continue;
                };
                let placeholders = Placeholders::of(slot, &named.name, machine);
                // What cannot be filled in is told of the layout.
                let filled = cidr
                    .fill(&placeholders)
                    .and_then(|text| text.parse::<IpNet>().ok());
                let Some(filled) = filled.map(|net| net.addr()) else {
                    continue;
                };
                let holder = Holder {
                    span: &cidr.span,
                    who: format!("\"{}\" of {}", address.on, named.name),
                    bmc: false,
                };
                let mut told = Vec::new();
                hold(held, filled, holder, &mut told);
                let carried = carried(network, machine, &address.on.value);
                let known =
                    carried.filter(|(vlan, _)| !subject.subnets_on(&vlan.fabric, &vlan.vlan).is_empty());
                told.extend(known.and_then(|link| in_no_subnet(subject, link, filled, &cidr.span)));
                found.extend(told.into_iter().map(|one| one.in_object(&object)));
            }
        }
    }
}

/// A BMC's address that no machine can have in the network that it is of.
fn no_host(
    networks: &BTreeMap<IpAddr, (&Name, &Subnet)>,
    address: IpAddr,
    span: &Span,
) -> Option<Diagnostic> {
    let (_, (name, subnet)) = networks.range(..=address).next_back()?;
    let is_none = subnet.cidr.contains(&address) && is_edge(&subnet.cidr, address);
    is_none.then(|| {
        let title = format!(
            "address {address} is no host of subnet \"{name}\" ({})",
            subnet.cidr.value
        );
        Diagnostic::error(
            Code::M0204,
            title,
            span,
            "the network itself, or all that are in it",
        )
        .also(&subnet.cidr.span, "the subnet")
    })
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
            .help(match first.span == holder.span {
                true => "it is one text for all machines: put {slot} or {position} into it",
                false => "leave one of them out and the planner will choose a free address",
            }),
        );
    } else {
        held.insert(address, holder);
    }
}

/// The address of a port, which is on a VLAN.
fn of_port(
    subject: &Subject<'_>,
    link: Option<&Spanned<VlanRef>>,
    address: IpAddr,
    span: &Span,
) -> Option<Diagnostic> {
    match link {
        Some(link) => in_no_subnet(subject, (&link.value, &link.span), address, span),
        None => Some(
            Diagnostic::error(
                Code::M0204,
                format!("address {address} is on a port without `link`"),
                span,
                "on which VLAN?",
            )
            .help("for example  link = \"lab/pxe\""),
        ),
    }
}

/// An address must lie in a subnet of the VLAN it is on, and be a host there.
fn in_no_subnet(
    subject: &Subject<'_>,
    (link, link_span): (&VlanRef, &Span),
    address: IpAddr,
    span: &Span,
) -> Option<Diagnostic> {
    let mut subnets: Vec<(&Name, &Subnet)> = subject.subnets_on(&link.fabric, &link.vlan).to_vec();
    let host = |subnet: &Subnet| subnet.cidr.contains(&address) && !is_edge(&subnet.cidr, address);
    if subnets.iter().any(|(_, subnet)| host(subnet)) {
        return None;
    }
    // The nearest guess first: of the same family.
    subnets.sort_by_key(|(_, subnet)| subnet.cidr.addr().is_ipv4() != address.is_ipv4());
    let Some((name, subnet)) = subnets.first() else {
        let title = format!("address {address} is on VLAN \"{link}\", which has no subnet");
        let told = Diagnostic::error(Code::M0204, title, span, "no subnet to be in");
        let told = told.also(link_span, "the VLAN");
        return Some(told.help(format!(
            "describe one:  [subnet.NAME]  vlan = \"{link}\"  cidr = \"…\""
        )));
    };
    let title = format!(
        "address {address} is no host of subnet \"{name}\" ({})",
        subnet.cidr.value
    );
    let edges = format!("{} to {}", subnet.cidr.network(), subnet.cidr.broadcast());
    Some(Diagnostic::error(Code::M0204, title, span, "outside").also(&subnet.cidr.span, edges))
}

/// A name server whose address a lease could take.
fn covers_server(range: &Range, servers: &BTreeMap<IpAddr, (&Name, &Span)>) -> Option<Diagnostic> {
    let (from, to) = (range.from.value, range.to.value);
    if from > to {
        return None;
    }
    let (_, (name, server)) = servers.range(from..=to).next()?;
    let title = "a dynamic range covers a name server";
    let told = Diagnostic::error(Code::M0207, title, &range.to.span, format!("range {from} - {to}"));
    let told = told.also(server, format!("what subnet \"{name}\" asks for names"));
    Some(told.help("end the range before it, or move the address"))
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
