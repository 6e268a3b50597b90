//! A machine that is to be installed can boot from the network: M0308, M0309, M0310.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::{fabric::DhcpMode, machine::Machine},
};
use schema_ids::Name;
use std::collections::BTreeMap;

/// Looks at every machine.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut deployed: BTreeMap<&Name, &Name> = BTreeMap::new();
    for (name, deployment) in &subject.draft.deployments {
        deployed.extend(deployment.machines.iter().map(|machine| (&machine.name, name)));
    }
    for (name, machine) in &subject.draft.machines {
        let told = unknowable(name, machine)
            .or_else(|| cannot_boot(subject, name, machine, deployed.get(name).copied()))
            .into_iter()
            .chain(in_another_zone(subject, name, machine));
        found.extend(told.map(|one| one.in_object(format!("machine.{name}"))));
    }
}

/// Nothing that a machine shows when it first boots is written of it.
fn unknowable(name: &Name, machine: &Machine) -> Option<Diagnostic> {
    let unknown = machine.nic.is_empty() && machine.serial.is_none() && machine.uuid.is_none();
    unknown.then(|| {
        let title = format!("machine \"{name}\" cannot be recognised");
        let label = "no MAC address, serial number or UUID is written of it";
        Diagnostic::warning(Code::M0308, title, &place(&machine.origin), label)
            .help("`muster machine discovered --patch` writes what a booting machine shows")
    })
}

/// No port of it is on a VLAN where rack agents answer.
fn cannot_boot(
    subject: &Subject<'_>,
    name: &Name,
    machine: &Machine,
    deployment: Option<&Name>,
) -> Option<Diagnostic> {
    let deployment = deployment?;
    let links = || machine.nic.values().filter_map(|nic| nic.link.as_ref());
    let mode = |link: &crate::value::vlan_ref::VlanRef| {
        let vlan = subject.draft.fabrics.get(&link.fabric)?.vlan.get(&link.vlan)?;
        Some(vlan.dhcp.value)
    };
    // A VLAN that is nowhere is told already.
    if links().any(|link| mode(link).is_none_or(|mode| mode != DhcpMode::Off)) {
        return None;
    }
    let title = format!("machine \"{name}\" cannot boot from the network");
    let label = match machine.nic.is_empty() {
        true => "it has no port with a MAC address",
        false => "none of its ports is on a VLAN where rack agents answer DHCP",
    };
    let diagnostic = Diagnostic::error(Code::M0309, title, &place(&machine.origin), label).help(format!(
        "deployment \"{deployment}\" installs it over the network: give a port its `link`"
    ));
    Some(match links().next() {
        Some(link) => diagnostic.also(&link.span, "nobody of ours answers here"),
        None => diagnostic,
    })
}

/// A port on a fabric of another zone than the machine's rack.
fn in_another_zone(subject: &Subject<'_>, name: &Name, machine: &Machine) -> Option<Diagnostic> {
    let draft = subject.draft;
    let rack = machine.rack.as_ref()?;
    let zone = draft.racks.get(&rack.name)?.zone.as_ref()?;
    let links = machine.nic.values().filter_map(|nic| nic.link.as_ref());
    let mut elsewhere = links.filter_map(|link| {
        let fabric = draft.fabrics.get(&link.fabric)?;
        let other = fabric.zone.as_ref().filter(|other| other.name != zone.name)?;
        Some((link, other))
    });
    let (link, other) = elsewhere.next()?;
    let title = format!("machine \"{name}\" is on a network of another zone");
    Some(
        Diagnostic::warning(
            Code::M0310,
            title,
            &link.span,
            format!("this fabric is in zone {other}"),
        )
        .also(&zone.span, format!("rack {rack} stands in zone {zone}")),
    )
}
