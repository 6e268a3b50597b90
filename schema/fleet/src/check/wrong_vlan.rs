//! An address is of a network that its interface is on: M0233.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::{
        machine::Machine,
        network::{Address, Network},
    },
    span::Span,
    value::vlan_ref::VlanRef,
};
use schema_ids::Name;

/// Interfaces beneath each other that are looked at; layouts of people have three or four.
const DEPTH_MAX: usize = 8;

/// Looks at the layout of each deployment, on the machines that it names.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let draft = subject.draft;
    for deployment in draft.deployments.values() {
        let Some(network) = draft.networks.get(&deployment.network.name) else {
            continue;
        };
        let mut wrong = vec![false; network.address.len()];
        for named in &deployment.machines {
            let Some(machine) = draft.machines.get(&named.name) else {
                continue;
            };
            for (address, told) in network.address.iter().zip(&mut wrong) {
                // The first machine of a deployment speaks for all.
                if *told {
                    continue;
                }
                let one = of_address(subject, network, address, &named.name, machine);
                *told = one.is_some();
                let object = format!("network.{}", deployment.network);
                found.extend(one.map(|one| one.in_object(object)));
            }
        }
    }
}

fn of_address(
    subject: &Subject<'_>,
    network: &Network,
    address: &Address,
    name: &Name,
    machine: &Machine,
) -> Option<Diagnostic> {
    let named = address.subnet.as_ref()?;
    let subnet = subject.draft.subnets.get(&named.name)?;
    let (on, span) = carried(network, machine, &address.on.value)?;
    (*on != subnet.vlan.value).then(|| {
        let title = format!("\"{}\" is on {on}, and subnet \"{named}\" is not", address.on);
        Diagnostic::warning(
            Code::M0233,
            title,
            &named.span,
            format!("it is on {}", subnet.vlan),
        )
        .also(span, format!("what \"{}\" carries, of {name}", address.on))
        .also(&subnet.vlan.span, "the VLAN of the subnet")
        .help("take a subnet of that VLAN, or an interface on this one")
    })
}

/// The VLAN that an interface carries, and where that is said; none where nobody says it, or several are bridged.
pub(crate) fn carried<'s>(
    network: &'s Network,
    machine: &'s Machine,
    name: &'s Name,
) -> Option<(&'s VlanRef, &'s Span)> {
    let mut name = name;
    for _ in 0..DEPTH_MAX {
        if let Some(made) = network.vlan.get(name) {
            return Some((&made.vlan.value, &made.vlan.span));
        }
        // The ports of a bond are on one network, those of a bridge make one of several.
        let bond = network.bond.get(name).and_then(|made| made.members.first());
        let bridge = network.bridge.get(name).filter(|made| made.members.len() == 1);
        let Some(beneath) = bond.or_else(|| bridge.and_then(|made| made.members.first())) else {
            let link = machine.nic.get(name)?.link.as_ref()?;
            return Some((&link.value, &link.span));
        };
        name = &beneath.value;
    }
    None
}
