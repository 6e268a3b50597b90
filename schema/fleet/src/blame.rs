//! What holds for one object, and who says so: every value with its place and its layer.

use crate::{
    index::Index,
    kind::{FieldRow, Shape},
    layer::Layer,
    span::Span,
    tree::{Entry, Node, Value},
};
use std::collections::BTreeMap;

/// An object with everything that holds for it.
#[derive(Debug)]
pub struct Blame {
    /// Its kind: `machine`, `removed.machine`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Where its name is written.
    pub span: Span,
    /// Its values, in the order of the reference; keys that the language does not know come last.
    pub rows: Vec<BlameRow>,
}

/// One value.
#[derive(Debug)]
pub struct BlameRow {
    /// Its keys with dots between, `bmc.driver`; items of a list count from 1, `partition[1].size`. Where the items
    /// of a list come from several layers, each has a row, with the path of the list.
    pub path: String,
    /// As written.
    pub value: serde_json::Value,
    /// Its row of the language's table, if it has one.
    pub field: Option<&'static FieldRow>,
    /// Who says so.
    pub layer: Layer,
    /// Where; built-in values stand nowhere.
    pub span: Option<Span>,
}

impl Index {
    /// What holds for an object; `None` if it is written nowhere.
    pub fn blame(&self, kind: &str, name: &str) -> Option<Blame> {
        let object = self
            .objects
            .iter()
            .find(|object| object.kind.name == kind && object.name.text == name)?;
        let layers = self.layers();
        let mut origins = BTreeMap::new();
        for (layer, node) in layers.stack(object) {
            places(node, &layer, &mut origins);
        }
        let mut walk = Walk {
            origins,
            rows: Vec::new(),
        };
        walk.table(&layers.resolve(object), object.kind.fields, "");
        Some(Blame {
            kind: object.kind.name,
            name: object.name.text.clone(),
            span: object.name.span.clone(),
            rows: walk.rows,
        })
    }
}

/// The values of a layer by place. The layers come uppermost first, and a place belongs to one of them alone.
fn places(node: &Node, layer: &Layer, origins: &mut BTreeMap<Span, Layer>) {
    match &node.value {
        Value::Table(entries) => {
            for entry in entries {
                places(&entry.node, layer, origins);
            }
        }
        Value::List(items) => {
            for item in items {
                places(item, layer, origins);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Number(_)
        | Value::Date(_)
        | Value::Text(_) => {}
    }
    origins.entry(node.span.clone()).or_insert_with(|| layer.clone());
}

struct Walk {
    origins: BTreeMap<Span, Layer>,
    rows: Vec<BlameRow>,
}

impl Walk {
    /// The known keys, written or not, then the others.
    fn table(&mut self, node: &Node, fields: &'static [FieldRow], path: &str) {
        for field in fields {
            let path = join(path, field.key);
            match node.get(field.key) {
                Some(entry) => self.value(&entry.node, Some(field), field.shape, path),
                None => self.absent(field, path),
            }
        }
        let known = |entry: &&Entry| fields.iter().any(|field| field.key == entry.key.text);
        for entry in node.entries().iter().filter(|entry| !known(entry)) {
            let path = join(path, &entry.key.text);
            self.row(&entry.node, None, path);
        }
    }

    /// What the language says of a key that nobody wrote.
    fn absent(&mut self, field: &'static FieldRow, path: String) {
        if let Some(default) = field.default {
            self.rows.push(BlameRow {
                path,
                value: field.shape.value_of(default()),
                field: Some(field),
                layer: Layer::BuiltIn,
                span: None,
            });
        } else if let (true, Shape::Table(fields)) = (field.implied, field.shape) {
            for field in *fields {
                self.absent(field, join(&path, field.key));
            }
        }
    }

    fn value(&mut self, node: &Node, field: Option<&'static FieldRow>, shape: &'static Shape, path: String) {
        match (&node.value, shape) {
            (Value::Table(_), Shape::Table(fields)) => {
                let before = self.rows.len();
                self.table(node, fields, &path);
                if self.rows.len() == before {
                    self.row(node, field, path);
                }
            }
            (Value::Table(entries), Shape::Map(inner)) if !entries.is_empty() => {
                for entry in entries {
                    self.value(&entry.node, field, inner, join(&path, &entry.key.text));
                }
            }
            (Value::List(items), Shape::List(inner)) => self.list(node, items, field, inner, path),
            _ => self.row(node, field, path),
        }
    }

    /// One row for a list of one layer, a row for each item of a list of several; tables always by themselves.
    fn list(
        &mut self,
        node: &Node,
        items: &[Node],
        field: Option<&'static FieldRow>,
        inner: &'static Shape,
        path: String,
    ) {
        if items.iter().any(|item| matches!(item.value, Value::Table(_))) {
            for (number, item) in (1..).zip(items) {
                self.value(item, field, inner, format!("{path}[{number}]"));
            }
            return;
        }
        let mut layers = items.iter().map(|item| self.origins.get(&item.span));
        let first = layers.next();
        if layers.all(|layer| Some(layer) == first) {
            // The list may have been made of several, of which one has an item left.
            let span = items.first().map_or(&node.span, |item| &item.span);
            let layer = self.layer_of(span);
            self.rows.push(BlameRow {
                path,
                value: node.json(),
                field,
                layer,
                span: Some(span.clone()),
            });
        } else {
            for item in items {
                self.row(item, field, path.clone());
            }
        }
    }

    fn row(&mut self, node: &Node, field: Option<&'static FieldRow>, path: String) {
        self.rows.push(BlameRow {
            path,
            value: node.json(),
            field,
            layer: self.layer_of(&node.span),
            span: Some(node.span.clone()),
        });
    }

    /// Every value that is laid over another is taken whole from its layer, its place with it.
    fn layer_of(&self, span: &Span) -> Layer {
        self.origins.get(span).cloned().unwrap_or(Layer::Object)
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
