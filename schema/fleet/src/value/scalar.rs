//! Values of a key whose type is not ours to say.

use crate::{
    decode::{Decode, Decoder},
    kind::Shape,
    tree::{Node, Value},
};
use std::fmt;

/// `true` or `false`, a whole number, or a string: what a script is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A string.
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl Decode for Scalar {
    const SHAPE: &'static Shape = &Shape::Scalar;

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Integer(number) => Some(Self::Integer(*number)),
            Value::Text(text) => Some(Self::Text(text.clone())),
            _ => {
                decoder.wrong_type(node, "true or false, a whole number, or a string");
                None
            }
        }
    }
}
