//! What stands at a place of a file: for an editor that is asked what the cursor is on.

use crate::{
    index::Index,
    kind::{FieldRow, KindRow, Shape},
    objects::Object,
    span::Span,
    tree::{Node, Value},
};

/// What is written at a place.
#[derive(Debug)]
pub struct At<'i> {
    /// The kind of the object.
    pub kind: &'static KindRow,
    /// The object's name; `None` in the `defaults` of a file.
    pub name: Option<&'i str>,
    /// The keys that lead there, as in `BlameRow`; empty on the object's name.
    pub path: String,
    /// What the language says of it, if it knows the key.
    pub field: Option<&'static FieldRow>,
    /// The value, where it is no table.
    pub value: Option<serde_json::Value>,
    /// The key, the value or the name that the place is in.
    pub span: Span,
}

impl Index {
    /// What stands at a line and a column of a file, both from 1; a place right behind a word is still on it.
    /// `None` where no object is, and between words that no list or table holds together. The defaults of a file are found if one of its objects takes
    /// them.
    pub fn at(&self, file: &str, line: u32, column: u32) -> Option<At<'_>> {
        let place = Place { line, column };
        let objects = self
            .objects
            .iter()
            .filter(|object| *object.name.span.file == *file);
        objects.into_iter().find_map(|object| place.in_object(object))
    }
}

#[derive(Clone, Copy)]
struct Place {
    line: u32,
    column: u32,
}

/// What was found within an object's tree.
struct Found {
    path: String,
    field: Option<&'static FieldRow>,
    value: Option<serde_json::Value>,
    span: Span,
}

impl Place {
    fn is_in(self, span: &Span) -> bool {
        let at = (self.line, self.column);
        (span.start.line, span.start.column) <= at && at <= (span.end.line, span.end.column)
    }

    fn in_object(self, object: &Object) -> Option<At<'_>> {
        let at = |name, found: Found| At {
            kind: object.kind,
            name,
            path: found.path,
            field: found.field,
            value: found.value,
            span: found.span,
        };
        let name = Some(object.name.text.as_str());
        if let Some(found) = self.in_table(&object.node, Some(object.kind.fields), None, "") {
            return Some(at(name, found));
        }
        if self.is_in(&object.name.span) || self.is_in(&object.node.span) {
            let found = Found {
                path: String::new(),
                field: None,
                value: None,
                span: object.name.span.clone(),
            };
            return Some(at(name, found));
        }
        let defaults = object.defaults.as_ref()?;
        let found = self.in_table(defaults, Some(object.kind.fields), None, "")?;
        Some(at(None, found))
    }

    /// `fields` are those of a table, `each` is what all values of a map look like.
    fn in_table(
        self,
        node: &Node,
        fields: Option<&'static [FieldRow]>,
        each: Option<(&'static FieldRow, &'static Shape)>,
        path: &str,
    ) -> Option<Found> {
        node.entries().iter().find_map(|entry| {
            let key = entry.key.text.as_str();
            let known = fields.and_then(|fields| fields.iter().find(|field| field.key == key));
            let known = known.map(|field| (field, field.shape)).or(each);
            let path = if path.is_empty() {
                key.to_owned()
            } else {
                format!("{path}.{key}")
            };
            self.in_value(&entry.node, known, &path).or_else(|| {
                self.is_in(&entry.key.span).then(|| Found {
                    path,
                    field: known.map(|(field, _)| field),
                    value: plain(&entry.node),
                    span: entry.key.span.clone(),
                })
            })
        })
    }

    fn in_value(
        self,
        node: &Node,
        known: Option<(&'static FieldRow, &'static Shape)>,
        path: &str,
    ) -> Option<Found> {
        let within = match &node.value {
            Value::Table(_) => match known {
                Some((_, Shape::Table(fields))) => self.in_table(node, Some(fields), None, path),
                Some((field, Shape::Map(inner))) => self.in_table(node, None, Some((field, inner)), path),
                _ => self.in_table(node, None, None, path),
            },
            Value::List(items) => {
                let inner = known.map(|(field, shape)| match shape {
                    Shape::List(inner) => (field, *inner),
                    _ => (field, shape),
                });
                let mut items = (1..).zip(items);
                items.find_map(|(number, item)| self.in_value(item, inner, &format!("{path}[{number}]")))
            }
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Date(_)
            | Value::Text(_) => None,
        };
        within.or_else(|| {
            self.is_in(&node.span).then(|| Found {
                path: path.to_owned(),
                field: known.map(|(field, _)| field),
                value: plain(node),
                span: node.span.clone(),
            })
        })
    }
}

/// A value that is no table.
fn plain(node: &Node) -> Option<serde_json::Value> {
    (!matches!(node.value, Value::Table(_))).then(|| node.json())
}
