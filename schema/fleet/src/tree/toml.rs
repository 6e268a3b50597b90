//! TOML into the tree.

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    limit::{DEPTH_MAX, TOML_CONTROLS_MAX, TOML_LINES_MAX, TOML_OPENINGS_MAX, TOML_TABLES_MAX},
    source::Text,
    tree::{Entry, Key, Node, Value, toml_habits},
};
use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

/// Reads a file; what cannot be read is reported and left out.
pub(crate) fn read(text: &Text<'_>, diagnostics: &mut Vec<Diagnostic>) -> Node {
    if let Some(refused) = too_much(text) {
        diagnostics.push(refused);
        return Node {
            value: Value::Table(Vec::new()),
            span: text.span(0..0),
        };
    }
    let (table, mut errors) = DeTable::parse_recoverable(text.text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    let errors = errors
        .iter()
        .map(|error| (error.message(), error.span().unwrap_or_default()));
    let (told, end) = toml_habits::told(text, errors);
    diagnostics.extend(told);
    let mut reader = Reader {
        text,
        end,
        diagnostics,
    };
    Node {
        value: reader.table(table.get_ref(), 0),
        span: text.span(0..0),
    }
}

/// What the parser is not to see: it keeps every value and every error in memory, and each byte can be one.
fn too_much(text: &Text<'_>) -> Option<Diagnostic> {
    let bytes = text.text.as_bytes();
    let count = |is: fn(u8) -> bool| bytes.iter().filter(|byte| is(**byte)).count();
    let limit = |title: String| Diagnostic::error(Code::M0008, title, &text.span(0..0), "split this file");
    if count(|byte| matches!(byte, b'=' | b',' | b'[' | b'{' | b'\\')) > TOML_OPENINGS_MAX {
        return Some(limit(format!("more than {TOML_OPENINGS_MAX} values in one file")));
    }
    if count(|byte| byte == b'\n') > TOML_LINES_MAX {
        return Some(limit(format!("more than {TOML_LINES_MAX} lines in one file")));
    }
    if text.text.lines().map(tables).sum::<usize>() > TOML_TABLES_MAX {
        return Some(limit(format!("more than {TOML_TABLES_MAX} tables in one file")));
    }
    let is_control = |at: &usize| {
        let is_end = bytes[*at] == b'\r' && bytes.get(at + 1) == Some(&b'\n');
        (bytes[*at] < b' ' || bytes[*at] == 0x7f) && !matches!(bytes[*at], b'\n' | b'\t') && !is_end
    };
    let at = (0..bytes.len()).filter(is_control).nth(TOML_CONTROLS_MAX)?;
    let title = "control characters without end";
    let span = text.span(at..at + 1);
    Some(Diagnostic::error(Code::M0001, title, &span, "this is not TOML"))
}

/// How many tables a line may begin.
fn tables(line: &str) -> usize {
    let count = |text: &str, what: u8| text.bytes().filter(|byte| *byte == what).count();
    let of_key = match line.split_once('=') {
        _ if line.trim_start().starts_with('[') => 1 + count(line, b'.'),
        Some((key, _)) => count(key, b'.'),
        None => count(line.split(['"', '\'']).next().unwrap_or_default(), b'.'),
    };
    of_key + count(line, b'{')
}

struct Reader<'t, 'd> {
    text: &'t Text<'t>,
    /// Behind it nothing is what it seems.
    end: usize,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl Reader<'_, '_> {
    /// Entries in the order of writing: the parser gives them sorted by key.
    fn table(&mut self, table: &DeTable<'_>, depth: usize) -> Value {
        let mut sorted: Vec<_> = table
            .iter()
            .filter(|(key, _)| key.span().start < self.end)
            .collect();
        sorted.sort_by_key(|(key, _)| key.span().start);
        let entries = sorted.into_iter().map(|(key, value)| Entry {
            key: Key {
                text: key.get_ref().to_string(),
                span: self.text.span(key.span()),
            },
            node: self.node(value, depth + 1),
        });
        Value::Table(entries.collect())
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>, depth: usize) -> Node {
        let span = self.text.span(value.span());
        if depth > DEPTH_MAX {
            self.diagnostics.push(too_deep(&span));
            return Node {
                value: Value::Null,
                span,
            };
        }
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => integer(number),
            DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(time) => Value::Date(time.to_string()),
            DeValue::Array(items) => {
                let items = items.iter().filter(|item| item.span().start < self.end);
                let items: Vec<_> = items.collect();
                Value::List(items.into_iter().map(|item| self.node(item, depth + 1)).collect())
            }
            DeValue::Table(table) => self.table(table, depth),
        };
        Node { value, span }
    }
}

fn integer(number: &DeInteger<'_>) -> Value {
    match i64::from_str_radix(number.as_str(), number.radix()) {
        Ok(number) => Value::Integer(number),
        Err(_) => Value::Number(number.as_str().to_owned()),
    }
}

/// Tables within tables without end.
pub(super) fn too_deep(span: &crate::span::Span) -> Diagnostic {
    Diagnostic::error(
        Code::M0008,
        format!("more than {DEPTH_MAX} tables and lists within each other"),
        span,
        "too deep",
    )
}
