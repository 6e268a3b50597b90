//! Machines and devices stand where there is room: M0306, M0307, M0313.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::machine::BmcDriver,
    span::{Span, Spanned},
};
use schema_ids::Name;
use std::collections::BTreeMap;

/// What fills units of a rack.
struct Standing<'s> {
    kind: &'static str,
    name: &'s Name,
    position: &'s Spanned<u8>,
    height: u8,
}

impl Standing<'_> {
    fn object(&self) -> String {
        format!("{}.{}", self.kind, self.name)
    }
}

/// Looks at every rack.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let draft = subject.draft;
    let mut by_rack: BTreeMap<&Name, Vec<Standing<'_>>> = BTreeMap::new();
    let height = |height: &Option<Spanned<u8>>| height.as_ref().map_or(1, |height| height.value.max(1));
    for (name, machine) in &draft.machines {
        if let Some((rack, position)) = machine.rack.as_ref().zip(machine.position.as_ref()) {
            by_rack.entry(&rack.name).or_default().push(Standing {
                kind: "machine",
                name,
                position,
                height: height(&machine.height),
            });
        }
    }
    for (name, device) in &draft.devices {
        if let Some((rack, position)) = device.rack.as_ref().zip(device.position.as_ref()) {
            by_rack.entry(&rack.name).or_default().push(Standing {
                kind: "device",
                name,
                position,
                height: height(&device.height),
            });
        }
    }
    for (rack, standing) in &by_rack {
        let units = draft.racks.get(*rack).and_then(|rack| rack.units.as_ref());
        in_one_rack(rack, units, standing, found);
    }
    without_agents(subject, found);
    without_rack(subject, found);
}

fn in_one_rack(
    rack: &Name,
    units: Option<&Spanned<u8>>,
    standing: &[Standing<'_>],
    found: &mut Vec<Diagnostic>,
) {
    // By unit: what fills it first.
    let mut filled: BTreeMap<u8, &Standing<'_>> = BTreeMap::new();
    for one in standing {
        let first = one.position.value;
        let last = first.saturating_add(one.height - 1);
        let span: &Span = &one.position.span;
        if first == 0 {
            let title = format!("{} stands in unit 0 of rack {rack}", one.object());
            found.push(
                Diagnostic::error(Code::M0307, title, span, "units count from 1").in_object(one.object()),
            );
            continue;
        }
        if let Some(units) = units.filter(|units| last > units.value) {
            let title = format!("{} reaches up to unit {last} of rack {rack}", one.object());
            found.push(
                Diagnostic::error(Code::M0307, title, span, "above its top")
                    .also(&units.span, format!("it has {} units", units.value))
                    .in_object(one.object()),
            );
        }
        let other = filled
            .range(first..=last)
            .next()
            .map(|(unit, other)| (*unit, *other));
        if let Some((unit, other)) = other {
            let title = format!("two things stand in unit {unit} of rack {rack}");
            let words = |one: &Standing<'_>| match one.height {
                1 => one.object(),
                height => format!("{}, {height} units high", one.object()),
            };
            found.push(
                Diagnostic::error(Code::M0306, title, span, format!("second: {}", words(one)))
                    .also(&other.position.span, format!("first: {}", words(other)))
                    .in_object(one.object()),
            );
        }
        for unit in first..=last {
            filled.entry(unit).or_insert(one);
        }
    }
}

/// Machines in no rack, whose BMCs nobody speaks to.
fn without_rack(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let machines = subject.draft.machines.iter();
    let mut alone = machines.filter_map(|(name, machine)| {
        let bmc = machine
            .bmc
            .as_ref()
            .filter(|bmc| bmc.driver != BmcDriver::Manual)?;
        machine.rack.is_none().then_some((name, machine, bmc))
    });
    let Some((name, machine, bmc)) = alone.next() else {
        return;
    };
    let title = match alone.count() {
        0 => format!("machine \"{name}\" is in no rack"),
        more => format!("machine \"{name}\" and {more} more are in no rack"),
    };
    let told = Diagnostic::warning(
        Code::M0316,
        title,
        &place(&machine.origin),
        "nobody speaks to its BMC",
    );
    let told = told.also(&place(&bmc.origin), "the agents of a rack would");
    found.push(
        told.help("say where it stands:  rack = \"...\"")
            .in_object(format!("machine.{name}")),
    );
}

/// A machine whose BMC nobody speaks to.
fn without_agents(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let draft = subject.draft;
    let mut told: BTreeMap<&Name, (&Name, usize)> = BTreeMap::new();
    for (name, machine) in &draft.machines {
        let Some(rack) = &machine.rack else { continue };
        let driven = machine
            .bmc
            .as_ref()
            .is_some_and(|bmc| bmc.driver != BmcDriver::Manual);
        let agents = draft.racks.get(&rack.name).map(|rack| rack.agents.len());
        if driven && agents == Some(0) {
            told.entry(&rack.name).or_insert((name, 0)).1 += 1;
        }
    }
    for (rack, (first, count)) in told {
        let Some(object) = draft.racks.get(rack) else {
            continue;
        };
        let title = format!("rack \"{rack}\" has no agent to speak to its BMCs");
        let label = match count {
            1 => format!("{first} can be neither switched on nor off"),
            count => format!(
                "{first} and {} more can be neither switched on nor off",
                count - 1
            ),
        };
        found.push(
            Diagnostic::warning(Code::M0313, title, &place(&object.origin), label)
                .in_object(format!("rack.{rack}"))
                .help("name the rack agents that serve it:  agents = [\"rackd-1\"]"),
        );
    }
}
