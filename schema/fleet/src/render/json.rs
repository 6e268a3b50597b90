//! The form for programs: `muster.diagnostics/1.0`, with everything the others leave out.

use super::word;
use crate::{
    diagnostic::{Applicability, Diagnostic, Label, Severity},
    span::{Position, Span},
};
use serde_json::{Value, json};

/// All diagnostics as one JSON value. Lines and columns count from 1, columns in Unicode scalar values;
/// bytes count from 0.
pub fn json(diagnostics: &[Diagnostic]) -> Value {
    let count = |severity| diagnostics.iter().filter(|one| one.severity == severity).count();
    json!({
        "format": "muster.diagnostics/1.0",
        "summary": { "errors": count(Severity::Error), "warnings": count(Severity::Warning) },
        "diagnostics": diagnostics.iter().map(one).collect::<Vec<_>>(),
    })
}

fn one(diagnostic: &Diagnostic) -> Value {
    let fixes = diagnostic.fixes.iter().map(|fix| {
        let edits = fix.edits.iter().map(|edit| {
            let mut value = span(&edit.span);
            value["text"] = json!(edit.text);
            value
        });
        let applicability = match fix.applicability {
            Applicability::Safe => "safe",
            Applicability::Maybe => "maybe",
        };
        json!({
            "title": fix.title,
            "applicability": applicability,
            "edits": edits.collect::<Vec<_>>(),
        })
    });
    json!({
        "code": diagnostic.code.as_str(),
        "severity": word(diagnostic.severity),
        "title": diagnostic.title,
        "object": diagnostic.object,
        "primary": label(&diagnostic.primary),
        "secondary": diagnostic.secondary.iter().map(label).collect::<Vec<_>>(),
        "notes": diagnostic.notes,
        "help": diagnostic.help,
        "fixes": fixes.collect::<Vec<_>>(),
    })
}

fn label(label: &Label) -> Value {
    let mut value = span(&label.span);
    value["label"] = json!(label.text);
    value
}

fn span(span: &Span) -> Value {
    json!({ "file": &*span.file, "start": position(span.start), "end": position(span.end) })
}

fn position(position: Position) -> Value {
    json!({ "line": position.line, "column": position.column, "byte": position.byte })
}
