//! How much of something: a number, or a share.

use crate::{
    code::Code,
    decode::{Decode, Decoder, scalar::Why as _},
    diagnostic::Diagnostic,
    kind::Shape,
    tree::{Node, Value},
    value::BadValue,
};
use std::{fmt, str::FromStr};

/// A number of machines, 0 to 10000, or a share of them in percent: `10%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Machines(u32),
    /// So large a share of all; never rounded below one machine.
    Percent(u8),
}

/// As many machines as the largest fleet has.
const MACHINES_MAX: i64 = 10_000;

impl FromStr for Share {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
        number
            .filter(|number| (1..=100).contains(number))
            .map(Self::Percent)
            .ok_or(BadValue("it is a number of machines, or a share from 1% to 100%"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machines(number) => number.fmt(f),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl Decode for Share {
    const SHAPE: &'static Shape = &Shape::Share(MACHINES_MAX);

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if let Value::Text(text) = &node.value {
            return decoder.parsed(text, &node.span, Code::M0009, "a share", Some("10%"));
        }
        let Value::Integer(number) = node.value else {
            decoder.wrong_type(node, "a number of machines or a share such as \"10%\"");
            return None;
        };
        if (0..=MACHINES_MAX).contains(&number) {
            return u32::try_from(number).ok().map(Self::Machines);
        }
        let title = format!("{number} is not between 0 and {MACHINES_MAX} machines");
        let why = BadValue("out of range");
        decoder.report(Diagnostic::error(Code::M0009, title, &node.span, why.why()));
        None
    }
}
