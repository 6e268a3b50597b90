//! What people write in TOML who come from other languages, or who slipped; the parser's own words for these say little.

use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic},
    limit::SYNTAX_ERRORS_MAX,
    source::Text,
};
use std::ops::Range;

/// What the parser says where a value is none.
const NO_VALUES: [&str; 5] = [
    "string values must be quoted",
    "invalid float",
    "invalid integer",
    "invalid boolean",
    "unexpected leading zero",
];

/// The parser's errors of a file, in the order of their places, in our words: one for each line, not too many, and
/// without their echoes. From the byte on that comes with them, the parser took everything for a part of a list that is
/// never closed.
pub(super) fn told<'e>(
    text: &Text<'_>,
    errors: impl Iterator<Item = (&'e str, Range<usize>)>,
) -> (Vec<Diagnostic>, usize) {
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut swallowed = text.text.len();
    // Up to here everything follows from something that is told.
    let mut echoes = 0;
    for (message, range) in errors {
        let line = text.span(range.clone()).start.line;
        if range.start < echoes || found.iter().any(|one| one.primary.span.start.line == line) {
            continue;
        }
        if found.len() == SYNTAX_ERRORS_MAX {
            break;
        }
        let start = text.text.floor_char_boundary(range.start);
        let (diagnostic, until) = one(
            text,
            message,
            &(start..text.text.ceil_char_boundary(range.end).max(start)),
        );
        echoes = until;
        if until == text.text.len() && until > range.end {
            swallowed = swallowed.min(start);
        }
        found.push(diagnostic);
    }
    (found, swallowed)
}

/// One error, and where the next one begins that does not follow from it.
fn one(text: &Text<'_>, message: &str, range: &Range<usize>) -> (Diagnostic, usize) {
    let source = text.text;
    let error = |title: String, range: &Range<usize>, label: &str| {
        Diagnostic::error(Code::M0001, title, &text.span(range.clone()), label)
    };
    if message.starts_with("duplicate key") {
        return twice(text, range);
    }
    if message.starts_with("missing comma between") {
        let begins = source[..range.start].rsplit('\n').next().unwrap_or_default();
        return match begins.trim().is_empty() {
            true => {
                let title = "a list or table above is never closed".to_owned();
                let told = error(title, range, "it was still open here");
                let told = told.help("look for a [ or { without its ] or } on the lines before");
                (told, source.len())
            }
            false => {
                let title = "a comma is missing between two values".to_owned();
                (error(title, range, "before this"), range.end)
            }
        };
    }
    if NO_VALUES.iter().any(|known| message.starts_with(known)) {
        if let Some(diagnostic) = no_value(text, range) {
            return (diagnostic, range.end);
        }
        if is_key_behind(source, range) {
            let title = "a list is never closed".to_owned();
            let told = error(title, range, "a key, and the list before it is still open");
            return (told.help("put the ] in front of it"), source.len());
        }
    }
    let at = source[range.start..].chars().next();
    if message.starts_with("invalid unquoted key") {
        if at == Some(':') {
            let told = error(
                "a key and its value have = between them".to_owned(),
                &(range.start..range.start + 1),
                "this is not TOML",
            );
            return (told.help("for example  serial = \"LAB-0001\""), range.end);
        }
        if let Some(odd) = at.filter(|c| !c.is_ascii() || c.is_control()) {
            let title = format!("a character that no key has: U+{:04X}", u32::from(odd));
            let told = error(title, &(range.start..range.start + odd.len_utf8()), "this one");
            let help =
                "it looks like a blank or a letter and is none; type it anew, or put the key in quotes";
            return (told.help(help), range.end);
        }
    }
    // An open list or table swallows all that follows, for the parser never closes it.
    let told = match message.split(", expected").next().unwrap_or_default() {
        "unclosed table" => error("a header is closed by ]".to_owned(), range, "it is missing here"),
        "invalid basic string" | "invalid literal string" if at.is_none_or(|c| c == '\n' || c == '\r') => {
            let title = "the quotes are never closed".to_owned();
            error(title, range, "the quote is missing here, or before")
        }
        "key with no value" => error("a key without = and a value".to_owned(), range, "behind this"),
        _ => error(message.to_owned(), range, "this is not TOML"),
    };
    (told, range.end)
}

/// Something that is written a second time: a whole object, or a key of one.
fn twice(text: &Text<'_>, range: &Range<usize>) -> (Diagnostic, usize) {
    let source = text.text;
    let start = source[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let line = source[start..].lines().next().unwrap_or_default();
    if line.trim_start().starts_with('[') {
        return header_twice(text, range, start, line);
    }
    // Within braces it is a key of those, not of the line.
    let is_inner = source[start..range.start].contains('=');
    let (from, written) = match is_inner {
        true => (start, &source[range.clone()]),
        // Of a key, the first is in the same table.
        false => (
            head_of(source, start),
            line.split('=').next().unwrap_or_default().trim(),
        ),
    };
    let before = &source[from..if is_inner { range.start } else { start }];
    let begins = |at: &usize| {
        let behind = before[at + written.len()..].trim_start_matches(' ');
        let is_whole = before[..*at].ends_with(['\n', ' ', '{', ',', '\t']);
        is_whole && behind.starts_with(['=', '.'])
    };
    let first = before
        .match_indices(written)
        .map(|(at, _)| at)
        .filter(|at| !written.is_empty() && begins(at))
        .last();
    let title = format!("{written} is written twice");
    let mut told = Diagnostic::error(Code::M0001, title, &text.span(range.clone()), "second time");
    if let Some(at) = first.map(|at| from + at) {
        told = told.also(&text.span(at..at + written.len()), "first time");
    }
    (told.help("keep the one that is meant"), range.end)
}

/// The header of something that was begun already.
fn header_twice(text: &Text<'_>, range: &Range<usize>, start: usize, line: &str) -> (Diagnostic, usize) {
    let source = text.text;
    let header = line.split('#').next().unwrap_or_default().trim();
    let name = |line: &str| line.trim().trim_matches(['[', ']']).to_owned();
    let path = name(header);
    let first = lines(&source[..start]).find(|(_, line)| {
        let line = line.split('#').next().unwrap_or_default();
        line.trim_start().starts_with('[') && name(line) == path
    });
    let is_list = header.starts_with("[[");
    let title = match is_list {
        true => format!("{path} is one table above, and a list of them here"),
        false => format!("{header} is written twice"),
    };
    let label = if is_list { "one of a list" } else { "second time" };
    let mut told = Diagnostic::error(Code::M0001, title, &text.span(range.clone()), label);
    if let Some((at, line)) = first {
        let at = at + line.len() - line.trim_start().len();
        let length = line.split('#').next().unwrap_or_default().trim().len();
        told = told.also(&text.span(at..at + length), "first time");
    }
    let help = match is_list {
        true => format!("write  [[{path}]]  for each"),
        false => "an object stands in one place; give one of them another name, or merge them".to_owned(),
    };
    (told.help(help), next_header(source, start + line.len()))
}

/// A value that lacks its quotes, or is spelt as in another language.
fn no_value(text: &Text<'_>, range: &Range<usize>) -> Option<Diagnostic> {
    let source = text.text;
    let start = source[..range.start]
        .rfind(['=', '[', ',', '{', '\n'])
        .map_or(0, |at| at + 1);
    let end = start
        + source[start..]
            .find([',', ']', '}', '\n', '#', '='])
            .unwrap_or(source.len() - start);
    let blanks = source[start..end].len() - source[start..end].trim_start().len();
    let word = start + blanks..start + source[start..end].trim_end().len();
    let written = source.get(word.clone()).filter(|written| !written.is_empty())?;
    let is_value = !source[end..].starts_with('=');
    let span = text.span(word);
    let told = |title: String, label: &str, sure: Applicability, with: String| {
        let diagnostic = Diagnostic::error(Code::M0001, title, &span, label);
        diagnostic.fix(sure, format!("replace with {with}"), &span, with)
    };
    let inner = written.trim_matches(['“', '”', '„', '‘', '’']);
    if inner.len() < written.len() && !inner.contains(['"', '\\']) {
        let title = "these are not the quotes of TOML".to_owned();
        return Some(told(
            title,
            "a word processor made them",
            Applicability::Safe,
            format!("\"{inner}\""),
        ));
    }
    let small = written.to_lowercase();
    if matches!(small.as_str(), "true" | "false") {
        let title = format!("{written} is written {small}");
        return Some(told(
            title,
            "small letters are wanted",
            Applicability::Safe,
            small,
        ));
    }
    let digits = written.trim_start_matches('0');
    if digits.len() < written.len() && !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()) {
        let title = "a number does not begin with 0".to_owned();
        return Some(told(
            title,
            "leave the zeros out",
            Applicability::Maybe,
            digits.to_owned(),
        ));
    }
    if !is_value || written.contains(['"', '\'', '\\']) {
        return None;
    }
    let sure = match written.contains(char::is_whitespace) {
        true => Applicability::Maybe,
        false => Applicability::Safe,
    };
    let title = format!("{written} must be in quotes");
    Some(told(
        title,
        "a text without its quotes",
        sure,
        format!("\"{written}\""),
    ))
}

/// Whether what is taken for a value is a key.
fn is_key_behind(source: &str, range: &Range<usize>) -> bool {
    let line = source[range.start..].lines().next().unwrap_or_default();
    let rest = line.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    rest.trim_start().starts_with('=')
}

/// Lines with their places.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line.trim_end())
    })
}

/// Where the table begins that a line is in.
fn head_of(source: &str, line: usize) -> usize {
    let heads = lines(&source[..line]).filter(|(_, line)| line.trim_start().starts_with('['));
    heads.last().map_or(0, |(at, _)| at)
}

/// Where the next header stands.
fn next_header(source: &str, from: usize) -> usize {
    let mut heads = lines(&source[from..]).filter(|(_, line)| line.starts_with('['));
    heads.next().map_or(source.len(), |(at, _)| from + at)
}
