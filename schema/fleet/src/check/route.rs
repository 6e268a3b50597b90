//! Routers are reached: M0216, M0230.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::network::{AddressMode, Network, Route},
};

/// Looks at the routes of subnets and of layouts.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, subnet) in &subject.draft.subnets {
        for route in &subnet.route {
            if !subnet.cidr.contains(&route.via.value) {
                let title = format!("the router {} is not in subnet \"{name}\"", route.via.value);
                found.push(
                    Diagnostic::error(Code::M0216, title, &route.via.span, "outside")
                        .also(&subnet.cidr.span, "its addresses")
                        .in_object(format!("subnet.{name}")),
                );
            }
        }
    }
    for (name, network) in &subject.draft.networks {
        let of_layout = network
            .route
            .iter()
            .filter_map(|route| unreached(subject, network, route));
        found.extend(of_layout.map(|one| one.in_object(format!("network.{name}"))));
    }
}

/// A route whose router is in no network that its interface has an address of.
fn unreached(subject: &Subject<'_>, network: &Network, route: &Route) -> Option<Diagnostic> {
    if route.to.addr().is_ipv4() != route.via.is_ipv4() {
        let title = format!("{} is not reached through {}", route.to, route.via.value);
        return Some(Diagnostic::error(
            Code::M0230,
            title,
            &route.via.span,
            "the router is of the other family",
        ));
    }
    let entries: Vec<_> = network
        .address
        .iter()
        .filter(|one| one.on.value == route.on.value)
        .collect();
    // An address that is asked for, or filled in for each machine, may be in any network.
    let known = entries
        .iter()
        .all(|one| one.mode.value == AddressMode::Auto || one.mode.value == AddressMode::LinkUp);
    if !known {
        return None;
    }
    let subnets = entries.iter().filter_map(|one| one.subnet.as_ref());
    let mut subnets = subnets
        .filter_map(|subnet| subject.draft.subnets.get(&subnet.name))
        .peekable();
    let on = &route.on;
    if subnets.peek().is_none() && !entries.iter().any(|one| one.mode.value == AddressMode::Auto) {
        let title = format!(
            "no address of \"{}\" reaches the router {}",
            on.value, route.via.value
        );
        return Some(
            Diagnostic::error(Code::M0230, title, &route.via.span, "through which network?")
                .also(&on.span, "it gets no address here"),
        );
    }
    let mut cidrs = Vec::new();
    for subnet in subnets {
        if subnet.cidr.contains(&route.via.value) {
            return None;
        }
        cidrs.push(&subnet.cidr);
    }
    let first = cidrs.first()?;
    let title = format!(
        "the router {} is in no network of \"{}\"",
        route.via.value, on.value
    );
    Some(
        Diagnostic::error(Code::M0230, title, &route.via.span, "outside")
            .also(&first.span, "the network it has an address of"),
    )
}
