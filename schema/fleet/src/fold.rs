//! One mistake, one message: what follows from another, or is the same told again, is folded away.

use crate::{
    code::Code,
    count::count,
    diagnostic::Diagnostic,
    parse::Broken,
    span::{Position, Span},
};
use std::collections::{BTreeMap, BTreeSet, btree_map};

/// Folds and sorts by place.
///
/// The same mistake at the same place, met through several objects, is one. So is one missing object
/// that is named in many places. On a line that could not be read nothing else is told, and in a file
/// that could not be read nothing is missing.
pub(crate) fn fold(diagnostics: Vec<Diagnostic>, broken: &[Broken<'_>]) -> Vec<Diagnostic> {
    let unreadable: BTreeSet<_> = diagnostics
        .iter()
        .filter(|diagnostic| is_syntax(diagnostic.code))
        .flat_map(|diagnostic| lines(&diagnostic.primary.span))
        .collect();
    let mut first: BTreeMap<Key, (Diagnostic, Repeats)> = BTreeMap::new();
    for diagnostic in diagnostics {
        let span = &diagnostic.primary.span;
        if !is_syntax(diagnostic.code) {
            let in_broken = broken.iter().any(|file| *file.path == *span.file);
            let echo = unreadable.contains(&(span.file.to_string(), span.start.line));
            if echo || in_broken && diagnostic.code == Code::M0005 {
                continue;
            }
        }
        match first.entry(Key::of(&diagnostic)) {
            btree_map::Entry::Vacant(place) => {
                place.insert((diagnostic, Repeats::default()));
            }
            btree_map::Entry::Occupied(mut place) => {
                let (kept, repeats) = place.get_mut();
                if kept.primary.span != *span {
                    repeats.places.insert(span.clone());
                } else if kept.object != diagnostic.object {
                    repeats.objects.extend(diagnostic.object);
                }
            }
        }
    }
    let mut folded: Vec<_> = first
        .into_values()
        .map(|(diagnostic, repeats)| repeats.note(diagnostic))
        .collect();
    folded.sort_by(|one, other| {
        let key = |diagnostic: &Diagnostic| (diagnostic.primary.span.clone(), diagnostic.code);
        key(one)
            .cmp(&key(other))
            .then_with(|| one.title.cmp(&other.title))
    });
    folded
}

/// What makes two diagnostics one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The same missing thing, wherever it is named.
    Missing(String),
    /// The same at the same place.
    At(Code, String, Position, Position, String),
}

impl Key {
    fn of(diagnostic: &Diagnostic) -> Self {
        let span = &diagnostic.primary.span;
        if diagnostic.code == Code::M0101 {
            return Self::Missing(diagnostic.title.clone());
        }
        // A missing key is named with its object, which differs from machine to machine.
        let title = if diagnostic.code == Code::M0005 {
            &diagnostic.primary.text
        } else {
            &diagnostic.title
        };
        Self::At(
            diagnostic.code,
            span.file.to_string(),
            span.start,
            span.end,
            title.clone(),
        )
    }
}

/// Where else the same was met.
#[derive(Default)]
struct Repeats {
    places: BTreeSet<Span>,
    objects: BTreeSet<String>,
}

impl Repeats {
    fn note(self, mut diagnostic: Diagnostic) -> Diagnostic {
        match (self.places.len(), self.places.first()) {
            (0, _) | (_, None) => {}
            (1, Some(other)) => diagnostic.notes.push(format!("also named at {other}")),
            (number, Some(other)) => {
                let more = count(number - 1, "place");
                diagnostic
                    .notes
                    .push(format!("also named at {other} and in {more} more"));
            }
        }
        match (self.objects.len(), self.objects.first()) {
            (0, _) | (_, None) => {}
            (1, Some(other)) => diagnostic.notes.push(format!("it reaches {other} too")),
            (number, Some(other)) => {
                let more = count(number - 1, "object");
                diagnostic
                    .notes
                    .push(format!("it reaches {other} and {more} more too"));
            }
        }
        diagnostic
    }
}

fn is_syntax(code: Code) -> bool {
    matches!(code, Code::M0001 | Code::M0006 | Code::M0008)
}

/// At most so many lines of one error are taken as unreadable: a string that is never closed must not
/// silence the rest of its file.
const LINES_MAX: u32 = 3;

fn lines(span: &Span) -> impl Iterator<Item = (String, u32)> {
    let last = span.end.line.min(span.start.line + LINES_MAX);
    let file = span.file.to_string();
    (span.start.line..=last).map(move |line| (file.clone(), line))
}
