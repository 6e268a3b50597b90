//! What is removed or moved is not declared at the same time: M0107.

use super::Subject;
use crate::{code::Code, diagnostic::Diagnostic};

/// Pairs of kinds that exclude each other for one name.
const PAIRS: [(&str, &str); 6] = [
    ("removed.machine", "machine"),
    ("moved.machine", "machine"),
    ("removed.deployment", "deployment"),
    ("moved.deployment", "deployment"),
    ("removed.machine", "moved.machine"),
    ("removed.deployment", "moved.deployment"),
];

/// Compares what is gone with what is there.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (gone, there) in PAIRS {
        let (Some(gone_names), Some(there_names)) = (subject.declared.get(gone), subject.declared.get(there))
        else {
            continue;
        };
        for (name, span) in gone_names {
            let Some(other) = there_names.get(name) else {
                continue;
            };
            let word = if gone.starts_with("removed") {
                "removed"
            } else {
                "moved"
            };
            found.push(
                Diagnostic::error(
                    Code::M0107,
                    format!("{there}.{name} is written, and {word} at once"),
                    span,
                    format!("{word} here"),
                )
                .in_object(format!("{gone}.{name}"))
                .also(other, "written here")
                .help("keep the one that is meant"),
            );
        }
    }
}
