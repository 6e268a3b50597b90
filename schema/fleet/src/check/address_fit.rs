//! A subnet has as many addresses as are to be chosen of it: M0234.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::{network::AddressMode, subnet::Subnet},
    span::Span,
};
use ipnet::IpNet;
use schema_ids::Name;
use std::{collections::BTreeMap, net::IpAddr};

/// What is to be chosen of a subnet, and where that is said first.
struct Wanted<'s> {
    addresses: u64,
    span: &'s Span,
    object: String,
}

/// Counts what the layouts of all deployments want of each subnet. Fixed addresses in it are not counted against it, so
/// what is told is certain.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let draft = subject.draft;
    let mut wanted: BTreeMap<&Name, Wanted<'_>> = BTreeMap::new();
    for deployment in draft.deployments.values() {
        let Some(network) = draft.networks.get(&deployment.network.name) else {
            continue;
        };
        let counted = deployment.count.as_ref().map(|count| u64::from(count.value));
        let machines = counted.unwrap_or(deployment.machines.len() as u64);
        let chosen = network.address.iter();
        let chosen = chosen.filter(|address| address.mode.value == AddressMode::Auto);
        for subnet in chosen.filter_map(|address| address.subnet.as_ref()) {
            let entry = wanted.entry(&subnet.name).or_insert_with(|| Wanted {
                addresses: 0,
                span: &subnet.span,
                object: format!("network.{}", deployment.network),
            });
            entry.addresses = entry.addresses.saturating_add(machines);
        }
    }
    for (name, wanted) in wanted {
        let Some((subnet, room)) = draft
            .subnets
            .get(name)
            .and_then(|subnet| Some((subnet, room(subnet)?)))
        else {
            continue;
        };
        if wanted.addresses > room {
            let title = format!("subnet \"{name}\" has too few addresses: {room} can be chosen");
            let label = format!("{} are wanted of it in all", wanted.addresses);
            found.push(
                Diagnostic::warning(Code::M0234, title, wanted.span, label)
                    .also(&subnet.cidr.span, "outside its ranges, and without the gateway")
                    .help("shorten its ranges, take a larger network, or spread the machines over two")
                    .in_object(wanted.object),
            );
        }
    }
}

/// Addresses of IPv4 that may be chosen; of IPv6 there are always enough.
fn room(subnet: &Subnet) -> Option<u64> {
    let IpNet::V4(cidr) = subnet.cidr.value else {
        return None;
    };
    let all = 1_u64 << (32 - cidr.prefix_len());
    let edges = if cidr.prefix_len() < 31 { 2 } else { 0 };
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => Some(u64::from(u32::from(address))),
        IpAddr::V6(_) => None,
    };
    let (first, last) = (
        u64::from(u32::from(cidr.network())),
        u64::from(u32::from(cidr.broadcast())),
    );
    let mut taken = edges;
    let mut covers_gateway = false;
    let gateway = subnet.gateway.as_ref().and_then(|gateway| number(gateway.value));
    for range in &subnet.range {
        let (from, to) = (number(range.from.value)?, number(range.to.value)?);
        // Ends of the network that a range covers are counted once.
        let inner = (from.max(first + edges / 2), to.min(last - edges / 2));
        taken += (inner.1 + 1).saturating_sub(inner.0);
        covers_gateway |= gateway.is_some_and(|gateway| (from..=to).contains(&gateway));
    }
    let gateway = u64::from(gateway.is_some() && !covers_gateway);
    Some(all.saturating_sub(taken + gateway))
}
