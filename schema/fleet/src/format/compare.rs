//! Whether two files say the same and hold the same comments.
//!
//! Values are compared by the tree, in which the order of keys means nothing and that of names and items does.
//! Comments are compared by their words: a block may have become lines.

use super::piece::{Body, Comment, Document, Piece};
use crate::tree::Value;

/// Compares what is meant and what is said about it.
pub(super) fn same(one: &Document, other: &Document) -> bool {
    same_objects(one, other) && comments(one) == comments(other)
}

fn same_objects(one: &Document, other: &Document) -> bool {
    let sorted = |document: &Document| {
        let mut order: Vec<_> = (0..document.objects.len()).collect();
        order.sort_by_key(|index| &document.objects[*index].path);
        order
    };
    let pairs = sorted(one).into_iter().zip(sorted(other));
    one.objects.len() == other.objects.len()
        && pairs.into_iter().all(|(left, right)| {
            let (left, right) = (&one.objects[left], &other.objects[right]);
            left.path == right.path && same_value(&left.piece, &right.piece)
        })
}

fn same_value(one: &Piece, other: &Piece) -> bool {
    match (one.body.known(), other.body.known()) {
        (Body::Scalar(one), Body::Scalar(other)) => match (&one.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(one), Value::Bool(other)) => one == other,
            (Value::Integer(one), Value::Integer(other)) => one == other,
            (Value::Text(one), Value::Text(other)) => one == other,
            (Value::Number(_), Value::Number(_)) => number(&one.written) == number(&other.written),
            (Value::Date(_), Value::Date(_)) => one.written == other.written,
            _ => false,
        },
        (Body::List(one), Body::List(other)) | (Body::Tables(one), Body::Tables(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_value(one, other))
        }
        (Body::Map(one), Body::Map(other)) => same_entries(one.iter(), other.iter()),
        (Body::Table(one), Body::Table(other)) => {
            let (mut one, mut other): (Vec<_>, Vec<_>) = (one.iter().collect(), other.iter().collect());
            one.sort_by_key(|entry| &entry.key);
            other.sort_by_key(|entry| &entry.key);
            same_entries(one.into_iter(), other.into_iter())
        }
        _ => false,
    }
}

fn same_entries<'p>(
    mut one: impl Iterator<Item = &'p Piece>,
    mut other: impl Iterator<Item = &'p Piece>,
) -> bool {
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one.key == other.key && same_value(one, other) => {}
            _ => return false,
        }
    }
}

/// A number without what the syntaxes write differently.
fn number(written: &str) -> String {
    let plain = written.replace(['_', '#'], "");
    plain.strip_prefix('+').map(str::to_owned).unwrap_or(plain)
}

/// The words of all comments, in no order.
fn comments(document: &Document) -> Vec<String> {
    let mut words = Vec::new();
    let mut add = |comments: &[Comment]| {
        let lines = comments.iter().flat_map(Comment::lines);
        words.extend(lines.map(|line| line.text.trim().to_owned()));
    };
    add(&document.head);
    add(&document.closing);
    for object in &document.objects {
        each(&object.piece, &mut add);
    }
    words.retain(|text| !text.is_empty());
    words.sort();
    words
}

fn each(piece: &Piece, add: &mut impl FnMut(&[Comment])) {
    add(&piece.trivia.lead);
    add(&piece.trivia.tail);
    add(&piece.trivia.closing);
    piece.body.pieces().iter().for_each(|inner| each(inner, add));
}
