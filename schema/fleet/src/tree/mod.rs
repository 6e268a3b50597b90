//! The one tree that both syntaxes are read into: values with the place of each, and nothing of the
//! syntax they came in.
//!
//! It keeps the order of writing, because disk selectors take disks in that order. It knows no kind
//! and checks no value.

pub(crate) mod comments;
mod conflict;
mod kdl;
pub(crate) mod kdl_free;
mod kdl_habits;
mod kdl_objects;
mod kdl_syntax;
mod toml;
mod toml_habits;

use crate::{
    diagnostic::Diagnostic,
    limit::{SYNTAX_ERRORS_MAX, TEXT_PER_VALUE},
    source::Text,
    span::Span,
};

/// A value and where it stands. A table's span is its head, not its body.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Span,
}

/// What both syntaxes can say.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// KDL's `#null`; no field takes it.
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is not whole or too large, as written; no field takes it.
    Number(String),
    /// A date or time of TOML, kept as written; no field takes it.
    Date(String),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// One key of a table with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) node: Node,
}

/// A key or a name, as written.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// The syntaxes of fleet files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// TOML.
    Toml,
    /// KDL v2.
    Kdl,
}

impl Syntax {
    /// By the end of a path; `None` for files that are no fleet files.
    pub fn of(path: &str) -> Option<Self> {
        match path.rsplit_once('.')?.1 {
            "toml" => Some(Self::Toml),
            "kdl" => Some(Self::Kdl),
            _ => None,
        }
    }

    /// What its files end in.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Kdl => "kdl",
        }
    }

    /// Reads a file into a table of kinds, of names, of objects.
    pub(crate) fn read(self, text: &Text<'_>, diagnostics: &mut Vec<Diagnostic>) -> Node {
        if let Some(conflict) = conflict::find(text) {
            diagnostics.push(conflict);
            return Node {
                value: Value::Table(Vec::new()),
                span: text.span(0..0),
            };
        }
        match self {
            Self::Toml => toml::read(text, diagnostics),
            Self::Kdl => kdl::read(text, diagnostics),
        }
    }
}

/// Whether a key is free: anything may stand under it, and nothing reads it.
pub(crate) fn is_free(key: &str) -> bool {
    key.starts_with("x-") || key == "annotations"
}

/// Of syntax errors in the order of their places, one for each line and not too many: the others are echoes.
fn first_of_lines(errors: impl Iterator<Item = Diagnostic>) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::new();
    for error in errors {
        let line = error.primary.span.start.line;
        if kept.iter().all(|one| one.primary.span.start.line != line) {
            kept.push(error);
        }
        if kept.len() == SYNTAX_ERRORS_MAX {
            break;
        }
    }
    kept
}

impl Node {
    /// The entries, if it is a table.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The same, taken out of it.
    pub(crate) fn into_entries(self) -> Vec<Entry> {
        match self.value {
            Value::Table(entries) => entries,
            _ => Vec::new(),
        }
    }

    /// How many values there are, long texts counting as several.
    pub(crate) fn weight(&self) -> usize {
        1 + match &self.value {
            Value::Table(entries) => entries
                .iter()
                .map(|entry| entry.key.text.len() / TEXT_PER_VALUE + entry.node.weight())
                .sum(),
            Value::List(items) => items.iter().map(Self::weight).sum(),
            Value::Text(text) | Value::Number(text) => text.len() / TEXT_PER_VALUE,
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Date(_) => 0,
        }
    }

    /// What is written, without its places: numbers that no field takes and dates as text.
    pub(crate) fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Integer(number) => (*number).into(),
            Value::Number(text) | Value::Date(text) | Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Table(entries) => entries
                .iter()
                .map(|entry| (entry.key.text.clone(), entry.node.json()))
                .collect(),
        }
    }

    /// The entry of a key, if it is a table that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text == key)
    }
}

impl Value {
    /// What it is, for a message: "an integer".
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Number(_) => "a fraction, or too large a number",
            Self::Date(_) => "a date or time",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}
