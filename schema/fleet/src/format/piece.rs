//! A fleet file as its formatter holds it: the tree by the shapes of the language, with the comments of each entry.

use super::scan::Form;
use crate::{
    span::Span,
    tree::{Syntax, Value},
};

/// A file.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Comments at the very beginning, with a blank line behind them.
    pub(super) head: Vec<Comment>,
    /// The objects, in the order of writing.
    pub(super) objects: Vec<Object>,
    /// Comments behind everything.
    pub(super) closing: Vec<Comment>,
}

/// What stands at the top of a file: an object, or a free key.
#[derive(Debug)]
pub(super) struct Object {
    /// `machine`, `node-01`: the key of the piece is the last of it.
    pub(super) path: Vec<String>,
    pub(super) piece: Piece,
}

/// A key with its value, or an item of a list, whose key is empty.
#[derive(Debug)]
pub(super) struct Piece {
    /// Its number in the file.
    pub(super) id: usize,
    pub(super) key: String,
    pub(super) span: Span,
    pub(super) body: Body,
    /// There is a blank line right above it.
    pub(super) blank: bool,
    pub(super) trivia: Trivia,
}

/// A value, by what the language says it is.
#[derive(Debug)]
pub(super) enum Body {
    Scalar(Scalar),
    /// Of scalars, or whatever stands in free content.
    List(Vec<Piece>),
    /// A list of tables.
    Tables(Vec<Piece>),
    Table(Vec<Piece>),
    /// Names with values of one shape.
    Map(Vec<Piece>),
    /// What nobody knows the shape of: only lists, tables and scalars are in it.
    Free(Box<Body>),
}

/// A single value.
#[derive(Debug)]
pub(super) struct Scalar {
    pub(super) value: Value,
    /// A number or a date as it is written, and in which syntax.
    pub(super) written: String,
    pub(super) syntax: Syntax,
}

/// The comments of a piece.
#[derive(Debug, Default)]
pub(super) struct Trivia {
    /// On the lines above it.
    pub(super) lead: Vec<Comment>,
    /// Behind it, on its line.
    pub(super) tail: Vec<Comment>,
    /// At its end, behind all that is in it.
    pub(super) closing: Vec<Comment>,
}

/// One comment.
#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub(super) form: Form,
    /// A line without its sign; the others as they are written.
    pub(super) text: String,
    /// There is a blank line right above it.
    pub(super) blank: bool,
}

impl Body {
    /// What is directly in it.
    pub(super) fn pieces(&self) -> &[Piece] {
        match self {
            Self::Scalar(_) => &[],
            Self::List(pieces) | Self::Tables(pieces) | Self::Table(pieces) | Self::Map(pieces) => pieces,
            Self::Free(body) => body.pieces(),
        }
    }

    pub(super) fn pieces_mut(&mut self) -> &mut [Piece] {
        match self {
            Self::Scalar(_) => &mut [],
            Self::List(pieces) | Self::Tables(pieces) | Self::Table(pieces) | Self::Map(pieces) => pieces,
            Self::Free(body) => body.pieces_mut(),
        }
    }

    /// The body itself, be it free or not.
    pub(super) fn known(&self) -> &Self {
        match self {
            Self::Free(body) => body,
            other => other,
        }
    }

    /// Whether it is a list or a map with nothing in it, in which no comment can stand.
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(self.known(), Self::List(pieces) | Self::Tables(pieces) | Self::Map(pieces) if pieces.is_empty())
    }

    /// Whether KDL has no node for the whole of it, so that a comment belongs to what is in it.
    pub(super) fn is_container(&self) -> bool {
        matches!(self, Self::Tables(pieces) | Self::Map(pieces) if !pieces.is_empty())
    }
}

impl Piece {
    /// Whether a comment stands anywhere in it; those above it and behind it do not count.
    pub(super) fn holds_comments(&self) -> bool {
        let inside = |piece: &Self| {
            !piece.trivia.lead.is_empty() || !piece.trivia.tail.is_empty() || piece.holds_comments()
        };
        !self.trivia.closing.is_empty() || self.body.pieces().iter().any(inside)
    }

    /// Whether a text of several lines stands in it.
    pub(super) fn holds_lines(&self) -> bool {
        match self.body.known() {
            Body::Scalar(scalar) => matches!(&scalar.value, Value::Text(text) if text.contains('\n')),
            body => body.pieces().iter().any(Self::holds_lines),
        }
    }

    /// Whether it is a single value, or a list of nothing else.
    pub(super) fn is_leaf(&self) -> bool {
        match self.body.known() {
            Body::Scalar(_) => true,
            Body::List(items) => items
                .iter()
                .all(|item| matches!(item.body.known(), Body::Scalar(_))),
            Body::Tables(_) | Body::Table(_) | Body::Map(_) | Body::Free(_) => false,
        }
    }
}

impl Comment {
    /// Lines of text as comments of a line each, without the signs around them.
    pub(super) fn lines(&self) -> Vec<Self> {
        let text = match self.form {
            Form::Line => return vec![self.clone()],
            Form::Block => self.text.trim_start_matches("/*").trim_end_matches("*/"),
            Form::Slashdash => self.text.as_str(),
        };
        let line = |text: &str| Self {
            form: Form::Line,
            text: if self.form == Form::Block && text.starts_with(char::is_whitespace) {
                text.to_owned()
            } else {
                format!(" {text}")
            },
            blank: false,
        };
        let lines = text
            .split('\n')
            .map(str::trim_end)
            .filter(|text| !text.is_empty());
        let mut lines: Vec<_> = lines.map(line).collect();
        if let Some(first) = lines.first_mut() {
            first.blank = self.blank;
        }
        lines
    }
}
