//! Machines that have their slots as they are, and machines that are only observed: M0612, M0613, M0614.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::{
        deployment::{Adopt, Deployment},
        machine::Manage,
    },
    span::Span,
};
use schema_ids::Name;
use std::collections::{BTreeMap, BTreeSet};

/// Looks at every deployment, and at every machine that is taken over.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, machine) in &subject.draft.machines {
        let taken = machine.taken_from.as_ref().filter(|_| !machine.mark);
        found.extend(taken.map(|owner| unmarked(name, &owner.span)));
    }
    let mut adopted: BTreeMap<&Name, &Span> = BTreeMap::new();
    let mut named: BTreeMap<&Name, (&Name, &Span)> = BTreeMap::new();
    for (name, deployment) in &subject.draft.deployments {
        let machines = deployment.machines.iter();
        named.extend(machines.map(|machine| (&machine.name, (name, &machine.span))));
    }
    for (name, deployment) in &subject.draft.deployments {
        let mut told = Vec::new();
        let mut slots: BTreeMap<u32, &Span> = BTreeMap::new();
        for adopt in &deployment.adopt {
            told.extend(misplaced(name, deployment, adopt));
            told.extend(named_elsewhere(name, adopt, named.get(&adopt.machine.name)));
            if let Some(first) = adopted.insert(&adopt.machine.name, &adopt.machine.span) {
                let title = format!("machine \"{}\" is adopted twice", adopt.machine);
                told.push(
                    Diagnostic::error(Code::M0612, title, &adopt.machine.span, "once more here")
                        .also(first, "first here"),
                );
            }
            let Some(slot) = adopt.slot.as_ref().filter(|_| deployment.count.is_some()) else {
                continue;
            };
            if let Some(first) = slots.insert(slot.value, &slot.span) {
                let title = format!("two machines are adopted into {name}[{}]", slot.value);
                told.push(
                    Diagnostic::error(Code::M0612, title, &slot.span, "this one")
                        .also(first, "and this one")
                        .help("a slot is one machine's"),
                );
            }
        }
        told.extend(only_observed(subject, name, deployment));
        let object = format!("deployment.{name}");
        found.extend(told.into_iter().map(|diagnostic| diagnostic.in_object(&object)));
    }
}

/// A machine that would still bear the other's mark.
fn unmarked(name: &Name, span: &Span) -> Diagnostic {
    let title = format!("machine \"{name}\" is taken over, and not marked");
    Diagnostic::error(
        Code::M0614,
        title,
        span,
        "from this control plane, whose mark would stay",
    )
    .help("add `mark = true`: a mark is replaced by another, and never only taken away")
    .in_object(format!("machine.{name}"))
}

/// An entry that says something else than the deployment it stands in.
fn misplaced(name: &Name, deployment: &Deployment, adopt: &Adopt) -> Vec<Diagnostic> {
    let mut told = Vec::new();
    let machine = &adopt.machine;
    let mut tell = |title: String, span: &Span, label: &str, help: &str| {
        told.push(Diagnostic::error(Code::M0612, title, span, label).help(help));
    };
    match (&deployment.count, &adopt.slot) {
        (None, slot) => {
            if !deployment.machines.contains(machine) {
                tell(
                    format!("deployment \"{name}\" names its machines, and \"{machine}\" is none of them"),
                    &machine.span,
                    "adopted and not named",
                    "name it in `machines` too: its slot is its place there",
                );
            }
            if let Some(slot) = slot {
                tell(
                    format!("`slot` is for machines that are counted, \"{name}\" names them"),
                    &slot.span,
                    "without a `count`",
                    "a named machine's slot is its place in `machines`",
                );
            }
        }
        (Some(_), Some(slot)) if slot.value == 0 => tell(
            "slots count from 1".to_owned(),
            &slot.span,
            "there is no slot 0",
            "leave it out for the lowest free one",
        ),
        (Some(_), _) => {}
    }
    let released = deployment.release.iter().flat_map(|release| &release.machines);
    if released.into_iter().any(|released| released == machine) {
        tell(
            format!("deployment \"{name}\" adopts \"{machine}\" and takes its slot back"),
            &machine.span,
            "it is in `release` as well",
            "keep one of both",
        );
    }
    told
}

/// A machine that one deployment adopts and another names.
fn named_elsewhere(name: &Name, adopt: &Adopt, named: Option<&(&Name, &Span)>) -> Option<Diagnostic> {
    let (other, span) = named.filter(|(other, _)| *other != name)?;
    let title = format!(
        "machine \"{}\" is adopted into \"{name}\", and in \"{other}\"",
        adopt.machine
    );
    Some(
        Diagnostic::error(Code::M0612, title, &adopt.machine.span, "adopted here")
            .also(span, format!("named in \"{other}\"")),
    )
}

/// Machines that are named to be installed, and of which git says that nothing is to be done with them.
fn only_observed(subject: &Subject<'_>, name: &Name, deployment: &Deployment) -> Vec<Diagnostic> {
    let adopted: BTreeSet<&Name> = deployment.adopt.iter().map(|adopt| &adopt.machine.name).collect();
    let named = deployment
        .machines
        .iter()
        .filter(|machine| !adopted.contains(&machine.name));
    let observed = named.filter(|machine| {
        let found = subject.draft.machines.get(&machine.name);
        found.is_some_and(|machine| machine.manage == Manage::Observe)
    });
    observed
        .map(|machine| {
            let title = format!("machine \"{machine}\" is only observed, and in deployment \"{name}\"");
            Diagnostic::warning(Code::M0613, title, &machine.span, "nothing is installed on it")
                .help(
                    "to keep what runs there, add it to `adopt`; to have it installed, take `manage = \"observe\"` away",
                )
        })
        .collect()
}
