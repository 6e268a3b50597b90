//! One mistake, one message: what follows from another, or is the same told again, is folded away.

use crate::{
    code::Code,
    count::count,
    diagnostic::Diagnostic,
    read::Broken,
    span::{Position, Span},
    tree::Syntax,
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    ops::RangeInclusive,
    sync::Arc,
};

/// Folds and sorts by place.
///
/// The same mistake at the same place, met through several objects, is one. So is one missing object
/// or file that is named in many places. On a line that could not be read nothing else is told, and in a file
/// that could not be read nothing is missing.
pub(crate) fn fold(diagnostics: Vec<Diagnostic>, broken: &[Broken<'_>]) -> Vec<Diagnostic> {
    let broken: BTreeMap<&str, &str> = broken.iter().map(|file| (file.path, file.text)).collect();
    let unreadable = unreadable(&diagnostics, &broken);
    let misspelt = misspelt(&diagnostics);
    let mut first: BTreeMap<Key, (Diagnostic, Repeats)> = BTreeMap::new();
    for diagnostic in diagnostics {
        let span = &diagnostic.primary.span;
        if !is_syntax(diagnostic.code) {
            let lines = unreadable.get(&span.file);
            let echo = lines.is_some_and(|lines| lines.contains(&span.start.line));
            if echo || is_missing(diagnostic.code) && is_lost(&diagnostic, &broken, &misspelt) {
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
    sort(&mut folded);
    folded
}

/// Whether it says that something is not there.
fn is_missing(code: Code) -> bool {
    matches!(
        code,
        Code::M0005
            | Code::M0221
            | Code::M0222
            | Code::M0225
            | Code::M0304
            | Code::M0308
            | Code::M0313
            | Code::M0404
            | Code::M0408
            | Code::M0419
            | Code::M0605
            | Code::M0801
    )
}

/// Objects with keys that are misspelt: what they lack may stand under one of those.
fn misspelt(diagnostics: &[Diagnostic]) -> BTreeSet<String> {
    let is_slip = |one: &&Diagnostic| one.code == Code::M0002 && !one.fixes.is_empty();
    let unknown = diagnostics.iter().filter(is_slip);
    unknown.filter_map(|one| one.object.clone()).collect()
}

/// Whether what is missing may be there, and could not be read.
fn is_lost(diagnostic: &Diagnostic, broken: &BTreeMap<&str, &str>, misspelt: &BTreeSet<String>) -> bool {
    let places = diagnostic.secondary.iter().chain([&diagnostic.primary]);
    let in_broken = places
        .into_iter()
        .any(|label| broken.contains_key(&*label.span.file));
    in_broken
        || diagnostic
            .object
            .as_ref()
            .is_some_and(|object| misspelt.contains(object))
}

/// Sorts by place.
pub(crate) fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|one, other| {
        let key = |diagnostic: &Diagnostic| (diagnostic.primary.span.clone(), diagnostic.code);
        key(one)
            .cmp(&key(other))
            .then_with(|| one.title.cmp(&other.title))
    });
}

/// What makes two diagnostics one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The same missing thing, wherever it is named.
    Missing(Code, String),
    /// The same at the same place.
    At(Code, String, Position, Position, String),
}

impl Key {
    fn of(diagnostic: &Diagnostic) -> Self {
        let span = &diagnostic.primary.span;
        if matches!(
            diagnostic.code,
            Code::M0101 | Code::M0109 | Code::M0511 | Code::M0512 | Code::M0702
        ) {
            return Self::Missing(diagnostic.code, diagnostic.title.clone());
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
                let more = count(number - 1, "more place");
                diagnostic
                    .notes
                    .push(format!("also named at {other} and in {more}"));
            }
        }
        match (self.objects.len(), self.objects.first()) {
            (0, _) | (_, None) => {}
            (1, Some(other)) => diagnostic.notes.push(format!("it reaches {other} too")),
            (number, Some(other)) => {
                let more = count(number - 1, "more object");
                diagnostic
                    .notes
                    .push(format!("it reaches {other} and {more} too"));
            }
        }
        diagnostic
    }
}

/// Whether it says that something could not be read at all, so that more may be wrong behind it.
pub(crate) fn is_syntax(code: Code) -> bool {
    matches!(code, Code::M0001 | Code::M0006 | Code::M0008)
}

/// The lines of each file that could not be read.
fn unreadable(
    diagnostics: &[Diagnostic],
    broken: &BTreeMap<&str, &str>,
) -> BTreeMap<Arc<str>, BTreeSet<u32>> {
    let mut spans: BTreeMap<Arc<str>, Vec<&Span>> = BTreeMap::new();
    for diagnostic in diagnostics.iter().filter(|one| is_syntax(one.code)) {
        let span = &diagnostic.primary.span;
        spans.entry(span.file.clone()).or_default().push(span);
    }
    let of_file = |(file, spans): (Arc<str>, Vec<&Span>)| {
        let text = broken
            .get(&*file)
            .filter(|_| Syntax::of(&file) == Some(Syntax::Toml));
        let text: Vec<&str> = text.map_or_else(Vec::new, |text| text.lines().collect());
        let lines = spans.into_iter().flat_map(|span| lines(span, &text));
        (file, lines.collect())
    };
    spans.into_iter().map(of_file).collect()
}

/// At most so many lines of one error are taken as unreadable: a string that is never closed must not
/// silence the rest of its file.
const LINES_MAX: u32 = 3;

/// The lines of a span, and in a file of TOML those of the table whose head it is.
fn lines(span: &Span, text: &[&str]) -> RangeInclusive<u32> {
    let head = span.start.line;
    let last = span.end.line.min(head + LINES_MAX);
    head..=last.max(end_of_table(text, head))
}

/// The last line of the table whose head stands on this line of a TOML file: without its head, what it holds is taken
/// for something else.
fn end_of_table(text: &[&str], head: u32) -> u32 {
    let is_head = |line: &&&str| line.trim_start().starts_with('[');
    let from = head.saturating_sub(1) as usize;
    match text.get(from..) {
        Some([first, rest @ ..]) if is_head(&first) => {
            let of_it = (head + 1..).zip(rest).take_while(|(_, line)| !is_head(line));
            of_it.last().map_or(head, |(number, _)| number)
        }
        _ => head,
    }
}
