//! KDL v2 into the tree, by the table of the language.
//!
//! KDL alone cannot tell a list of one from a scalar, or a map from a list of tables; the shapes of
//! the kinds can. What does not fit its shape is passed on as what it looks like, so that the decoder
//! reports it as it reports TOML.

use super::{Entry, Key, Node, Value, is_free, kdl_syntax, toml::too_deep};
use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic},
    fold::is_syntax,
    format::kdl_text,
    kind::{FieldRow, KindRow, Shape},
    kinds::{kinds, marker::Marker},
    limit::{DEPTH_MAX, KDL_ENTRIES_MAX},
    source::Text,
    span::Span,
};
use kdl::{KdlEntry, KdlNode, KdlValue};

/// Reads a file; what cannot be read is reported and left out.
pub(crate) fn read(text: &Text<'_>, diagnostics: &mut Vec<Diagnostic>) -> Node {
    let mut root = Vec::new();
    let documents = kdl_syntax::documents(text, diagnostics);
    let is_broken = diagnostics.iter().any(|one| is_syntax(one.code));
    for (base, document) in documents {
        let mut reader = Reader {
            text,
            base,
            is_broken,
            diagnostics,
        };
        document
            .nodes()
            .iter()
            .for_each(|node| reader.object(node, &mut root));
    }
    Node {
        value: Value::Table(root),
        span: text.span(0..0),
    }
}

pub(super) struct Reader<'t, 'd> {
    text: &'t Text<'t>,
    /// Where the piece begins: the parser counts from there.
    base: usize,
    /// Something of the file could not be read: what stood in a block may seem to be an object.
    is_broken: bool,
    pub(super) diagnostics: &'d mut Vec<Diagnostic>,
}

/// What of a node is still to be read: its arguments behind the names, its properties and children.
pub(super) struct Rest<'n> {
    pub(super) node: &'n KdlNode,
    pub(super) head: Span,
    pub(super) arguments: Vec<&'n KdlEntry>,
}

impl Reader<'_, '_> {
    /// Puts a top-level node where TOML would have its table: `kind.name`, `removed.kind.name` or
    /// `defaults.kind`.
    fn object(&mut self, node: &KdlNode, root: &mut Vec<Entry>) {
        let kind = self.key_of(node);
        let mut rest = self.rest(node);
        if is_free(&kind.text) {
            let node = self.free(&rest, 0);
            self.add(root, kind, node, Repeat::Never);
            return;
        }
        let first = rest.arguments.first().and_then(|entry| entry.value().as_string());
        if self.is_astray(&kind) || self.is_dotted(&kind) {
            return;
        }
        let nested = first.and_then(|first| find_kind(&format!("{}.{first}", kind.text)));
        let plain = find_kind(&kind.text);
        let defaults = first.filter(|_| kind.text == "defaults").map(find_kind);
        let (names, fields) = match (nested, plain, defaults) {
            _ if kind.text == "muster" => (0, Marker::FIELDS),
            (Some(row), _, _) => (2, row.fields),
            (None, Some(row), _) => (1, row.fields),
            (None, None, Some(row)) => (1, row.map_or(&[] as &[FieldRow], |row| row.fields)),
            (None, None, None) => (usize::from(first.is_some()), &[] as &[FieldRow]),
        };
        let mut path = vec![kind];
        for _ in 0..names {
            let Some(key) = self.take_name(&mut rest) else {
                return;
            };
            path.push(key);
        }
        let node = self.table(rest, fields, 0);
        place(root, path, node);
    }

    /// Whether a node that is indented and of no kind fell out of a block that could not be read.
    fn is_astray(&self, kind: &Key) -> bool {
        let is_field = |row: &&KindRow| row.fields.iter().any(|field| field.key == kind.text);
        self.is_broken && kind.span.start.column > 1 && kinds().iter().any(is_field)
    }

    /// `zone.z1`, as TOML has it in its headers.
    fn is_dotted(&mut self, kind: &Key) -> bool {
        let Some((word, name)) = kind.text.split_once('.') else {
            return false;
        };
        let is_kind = find_kind(word).is_some()
            || kinds()
                .iter()
                .any(|row| row.name.starts_with(&format!("{word}.")));
        if !is_kind || name.is_empty() {
            return false;
        }
        let written = format!("{word} {}", name.replace('.', " "));
        let title = format!("`{}` is how TOML writes it", kind.text);
        self.diagnostics.push(
            Diagnostic::error(
                Code::M0006,
                title,
                &kind.span,
                "the name stands behind the kind in KDL",
            )
            .fix(
                Applicability::Safe,
                format!("replace with {written}"),
                &kind.span,
                written,
            ),
        );
        true
    }

    /// Takes the next argument as a name.
    fn take_name(&mut self, rest: &mut Rest<'_>) -> Option<Key> {
        if rest.arguments.is_empty() {
            let word = rest.node.name().value();
            let inner = rest.node.iter_children().next();
            let inner = inner.filter(|inner| !inner.entries().is_empty() || inner.children().is_some());
            let help = match inner.map(|inner| inner.name().value()) {
                Some(name) => {
                    format!("one node for each name, without a block around them:  {word} {name} …")
                }
                None => format!("for example  {word} example …"),
            };
            let title = format!("`{word}` has no name");
            let told = Diagnostic::error(Code::M0003, title, &rest.head, "a name is wanted behind this");
            self.diagnostics.push(told.help(help));
            return None;
        }
        let entry = rest.arguments.remove(0);
        let span = self.value_span(entry);
        let Some(text) = entry.value().as_string() else {
            let written = self.text.text[span.start.byte as usize..span.end.byte as usize].to_owned();
            self.diagnostics.push(
                Diagnostic::error(
                    Code::M0003,
                    format!("{written} is not a name"),
                    &span,
                    "a name is wanted",
                )
                .fix(
                    Applicability::Safe,
                    format!("replace with \"{written}\""),
                    &span,
                    format!("\"{written}\""),
                ),
            );
            return None;
        };
        if entry.ty().is_some() {
            self.annotated(&self.span(entry.span()));
        }
        rest.head = rest.head.to(&span);
        Some(Key {
            text: text.to_owned(),
            span,
        })
    }

    /// Properties and children as the fields of a table.
    fn table(&mut self, rest: Rest<'_>, fields: &[FieldRow], depth: usize) -> Node {
        if depth > DEPTH_MAX {
            self.diagnostics.push(too_deep(&rest.head));
            return Node {
                value: Value::Null,
                span: rest.head,
            };
        }
        let children = rest.node.children().map_or(0, |children| children.nodes().len());
        if rest.node.entries().len() + children > KDL_ENTRIES_MAX {
            self.diagnostics.push(Diagnostic::error(
                Code::M0008,
                format!("more than {KDL_ENTRIES_MAX} fields in one table"),
                &rest.head,
                "this table holds too much",
            ));
            return Node {
                value: Value::Null,
                span: rest.head,
            };
        }
        if let Some(entry) = rest.arguments.first() {
            let span = self.value_span(entry);
            self.diagnostics.push(
                Diagnostic::error(
                    Code::M0003,
                    format!(
                        "`{}` is a table and takes no value of its own",
                        rest.node.name().value()
                    ),
                    &span,
                    "to which field does this belong?",
                )
                .help("write  key=value  or put  key value  between braces"),
            );
        }
        let mut entries = Vec::new();
        for entry in rest.node.entries() {
            let Some(name) = entry.name() else { continue };
            let span = self.span(name.span());
            let key = Key {
                text: name.value().to_owned(),
                span,
            };
            let node = match is_free(&key.text) {
                true => self.scalar(entry),
                false => self.value(entry),
            };
            self.add(&mut entries, key, node, Repeat::Never);
        }
        for child in rest.node.iter_children() {
            let key = self.key_of(child);
            let shape = fields
                .iter()
                .find(|field| field.key == key.text)
                .map(|field| field.shape);
            self.child(child, key, shape, &mut entries, depth + 1);
        }
        Node {
            value: Value::Table(entries),
            span: rest.head,
        }
    }

    /// One child node as a field, or as a part of one.
    fn child(
        &mut self,
        node: &KdlNode,
        key: Key,
        shape: Option<&Shape>,
        entries: &mut Vec<Entry>,
        depth: usize,
    ) {
        let mut rest = self.rest(node);
        match shape {
            Some(Shape::Map(inner)) if rest.arguments.is_empty() && inner.is_single() => {
                let pairs = self.table(rest, &[], depth);
                self.add(entries, key, pairs, Repeat::Extends);
            }
            Some(Shape::Map(inner)) => {
                let Some(name) = self.take_name(&mut rest) else {
                    return;
                };
                let head = rest.head.clone();
                let value = self.shaped(rest, inner, depth);
                let entry = Entry {
                    key: name,
                    node: value,
                };
                let map = Node {
                    value: Value::Table(vec![entry]),
                    span: head,
                };
                self.add(entries, key, map, Repeat::Extends);
            }
            Some(Shape::List(inner @ Shape::Table(_))) => {
                let head = rest.head.clone();
                let item = self.shaped(rest, inner, depth);
                let list = Node {
                    value: Value::List(vec![item]),
                    span: head,
                };
                self.add(entries, key, list, Repeat::Extends);
            }
            Some(shape) => {
                let node = self.shaped(rest, shape, depth);
                self.add(entries, key, node, Repeat::Never);
            }
            None if let Some((table, field)) = key.text.split_once('.').filter(|_| !is_free(&key.text)) => {
                let title = format!("`{}` is how TOML writes it", key.text);
                let help = format!("a table is a node with properties in KDL:  {table} {field}=…");
                let told = Diagnostic::error(Code::M0006, title, &key.span, "a key of KDL has no dots");
                self.diagnostics.push(told.help(help));
            }
            None => {
                let node = self.free(&rest, depth);
                self.add(entries, key, node, Repeat::Never);
            }
        }
    }

    /// A node's value, read as its shape where it can be.
    fn shaped(&mut self, rest: Rest<'_>, shape: &Shape, depth: usize) -> Node {
        let table =
            rest.node.children().is_some() || rest.node.entries().iter().any(|entry| entry.name().is_some());
        let fields: &[FieldRow] = match shape {
            Shape::Table(fields) => fields,
            _ => &[],
        };
        match (shape, rest.arguments.as_slice()) {
            (Shape::Table(_), []) => self.table(rest, fields, depth),
            (Shape::List(_), items) if !table => {
                let items: Vec<_> = items.iter().map(|entry| self.value(entry)).collect();
                let span = match (items.first(), items.last()) {
                    (Some(first), Some(last)) => first.span.to(&last.span),
                    _ => rest.head,
                };
                Node {
                    value: Value::List(items),
                    span,
                }
            }
            (Shape::List(_), []) if let Some(items) = self.items(rest.node) => Node {
                value: Value::List(items),
                span: rest.head,
            },
            _ if table => self.table(rest, fields, depth),
            (_, [one]) => self.value(one),
            (_, []) => Node {
                value: Value::Null,
                span: rest.head,
            },
            (_, [first, .., last]) => {
                let span = self.value_span(first).to(&self.value_span(last));
                Node {
                    value: Value::List(Vec::new()),
                    span,
                }
            }
        }
    }

    pub(super) fn scalar(&mut self, entry: &KdlEntry) -> Node {
        let span = self.value_span(entry);
        if entry.ty().is_some() {
            self.annotated(&self.span(entry.span()));
        }
        let number = || {
            let written = entry.format().map(|format| format.value_repr.clone());
            Value::Number(written.unwrap_or_else(|| entry.value().to_string()))
        };
        let value = match entry.value() {
            KdlValue::String(text) => Value::Text(text.clone()),
            KdlValue::Bool(value) => Value::Bool(*value),
            KdlValue::Null => Value::Null,
            KdlValue::Float(_) => number(),
            KdlValue::Integer(whole) => i64::try_from(*whole).map_or_else(|_| number(), Value::Integer),
        };
        Node { value, span }
    }

    /// A value that a field takes: without what was not meant to be a part of a word without quotes.
    fn value(&mut self, entry: &KdlEntry) -> Node {
        let mut node = self.scalar(entry);
        if let Value::Text(text) = &node.value {
            node.value = Value::Text(self.bare(text, entry, &node.span));
        }
        node
    }

    fn bare(&mut self, text: &str, entry: &KdlEntry, span: &Span) -> String {
        let is_bare = entry.format().is_some_and(|format| format.value_repr == *text);
        let quotes = ['“', '”', '„'];
        let (title, label, inner) = match text {
            _ if !is_bare => return text.to_owned(),
            _ if text.ends_with(',') => (
                "values stand side by side in KDL, without commas",
                "the comma is a part of this word",
                text.trim_end_matches(','),
            ),
            _ if text.starts_with(quotes) => (
                "these are not the quotes of KDL",
                "a word processor made them",
                text.trim_matches(quotes),
            ),
            _ => return text.to_owned(),
        };
        let written = kdl_text(inner);
        self.diagnostics
            .push(Diagnostic::error(Code::M0006, title, span, label).fix(
                Applicability::Safe,
                format!("replace with {written}"),
                span,
                written,
            ));
        inner.to_owned()
    }

    /// A `(type)` is refused rather than left out in silence.
    fn annotated(&mut self, span: &Span) {
        self.diagnostics.push(Diagnostic::error(
            Code::M0003,
            "type annotations mean nothing here",
            span,
            "leave the (type) out",
        ));
    }

    /// Adds a field, or extends the list or map that an earlier node began.
    fn add(&mut self, entries: &mut Vec<Entry>, key: Key, node: Node, repeat: Repeat) {
        let Some(earlier) = entries.iter_mut().find(|entry| entry.key.text == key.text) else {
            entries.push(Entry { key, node });
            return;
        };
        match (repeat, &mut earlier.node.value, node.value) {
            (Repeat::Extends, Value::List(items), Value::List(more)) => items.extend(more),
            (Repeat::Extends, Value::Table(names), Value::Table(more)) => {
                for entry in more {
                    let twice = names.iter().find(|name| name.key.text == entry.key.text);
                    match twice {
                        Some(first) => self.diagnostics.push(given_twice(&entry.key, &first.key.span)),
                        None => names.push(entry),
                    }
                }
            }
            _ => self.diagnostics.push(given_twice(&key, &earlier.key.span)),
        }
    }

    /// A node of which nothing is read yet.
    pub(super) fn rest<'n>(&mut self, node: &'n KdlNode) -> Rest<'n> {
        if node.ty().is_some() {
            self.annotated(&self.span(node.name().span()));
        }
        let arguments = node
            .entries()
            .iter()
            .filter(|entry| entry.name().is_none())
            .collect();
        Rest {
            node,
            head: self.span(node.name().span()),
            arguments,
        }
    }

    pub(super) fn key_of(&self, node: &KdlNode) -> Key {
        Key {
            text: node.name().value().to_owned(),
            span: self.span(node.name().span()),
        }
    }

    /// The value's own place: an entry's span covers `key=` and `(type)` too.
    fn value_span(&self, entry: &KdlEntry) -> Span {
        let range = kdl_syntax::range(entry.span(), self.base);
        let length = entry
            .format()
            .map_or(range.len(), |format| format.value_repr.len());
        self.text.span(range.end - length.min(range.len())..range.end)
    }

    pub(super) fn span(&self, span: miette::SourceSpan) -> Span {
        self.text.span(kdl_syntax::range(span, self.base))
    }
}

/// Whether a key may come again.
#[derive(Clone, Copy)]
enum Repeat {
    Never,
    Extends,
}

fn find_kind(name: &str) -> Option<&'static KindRow> {
    kinds().iter().copied().find(|row| row.name == name)
}

/// Puts a node under a path, opening tables on the way. The last key may come twice: which of two
/// objects is meant is not for the syntax to say.
fn place(entries: &mut Vec<Entry>, mut path: Vec<Key>, node: Node) {
    let key = path.remove(0);
    if path.is_empty() {
        entries.push(Entry { key, node });
        return;
    }
    let known = entries.iter().position(|entry| entry.key.text == key.text);
    let at = known.unwrap_or_else(|| {
        let table = Node {
            value: Value::Table(Vec::new()),
            span: key.span.clone(),
        };
        entries.push(Entry { key, node: table });
        entries.len() - 1
    });
    if let Value::Table(inner) = &mut entries[at].node.value {
        place(inner, path, node);
    }
}

fn given_twice(key: &Key, first: &Span) -> Diagnostic {
    Diagnostic::error(
        Code::M0001,
        format!("`{}` is given twice", key.text),
        &key.span,
        "second time",
    )
    .also(first, "first time")
}
