//! KDL v2 as its parser gives it, one object after the other, and its errors in our words.
//!
//! The parser recurses on every opening and on every error it goes on after, without a limit of its
//! own. So objects are limited before they reach it, and it gets a stack that suffices for the worst
//! that fits into them.

use super::{first_of_lines, kdl_habits, kdl_objects};
use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic},
    limit::{
        KDL_BROKEN_MAX, KDL_OBJECT_BYTES_MAX, KDL_OPENINGS_MAX, KDL_STACK_FOR_OPENINGS, KDL_STACK_PER_BYTE,
        OBJECTS_MAX,
    },
    source::Text,
    span::Span,
};
use kdl::{KdlDiagnostic, KdlDocument, KdlError};
use std::ops::Range;

/// The documents of a file, one for each object that can be read, each with its first byte; the
/// parser counts from there.
pub(super) fn documents(text: &Text<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<(usize, KdlDocument)> {
    let pieces = kdl_objects::split(text.text);
    if pieces.len() > OBJECTS_MAX {
        let title = format!("more than {OBJECTS_MAX} objects in one file");
        let start = Span::start_of(text.path.clone());
        diagnostics.push(Diagnostic::error(Code::M0008, title, &start, "split this file"));
        return Vec::new();
    }
    let (pieces, refused): (Vec<_>, Vec<_>) = pieces
        .into_iter()
        .partition(|piece| fits(&text.text[piece.clone()]));
    diagnostics.extend(refused.into_iter().map(|piece| {
        Diagnostic::error(
            Code::M0008,
            format!(
                "more than {KDL_OPENINGS_MAX} of {{, /* and /- in one object, or more than {} KiB",
                KDL_OBJECT_BYTES_MAX >> 10
            ),
            &text.span(piece.start..piece.start + 1),
            "this object holds too much",
        )
    }));
    let Some(results) = parse(text.text, &pieces) else {
        diagnostics.push(Diagnostic::error(
            Code::M0008,
            "there is no room for the stack that reading KDL takes",
            &Span::start_of(text.path.clone()),
            "this file is not read",
        ));
        return Vec::new();
    };
    let mut documents = Vec::with_capacity(results.len());
    let mut errors = Vec::new();
    for (piece, result) in pieces.iter().zip(results) {
        match result {
            Ok(document) => documents.push((piece.start, document)),
            Err(error) => {
                let told = error.diagnostics.iter().take(KDL_ERRORS_MAX);
                let mut told: Vec<_> = told.map(|one| syntax_error(text, piece, one)).collect();
                told.sort_by_key(|one| one.primary.span.start);
                // What was recognised explains the rest; what is said of the end is an echo of what was before it.
                if told.iter().any(|one| one.code == Code::M0006) {
                    told.retain(|one| one.code == Code::M0006);
                }
                let is_echo = |one: &Diagnostic| one.title == kdl_habits::STRAY;
                if told.iter().chain(&errors).any(|one| !is_echo(one)) {
                    told.retain(|one| !is_echo(one));
                }
                errors.extend(first_of_lines(told.into_iter()));
            }
        }
    }
    errors.sort_by_key(|one| one.primary.span.start);
    diagnostics.extend(first_of_lines(errors.into_iter()));
    documents
}

/// A span of the parser in the bytes of the file.
pub(super) fn range(span: miette::SourceSpan, base: usize) -> Range<usize> {
    let start = base + span.offset();
    start..start + span.len()
}

fn fits(piece: &str) -> bool {
    piece.len() <= KDL_OBJECT_BYTES_MAX && kdl_objects::openings(piece) <= KDL_OPENINGS_MAX
}

/// Parses each piece. The parser is slow on errors, so after some broken pieces the rest is not read.
/// `None` if no thread with the stack can be had.
fn parse(text: &str, pieces: &[Range<usize>]) -> Option<Vec<Result<KdlDocument, KdlError>>> {
    let Some(longest) = pieces.iter().map(Range::len).max() else {
        return Some(Vec::new());
    };
    let stack = KDL_STACK_FOR_OPENINGS + KDL_STACK_PER_BYTE * longest;
    let parse_all = || {
        let mut broken = 0;
        let mut results = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let result = KdlDocument::parse_v2(&text[piece.clone()]);
            broken += usize::from(result.is_err());
            results.push(result);
            if broken == KDL_BROKEN_MAX {
                break;
            }
        }
        results
    };
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(stack)
            .spawn_scoped(scope, parse_all)
            .ok()?
            .join()
            .ok()
    })
}

/// Errors of one object that are put into our words: more are echoes, and the parser finds one for each byte.
const KDL_ERRORS_MAX: usize = 200;

/// What people write who know KDL v1, or who forget quotes; the parser's own words for these say
/// little.
fn syntax_error(text: &Text<'_>, piece: &Range<usize>, error: &KdlDiagnostic) -> Diagnostic {
    let range = range(error.span, piece.start);
    let source = text.text.get(range.clone()).unwrap_or_default();
    if let Some(keyword) = ["true", "false", "null"].into_iter().find(|word| *word == source) {
        let span = text.span(range.clone());
        let title = format!("{keyword} is written #{keyword} in KDL v2");
        let told = Diagnostic::error(Code::M0006, title, &span, "this is KDL v1");
        return match keyword {
            "null" => told.help("no field takes it: leave the field out"),
            _ => told.fix(
                Applicability::Safe,
                format!("replace with #{keyword}"),
                &span,
                format!("#{keyword}"),
            ),
        };
    }
    if source.starts_with("r\"") || source.starts_with("r#") {
        let diagnostic = Diagnostic::error(
            Code::M0006,
            "a raw string is written #\"…\"# in KDL v2",
            &text.span(range.clone()),
            "this is KDL v1",
        );
        return match raw_string(source) {
            Some(written) => diagnostic.fix(
                Applicability::Safe,
                format!("replace with {written}"),
                &text.span(range),
                written,
            ),
            None => diagnostic,
        };
    }
    if let Some(word) = unquoted(text.text, range.clone()) {
        let written = &text.text[word.clone()];
        return Diagnostic::error(
            Code::M0006,
            format!("{written} must be quoted in KDL"),
            &text.span(word.clone()),
            "it begins like a number and is none",
        )
        .fix(
            Applicability::Safe,
            format!("replace with \"{written}\""),
            &text.span(word.clone()),
            format!("\"{written}\""),
        );
    }
    if let Some(recognised) = kdl_habits::recognise(text, &range) {
        return recognised;
    }
    let message = error.message.as_deref().unwrap_or("this cannot be read");
    if let Some(told) = kdl_habits::in_our_words(text, piece, &range, message) {
        return told;
    }
    let title = message.to_owned();
    let mut diagnostic = Diagnostic::error(Code::M0001, title, &text.span(range), "this is not KDL");
    diagnostic.help.clone_from(&error.help);
    diagnostic
}

/// A raw string of KDL v1 as v2 writes it, if it is whole and on one line.
fn raw_string(source: &str) -> Option<String> {
    let quoted = source.strip_prefix('r')?;
    let bare = quoted.trim_start_matches('#');
    let hashes = "#".repeat(quoted.len() - bare.len());
    let inner = bare.strip_prefix('"')?.strip_suffix(&format!("\"{hashes}"))?;
    let is_whole = !inner.contains('\n') && !inner.contains(&format!("\"{hashes}"));
    let hashes = if hashes.is_empty() { "#" } else { &hashes };
    is_whole.then(|| format!("{hashes}\"{inner}\"{hashes}"))
}

/// The word at the end of an error's range, if it begins with a digit: an address, a size, a MAC
/// address without quotes. The parser stops inside it, so its end is looked for.
fn unquoted(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let breaks = |c: char| c.is_whitespace() || matches!(c, '=' | '{' | '}' | ';' | '"' | '(' | ')');
    let before = text.get(..range.end)?;
    let tail: usize = before
        .chars()
        .rev()
        .take_while(|c| !breaks(*c))
        .map(char::len_utf8)
        .sum();
    let start = before.len() - tail;
    if before[..start].ends_with('"') {
        return None;
    }
    let length = text[start..].find(breaks).unwrap_or(text.len() - start);
    let word = &text[start..start + length];
    (word.starts_with(|c: char| c.is_ascii_digit()) && !range.is_empty()).then_some(start..start + length)
}
