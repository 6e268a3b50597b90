//! The objects of a file: what stands under the kinds of its root table.

use crate::{
    code::Code,
    decode::{Decoder, wrong_type},
    diagnostic::{Applicability, Diagnostic},
    kind::KindRow,
    kinds::kinds,
    marker,
    suggest::{is_certain, nearest},
    tree::{Entry, Key, Node, Value},
};
use std::{fmt, sync::Arc};

/// An object before its layers are laid together.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) kind: &'static KindRow,
    pub(crate) name: Key,
    pub(crate) node: Node,
    /// How much it holds.
    pub(crate) weight: usize,
    /// What the same file gives all objects of this kind.
    pub(crate) defaults: Option<Arc<Node>>,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind.name, self.name.text)
    }
}

/// Takes the objects out of a file's tree; what is none is reported.
pub(crate) fn objects_of(root: Node, decoder: &mut Decoder) -> Vec<Object> {
    let mut objects = Vec::new();
    let mut defaults = None;
    for entry in root.into_entries() {
        let key = entry.key.text.as_str();
        decoder.object = key.to_owned();
        if key == "defaults" {
            defaults.get_or_insert(entry.node);
        } else if key == "muster" {
            marker::elsewhere(&entry.key.span, decoder);
        } else if let Some(kind) = of_one_word(key) {
            take(kind, entry.node, decoder, &mut objects);
        } else if kinds()
            .iter()
            .any(|row| row.name.split_once('.').is_some_and(|(first, _)| first == key))
        {
            let first = entry.key.text;
            for inner in named(entry.node, decoder) {
                let name = format!("{first}.{}", inner.key.text);
                match find(&name) {
                    Some(kind) => take(kind, inner.node, decoder, &mut objects),
                    None => unknown_kind(&name, &inner.key, decoder),
                }
            }
        } else if !key.starts_with("x-") && key != "annotations" {
            unknown_kind(key, &entry.key, decoder);
            // What can have meant one kind only is read as that, so that nothing seems to be missing.
            if let Some(kind) = certainly(key) {
                take(kind, entry.node, decoder, &mut objects);
            }
        }
    }
    if let Some(defaults) = defaults {
        lay_defaults(defaults, decoder, &mut objects);
    }
    objects
}

fn take(kind: &'static KindRow, node: Node, decoder: &mut Decoder, objects: &mut Vec<Object>) {
    let is_field = |entry: &Entry| kind.fields.iter().any(|field| field.key == entry.key.text);
    let is_nameless = |entry: &Entry| is_field(entry) && !matches!(entry.node.value, Value::Table(_));
    let span = node.span.clone();
    let entries = named(node, decoder);
    let nameless = entries.iter().any(is_nameless);
    if nameless {
        let title = format!("a {} without a name", kind.name);
        let told = Diagnostic::error(Code::M0003, title, &span, "a name is wanted behind the kind");
        decoder.report(told.help(format!("write  [{}.NAME]", kind.name)));
    }
    let entries = entries.into_iter().filter(|entry| !(nameless && is_field(entry)));
    objects.extend(entries.map(|entry| Object {
        kind,
        name: entry.key,
        weight: entry.node.weight(),
        node: entry.node,
        defaults: None,
    }));
}

/// The entries of a table of names, or a report that it is none.
fn named(node: Node, decoder: &mut Decoder) -> Vec<Entry> {
    if !matches!(node.value, Value::Table(_)) {
        let mut told = wrong_type(&node, "a table of names");
        if matches!(node.value, Value::List(_)) {
            told = told.help(format!("write  [{}.NAME]  for each", decoder.object));
        }
        decoder.report(told);
    }
    node.into_entries()
}

/// Hands the `defaults` of a file to its objects.
fn lay_defaults(defaults: Node, decoder: &mut Decoder, objects: &mut [Object]) {
    decoder.object = "defaults".to_owned();
    for entry in named(defaults, decoder) {
        decoder.object = format!("defaults.{}", entry.key.text);
        let Some(kind) = of_one_word(&entry.key.text) else {
            unknown_kind(&entry.key.text, &entry.key, decoder);
            continue;
        };
        decoder.table(&entry.node, kind.fields);
        let defaults = Arc::new(entry.node);
        for object in objects
            .iter_mut()
            .filter(|object| std::ptr::eq(object.kind, kind))
        {
            object.defaults = Some(Arc::clone(&defaults));
        }
    }
}

/// A kind by a key; those of two words are two keys, not one in quotes.
fn of_one_word(key: &str) -> Option<&'static KindRow> {
    find(key).filter(|kind| !kind.name.contains('.'))
}

fn find(name: &str) -> Option<&'static KindRow> {
    kinds().iter().copied().find(|row| row.name == name)
}

/// The kind of one word that a misspelt one can have meant only.
fn certainly(key: &str) -> Option<&'static KindRow> {
    let known = || kinds().iter().map(|row| row.name);
    let near = nearest(key, known())?;
    let is_sure = is_certain(key, near, known()) == Applicability::Safe;
    of_one_word(near).filter(|_| is_sure)
}

pub(crate) fn unknown_kind(name: &str, key: &Key, decoder: &mut Decoder) {
    if decoder.is_full() {
        return;
    }
    let known: Vec<_> = kinds().iter().map(|row| row.name).collect();
    let mut diagnostic = Diagnostic::error(
        Code::M0002,
        format!("unknown kind `{name}`"),
        &key.span,
        "no such kind of object",
    );
    diagnostic = match nearest(name, known.iter().copied()) {
        Some(near) if !near.contains('.') => diagnostic.help(format!("did you mean `{near}`?")).fix(
            is_certain(name, near, known.iter().copied()),
            format!("replace with `{near}`"),
            &key.span,
            near,
        ),
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("kinds: {}", known.join(", "))),
    };
    decoder.report(diagnostic);
}
