//! The report of GitLab's Code Quality: one list, compared with that of the target branch by fingerprint.

use super::{Place, message};
use crate::{
    diagnostic::{Diagnostic, Severity},
    fingerprint::fingerprints,
};
use serde_json::{Value, json};

/// All diagnostics as one report; an empty list for none.
pub fn gitlab(diagnostics: &[Diagnostic], place: Place<'_>) -> Value {
    let issue = |(diagnostic, fingerprint): (&Diagnostic, String)| {
        let span = &diagnostic.primary.span;
        let severity = match diagnostic.severity {
            Severity::Error => "critical",
            Severity::Warning => "minor",
        };
        json!({
            // One line: it is shown in a list.
            "description": message(diagnostic, place).replace('\n', "; "),
            "check_name": diagnostic.code.as_str(),
            "fingerprint": fingerprint,
            "severity": severity,
            "location": {
                "path": place.path(&span.file),
                "lines": { "begin": span.start.line, "end": span.end.line },
            },
        })
    };
    diagnostics
        .iter()
        .zip(fingerprints(diagnostics))
        .map(issue)
        .collect()
}
