//! What a change to a fleet brought about, of all that is wrong with it.
//!
//! A person who changes one line of an old fleet is to be told of that line, and of what it broke elsewhere, but not of
//! everything that was wrong before.

use crate::{
    check::of_change,
    diagnostic::{Diagnostic, Severity},
    fingerprint::{About, about},
    fold::sort,
    intake::Refused,
    objects::Object,
    parse::{Parsed, objects, parse_taken},
    source::SourceFile,
    span::Span,
    tree::{Node, Value},
};
use std::{collections::BTreeMap, ops::RangeInclusive};

/// What the files were before, and which lines of them are other ones now.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The files before.
    pub before: Vec<SourceFile>,
    /// What of them was not taken.
    pub refused: Refused,
    /// The lines of each file that were changed or added, as they are numbered now.
    pub lines: BTreeMap<String, Vec<RangeInclusive<u32>>>,
    /// Files with another name than before: the new one, and the old one.
    pub renamed: BTreeMap<String, String>,
}

/// What is to be shown of a change, and how much was wrong before.
#[derive(Debug, Clone)]
pub struct Brought {
    /// Sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    /// Errors that were there before and are not shown.
    pub older_errors: usize,
    /// Warnings likewise.
    pub older_warnings: usize,
}

/// Of `diagnostics`, which the files give now, those that a change has to do with: that point at a changed line, that
/// are about an object which says something else now, or that were not there before.
///
/// What the change takes away that it should not is told beside them, where both fleets are right.
pub fn brought(parsed: &Parsed, files: &[SourceFile], change: &Change) -> Brought {
    let parsed_before = parse_taken(&change.before, &change.refused);
    let before = parsed_before.diagnostics;
    let diagnostics = parsed.diagnostics.clone();
    let taken_away = parsed_before
        .fleet
        .as_ref()
        .zip(parsed.fleet.as_ref())
        .map(|(before, now)| of_change(before, now))
        .unwrap_or_default();
    let (old, new) = (meanings(&change.before), meanings(files));
    let was = told(before.iter().map(about));
    let is = told(diagnostics.iter().map(|one| before_rename(one, change)));
    let touches = |span: &Span| {
        let lines = change.lines.get(&*span.file).map_or(&[][..], Vec::as_slice);
        let meets =
            |range: &RangeInclusive<u32>| span.start.line <= *range.end() && *range.start() <= span.end.line;
        lines.iter().any(meets)
    };
    let is_brought = |diagnostic: &Diagnostic| {
        let about = before_rename(diagnostic, change);
        let mut labels = diagnostic.secondary.iter().chain([&diagnostic.primary]);
        let object = diagnostic.object.as_ref();
        is.get(&about) > was.get(&about)
            || labels.any(|label| touches(&label.span))
            || object.is_some_and(|object| old.get(object) != new.get(object))
    };
    let (shown, older): (Vec<_>, Vec<_>) = diagnostics.iter().partition(|one| is_brought(one));
    let errors = older.iter().filter(|one| one.severity == Severity::Error).count();
    Brought {
        older_errors: errors,
        older_warnings: older.len() - errors,
        diagnostics: {
            let mut shown: Vec<Diagnostic> = shown.into_iter().cloned().chain(taken_away).collect();
            sort(&mut shown);
            shown
        },
    }
}

/// How often each is told.
fn told<'d>(all: impl Iterator<Item = About<'d>>) -> BTreeMap<About<'d>, usize> {
    all.fold(BTreeMap::new(), |mut counts, about| {
        *counts.entry(about).or_default() += 1;
        counts
    })
}

/// What a diagnostic is about, by the name that its file had before.
fn before_rename<'d>(diagnostic: &'d Diagnostic, change: &'d Change) -> About<'d> {
    let (code, object, title) = about(diagnostic);
    let old = match diagnostic.object {
        Some(_) => None,
        None => change.renamed.get(object),
    };
    (code, old.map_or(object, String::as_str), title)
}

/// What each object says, wherever it stands and however it is laid out.
fn meanings(files: &[SourceFile]) -> BTreeMap<String, String> {
    let said = |object: &Object| {
        let mut text = String::new();
        say(&object.node, &mut text);
        (object.to_string(), text)
    };
    objects(files).iter().map(said).collect()
}

/// A value without its places.
fn say(node: &Node, out: &mut String) {
    match &node.value {
        Value::List(items) => {
            out.push('[');
            for item in items {
                say(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Table(entries) => {
            out.push('{');
            for entry in entries {
                out.push_str(&format!("{:?}:", entry.key.text));
                say(&entry.node, out);
                out.push(',');
            }
            out.push('}');
        }
        scalar @ (Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Number(_)
        | Value::Date(_)
        | Value::Text(_)) => out.push_str(&format!("{scalar:?}")),
    }
}
