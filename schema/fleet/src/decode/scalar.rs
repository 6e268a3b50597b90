//! The single values: texts that are read as something, numbers, words.

use super::{Decode, Decoder, wrong_type};
use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic},
    kind::Shape,
    span::Span,
    suggest::{is_certain, nearest},
    tree::{Node, Syntax, Value},
    value::{BadValue, slip},
};
use ipnet::IpNet;
use schema_ids::{ContentId, Digest, DiskId, Mac, MarkOwner, Name, ParseError, PciId, Timestamp, Uuid};
use std::{
    net::{AddrParseError, IpAddr},
    str::FromStr,
};

/// The reason alone, for a label: the title already says what the text is not.
pub(crate) trait Why {
    /// Why the text does not fit.
    fn why(&self) -> &str;
}

impl Why for ParseError {
    fn why(&self) -> &str {
        self.why
    }
}

impl Why for BadValue {
    fn why(&self) -> &str {
        self.0
    }
}

impl Why for AddrParseError {
    fn why(&self) -> &str {
        "an address of four numbers from 0 to 255 without zeros before them, or of IPv6, is wanted"
    }
}

impl Why for ipnet::AddrParseError {
    fn why(&self) -> &str {
        "an address, a slash and the length of its prefix are wanted"
    }
}

/// Below it no number is as long in hexadecimal digits as in decimal ones: `0xffffffff` has ten letters.
const DECIMAL_MAX: i64 = 1_000_000_000;

impl Decoder {
    /// The text of a node, or a report that it is none.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        self.text_that(node, what, |_| true)
    }

    /// The same, of which not every text fits: what would not fit is not offered in quotes.
    pub(crate) fn text_that<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Option<&'n str> {
        if let Value::Text(text) = &node.value {
            return Some(text);
        }
        let written = match &node.value {
            Value::Integer(number) => Some(number.to_string()),
            Value::Number(text) | Value::Date(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::Text(_) | Value::List(_) | Value::Table(_) => None,
        };
        if let Value::Date(text) = &node.value {
            let title = format!("{what} stands in quotes");
            let diagnostic = Diagnostic::error(Code::M0003, title, &node.span, "the quotes are missing");
            self.report(diagnostic.fix(
                Applicability::Safe,
                format!("replace with \"{text}\""),
                &node.span,
                format!("\"{text}\""),
            ));
            return None;
        }
        let mut diagnostic = wrong_type(node, what);
        if let Some(written) = written.filter(|written| fits(written)) {
            // A number can be written in many ways; as it is read back, it was written in one.
            let is_as_written = matches!(node.value, Value::Integer(0..DECIMAL_MAX))
                && node.span.end.byte - node.span.start.byte == written.len() as u32;
            let applicability = if is_as_written {
                Applicability::Safe
            } else {
                Applicability::Maybe
            };
            diagnostic = diagnostic.fix(
                applicability,
                format!("replace with \"{written}\""),
                &node.span,
                format!("\"{written}\""),
            );
        }
        self.report(diagnostic);
        None
    }

    /// Shows one that is right, if nothing nearer was said of the last mistake.
    pub(crate) fn for_example(&mut self, example: &str) {
        if let Some(last) = self.diagnostics.last_mut().filter(|last| last.fixes.is_empty()) {
            let help = || format!("for example \"{example}\"");
            last.help.get_or_insert_with(help);
        }
    }

    /// One of the words of a shape; anything else is reported with the nearest word.
    pub(crate) fn word(&mut self, node: &Node, shape: &'static Shape) -> Option<&'static str> {
        let Shape::Words(words) = shape else { return None };
        let known = |text: &str| words.iter().any(|word| word.word == text);
        let all: Vec<_> = words.iter().map(|word| word.word).collect();
        let text = self.text_that(node, &format!("one of {}", all.join(", ")), known)?;
        if let Some(word) = words.iter().find(|word| word.word == text) {
            if !word.carried_out {
                self.not_yet(format!("\"{}\"", word.word), &node.span);
            }
            return Some(word.word);
        }
        let known = all;
        let mut diagnostic = Diagnostic::error(
            Code::M0009,
            format!("\"{text}\" is none of {}", known.join(", ")),
            &node.span,
            "not known here",
        );
        if let Some(near) = nearest(text, known.iter().copied()) {
            diagnostic = diagnostic.help(format!("did you mean \"{near}\"?")).fix(
                is_certain(text, near, known.iter().copied()),
                format!("replace with \"{near}\""),
                &node.span,
                format!("\"{near}\""),
            );
        }
        if diagnostic.help.is_none()
            && let Some(word) = words.iter().find(|word| says(word.doc, text))
        {
            diagnostic = diagnostic.help(format!("\"{}\" is:{}", word.word, word.doc));
        }
        self.report(diagnostic);
        None
    }

    /// A name, given as text: of an object or of a key.
    pub(crate) fn name(&mut self, text: &str, span: &Span) -> Option<Name> {
        let name = self.parsed(text, span, Code::M0009, "a name", None);
        let better = name_for(text).filter(|_| name.is_none());
        if let Some((better, told)) = better.zip(self.diagnostics.last_mut()) {
            let help = format!("call it {better}, and so wherever it is named");
            *told = told.clone().help(help);
        }
        name
    }

    /// A text that is read by its type's `FromStr`.
    pub(crate) fn parsed<T: FromStr<Err: Why>>(
        &mut self,
        text: &str,
        span: &Span,
        code: Code,
        what: &str,
        example: Option<&str>,
    ) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let why = error.why();
                let shown: String = text.chars().take(80).collect();
                let mut diagnostic = Diagnostic::error(code, format!("\"{shown}\" is not {what}"), span, why);
                let slips = (code == Code::M0004).then(|| slip::meant(text));
                let mut meant = slips
                    .into_iter()
                    .flatten()
                    .filter(|meant| meant.parse::<T>().is_ok());
                if let Some(meant) = meant.next() {
                    diagnostic = diagnostic.help(format!("did you mean \"{meant}\"?")).fix(
                        Applicability::Maybe,
                        format!("replace with \"{meant}\""),
                        span,
                        format!("\"{meant}\""),
                    );
                } else if let Some(example) = example {
                    diagnostic = diagnostic.help(format!("for example \"{example}\""));
                }
                self.report(diagnostic);
                None
            }
        }
    }
}

/// What a text that is no name could be called.
pub(crate) fn name_for(text: &str) -> Option<String> {
    let small = text.trim().to_lowercase().replace(' ', "-");
    small.parse::<Name>().is_ok().then_some(small)
}

/// Whether a word of the documentation is this one: what others call `802.3ad` is LACP there.
fn says(doc: &str, text: &str) -> bool {
    let mut words = doc.split(|c: char| !c.is_ascii_alphanumeric());
    text.len() > 2 && words.any(|word| word.eq_ignore_ascii_case(text))
}

/// Types whose `FromStr` reads them from a string.
macro_rules! text_value {
    ($type:ty, $code:ident, $what:literal, $example:literal $(, $pattern:literal)?) => {
        impl crate::decode::Decode for $type {
            const SHAPE: &'static crate::kind::Shape = &crate::kind::Shape::Text {
                what: $what,
                example: $example,
                pattern: crate::kind::default_value!($($pattern)?),
            };

            fn decode(node: &crate::tree::Node, decoder: &mut crate::decode::Decoder) -> Option<Self> {
                let Some(text) = decoder.text_that(node, $what, |text| text.parse::<Self>().is_ok()) else {
                    decoder.for_example($example);
                    return None;
                };
                let code = crate::code::Code::$code;
                decoder.parsed(text, &node.span, code, $what, Some($example))
            }
        }
    };
}
pub(crate) use text_value;

text_value!(
    Name,
    M0009,
    "a name",
    "node-01",
    r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
);
text_value!(
    Mac,
    M0009,
    "a MAC address",
    "52:54:00:77:00:01",
    r"^[0-9A-Fa-f][02468ACEace]((:[0-9A-Fa-f]{2}){5}|(-[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{10})$"
);
text_value!(PciId, M0009, "a PCI id", "10de", r"^[0-9A-Fa-f]{4}$");
text_value!(
    Uuid,
    M0009,
    "a UUID",
    "4c4c4544-0042-3510-8052-b4c04f4e3732",
    r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
);
text_value!(
    Digest,
    M0009,
    "a SHA-256 digest",
    "9f2c1d7ab04be8850d7b5f5e4a2f0c6a1c3d9d8e7f60514233445566778899aa",
    r"^(sha256:)?[0-9A-Fa-f]{64}$"
);
text_value!(
    DiskId,
    M0009,
    "a disk id",
    "wwn:0x5002538f",
    r"^((nguid|eui64):[!-~]{1,194}|wwn:[!-~]{1,196}|serial:[!-~]{1,193})$"
);
text_value!(
    ContentId,
    M0009,
    "a content id",
    "data:gpt-1f0c2a",
    r"^(blank|data:[a-z0-9_.+-]{1,100}|muster:(installed|writing):[+]?[0-9]+:[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}:[+]?[0-9]+)$"
);
text_value!(
    MarkOwner,
    M0009,
    "the owner of a mark",
    "7d3a1f60-5c2e-4b19-8a44-0f6e9d21c7b3",
    r"^(unreadable:[0-9a-f]{16}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$"
);
text_value!(
    IpAddr,
    M0009,
    "an IP address",
    "10.20.0.1",
    r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])([.](25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$"
);
text_value!(
    IpNet,
    M0009,
    "a network",
    "10.20.0.0/22",
    r"^([0-9]{1,3}([.][0-9]{1,3}){3}/[0-9]{1,2}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+/[0-9]{1,3})$"
);
text_value!(
    Timestamp,
    M0009,
    "a time",
    "2026-12-01T18:00:00Z",
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,3})?Z$"
);

impl Decode for String {
    const SHAPE: &'static Shape = &Shape::Text {
        what: "a string",
        example: "text",
        pattern: None,
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        decoder.text(node, "a string").map(str::to_owned)
    }
}

impl Decode for bool {
    const SHAPE: &'static Shape = &Shape::Bool;

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if let Value::Bool(value) = node.value {
            return Some(value);
        }
        let mut diagnostic = wrong_type(node, "true or false");
        if Syntax::of(&node.span.file) == Some(Syntax::Kdl) {
            diagnostic = diagnostic.help("they are written #true and #false");
        }
        if let Value::Text(text) = &node.value
            && matches!(text.as_str(), "true" | "false")
        {
            let sign = match Syntax::of(&node.span.file) {
                Some(Syntax::Kdl) => "#",
                Some(Syntax::Toml) | None => "",
            };
            let written = format!("{sign}{text}");
            let title = format!("replace with {written}");
            diagnostic = diagnostic.fix(Applicability::Safe, title, &node.span, written);
        }
        decoder.report(diagnostic);
        None
    }
}

/// Whole numbers with the range of their type.
macro_rules! integer {
    ($type:ty, $max:expr) => {
        impl Decode for $type {
            const SHAPE: &'static Shape = &Shape::Integer { min: 0, max: $max };

            fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
                let Value::Integer(number) = node.value else {
                    decoder.report(no_number(node, $max));
                    return None;
                };
                let value = Self::try_from(number).ok();
                if value.is_none() {
                    decoder.report(Diagnostic::error(
                        Code::M0009,
                        format!("{number} is not between 0 and {}", $max),
                        &node.span,
                        "out of range",
                    ));
                }
                value
            }
        }
    };
}

/// No number, or one in quotes that are one too many.
fn no_number(node: &Node, max: i64) -> Diagnostic {
    let diagnostic = wrong_type(node, "a whole number");
    let Value::Text(text) = &node.value else {
        return diagnostic;
    };
    match text.parse::<i64>() {
        Ok(number) if (0..=max).contains(&number) && number.to_string() == *text => diagnostic.fix(
            Applicability::Safe,
            format!("replace with {number}"),
            &node.span,
            text.clone(),
        ),
        Ok(_) | Err(_) => diagnostic,
    }
}

integer!(u8, u8::MAX as i64);
integer!(u16, u16::MAX as i64);
integer!(u32, u32::MAX as i64);
integer!(u64, i64::MAX);
