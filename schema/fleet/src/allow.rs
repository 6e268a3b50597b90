//! Warnings that a person allows, with a reason, in a comment: `# muster: allow M0404 spares for the summer`.
//!
//! It stands on the line above what the warning is about, above the object's head, or behind either. What is wrong
//! with such a comment is itself told, so that none lies: one that says no reason or an unknown code, one that would
//! allow an error, and one that allows nothing any more.

use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic, Edit, Fix, Severity},
    limit::{ALLOWS_MAX, FILE_BYTES_MAX},
    objects::Object,
    source::Text,
    span::Span,
    suggest::{is_certain, nearest},
    tree::{Syntax, comments::comments},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// Takes out the warnings that comments allow, and adds what is wrong with the comments.
pub(crate) fn allow<'f>(
    diagnostics: Vec<Diagnostic>,
    files: impl Iterator<Item = (&'f str, &'f [u8])>,
    objects: &[&Object],
) -> Vec<Diagnostic> {
    let mut told = Vec::new();
    let mut allows = Vec::new();
    for (path, bytes) in files {
        let readable = bytes.len() <= FILE_BYTES_MAX;
        if let Some(syntax) = Syntax::of(path).filter(|_| readable)
            && let Ok(text) = std::str::from_utf8(bytes)
            && text.contains(MARK)
        {
            read(&Text::new(path, text), syntax, &mut allows, &mut told);
        }
    }
    if allows.is_empty() && told.is_empty() {
        return diagnostics;
    }
    let heads: BTreeMap<String, &Span> = objects
        .iter()
        .map(|object| (object.to_string(), &object.name.span))
        .collect();
    let mut kept = Vec::with_capacity(diagnostics.len());
    for diagnostic in diagnostics {
        let head = diagnostic
            .object
            .as_ref()
            .and_then(|object| heads.get(object).copied());
        let places: BTreeSet<_> = [Some(&diagnostic.primary.span), head]
            .into_iter()
            .flatten()
            .map(|span| (&*span.file, span.start.line))
            .collect();
        let of_it = allows.iter_mut().filter(|allow| {
            allow.code == diagnostic.code && places.contains(&(&*allow.span.file, allow.line))
        });
        let mut is_allowed = false;
        for allow in of_it {
            match diagnostic.severity {
                Severity::Warning => is_allowed = true,
                Severity::Error if !allow.is_used => told.push(is_error(allow, &diagnostic)),
                Severity::Error => {}
            }
            allow.is_used = true;
        }
        if !is_allowed {
            kept.push(diagnostic);
        }
    }
    kept.extend(told);
    // Where something could not be read, what a comment allows may not have been found yet.
    if kept.iter().all(|one| one.severity == Severity::Warning) {
        let unused = allows.iter().filter(|allow| !allow.is_used);
        kept.extend(unused.map(allows_nothing));
    }
    kept
}

/// How such a comment begins.
const MARK: &str = "muster:";

/// One code of a comment.
struct Allow {
    code: Code,
    /// Where the code stands.
    span: Span,
    /// The line that it is about.
    line: u32,
    /// What to take out to be rid of it.
    removal: Span,
    is_used: bool,
}

fn is_error(allow: &Allow, diagnostic: &Diagnostic) -> Diagnostic {
    let title = format!("{} is an error, which nobody can allow", allow.code);
    Diagnostic::error(Code::M0012, title, &allow.span, "only warnings can be allowed")
        .also(&diagnostic.primary.span, "this has to be put right")
}

fn allows_nothing(allow: &Allow) -> Diagnostic {
    let title = format!("{} is allowed where there is none", allow.code);
    let mut diagnostic = Diagnostic::warning(Code::M0011, title, &allow.span, "this allows nothing");
    diagnostic.fixes.push(Fix {
        title: "take it out".to_owned(),
        applicability: Applicability::Safe,
        edits: vec![Edit {
            span: allow.removal.clone(),
            text: String::new(),
        }],
    });
    diagnostic
}

/// Reads the comments of a file that begin with the mark.
fn read(text: &Text<'_>, syntax: Syntax, allows: &mut Vec<Allow>, told: &mut Vec<Diagnostic>) {
    let found = comments(text.text, syntax);
    let mut read = 0;
    for (at, comment) in found.iter().enumerate() {
        let Some(words) = words(text.text, comment, syntax) else {
            continue;
        };
        read += 1;
        if read > ALLOWS_MAX {
            let title = format!("more than {ALLOWS_MAX} comments of one file allow something");
            let span = text.span(comment.clone());
            told.push(Diagnostic::error(
                Code::M0008,
                title,
                &span,
                "this and those behind it are not read",
            ));
            break;
        }
        let is_alone = stands_alone(text.text, comment);
        let line = if is_alone {
            line_below(text, &found[at..])
        } else {
            text.span(comment.clone()).start.line
        };
        let whole = removal(text.text, comment, is_alone);
        match codes(text, words) {
            Err(diagnostic) => told.extend(diagnostic),
            Ok(codes) => {
                let several = codes.len() > 1;
                for (at, range) in codes.iter().enumerate() {
                    let span = text.span(range.clone());
                    let written = &text.text[range.clone()];
                    let Some(code) = Code::parse(written) else {
                        told.push(unknown(written, &span));
                        continue;
                    };
                    let next = codes.get(at + 1);
                    let removal = match (several, next) {
                        (false, _) => whole.clone(),
                        (true, Some(next)) => range.start..next.start,
                        (true, None) => codes[at - 1].end..range.end,
                    };
                    allows.push(Allow {
                        code,
                        span,
                        line,
                        removal: text.span(removal),
                        is_used: false,
                    });
                }
            }
        }
    }
}

/// What a comment says behind the mark, if it has it.
fn words(text: &str, comment: &Range<usize>, syntax: Syntax) -> Option<Range<usize>> {
    let sign = match syntax {
        Syntax::Toml => 1,
        Syntax::Kdl => 2,
    };
    let mut range = comment.start + sign..comment.end;
    if text[comment.clone()].starts_with("/*") && text[range.clone()].ends_with("*/") {
        range.end -= 2;
    }
    let said = text[range.clone()].trim_start();
    let rest = said.strip_prefix(MARK)?;
    Some(range.end - rest.len()..range.end)
}

/// Whether nothing but the comment stands on its lines.
fn stands_alone(text: &str, comment: &Range<usize>) -> bool {
    let before = text[..comment.start].rsplit('\n').next().unwrap_or_default();
    let after = text[comment.end..].split('\n').next().unwrap_or_default();
    before.trim().is_empty() && after.trim().is_empty()
}

/// Comments below one that allows something, which are passed over.
const FOLLOWING_MAX: usize = 100;

/// The line below a comment, and below those that follow it on lines of their own.
fn line_below(text: &Text<'_>, following: &[Range<usize>]) -> u32 {
    let mut below = None;
    for comment in following.iter().take(FOLLOWING_MAX) {
        let span = text.span(comment.clone());
        if below.is_some_and(|line| line != span.start.line) || !stands_alone(text.text, comment) {
            break;
        }
        below = Some(span.end.line + 1);
    }
    below.unwrap_or(u32::MAX)
}

/// A comment with the blanks before it, or with its whole line.
fn removal(text: &str, comment: &Range<usize>, is_alone: bool) -> Range<usize> {
    let before = &text[..comment.start];
    let trimmed = before.trim_end_matches([' ', '\t']).len();
    if !is_alone {
        return trimmed..comment.end;
    }
    let after = &text[comment.end..];
    let rest = after.find('\n').map_or(after.len(), |at| at + 1);
    trimmed..comment.end + rest
}

/// The codes behind `allow`, or what is wrong with how it is written; nothing for a comment about something else.
fn codes(text: &Text<'_>, words: Range<usize>) -> Result<Vec<Range<usize>>, Option<Diagnostic>> {
    const EXAMPLE: &str = "for example  muster: allow M0404 spares for the summer";
    let wrong = |title: String, range: Range<usize>, label: &str| {
        Diagnostic::error(Code::M0012, title, &text.span(range), label).help(EXAMPLE)
    };
    let mut rest = Words {
        text: text.text,
        range: words,
    };
    let verb = rest.next_word();
    let written = &text.text[verb.clone()];
    if written != "allow" {
        let is_slip = nearest(written, ["allow"].into_iter()).is_some();
        return Err(is_slip.then(|| {
            let title = format!("`{written}` is not known behind `muster:`");
            let span = text.span(verb.clone());
            wrong(title, verb, "did you mean `allow`?").fix(
                Applicability::Safe,
                "replace with `allow`",
                &span,
                "allow",
            )
        }));
    }
    let mut codes = Vec::new();
    loop {
        let word = rest.next_word();
        if word.is_empty() {
            return Err(Some(wrong(
                "no code is allowed here".to_owned(),
                verb,
                "what is allowed?",
            )));
        }
        codes.push(word);
        if !rest.take_comma() {
            break;
        }
    }
    let reason = &text.text[rest.range];
    if !reason.contains(char::is_alphanumeric) {
        let first = codes.first().map_or(verb.start, |code| code.start);
        let last = codes.last().map_or(verb.end, |code| code.end);
        let title = "a warning is allowed without a reason".to_owned();
        return Err(Some(wrong(title, first..last, "say why, behind the code")));
    }
    Ok(codes)
}

fn unknown(written: &str, span: &Span) -> Diagnostic {
    let title = format!("there is no code `{written}`");
    let diagnostic = Diagnostic::error(Code::M0012, title, span, "no such code");
    let all = || Code::ALL.iter().map(|code| code.as_str());
    match nearest(written, all()) {
        Some(near) => {
            let applicability = is_certain(written, near, all());
            diagnostic.help(format!("did you mean `{near}`?")).fix(
                applicability,
                format!("replace with `{near}`"),
                span,
                near,
            )
        }
        None => diagnostic.help("`muster explain --list` lists the codes"),
    }
}

/// Reads a comment word by word.
struct Words<'t> {
    text: &'t str,
    range: Range<usize>,
}

impl Words<'_> {
    /// The next word, up to a blank or a comma; empty at the end.
    fn next_word(&mut self) -> Range<usize> {
        self.skip_blanks();
        let rest = &self.text[self.range.clone()];
        let length = rest
            .find(|c: char| c.is_whitespace() || c == ',')
            .unwrap_or(rest.len());
        let start = self.range.start;
        self.range.start += length;
        start..self.range.start
    }

    fn take_comma(&mut self) -> bool {
        self.skip_blanks();
        let is_comma = self.text[self.range.clone()].starts_with(',');
        self.range.start += usize::from(is_comma);
        is_comma
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text[self.range.clone()];
        self.range.start += rest.len() - rest.trim_start().len();
    }
}
