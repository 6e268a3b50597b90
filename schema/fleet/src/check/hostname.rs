//! Every machine gets a name of its own that DNS can carry: M0603.

use super::{Subject, counted::COUNT_MAX};
use crate::{
    code::Code, diagnostic::Diagnostic, kinds::deployment::Deployment, span::Span,
    value::template::Placeholders,
};
use schema_ids::Name;
use std::collections::BTreeMap;

/// Fills in the hostname of each slot.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut given: BTreeMap<String, (String, &Span)> = BTreeMap::new();
    for (name, deployment) in &subject.draft.deployments {
        let told = match &deployment.count {
            None => named(subject, name, deployment, &mut given),
            Some(count) => counted(name, deployment, count.value.min(COUNT_MAX), &mut given),
        };
        found.extend(told.map(|diagnostic| diagnostic.in_object(format!("deployment.{name}"))));
    }
}

type Given<'s> = BTreeMap<String, (String, &'s Span)>;

/// Machines that are named: each slot's hostname is known.
fn named<'s>(
    subject: &Subject<'_>,
    name: &Name,
    deployment: &'s Deployment,
    given: &mut Given<'s>,
) -> Option<Diagnostic> {
    let template = &deployment.hostname;
    for (slot, machine) in (1_u32..).zip(&deployment.machines) {
        let declared = subject.draft.machines.get(&machine.name);
        let placeholders = Placeholders {
            slot,
            name: machine.as_str(),
            rack: declared
                .and_then(|one| one.rack.as_ref())
                .map(|rack| rack.as_str()),
            position: declared
                .and_then(|one| one.position.as_ref())
                .map(|at| u32::from(at.value)),
        };
        let Some(hostname) = template.fill(&placeholders) else {
            let title = format!(
                "hostname \"{}\" cannot be filled in for {machine}",
                template.value
            );
            let label = "the machine has no rack or no position";
            let diagnostic = Diagnostic::error(Code::M0603, title, &template.span, label);
            return Some(diagnostic.also(&machine.span, "this machine"));
        };
        let told = no_label(&hostname, &template.span)
            .map(|diagnostic| diagnostic.also(&machine.span, "for this machine"))
            .or_else(|| twice(hostname, &template.span, format!("slot {slot} of {name}"), given));
        if told.is_some() {
            return told;
        }
    }
    None
}

/// Machines that are counted: what tells their hostnames apart must be in the template, and where that is
/// the slot alone, each hostname is known.
fn counted<'s>(
    name: &Name,
    deployment: &'s Deployment,
    count: u32,
    given: &mut Given<'s>,
) -> Option<Diagnostic> {
    let template = &deployment.hostname;
    let uses = |placeholder| template.uses(placeholder);
    if count > 1 && !uses("slot") && !uses("name") {
        let title = format!("{count} machines would be called \"{}\"", template.value);
        let diagnostic = Diagnostic::error(Code::M0603, title, &template.span, "the same for each slot");
        return Some(diagnostic.help("put {slot} or {name} into the hostname"));
    }
    if uses("name") || uses("rack") || uses("position") {
        return None;
    }
    (1..=count).find_map(|slot| {
        let placeholders = Placeholders {
            slot,
            name: "",
            rack: None,
            position: None,
        };
        let hostname = template.fill(&placeholders)?;
        no_label(&hostname, &template.span)
            .or_else(|| twice(hostname, &template.span, format!("slot {slot} of {name}"), given))
    })
}

fn no_label(hostname: &str, span: &Span) -> Option<Diagnostic> {
    let title = format!("\"{hostname}\" is not a hostname");
    let label = "1 to 63 of a-z, 0-9 and hyphen, not at the ends";
    (!is_label(hostname)).then(|| Diagnostic::error(Code::M0603, title, span, label))
}

/// Whether someone has the hostname already; from here on this one has it.
fn twice<'s>(hostname: String, span: &'s Span, who: String, given: &mut Given<'s>) -> Option<Diagnostic> {
    if let Some((first, other)) = given.get(&hostname) {
        let title = format!("two machines would be called \"{hostname}\"");
        let diagnostic = Diagnostic::error(Code::M0603, title, span, format!("{first} and {who}"))
            .help("put {slot} or {name} into the hostname");
        return Some(match *other == span {
            true => diagnostic,
            false => diagnostic.also(other, format!("{first} has it already")),
        });
    }
    given.insert(hostname, (who, span));
    None
}

/// A label that hosts may have (RFC 1123 §2.1), in lower case.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
