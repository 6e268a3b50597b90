//! Diagnostics as people and programs read them.
//!
//! One layout, two skins: the plain one for logs and CI, the graphical one for terminals. A
//! diagnostic may point into several files, which is why the drawing is ours: miette's own draws one
//! source only. What comes from files is stripped of control characters before it reaches a terminal.
//! For programs: JSON with everything, and what forges read.

mod github;
mod gitlab;
mod graphical;
mod json;
mod junit;
mod plain;
mod sarif;

pub use github::github;
pub use gitlab::gitlab;
pub use graphical::graphical;
pub use json::json;
pub use junit::junit;
pub use plain::plain;
pub use sarif::sarif;

use crate::{
    count::count,
    diagnostic::{Diagnostic, Label, Severity},
    source::{SourceFile, Text},
    span::Span,
};
use std::collections::{BTreeMap, BTreeSet};

/// Messages that are shown; all are counted. Whoever has more begins with the first.
const SHOWN_MAX: usize = 50;

/// Characters of a source line that are shown where nothing is known of who reads.
const LINE_MAX: usize = 140;

/// Characters of a source line that are shown on the narrowest terminal: fewer say nothing.
const LINE_MIN: usize = 20;

/// Characters shown before the first label of a line that is cut.
const LINE_BEFORE: usize = 40;

/// Where the fleet's folder lies in its repository: forges name files from there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'p> {
    /// Empty if it is the repository itself, `fleets/lab/` otherwise.
    pub prefix: &'p str,
}

impl Place<'_> {
    fn path(self, file: &str) -> String {
        format!("{}{file}", self.prefix)
    }
}

/// The texts that spans point into.
struct Sources<'f> {
    texts: BTreeMap<&'f str, Text<'f>>,
    /// Characters of a line that are shown; a longer one is cut around its labels.
    line_max: usize,
}

impl<'f> Sources<'f> {
    /// The files that these diagnostics point into, as far as they are text.
    fn of(diagnostics: &[Diagnostic], files: &'f [SourceFile]) -> Self {
        let labels = diagnostics
            .iter()
            .flat_map(|one| one.secondary.iter().chain([&one.primary]));
        let named: BTreeSet<&str> = labels.map(|label| &*label.span.file).collect();
        let wanted = files.iter().filter(|file| named.contains(file.path.as_str()));
        let texts = wanted.filter_map(|file| {
            // Of a file that is no text, what is before the place where it stops being one.
            let text = file.bytes.utf8_chunks().next()?.valid();
            Some((file.path.as_str(), Text::new(&file.path, text)))
        });
        Self {
            texts: texts.collect(),
            line_max: LINE_MAX,
        }
    }
}

/// The labels of one file, in the order of its lines.
struct Block<'d> {
    /// Where the block says it begins.
    head: &'d Span,
    lines: Vec<Line<'d>>,
}

/// One source line with its labels.
struct Line<'d> {
    number: u32,
    /// What is shown of it; empty if the file is not there.
    text: String,
    marks: Vec<Mark<'d>>,
}

/// A label in its line.
struct Mark<'d> {
    /// Characters before it, in what is shown.
    indent: usize,
    /// Characters under which it is drawn, at least one.
    width: usize,
    primary: bool,
    text: &'d str,
}

/// Groups the labels of a diagnostic by file, the primary's first.
fn blocks<'d>(diagnostic: &'d Diagnostic, sources: &Sources<'_>) -> Vec<Block<'d>> {
    let mut blocks: Vec<(&Span, Vec<(&Label, bool)>)> = vec![(&diagnostic.primary.span, Vec::new())];
    let labels = diagnostic.secondary.iter().map(|label| (label, false));
    for (label, primary) in std::iter::once((&diagnostic.primary, true)).chain(labels) {
        match blocks.iter_mut().find(|(head, _)| head.file == label.span.file) {
            Some((_, labels)) => labels.push((label, primary)),
            None => blocks.push((&label.span, vec![(label, primary)])),
        }
    }
    blocks
        .into_iter()
        .map(|(head, labels)| block(head, labels, sources))
        .collect()
}

fn block<'d>(head: &'d Span, labels: Vec<(&'d Label, bool)>, sources: &Sources<'_>) -> Block<'d> {
    let mut by_line: BTreeMap<u32, Vec<(&Label, bool)>> = BTreeMap::new();
    for (label, primary) in labels {
        by_line
            .entry(label.span.start.line)
            .or_default()
            .push((label, primary));
    }
    let text = sources.texts.get(&*head.file);
    let lines = by_line.into_iter().map(|(number, mut labels)| {
        labels.sort_by_key(|(label, _)| label.span.start.column);
        let source = text.map_or("", |text| text.line(number));
        line(number, source, &labels, sources.line_max)
    });
    Block {
        head,
        lines: lines.collect(),
    }
}

fn line<'d>(number: u32, source: &str, labels: &[(&'d Label, bool)], line_max: usize) -> Line<'d> {
    let length = source.chars().count();
    let first = labels
        .first()
        .map_or(0, |(label, _)| label.span.start.column as usize - 1);
    let skip = if length > line_max {
        first.saturating_sub(LINE_BEFORE.min(line_max / 3))
    } else {
        0
    };
    let mut text: String = source.chars().skip(skip).take(line_max).map(printable).collect();
    if skip > 0 {
        // In the place of a character, so that labels stay where they are.
        text = text.chars().skip(1).fold("…".to_owned(), |mut text, c| {
            text.push(c);
            text
        });
    }
    if skip + line_max < length {
        text.push('…');
    }
    let marks = labels.iter().map(|(label, primary)| {
        let start = (label.span.start.column as usize - 1).min(length);
        let one_line = label.span.end.line == label.span.start.line;
        let end = if one_line {
            label.span.end.column as usize - 1
        } else {
            length
        };
        let indent = start.saturating_sub(skip).min(line_max);
        let width = end
            .saturating_sub(start)
            .clamp(1, line_max - indent.min(line_max - 1));
        Mark {
            indent,
            width,
            primary: *primary,
            text: &label.text,
        }
    });
    let marks = marks.collect();
    Line { number, text, marks }
}

/// What may reach a terminal: no control character of a file moves its cursor.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        // Turns of direction (UAX #9) would show the line in another order than it is read.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    }
}

/// A message on one line, safe for a terminal.
pub(crate) fn safe(text: &str) -> String {
    text.chars().map(printable).collect()
}

/// All that is to be said in words, a line each, for forms that draw no source.
fn message(diagnostic: &Diagnostic, place: Place<'_>) -> String {
    let mut lines = vec![safe(&diagnostic.title)];
    let label = &diagnostic.primary.text;
    if !label.is_empty() {
        lines.push(safe(label));
    }
    lines.extend(diagnostic.secondary.iter().map(|label| {
        let said = format!("{}: {}", place.path(&label.span.to_string()), label.text);
        safe(said.trim_end_matches(": "))
    }));
    lines.extend(
        diagnostic
            .notes
            .iter()
            .map(|note| format!("note: {}", safe(note))),
    );
    lines.extend(diagnostic.help.iter().map(|help| format!("help: {}", safe(help))));
    lines.join("\n")
}

/// `3 errors, 1 warning`, and how many were left out.
fn summary(diagnostics: &[Diagnostic]) -> String {
    let of = |severity| {
        let number = diagnostics.iter().filter(|one| one.severity == severity).count();
        count(number, word(severity))
    };
    let mut text = format!("{}, {}", of(Severity::Error), of(Severity::Warning));
    if diagnostics.len() > SHOWN_MAX {
        text.push_str(&format!("; the first {SHOWN_MAX} are shown"));
    }
    text
}

/// As printed.
fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
