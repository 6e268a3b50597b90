//! SARIF 2.1.0, for code scanning and editors.
//!
//! One run with the rules that are met; their help is the codes' pages, since the program is the only place where these
//! are sure to be found. Paths are relative to the repository (`%SRCROOT%`).

use super::{Place, message, word};
use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic, Fix, Label, Severity},
    fingerprint::fingerprints,
    span::Span,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write as _};

/// What code scanning of GitHub takes in one run; it shows fewer. Errors come first, so that warnings are left out.
const RESULTS_MAX: usize = 25_000;

/// All diagnostics as one SARIF log.
pub fn sarif(diagnostics: &[Diagnostic], place: Place<'_>) -> Value {
    let mut rules: BTreeMap<Code, Severity> = BTreeMap::new();
    for diagnostic in diagnostics {
        let worst = rules.entry(diagnostic.code).or_insert(diagnostic.severity);
        *worst = diagnostic.severity.min(*worst);
    }
    let indices: BTreeMap<Code, usize> = rules.keys().enumerate().map(|(at, code)| (*code, at)).collect();
    let mut results: Vec<_> = diagnostics.iter().zip(fingerprints(diagnostics)).collect();
    results.sort_by_key(|(diagnostic, _)| diagnostic.severity);
    results.truncate(RESULTS_MAX);
    let left_out = diagnostics.len() - results.len();
    let results = results
        .into_iter()
        .map(|(diagnostic, fingerprint)| result(diagnostic, indices[&diagnostic.code], &fingerprint, place));
    let results: Vec<_> = results.collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "muster",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_iter().map(rule).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications(left_out),
            }],
            "results": results,
        }],
    })
}

fn notifications(left_out: usize) -> Vec<Value> {
    let text = format!("{left_out} more are left out: {RESULTS_MAX} is the most that code scanning takes");
    let notification = json!({ "level": "warning", "message": { "text": text } });
    (left_out > 0).then_some(notification).into_iter().collect()
}

/// A code by its page: title, what is said before the example, and the whole.
fn rule((code, severity): (Code, Severity)) -> Value {
    let page = code.page();
    let (head, rest) = page.split_once('\n').unwrap_or((page, ""));
    let title = head.split_once(": ").map_or(head, |(_, title)| title);
    let meaning = rest.split("\n## ").next().unwrap_or_default();
    json!({
        "id": code.as_str(),
        "shortDescription": { "text": plain(title) },
        "fullDescription": { "text": plain(meaning.trim()) },
        "help": { "text": plain(page), "markdown": page },
        "defaultConfiguration": { "level": word(severity) },
    })
}

fn result(diagnostic: &Diagnostic, rule: usize, fingerprint: &str, place: Place<'_>) -> Value {
    let mut location = location(&diagnostic.primary.span, place);
    if let Some(object) = &diagnostic.object {
        location["logicalLocations"] = json!([{ "fullyQualifiedName": object, "kind": "object" }]);
    }
    let related = |(id, label): (usize, &Label)| {
        let mut related = self::location(&label.span, place);
        related["id"] = json!(id);
        related["message"] = json!({ "text": plain(&label.text) });
        related
    };
    let related: Vec<_> = (1..).zip(&diagnostic.secondary).map(related).collect();
    let fixes: Vec<_> = diagnostic.fixes.iter().map(|one| fix(one, place)).collect();
    let mut result = json!({
        "ruleId": diagnostic.code.as_str(),
        "ruleIndex": rule,
        "level": word(diagnostic.severity),
        "message": { "text": plain(&message(diagnostic, place)) },
        "locations": [location],
        // The first is the one that GitHub goes by; it would make one of the line's text otherwise.
        "partialFingerprints": {
            "primaryLocationLineHash": format!("{fingerprint}:1"),
            "musterDiagnostic/v1": fingerprint,
        },
    });
    if !related.is_empty() {
        result["relatedLocations"] = json!(related);
    }
    if !fixes.is_empty() {
        result["fixes"] = json!(fixes);
    }
    result
}

fn fix(fix: &Fix, place: Place<'_>) -> Value {
    let mut changes: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for edit in &fix.edits {
        let replacement = json!({
            "deletedRegion": region(&edit.span),
            "insertedContent": { "text": edit.text },
        });
        changes.entry(&edit.span.file).or_default().push(replacement);
    }
    let changes = changes.into_iter().map(|(file, replacements)| {
        json!({ "artifactLocation": artifact(file, place), "replacements": replacements })
    });
    let applicability = match fix.applicability {
        Applicability::Safe => "safe",
        Applicability::Maybe => "maybe",
    };
    json!({
        "description": { "text": plain(&fix.title) },
        "artifactChanges": changes.collect::<Vec<_>>(),
        "properties": { "applicability": applicability },
    })
}

fn location(span: &Span, place: Place<'_>) -> Value {
    json!({
        "physicalLocation": {
            "artifactLocation": artifact(&span.file, place),
            "region": region(span),
        },
    })
}

fn region(span: &Span) -> Value {
    json!({
        "startLine": span.start.line,
        "startColumn": span.start.column,
        "endLine": span.end.line,
        "endColumn": span.end.column,
        "byteOffset": span.start.byte,
        "byteLength": span.end.byte - span.start.byte,
    })
}

fn artifact(file: &str, place: Place<'_>) -> Value {
    json!({ "uri": uri(&place.path(file)), "uriBaseId": "%SRCROOT%" })
}

/// A path as a relative reference (RFC 3986 §2.3, §4.2): all but unreserved characters and `/` is percent-encoded.
fn uri(path: &str) -> String {
    path.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(byte.into());
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string does not fail");
        }
        out
    })
}

/// Text that holds no link of SARIF's own (§3.11.6): what files say must not become one.
fn plain(text: &str) -> String {
    text.replace("](", "\\](")
}
