//! From the tree of a file to its pieces, by the table of kinds.
//!
//! What the language does not understand and what has not the shape that it wants is refused here: in KDL such a
//! value may have been read as less than what is written.

use super::piece::{Body, Document, Object, Piece, Scalar, Trivia};
use crate::{
    decode::{Decoder, wrong_type},
    diagnostic::Diagnostic,
    kind::{FieldRow, Shape},
    kinds::{kinds, marker::Marker},
    objects::unknown_kind,
    source::Text,
    tree::{Entry, Key, Node, Syntax, Value, is_free},
};
use std::collections::BTreeMap;

/// Where a piece begins, for comments to find it.
#[derive(Debug)]
pub(super) struct Anchor {
    pub(super) at: usize,
    pub(super) id: usize,
    pub(super) parent: Option<usize>,
    /// Whether comments may belong to it: not to what has no line of its own.
    pub(super) takes: bool,
    /// Whether its key has a dot behind it, so that its line is there for what follows the dot.
    pub(super) dotted: bool,
    /// Whether it is a list of tables or a map with something in it, and how much.
    pub(super) members: usize,
}

/// A file without its comments, and where what begins.
pub(super) struct Read {
    pub(super) document: Document,
    /// By id.
    pub(super) anchors: Vec<Anchor>,
    /// Which piece's value begins at a byte.
    pub(super) values: BTreeMap<usize, usize>,
}

/// Makes pieces of a tree, or says why not.
pub(super) fn read(root: &Node, text: &Text<'_>, syntax: Syntax) -> Result<Read, Vec<Diagnostic>> {
    let mut reader = Reader {
        text,
        syntax,
        anchors: Vec::new(),
        values: BTreeMap::new(),
        diagnostics: Vec::new(),
    };
    let mut objects = Vec::new();
    for entry in root.entries() {
        reader.top(entry, &mut objects);
    }
    if !reader.diagnostics.is_empty() {
        return Err(reader.diagnostics);
    }
    objects.sort_by_key(|object| reader.anchors[object.piece.id].at);
    let document = Document {
        objects,
        ..Document::default()
    };
    Ok(Read {
        document,
        anchors: reader.anchors,
        values: reader.values,
    })
}

struct Reader<'t> {
    text: &'t Text<'t>,
    syntax: Syntax,
    anchors: Vec<Anchor>,
    values: BTreeMap<usize, usize>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// The objects under a key of the root: of a kind, of the kinds whose names begin so, or a free key.
    fn top(&mut self, entry: &Entry, objects: &mut Vec<Object>) {
        let key = entry.key.text.as_str();
        let nested = |row: &str| row.split_once('.').is_some_and(|(first, _)| first == key);
        if is_free(key) {
            self.object(&[], entry, None, objects);
        } else if key == "muster" {
            self.object(&[], entry, Some(Marker::FIELDS), objects);
        } else if key == "defaults" {
            for inner in self.names(&entry.node) {
                match fields_of(&inner.key.text) {
                    Some(fields) => self.object(&[key], inner, Some(fields), objects),
                    None => self.unknown(&inner.key.text, &inner.key),
                }
            }
        } else if let Some(fields) = fields_of(key) {
            for inner in self.names(&entry.node) {
                self.object(&[key], inner, Some(fields), objects);
            }
        } else if kinds().iter().any(|row| nested(row.name)) {
            for inner in self.names(&entry.node) {
                let kind = format!("{key}.{}", inner.key.text);
                let Some(fields) = fields_of(&kind) else {
                    self.unknown(&kind, &inner.key);
                    continue;
                };
                for innermost in self.names(&inner.node) {
                    self.object(&[key, &inner.key.text], innermost, Some(fields), objects);
                }
            }
        } else {
            self.unknown(key, &entry.key);
        }
    }

    fn unknown(&mut self, kind: &str, key: &Key) {
        let mut decoder = Decoder::default();
        unknown_kind(kind, key, &mut decoder);
        self.diagnostics.extend(decoder.diagnostics);
    }

    fn names<'n>(&mut self, node: &'n Node) -> &'n [Entry] {
        if !matches!(node.value, Value::Table(_)) {
            self.diagnostics.push(wrong_type(node, "a table of names"));
        }
        node.entries()
    }

    fn object(
        &mut self,
        path: &[&str],
        entry: &Entry,
        fields: Option<&'static [FieldRow]>,
        objects: &mut Vec<Object>,
    ) {
        let shape = fields.map(Shape::Table);
        let piece = self.entry(entry, shape.as_ref(), None);
        let path = path.iter().copied().chain([entry.key.text.as_str()]);
        objects.push(Object {
            path: path.map(str::to_owned).collect(),
            piece,
        });
    }

    fn entry(&mut self, entry: &Entry, shape: Option<&Shape>, parent: Option<usize>) -> Piece {
        let at = entry.key.span.start.byte as usize;
        let behind = &self.text.text[entry.key.span.end.byte as usize..];
        let dotted = self.syntax == Syntax::Toml && behind.trim_start_matches([' ', '\t']).starts_with('.');
        let mut piece = self.piece(at, &entry.node, shape, parent);
        piece.key.clone_from(&entry.key.text);
        let anchor = &mut self.anchors[piece.id];
        anchor.dotted = dotted;
        anchor.takes &= !dotted;
        piece
    }

    fn piece(&mut self, at: usize, node: &Node, shape: Option<&Shape>, parent: Option<usize>) -> Piece {
        let id = self.anchors.len();
        self.anchors.push(Anchor {
            at,
            id,
            parent,
            takes: true,
            dotted: false,
            members: 0,
        });
        let body = match shape {
            None => Body::Free(Box::new(self.free(node, id))),
            Some(shape) => self.shaped(node, shape, id),
        };
        if body.is_container() {
            self.anchors[id].members = body.pieces().len();
            self.anchors[id].takes = false;
        }
        // A list of tables begins where its first item does, which has it.
        self.values.entry(node.span.start.byte as usize).or_insert(id);
        Piece {
            id,
            key: String::new(),
            span: node.span.clone(),
            body,
            blank: false,
            trivia: Trivia::default(),
        }
    }

    fn items(&mut self, items: &[Node], shape: Option<&Shape>, id: usize) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(items.len());
        for item in items {
            let at = item.span.start.byte as usize;
            pieces.push(match shape {
                // Free content is free to the ground, and says so at its top only.
                None => {
                    let mut piece = self.piece(at, item, None, Some(id));
                    piece.body = unfree(piece.body);
                    piece
                }
                Some(shape) => self.piece(at, item, Some(shape), Some(id)),
            });
        }
        pieces
    }

    fn free(&mut self, node: &Node, id: usize) -> Body {
        match &node.value {
            Value::List(items) => Body::List(self.items(items, None, id)),
            Value::Table(entries) => {
                let pieces = entries.iter().map(|entry| {
                    let mut piece = self.entry(entry, None, Some(id));
                    piece.body = unfree(piece.body);
                    piece
                });
                Body::Table(pieces.collect())
            }
            value => self.scalar(value, node),
        }
    }

    fn shaped(&mut self, node: &Node, shape: &Shape, id: usize) -> Body {
        match (shape, &node.value) {
            (Shape::Table(fields), Value::Table(entries)) => {
                let pieces = entries.iter().map(|entry| {
                    let field = fields.iter().find(|field| field.key == entry.key.text);
                    self.entry(entry, field.map(|field| field.shape), Some(id))
                });
                Body::Table(pieces.collect())
            }
            (Shape::Map(inner), Value::Table(entries)) => {
                let pieces = entries
                    .iter()
                    .map(|entry| self.entry(entry, Some(inner), Some(id)));
                Body::Map(pieces.collect())
            }
            (Shape::List(inner @ Shape::Table(_)), Value::List(items)) => {
                Body::Tables(self.items(items, Some(inner), id))
            }
            (Shape::List(inner), Value::List(items)) => Body::List(self.items(items, Some(inner), id)),
            (Shape::Table(_), _) => self.refuse(node, "a table"),
            (Shape::Map(_), _) => self.refuse(node, "a table of names"),
            (Shape::List(_), _) => self.refuse(node, "a list"),
            (_, Value::List(_) | Value::Table(_) | Value::Null) => self.refuse(node, "a single value"),
            (_, value) => self.scalar(value, node),
        }
    }

    fn refuse(&mut self, node: &Node, wanted: &str) -> Body {
        self.diagnostics.push(wrong_type(node, wanted));
        Body::Table(Vec::new())
    }

    fn scalar(&self, value: &Value, node: &Node) -> Body {
        let range = node.span.start.byte as usize..node.span.end.byte as usize;
        let written = match value {
            Value::Integer(_) | Value::Number(_) | Value::Date(_) => self.text.text[range].to_owned(),
            _ => String::new(),
        };
        Body::Scalar(Scalar {
            value: value.clone(),
            written,
            syntax: self.syntax,
        })
    }
}

fn unfree(body: Body) -> Body {
    match body {
        Body::Free(body) => *body,
        other => other,
    }
}

fn fields_of(kind: &str) -> Option<&'static [FieldRow]> {
    kinds().iter().find(|row| row.name == kind).map(|row| row.fields)
}
