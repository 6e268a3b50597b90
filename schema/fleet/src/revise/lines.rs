//! The lines that a value takes, and what of a line is no text.

use crate::{
    span::Span,
    tree::{Entry, Node, Value},
};

/// The places of an entry's keys and values. A table's own place is its head, which its key has as well.
pub(super) fn spans(entry: &Entry, tell: &mut impl FnMut(&Span)) {
    tell(&entry.key.span);
    values(&entry.node, tell);
}

pub(super) fn values(node: &Node, tell: &mut impl FnMut(&Span)) {
    match &node.value {
        Value::Table(entries) => entries.iter().for_each(|entry| spans(entry, tell)),
        Value::List(items) => {
            tell(&node.span);
            items.iter().for_each(|item| values(item, tell));
        }
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Number(_)
        | Value::Date(_)
        | Value::Text(_) => {
            tell(&node.span);
        }
    }
}

/// What of a line stands outside of quotation marks; with one that is not closed.
pub(super) fn unquoted(line: &str) -> String {
    let parts: Vec<&str> = line.split('"').collect();
    let open = if parts.len().is_multiple_of(2) { "\"" } else { "" };
    let outside: String = parts.into_iter().step_by(2).collect();
    outside + open
}

/// A line's indentation, and the rest of it.
pub(super) fn indented(line: &str) -> (&str, &str) {
    line.split_at(line.len() - line.trim_start().len())
}

/// By how many brackets a line opens more than it closes. Those within texts count too: what comes of it is read again.
pub(super) fn depth(line: &str) -> i32 {
    line.chars()
        .map(|character| match character {
            '{' | '[' => 1,
            '}' | ']' => -1,
            _ => 0,
        })
        .sum()
}
