//! Shares of a whole, in percent.

use crate::{
    code::Code,
    decode::{Decode, Decoder},
    diagnostic::Diagnostic,
    kind::Shape,
    tree::{Node, Value},
};

/// A share in percent: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u8);

impl Decode for Percent {
    const SHAPE: &'static Shape = &Shape::Integer { min: 1, max: 100 };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Value::Integer(number) = node.value else {
            decoder.wrong_type(node, "a whole number of percent");
            return None;
        };
        match u8::try_from(number) {
            Ok(share @ 1..=100) => Some(Self(share)),
            _ => {
                let title = format!("{number} is not between 1 and 100 percent");
                decoder.report(Diagnostic::error(Code::M0009, title, &node.span, "out of range"));
                None
            }
        }
    }
}
