//! Keys, names and single values as each syntax writes them.
//!
//! A text is bare where KDL lets it be and no reader could take it for something else, raw where it holds quotes or
//! backslashes and nothing that speaks against it, and in quotes otherwise; one of several lines stays so.

use super::piece::Scalar;
use crate::tree::{Syntax, Value};
use std::fmt::Write as _;

/// Bytes of a word without quotes. A name has fewer; what has more is a digest or a key, whose first character alone
/// would tell whether it needs them.
const BARE_MAX: usize = 40;

/// Whether a text in quotes is written on one line or on several, where less must be escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    One,
    Several,
}

/// A key of TOML.
pub(super) fn toml_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        toml_text(key)
    }
}

/// A header's path.
pub(super) fn toml_path(path: &[String]) -> String {
    let keys: Vec<_> = path.iter().map(|key| toml_key(key)).collect();
    keys.join(".")
}

/// A value of TOML on one line; `None` for nothing at all, which TOML cannot say.
pub(super) fn toml_scalar(scalar: &Scalar) -> Option<String> {
    Some(match &scalar.value {
        Value::Text(text) => toml_text(text),
        Value::Bool(value) => value.to_string(),
        Value::Integer(number) if scalar.syntax == Syntax::Kdl => number.to_string(),
        Value::Number(_) if scalar.syntax == Syntax::Kdl => scalar.written.replace(['#', '_'], ""),
        Value::Integer(_) | Value::Number(_) | Value::Date(_) => scalar.written.clone(),
        Value::Null | Value::List(_) | Value::Table(_) => return None,
    })
}

/// A value of KDL on one line; `None` for a date.
pub(super) fn kdl_scalar(scalar: &Scalar) -> Option<String> {
    Some(match &scalar.value {
        Value::Text(text) => kdl_text(text),
        Value::Bool(value) => format!("#{value}"),
        Value::Integer(number) if scalar.syntax == Syntax::Toml => number.to_string(),
        Value::Number(_) if scalar.syntax == Syntax::Toml => match scalar.written.as_str() {
            "inf" | "+inf" => "#inf".to_owned(),
            "-inf" => "#-inf".to_owned(),
            "nan" | "+nan" | "-nan" => "#nan".to_owned(),
            written => written.to_owned(),
        },
        Value::Integer(_) | Value::Number(_) => scalar.written.clone(),
        Value::Null => "#null".to_owned(),
        Value::Date(_) | Value::List(_) | Value::Table(_) => return None,
    })
}

/// A word of KDL: a name, a key or a text, bare where that cannot be mistaken.
pub(crate) fn kdl_text(text: &str) -> String {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let keyword = matches!(text, "true" | "false" | "null" | "inf" | "nan");
    let bare = text.starts_with(begins) && text.chars().all(inner) && text.len() <= BARE_MAX;
    if text == "-" || (bare && !keyword) {
        return text.to_owned();
    }
    let raw = text.contains(['"', '\\']) && !text.contains("\"#") && !text.ends_with('"');
    if raw && !text.starts_with('"') && !text.chars().any(kdl_must_escape) {
        return format!("#\"{text}\"#");
    }
    let mut out = "\"".to_owned();
    escaped(&mut out, text, Syntax::Kdl, Lines::One);
    out.push('"');
    out
}

/// What stands between quotes.
fn escaped(out: &mut String, text: &str, syntax: Syntax, lines: Lines) {
    for c in text.chars() {
        let code = u32::from(c);
        match c {
            // Three in a row would end it.
            '"' if lines == Lines::Several && !out.ends_with("\"\"") => out.push('"'),
            '\t' if lines == Lines::Several => out.push('\t'),
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => match syntax {
                Syntax::Kdl if kdl_must_escape(c) => {
                    write!(out, "\\u{{{code:x}}}").expect("a String takes all")
                }
                Syntax::Toml if c.is_control() => write!(out, "\\u{code:04x}").expect("a String takes all"),
                Syntax::Kdl | Syntax::Toml => out.push(c),
            },
        }
    }
}

/// What may not stand in a KDL file as it is, or would end a line (KDL 2.0 §3.19, §3.20).
fn kdl_must_escape(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}' | '\u{85}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A text of several lines in KDL, the first and the last of which stand for the quotes.
pub(super) fn kdl_lines(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let mut out = "\"\"\"\n".to_owned();
    for line in text.split('\n') {
        let blank = line.chars().all(char::is_whitespace);
        let mut rest = line;
        if !line.is_empty() {
            out.push_str(&margin);
            if blank {
                // A line of blanks alone counts as empty.
                match line.chars().next() {
                    Some(' ') => {
                        out.push_str("\\s");
                        rest = &line[1..];
                    }
                    Some(c) => {
                        write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes all");
                        rest = &line[c.len_utf8()..];
                    }
                    None => {}
                }
            }
            escaped(&mut out, rest, Syntax::Kdl, Lines::Several);
        }
        out.push('\n');
    }
    out.push_str(&margin);
    out.push_str("\"\"\"");
    out
}

/// A text of TOML on one line.
pub(super) fn toml_text(text: &str) -> String {
    let control = |c: char| c.is_control();
    if text.contains(['"', '\\']) && !text.contains('\'') && !text.chars().any(control) {
        return format!("'{text}'");
    }
    let mut out = "\"".to_owned();
    escaped(&mut out, text, Syntax::Toml, Lines::One);
    out.push('"');
    out
}

/// A text of several lines in TOML.
pub(super) fn toml_lines(text: &str) -> String {
    let mut out = "\"\"\"\n".to_owned();
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        escaped(&mut out, line, Syntax::Toml, Lines::Several);
    }
    out.push_str("\"\"\"");
    out
}
