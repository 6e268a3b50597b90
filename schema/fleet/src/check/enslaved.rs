//! An interface that works for a bond or a bridge has no addresses and routes of its own: M0232.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::network::{AddressMode, Network},
    span::Spanned,
};
use schema_ids::Name;
use std::collections::BTreeMap;

/// Looks at every network layout.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, network) in &subject.draft.networks {
        let object = format!("network.{name}");
        found.extend(of_layout(network).into_iter().map(|one| one.in_object(&object)));
    }
}

fn of_layout(network: &Network) -> Vec<Diagnostic> {
    let bonds = network.bond.iter().map(|(name, made)| (name, &made.members));
    let bridges = network.bridge.iter().map(|(name, made)| (name, &made.members));
    let members = bonds
        .chain(bridges)
        .flat_map(|(name, members)| members.iter().map(move |member| (&member.value, (name, member))));
    let masters: BTreeMap<&Name, (&Name, &Spanned<Name>)> = members.collect();
    let addresses = network.address.iter();
    let addresses = addresses.filter(|one| one.mode.value != AddressMode::LinkUp);
    let addresses = addresses.map(|one| (&one.on, "an address", "address"));
    let routes = network.route.iter().map(|one| (&one.on, "a route", "route"));
    let tell = |(on, one, what): (&Spanned<Name>, &str, &str)| {
        let (master, member) = masters.get(&on.value)?;
        let title = format!("\"{on}\" is a part of \"{master}\" and has {one} of its own");
        let told = Diagnostic::warning(
            Code::M0232,
            title,
            &on.span,
            format!("nothing would come in by this {what}"),
        );
        let told = told.also(&member.span, format!("it is in \"{master}\""));
        Some(told.help(format!("put the {what} on \"{master}\"")))
    };
    addresses.chain(routes).filter_map(tell).collect()
}
