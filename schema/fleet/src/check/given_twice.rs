//! What a network layout says once suffices: addresses and routes that are given again: M0235.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::network::{AddressMode, Network},
    span::Span,
};
use ipnet::IpNet;
use schema_ids::Name;
use std::collections::BTreeMap;

/// Looks at every network layout.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, network) in &subject.draft.networks {
        let told = addresses(network).into_iter().chain(routes(network));
        let object = format!("network.{name}");
        found.extend(told.map(|one| one.in_object(&object)));
    }
}

fn addresses(network: &Network) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut chosen: BTreeMap<(&Name, &Name), &Span> = BTreeMap::new();
    let mut any: BTreeMap<&Name, (AddressMode, &Span)> = BTreeMap::new();
    for address in &network.address {
        let (on, mode) = (&address.on.value, address.mode.value);
        if let Some(subnet) = &address.subnet
            && let Some(first) = chosen.insert((on, &subnet.name), &address.on.span)
        {
            let title = format!("\"{on}\" has two addresses of subnet \"{subnet}\"");
            let told = Diagnostic::warning(Code::M0235, title, &address.on.span, "second");
            found.push(
                told.also(first, "first")
                    .help("one address of a network is enough: keep one line"),
            );
        }
        let first = any.insert(on, (mode, &address.on.span));
        if let Some((first, span)) = first
            && (first == AddressMode::LinkUp || mode == AddressMode::LinkUp)
        {
            let title = format!("\"{on}\" has an address, and none");
            let told =
                Diagnostic::warning(Code::M0235, title, &address.on.span, format!("mode = \"{mode}\""));
            let told = told.also(span, format!("mode = \"{first}\""));
            found.push(told.help("link-up is for interfaces without any address: leave it out"));
        }
    }
    found
}

fn routes(network: &Network) -> Vec<Diagnostic> {
    let mut seen: BTreeMap<(IpNet, Option<u32>), &Span> = BTreeMap::new();
    let mut found = Vec::new();
    for route in &network.route {
        if let Some(first) = seen.insert((route.to.trunc(), route.metric), &route.via.span) {
            let title = format!("two routes lead to {} with the same metric", route.to);
            let told = Diagnostic::warning(Code::M0235, title, &route.via.span, "second");
            found.push(
                told.also(first, "first")
                    .help("keep one, or say by `metric` which one is better"),
            );
        }
    }
    found
}
