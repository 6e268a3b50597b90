//! Network layouts fit themselves and the machines they are used on: M0221, M0222, M0225.

use super::{Subject, place};
use crate::{
    code::Code,
    count::count,
    diagnostic::Diagnostic,
    fleet::Draft,
    kinds::{
        deployment::Deployment,
        machine::Machine,
        network::{Address, AddressMode, Network},
    },
    span::Spanned,
    value::template::Placeholders,
};
use ipnet::IpNet;
use schema_ids::Name;

/// Looks at every network layout, alone and on the machines of the deployments that use it.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, network) in &subject.draft.networks {
        let mut diagnostics = bonds(network);
        diagnostics.extend(network.address.iter().flat_map(incomplete));
        for (deployment, machine_name, machine) in machines_of(subject.draft, name) {
            diagnostics.extend(missing_interfaces(network, machine_name, machine));
            diagnostics.extend(
                network
                    .address
                    .iter()
                    .filter_map(|address| unfillable(address, deployment, machine_name, machine)),
            );
        }
        let object = format!("network.{name}");
        found.extend(
            diagnostics
                .into_iter()
                .map(|diagnostic| diagnostic.in_object(&object)),
        );
    }
}

fn machines_of<'s>(
    draft: &'s Draft,
    network: &Name,
) -> impl Iterator<Item = (&'s Deployment, &'s Name, &'s Machine)> {
    let deployments = draft.deployments.values();
    let used = deployments.filter(move |deployment| deployment.network.name == *network);
    used.flat_map(move |deployment| {
        deployment.machines.iter().filter_map(move |machine| {
            let (name, machine) = draft.machines.get_key_value(&machine.name)?;
            Some((deployment, name, &**machine))
        })
    })
}

fn bonds(network: &Network) -> Vec<Diagnostic> {
    let thin = network.bond.iter().filter(|(_, bond)| bond.members.len() < 2);
    let tell = |(name, bond): (&Name, &crate::kinds::network::Bond)| {
        let title = format!("bond \"{name}\" has {}", count(bond.members.len(), "member"));
        let bond_itself = place(&bond.origin);
        let (span, label) = match bond.members.first() {
            Some(only) => (&only.span, "the only one"),
            None => (&bond_itself, "`members` is missing or empty"),
        };
        Diagnostic::error(Code::M0221, title, span, label).help(
            "a bond joins two or more interfaces; with one, leave the bond out and use the interface itself",
        )
    };
    thin.map(tell).collect()
}

/// What an address lacks for its mode, or has too much.
fn incomplete(address: &Address) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if address.mode.value == AddressMode::Auto && address.subnet.is_none() {
        let title = format!("the address of \"{}\" has no `subnet`", address.on.value);
        let label = "the planner chooses it from a subnet: which?";
        found.push(Diagnostic::error(Code::M0225, title, &address.mode.span, label));
    }
    let Some(cidr) = &address.cidr else { return found };
    if address.mode.value != AddressMode::Static {
        let title = format!("`cidr` means nothing with mode = \"{}\"", address.mode.value);
        found.push(
            Diagnostic::error(Code::M0225, title, &cidr.span, "only for static addresses")
                .also(&address.mode.span, "the mode"),
        );
    }
    let one = Placeholders {
        slot: 1,
        name: "1",
        rack: Some("1"),
        position: Some(1),
    };
    if cidr.fill(&one).is_none_or(|text| text.parse::<IpNet>().is_err()) {
        let title = format!("\"{}\" is not an address with its prefix", cidr.value);
        found.push(
            Diagnostic::error(Code::M0009, title, &cidr.span, "not even with numbers filled in")
                .help("for example \"10.20.16.{position}/24\""),
        );
    }
    found
}

/// Interfaces that are named, but neither made by the layout nor ports of the machine.
fn missing_interfaces(network: &Network, name: &Name, machine: &Machine) -> Vec<Diagnostic> {
    let bonds = network.bond.values().flat_map(|bond| &bond.members);
    let bridges = network.bridge.values().flat_map(|bridge| &bridge.members);
    let vlans = network.vlan.values().map(|vlan| &vlan.link);
    let addresses = network.address.iter().map(|address| &address.on);
    let routes = network.route.iter().map(|route| &route.on);
    let named = bonds.chain(bridges).chain(vlans).chain(addresses).chain(routes);
    let made = |one: &Name| {
        network.bond.contains_key(one) || network.vlan.contains_key(one) || network.bridge.contains_key(one)
    };
    let missing = named.filter(|one| !made(&one.value) && !machine.nic.contains_key(&one.value));
    let ports: Vec<_> = machine.nic.keys().map(Name::as_str).collect();
    let tell = |one: &Spanned<Name>| {
        let title = format!("there is no interface \"{}\"", one.value);
        let text = if ports.is_empty() {
            format!("{name} has no ports")
        } else {
            format!("{name} has the ports {}", ports.join(", "))
        };
        Diagnostic::error(
            Code::M0222,
            title,
            &one.span,
            "neither made here nor a port of the machine",
        )
        .also(&place(&machine.origin), text)
    };
    missing.map(tell).collect()
}

/// A static address for which the machine does not say what is wanted.
fn unfillable(
    address: &Address,
    deployment: &Deployment,
    name: &Name,
    machine: &Machine,
) -> Option<Diagnostic> {
    if address.mode.value != AddressMode::Static {
        return None;
    }
    let on = &address.on.value;
    let Some(cidr) = &address.cidr else {
        let given = machine.nic.get(on).is_some_and(|nic| nic.address.is_some());
        let title = format!("the static address of \"{on}\" is nowhere");
        let label = format!("no `cidr` here, and no `nic.{on}.address` on the machine");
        return (!given).then(|| {
            Diagnostic::error(Code::M0225, title, &address.mode.span, label)
                .also(&place(&machine.origin), format!("used on {name}"))
        });
    };
    let slot = deployment
        .machines
        .iter()
        .position(|one| one.name == *name)
        .unwrap_or_default();
    let slot = u32::try_from(slot + 1).unwrap_or(u32::MAX);
    let placeholders = Placeholders::of(slot, name, machine);
    cidr.fill(&placeholders).is_none().then(|| {
        let title = format!("\"{}\" cannot be filled in for {name}", cidr.value);
        Diagnostic::error(
            Code::M0225,
            title,
            &cidr.span,
            "the machine has no rack or no position",
        )
        .also(&place(&machine.origin), "this machine")
    })
}
