//! Quantities that something must have at least: `>= 32`, `>= 256GiB`.

use crate::{
    code::Code,
    decode::{Decode, Decoder, scalar::text_value},
    diagnostic::{Applicability, Diagnostic},
    kind::Shape,
    tree::{Node, Value},
    value::{BadValue, size::Size},
};
use std::{fmt, str::FromStr};

/// A number that is the least of what will do. 1 to 1 000 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeastNumber(pub u32);

/// A number of bytes that is the least of what will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeastSize(pub Size);

/// Far more than any machine has of anything that is counted.
const NUMBER_MAX: u32 = 1_000_000;

/// What stands behind `>=`, the one comparison there is.
fn at_least(text: &str) -> Result<&str, BadValue> {
    let rest = text.strip_prefix(">=").ok_or(BadValue("it begins with >="))?;
    Ok(rest.trim_start_matches(' '))
}

impl FromStr for LeastNumber {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let number = at_least(text)?.parse().ok();
        number
            .filter(|number| (1..=NUMBER_MAX).contains(number))
            .map(Self)
            .ok_or(BadValue("after >= stands a whole number from 1 to 1000000"))
    }
}

impl FromStr for LeastSize {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let size: Size = at_least(text)?.parse()?;
        match size.0 {
            0 => Err(BadValue("at least nothing asks for nothing")),
            _ => Ok(Self(size)),
        }
    }
}

impl fmt::Display for LeastNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ">= {}", self.0)
    }
}

impl fmt::Display for LeastSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ">= {}", self.0)
    }
}

impl Decode for LeastNumber {
    const SHAPE: &'static Shape = &Shape::Text {
        what: "a least number",
        example: ">= 32",
        pattern: Some(r"^>= *[+]?0*([1-9][0-9]{0,5}|1000000)$"),
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if let Value::Integer(number) = node.value {
            let label = "exactly so many cannot be asked for";
            let diagnostic = Diagnostic::error(
                Code::M0003,
                "a least number is wanted, not an integer",
                &node.span,
                label,
            );
            let written = format!("\">= {number}\"");
            let what = format!("replace with {written}");
            decoder.report(diagnostic.fix(Applicability::Maybe, what, &node.span, written));
            return None;
        }
        let text = decoder.text(node, "a least number")?;
        decoder.parsed(text, &node.span, Code::M0004, "a least number", Some(">= 32"))
    }
}

text_value!(
    LeastSize,
    M0004,
    "a least size",
    ">= 256GiB",
    r"^>= *[0-9]+ *(B|[KMGT]i?B)$"
);
