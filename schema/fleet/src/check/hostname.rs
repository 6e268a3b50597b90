//! Every machine gets a name of its own that DNS can carry: M0603.

use super::Subject;
use crate::{code::Code, diagnostic::Diagnostic, span::Span, value::template::Placeholders};
use std::collections::BTreeMap;

/// Fills in the hostname of each slot.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut given: BTreeMap<String, (String, &Span)> = BTreeMap::new();
    for (name, deployment) in &subject.draft.deployments {
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
                found.push(
                    Diagnostic::error(Code::M0603, title, &template.span, label)
                        .in_object(format!("deployment.{name}"))
                        .also(&machine.span, "this machine"),
                );
                break;
            };
            if !is_label(&hostname) {
                let title = format!("\"{hostname}\" is not a hostname");
                let label = "1 to 63 of a-z, 0-9 and hyphen, not at the ends";
                found.push(
                    Diagnostic::error(Code::M0603, title, &template.span, label)
                        .in_object(format!("deployment.{name}"))
                        .also(&machine.span, "for this machine"),
                );
                break;
            }
            let who = format!("slot {slot} of {name}");
            if let Some((first, span)) = given.get(&hostname) {
                let title = format!("two machines would be called \"{hostname}\"");
                let diagnostic =
                    Diagnostic::error(Code::M0603, title, &template.span, format!("{first} and {who}"))
                        .in_object(format!("deployment.{name}"))
                        .help("put {slot} or {name} into the hostname");
                found.push(if **span == template.span {
                    diagnostic
                } else {
                    diagnostic.also(span, format!("{first} has it already"))
                });
                break;
            }
            given.insert(hostname, (who, &template.span));
        }
    }
}

/// A label that hosts may have (RFC 1123 §2.1), in lower case.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
