//! TOML into the tree.

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    limit::{DEPTH_MAX, TOML_OPENINGS_MAX},
    source::Text,
    tree::{Entry, Key, Node, Value, first_of_lines},
};
use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

/// Reads a file; what cannot be read is reported and left out.
pub(crate) fn read(text: &Text<'_>, diagnostics: &mut Vec<Diagnostic>) -> Node {
    let openings = text
        .text
        .bytes()
        .filter(|byte| matches!(byte, b'=' | b',' | b'[' | b'{'));
    if openings.count() > TOML_OPENINGS_MAX {
        let title = format!("more than {TOML_OPENINGS_MAX} values in one file");
        let start = text.span(0..0);
        diagnostics.push(Diagnostic::error(Code::M0008, title, &start, "split this file"));
        return Node {
            value: Value::Table(Vec::new()),
            span: start,
        };
    }
    let (table, mut errors) = DeTable::parse_recoverable(text.text);
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    let errors = errors.iter().map(|error| {
        let span = text.span(error.span().unwrap_or_default());
        Diagnostic::error(Code::M0001, error.message(), &span, "this is not TOML")
    });
    diagnostics.extend(first_of_lines(errors));
    let mut reader = Reader { text, diagnostics };
    Node {
        value: reader.table(table.get_ref(), 0),
        span: text.span(0..0),
    }
}

struct Reader<'t, 'd> {
    text: &'t Text<'t>,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl Reader<'_, '_> {
    /// Entries in the order of writing: the parser gives them sorted by key.
    fn table(&mut self, table: &DeTable<'_>, depth: usize) -> Value {
        let mut sorted: Vec<_> = table.iter().collect();
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
                Value::List(items.iter().map(|item| self.node(item, depth + 1)).collect())
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
