//! What people write in KDL who come from TOML, and which texts they forget to quote; the parser's own words for these
//! say little.

use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic},
    source::Text,
};
use std::ops::Range;

/// Says what a syntax error really is, if it is one of these. The range is the parser's, which may be a whole line.
pub(super) fn recognise(text: &Text<'_>, range: &Range<usize>) -> Option<Diagnostic> {
    let source = text.text.get(range.clone())?;
    let line = source.trim_start();
    let own_line = text.text[..range.start].rsplit('\n').next().unwrap_or_default();
    let begins = own_line.trim().is_empty();
    if line.starts_with('#') && !line.starts_with("#\"") && !line.starts_with("##") {
        return comment(text, range, line);
    }
    if line.starts_with('[') && begins {
        return Some(told(
            text,
            range,
            "a header of TOML",
            "this file is read as KDL",
            "in KDL an object is written  kind name { … }",
        ));
    }
    let bracket = source.find("=[").or_else(|| source.find(" ["));
    let bracket = bracket.map(|at| range.start + at + 1);
    let behind = text.text[range.end..].starts_with('[').then_some(range.end);
    if let Some(start) = bracket.or(behind) {
        let rest = text.text[start..].lines().next().unwrap_or_default();
        let length = rest.find(']').map_or(1, |at| at + 1);
        return Some(told(
            text,
            &(start..start + length),
            "a list has no brackets in KDL",
            "this is TOML",
            "between the braces, the values stand behind the key:  tags a b",
        ));
    }
    let brace = source.find("={").map(|at| range.start + at + 1);
    let behind = source.ends_with('=') && text.text[range.end..].starts_with('{');
    if let Some(start) = brace.or(behind.then_some(range.end)) {
        let rest = &text.text[start..];
        let length = rest.find(|c: char| c.is_whitespace() || c == ';');
        let word = start..start + length.unwrap_or(rest.len());
        return Some(must_quote(text, word, "braces open a block"));
    }
    let word = word(text.text, range)?;
    let written = &text.text[word.clone()];
    let number = written.trim_start_matches(['-', '+', '.']);
    if number.len() < written.len() && number.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(must_quote(text, word, "it begins like a number and is none"));
    }
    let is_path = written.contains('/') && !["//", "/*", "/-"].iter().any(|sign| written.contains(sign));
    is_path.then(|| must_quote(text, word, "a word without quotes holds no /"))
}

/// `# …`, which is no comment in KDL, unless it is a keyword that is misspelt.
fn comment(text: &Text<'_>, range: &Range<usize>, line: &str) -> Option<Diagnostic> {
    let behind = &line[1..];
    if behind.starts_with(|c: char| c.is_ascii_alphabetic()) && behind.len() < 6 {
        return None;
    }
    let start = range.end - line.len();
    let diagnostic = told(
        text,
        &(start..start + 1),
        "a comment begins with // in KDL",
        "this is TOML",
        "# opens a keyword such as #true, or a raw string",
    );
    let span = text.span(start..start + 1);
    Some(diagnostic.fix(Applicability::Safe, "replace with //", &span, "//"))
}

fn told(text: &Text<'_>, range: &Range<usize>, title: &str, label: &str, help: &str) -> Diagnostic {
    Diagnostic::error(Code::M0006, title, &text.span(range.clone()), label).help(help)
}

fn must_quote(text: &Text<'_>, word: Range<usize>, why: &str) -> Diagnostic {
    let written = text.text[word.clone()].to_owned();
    let span = text.span(word);
    let title = format!("{written} must be quoted in KDL");
    let quoted = format!("\"{written}\"");
    Diagnostic::error(Code::M0006, title, &span, why).fix(
        Applicability::Safe,
        format!("replace with {quoted}"),
        &span,
        quoted,
    )
}

/// The word at the end of a range, to its own end: the parser may stop inside it.
fn word(text: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let breaks = |c: char| c.is_whitespace() || matches!(c, '=' | '{' | '}' | ';' | '"' | '(' | ')' | '\\');
    let before = text.get(..range.end)?;
    let start = before
        .char_indices()
        .rev()
        .take_while(|(_, c)| !breaks(*c))
        .last()
        .map_or(range.end, |(at, _)| at);
    let rest = &text[start..];
    let end = start + rest.find(breaks).unwrap_or(rest.len());
    // What touches a quote is a broken string.
    let touches = before[..start].ends_with(['"', '\\']) || text[end..].starts_with(['"', '\\']);
    (start < end && !touches).then_some(start..end)
}
