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

/// The title of what closes more than was opened: most often the echo of an error before it.
pub(super) const STRAY: &str = "this } closes nothing";

/// Bytes behind an error in which a keyword of the wrong case is looked for.
const KEYWORD_WITHIN: usize = 4096;

/// An error that says little in the parser's words. `piece` is the object that it is in.
pub(super) fn in_our_words(
    text: &Text<'_>,
    piece: &Range<usize>,
    range: &Range<usize>,
    message: &str,
) -> Option<Diagnostic> {
    let source = text.text;
    let error = |title: &str, range: Range<usize>, label: &str| {
        Diagnostic::error(Code::M0001, title, &text.span(range), label)
    };
    source.get(range.clone())?;
    let first = source[range.start..].chars().next();
    let line_start = source[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let before = &source[line_start..range.start];
    if first == Some('=') {
        return assignment(text, line_start, range.start);
    }
    let comma = range.end + (source[range.end..].len() - source[range.end..].trim_start_matches(' ').len());
    let within = source[range.clone()].trim_end().strip_suffix(',').map(str::len);
    let at = [range.start, comma]
        .into_iter()
        .find(|at| source[*at..].starts_with(','));
    if let Some(at) = within.map(|length| range.start + length).or(at) {
        let span = text.span(at..at + 1);
        let told = Diagnostic::error(
            Code::M0006,
            "values stand side by side in KDL, without commas",
            &span,
            "this is TOML",
        );
        return Some(told.fix(Applicability::Safe, "leave the comma out", &span, ""));
    }
    // `web-{slot}`: the braces were taken for a block.
    let tight = before.trim_end();
    if let Some(open) = tight.ends_with('}').then(|| tight.rfind('{')).flatten() {
        let start = tight[..open].rfind([' ', '=', '\t']).map_or(0, |at| at + 1);
        let from = line_start + tight.len();
        let length = source[from..].find(|c: char| c.is_whitespace() || c == ';');
        let end = from + length.unwrap_or(source.len() - from);
        if start < open {
            return Some(must_quote(text, line_start + start..end, "braces open a block"));
        }
    }
    // The parser points at the beginning of the node that the keyword is in.
    let near = source.floor_char_boundary(piece.end.min(range.start + KEYWORD_WITHIN));
    if let Some(word) = source.get(range.start..near).and_then(keyword) {
        let word = range.start + word.start..range.start + word.end;
        let small = source[word.clone()].to_lowercase();
        let span = text.span(word);
        let told = Diagnostic::error(
            Code::M0006,
            format!("this keyword is written {small}"),
            &span,
            "small letters are wanted",
        );
        return Some(told.fix(Applicability::Safe, format!("replace with {small}"), &span, small));
    }
    if first == Some('}') {
        let told = error(STRAY, range.start..range.start + 1, "no { is open here");
        return Some(told.help("a block begins with { at the end of its node's line"));
    }
    if message.starts_with("Found child block") {
        let told = error(
            "a block without a node",
            range.start..range.start + 1,
            "this { begins a line",
        );
        return Some(told.help("the { stands at the end of the line of its node:  rack r1 {"));
    }
    if message.starts_with("No closing '}'") {
        let told = error(
            "this block is never closed",
            range.start..range.start + 1,
            "its } is missing",
        );
        return Some(told.help("each { has its } on a line of its own"));
    }
    if message.starts_with("Unexpected newline in single-line") {
        let told = error(
            "the quotes are never closed",
            range.clone(),
            "the second quote is missing on this line",
        );
        return Some(told.help("a text of several lines stands between \"\"\" and \"\"\""));
    }
    None
}

/// `key = value` on a line of its own.
fn assignment(text: &Text<'_>, line: usize, sign: usize) -> Option<Diagnostic> {
    let source = text.text;
    let key = source[line..sign].trim();
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let blanks = source[sign + 1..].len() - source[sign + 1..].trim_start_matches(' ').len();
    let value = &source[sign + 1 + blanks..];
    if !is_key || value.starts_with(['[', '{']) {
        return None;
    }
    let span = text.span(sign..sign + 1);
    let told = Diagnostic::error(
        Code::M0006,
        "a field between braces has no =",
        &span,
        "this is TOML",
    );
    let first = value.split_whitespace().next().unwrap_or("value");
    let told = told.help(format!("the value stands behind its key:  {key} {first}"));
    let begins = sign - (source[..sign].len() - source[..sign].trim_end().len());
    let all = text.span(begins..sign + 1 + blanks);
    Some(told.fix(Applicability::Safe, "leave the = out", &all, " "))
}

/// A keyword that is right but for its case.
fn keyword(piece: &str) -> Option<Range<usize>> {
    piece.match_indices('#').find_map(|(at, _)| {
        let rest = &piece[at + 1..];
        let length = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let word = &rest[..length];
        let small = word.to_ascii_lowercase();
        let is_known = matches!(small.as_str(), "true" | "false") && small != word;
        let stands_alone = piece[..at].ends_with(['=', ' ', '\t']);
        (is_known && stands_alone).then_some(at..at + 1 + length)
    })
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
