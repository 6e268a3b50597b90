//! How many disks a machine has of a sort.

use crate::{
    code::Code,
    decode::{Decode, Decoder},
    diagnostic::Diagnostic,
    kind::Shape,
    tree::{Node, Value},
};
use std::fmt;

/// A number of disks in one machine: 1 to 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiskCount(pub u16);

/// The largest chassis hold about a hundred; with shelves behind them a few more.
const MOST: i64 = 500;

impl fmt::Display for DiskCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Decode for DiskCount {
    const SHAPE: &'static Shape = &Shape::Integer { min: 1, max: MOST };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Value::Integer(number) = node.value else {
            decoder.wrong_type(node, "a whole number");
            return None;
        };
        let held = (1..=MOST).contains(&number).then(|| u16::try_from(number).ok());
        let Some(number) = held.flatten() else {
            let title = format!("{number} is not between 1 and {MOST}");
            decoder.report(Diagnostic::error(Code::M0009, title, &node.span, "out of range"));
            return None;
        };
        Some(Self(number))
    }
}
