//! Interfaces of a layout: each made once, in one other at most, never in a circle: M0224, M0228, M0229.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::network::Network,
    span::{Span, Spanned},
};
use schema_ids::Name;
use std::collections::{BTreeMap, BTreeSet};

/// The kernel keeps 15 characters of an interface's name (`IFNAMSIZ`).
const NAME_MAX: usize = 15;

/// Names that mean something else to the kernel or to systemd.
const TAKEN: [&str; 4] = ["lo", "all", "default", "bonding_masters"];

/// Looks at every network layout.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, network) in &subject.draft.networks {
        let mut told = made_twice(network);
        told.extend(taken_twice(network));
        told.extend(circle(network));
        let object = format!("network.{name}");
        found.extend(told.into_iter().map(|one| one.in_object(&object)));
    }
}

/// What the layout makes, with the place of each.
fn made(network: &Network) -> impl Iterator<Item = (&Name, Span, &'static str)> {
    let bonds = network
        .bond
        .iter()
        .map(|(name, made)| (name, place(&made.origin), "bond"));
    let vlans = network
        .vlan
        .iter()
        .map(|(name, made)| (name, place(&made.origin), "VLAN"));
    let bridges = network
        .bridge
        .iter()
        .map(|(name, made)| (name, place(&made.origin), "bridge"));
    bonds.chain(vlans).chain(bridges)
}

fn made_twice(network: &Network) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut seen: BTreeMap<&Name, (Span, &str)> = BTreeMap::new();
    for (name, span, what) in made(network) {
        if name.as_str().len() > NAME_MAX || TAKEN.contains(&name.as_str()) {
            let title = format!("no interface can be called \"{name}\"");
            let label = match name.as_str().len() > NAME_MAX {
                true => "the kernel keeps 15 characters",
                false => "the name means something else to the kernel",
            };
            found.push(Diagnostic::error(Code::M0229, title, &span, label));
        }
        if let Some((first, other)) = seen.get(name) {
            let title = format!("\"{name}\" is a {other} and a {what} at once");
            found.push(Diagnostic::error(Code::M0229, title, &span, "second").also(first, "first"));
        } else {
            seen.insert(name, (span, what));
        }
    }
    found
}

/// What is in a bond or a bridge is in no other.
fn taken_twice(network: &Network) -> Vec<Diagnostic> {
    let bonds = network
        .bond
        .iter()
        .map(|(name, bond)| (name, "bond", &bond.members));
    let bridges = network
        .bridge
        .iter()
        .map(|(name, bridge)| (name, "bridge", &bridge.members));
    let mut first: BTreeMap<&Name, (&Spanned<Name>, String)> = BTreeMap::new();
    let mut found = Vec::new();
    for (name, what, members) in bonds.chain(bridges) {
        for member in members {
            let who = format!("{what} \"{name}\"");
            if let Some((earlier, other)) = first.get(&member.value) {
                let title = format!("\"{}\" is in two places", member.value);
                found.push(
                    Diagnostic::error(Code::M0224, title, &member.span, format!("in {who}"))
                        .also(&earlier.span, format!("first in {other}")),
                );
            } else {
                first.insert(&member.value, (member, who));
            }
        }
    }
    found
}

/// What is made of itself by way of others.
fn circle(network: &Network) -> Option<Diagnostic> {
    let bonds = network
        .bond
        .iter()
        .map(|(name, bond)| (name, bond.members.iter().collect()));
    let bridges = network
        .bridge
        .iter()
        .map(|(name, bridge)| (name, bridge.members.iter().collect()));
    let vlans = network.vlan.iter().map(|(name, vlan)| (name, vec![&vlan.link]));
    let beneath: BTreeMap<&Name, Vec<&Spanned<Name>>> = bonds.chain(bridges).chain(vlans).collect();
    beneath.iter().find_map(|(start, below)| {
        let mut open: Vec<&Name> = below.iter().map(|one| &one.value).collect();
        let mut met: BTreeSet<&Name> = BTreeSet::new();
        while let Some(name) = open.pop() {
            if met.insert(name) {
                open.extend(beneath.get(name).into_iter().flatten().map(|one| &one.value));
            }
        }
        met.contains(*start).then(|| {
            let title = format!("\"{start}\" is made of itself");
            let span = below
                .first()
                .map_or_else(|| place(&network.origin), |one| one.span.clone());
            Diagnostic::error(Code::M0228, title, &span, "and so back to where it began")
        })
    })
}
