//! A plan as a case's snapshot says it: what a person would want to know of it.

use super::Step;
use rack_api::network::{Network, Settings};
use reconciler_core::intent::Intent;
use reconciler_core::plan::Plan;
use std::fmt::Write as _;

pub(super) fn describe(plan: &Plan, step: &Step) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        let mark = if change.destructive() { "!" } else { " " };
        writeln!(
            text,
            "{mark} {:?} {}: {}",
            change.action, change.object, change.why
        )
        .unwrap();
        for erased in &change.erases {
            writeln!(
                text,
                "      erases {} {}",
                erased.disk,
                brief(&erased.content.to_string())
            )
            .unwrap();
        }
        for kept in &change.keeps {
            writeln!(text, "      keeps  {kept}").unwrap();
        }
    }
    describe_machines(plan, &mut text);
    let entries = plan.wipe_set.entries.iter().flat_map(|(id, disks)| {
        let name = &plan.machines[id].name;
        disks.iter().map(move |disk| {
            format!(
                "  may erase {name} {} {}\n",
                disk.disk,
                brief(&disk.content.to_string())
            )
        })
    });
    let mut entries: Vec<String> = entries.collect();
    entries.sort();
    text.push_str(&entries.concat());
    describe_guards(plan, &mut text);
    let mut notes: Vec<_> = plan.notes.iter().collect();
    notes.sort_by_key(|note| &note.object);
    for note in notes {
        writeln!(
            text,
            "  note {} {}: {}",
            note.object,
            note.code,
            brief(&note.text)
        )
        .unwrap();
    }
    for name in &step.detail {
        let (_, machine) = plan.machine(name).unwrap();
        writeln!(
            text,
            "{}",
            serde_json::to_string_pretty(&machine.wanted.intent).unwrap()
        )
        .unwrap();
    }
    for name in &step.bound {
        let (id, _) = plan.machine(name).unwrap();
        let own = plan.bindings.values().filter(|binding| binding.machine == id);
        let disks: Vec<&str> = own
            .flat_map(|binding| &binding.disks)
            .map(|disk| disk.as_str())
            .collect();
        writeln!(text, "  bound of {name}: {}", disks.join(", ")).unwrap();
    }
    for name in &step.network {
        let (_, machine) = plan.machine(name).unwrap();
        if let Intent::Deployed(deploy) = &machine.wanted.intent {
            writeln!(text, "network of {name}").unwrap();
            describe_network(&deploy.network, &mut text);
        }
    }
    text
}

/// One line for each interface: what it is, then what it has where it has something.
fn describe_network(network: &Network, text: &mut String) {
    let ports = network
        .interfaces
        .iter()
        .map(|port| (&port.name, port.mac, "port".to_owned(), &port.settings));
    let made = network.made.iter().map(|made| {
        let kind = serde_json::to_string(&made.kind).unwrap();
        (&made.name, made.mac, kind, &made.settings)
    });
    for (name, mac, kind, settings) in ports.chain(made) {
        let has = serde_json::to_value(settings).unwrap();
        let nothing = serde_json::to_value(Settings::default()).unwrap();
        let mut has = has.as_object().unwrap().clone();
        has.retain(|key, value| nothing.get(key) != Some(value));
        writeln!(text, "  {name} {mac} {kind}").unwrap();
        for (key, value) in has {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value]);
            for value in values {
                writeln!(text, "      {key}: {value}").unwrap();
            }
        }
    }
}

fn describe_machines(plan: &Plan, text: &mut String) {
    let mut machines: Vec<_> = plan.machines.values().collect();
    machines.sort_by_key(|machine| machine.name.as_str());
    for machine in machines {
        let wanted = match &machine.wanted.intent {
            Intent::Observe { why, look: None } => format!("observe ({why})"),
            Intent::Observe {
                why,
                look: Some(look),
            } => format!("observe, inspected from generation {look} on ({why})"),
            Intent::AsIs { look: None, .. } => "as it is".to_owned(),
            Intent::AsIs { look: Some(look), .. } => format!("as it is, inspected from generation {look} on"),
            Intent::Ready { .. } => "ready".to_owned(),
            Intent::Orphaned { .. } => "orphaned".to_owned(),
            Intent::Released(erase) if erase.disks.is_empty() => "released, keeps its disks".to_owned(),
            Intent::Released(erase) => {
                let disks: Vec<&str> = erase.disks.iter().map(|disk| disk.disk.as_str()).collect();
                format!("released, erases {}", disks.join("+"))
            }
            Intent::Retired => "retired".to_owned(),
            Intent::Deployed(deploy) => {
                let disks: Vec<&str> = deploy.disks.iter().map(|disk| disk.disk.as_str()).collect();
                let addresses = deploy.network.all().flat_map(|(_, settings)| &settings.addresses);
                let addresses: Vec<String> = addresses.map(|at| at.address.to_string()).collect();
                format!(
                    "{} {} on {} {}",
                    deploy.hostname,
                    deploy.image.name,
                    disks.join("+"),
                    addresses.join("+")
                )
            }
        };
        writeln!(
            text,
            "  {} generation {}: {wanted}",
            machine.name, machine.wanted.generation
        )
        .unwrap();
        if let Some(blocked) = &machine.blocked {
            writeln!(text, "      {}: {}", blocked.condition, brief(&blocked.evidence)).unwrap();
        }
        if !machine.outdated.is_empty() {
            let fields: Vec<&str> = machine.outdated.iter().map(String::as_str).collect();
            writeln!(text, "      outdated: {}", fields.join(", ")).unwrap();
        }
    }
}

/// Bindings are digests that mean nothing to a reader.
pub(super) fn brief(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let parts: Vec<&str> = word
            .split(':')
            .map(|part| {
                if part.len() == 36 && part.contains("-8") {
                    "BINDING"
                } else {
                    part
                }
            })
            .collect();
        words.push(parts.join(":"));
    }
    words.join(" ")
}

fn describe_guards(plan: &Plan, text: &mut String) {
    for guard in &plan.guards {
        if let Some((code, why)) = &guard.blocked {
            writeln!(text, "  BLOCKED by {}: {code}: {why}", guard.guard).unwrap();
        } else if guard.guard == "holds" {
            writeln!(text, "  holds: {}", guard.detail).unwrap();
        }
    }
}
