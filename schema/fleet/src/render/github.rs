//! Workflow commands of GitHub Actions: annotations on the lines of a change.
//!
//! A command is a line; what files say is escaped as the runner undoes it, so that it ends no command and begins none.

use super::{Place, message, word};
use crate::{
    count::count,
    diagnostic::{Diagnostic, Severity},
};
use std::fmt::Write as _;

/// Annotations of one severity that GitHub shows of a step; of more, the last says how many there are.
const ANNOTATIONS_MAX: usize = 10;

/// A command for each diagnostic that GitHub shows, errors first; nothing for none.
pub fn github(diagnostics: &[Diagnostic], place: Place<'_>) -> String {
    let mut out = String::new();
    for severity in [Severity::Error, Severity::Warning] {
        let of_it = diagnostics.iter().filter(|one| one.severity == severity);
        let of_it: Vec<_> = of_it.collect();
        let shown = match of_it.len() {
            0..=ANNOTATIONS_MAX => of_it.len(),
            _ => ANNOTATIONS_MAX - 1,
        };
        for diagnostic in &of_it[..shown] {
            command(&mut out, diagnostic, place);
        }
        if shown < of_it.len() {
            let more = count(of_it.len() - shown, &format!("more {}", word(severity)));
            let word = word(severity);
            writeln!(
                out,
                "::{word} title=muster check::{more}: run muster check to see them"
            )
            .expect("writing to a string does not fail");
        }
    }
    out
}

fn command(out: &mut String, diagnostic: &Diagnostic, place: Place<'_>) {
    let span = &diagnostic.primary.span;
    write!(
        out,
        "::{} file={},line={},",
        word(diagnostic.severity),
        property(&place.path(&span.file)),
        span.start.line,
    )
    .expect("writing to a string does not fail");
    // Columns of a piece of more than one line are not shown, and an empty piece has no end.
    if span.start.line == span.end.line {
        let last = span.end.column.max(span.start.column + 1) - 1;
        write!(out, "col={},endColumn={last},", span.start.column)
            .expect("writing to a string does not fail");
    }
    writeln!(
        out,
        "endLine={},title={}::{}",
        span.end.line,
        property(diagnostic.code.as_str()),
        data(&message(diagnostic, place)),
    )
    .expect("writing to a string does not fail");
}

/// The text behind the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property. Other control characters of a path have no way to be said.
fn property(text: &str) -> String {
    let text = data(text).replace(':', "%3A").replace(',', "%2C");
    text.replace(char::is_control, "\u{fffd}")
}
