//! The table of the language, and the macros that fill it.
//!
//! A kind is written once, in `kinds/`: each field's name, type, default, effect and doc. The macro
//! makes of it the struct, its decoder and its rows here; the JSON Schema and the reference pages are
//! printed from the rows, and KDL is read by them.

use crate::{decode::Decoder, fleet::Draft, span::Span, tree::Node};
use schema_ids::Name;

/// What a change of a field does to a running machine, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The rack itself carries it out: DHCP, DNS, power, boot.
    Live,
    /// Taken in at the next installation; running machines are marked Outdated.
    NextDeploy,
    /// The machine restarts.
    Reboot,
    /// The machine is installed again.
    Redeploy,
    /// Disks lose what is on them.
    Wipe,
}

impl Effect {
    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::NextDeploy => "next-deploy",
            Self::Reboot => "reboot",
            Self::Redeploy => "redeploy",
            Self::Wipe => "wipe",
        }
    }

    /// In words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Live => "the rack carries it out; running systems are left alone",
            Self::NextDeploy => "taken in at the next installation",
            Self::Reboot => "the machine restarts",
            Self::Redeploy => "the machine is installed again",
            Self::Wipe => "disks lose what is on them",
        }
    }
}

/// One kind of object.
#[derive(Debug)]
pub struct KindRow {
    /// Its name in files: `machine`; two words are nested: `removed.machine`.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Its fields, in the order of the reference.
    pub fields: &'static [FieldRow],
    /// Whether this version carries it out.
    pub carried_out: bool,
    /// Decodes an object and puts it into the fleet.
    pub(crate) load: fn(Name, &Node, &Span, &mut Decoder, &mut Draft),
}

/// One field of a kind or of a table in it.
#[derive(Debug)]
pub struct FieldRow {
    /// Its key in files.
    pub key: &'static str,
    /// What it says, with units and limits.
    pub doc: &'static str,
    /// What a change of it does.
    pub effect: Effect,
    /// What its value looks like.
    pub shape: &'static Shape,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it is a table that is there though nobody writes it, with the defaults of its fields.
    pub implied: bool,
    /// What stands in for it, as text.
    pub default: Option<fn() -> String>,
    /// Whether this version carries it out. What it does not is understood and checked, warned of, and
    /// keeps the machines it concerns from being deployed.
    pub carried_out: bool,
}

/// What a value looks like; KDL's arguments and nodes are read by it.
#[derive(Debug)]
pub enum Shape {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A string that is read as something.
    Text {
        /// What: `a MAC address`.
        what: &'static str,
        /// One that is right.
        example: &'static str,
        /// What every right one matches, for editors: without look-around, which their engines lack. What it
        /// matches may still be wrong.
        pattern: Option<&'static str>,
    },
    /// One of these words.
    Words(&'static [Word]),
    /// The name of an object of this kind.
    Reference(&'static str),
    /// Several, in order: of scalars, or of tables.
    List(&'static Shape),
    /// These keys.
    Table(&'static [FieldRow]),
    /// Any names as keys, with values of one shape.
    Map(&'static Shape),
    /// `true` or `false`, a whole number, or a string.
    Scalar,
    /// A whole number up to this one, or a share of all: `10%`.
    Share(i64),
}

impl Shape {
    /// Whether it is one value: neither a list nor a table.
    pub(crate) fn is_single(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Table(_) | Self::Map(_))
    }

    /// A default as what it is written as; the table knows it as text.
    pub(crate) fn value_of(&self, text: String) -> serde_json::Value {
        match self {
            Self::Bool => (text == "true").into(),
            Self::Integer { .. } => text.parse::<i64>().ok().into(),
            Self::Text { .. }
            | Self::Words(_)
            | Self::Reference(_)
            | Self::List(_)
            | Self::Table(_)
            | Self::Map(_) => text.into(),
            Self::Scalar | Self::Share(_) => text.parse::<i64>().map_or_else(|_| text.into(), Into::into),
        }
    }
}

/// A word that a field may take.
#[derive(Debug)]
pub struct Word {
    /// As written in files.
    pub word: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Whether this version carries it out.
    pub carried_out: bool,
}

/// The key of a field's identifier: `max_destroyed` is `max-destroyed`. The macros call it twice, for
/// the length and for the bytes.
pub(crate) const fn key_bytes<const N: usize>(identifier: &str) -> [u8; N] {
    let bytes = identifier.as_bytes();
    let mut key = [0; N];
    let mut at = 0;
    while at < N {
        key[at] = if bytes[at] == b'_' { b'-' } else { bytes[at] };
        at += 1;
    }
    key
}

/// The key of a field as a constant: written out, or made of the identifier.
macro_rules! key {
    ($field:ident $key:literal) => {
        $key
    };
    ($field:ident) => {{
        const BYTES: [u8; stringify!($field).len()] = crate::kind::key_bytes(stringify!($field));
        match std::str::from_utf8(&BYTES) {
            Ok(key) => key,
            Err(_) => panic!("a field's identifier is ASCII"),
        }
    }};
}
pub(crate) use key;

/// Whether a table has a field that must be there; without one, the whole table may be left out.
pub(crate) const fn any_required(fields: &[FieldRow]) -> bool {
    let mut at = 0;
    while at < fields.len() {
        if fields[at].required {
            return true;
        }
        at += 1;
    }
    false
}

/// The effect of a word in the macros.
macro_rules! effect {
    (live) => {
        crate::kind::Effect::Live
    };
    (next_deploy) => {
        crate::kind::Effect::NextDeploy
    };
    (reboot) => {
        crate::kind::Effect::Reboot
    };
    (redeploy) => {
        crate::kind::Effect::Redeploy
    };
    (wipe) => {
        crate::kind::Effect::Wipe
    };
}
pub(crate) use effect;

/// The default of a field as a value, and as text for the reference.
macro_rules! default_value {
    () => {
        None
    };
    ($default:expr) => {
        Some($default)
    };
}
pub(crate) use default_value;

macro_rules! default_text {
    () => {
        None::<fn() -> String>
    };
    ($default:expr) => {
        Some((|| $default.to_string()) as fn() -> String)
    };
}
pub(crate) use default_text;

/// A row of the table of fields.
macro_rules! row {
    ($carried:literal, [$($field_doc:literal)*] $effect:ident $field:ident $(($key:literal))? : $type:ty $(= $default:expr)?) => {
        crate::kind::FieldRow {
            key: crate::kind::key!($field $($key)?),
            doc: concat!($($field_doc),*),
            effect: crate::kind::effect!($effect),
            shape: <$type as crate::decode::Decode>::SHAPE,
            required: <$type as crate::decode::Decode>::REQUIRED
                && crate::kind::default_text!($($default)?).is_none(),
            implied: <$type as crate::decode::Decode>::IMPLIED,
            default: crate::kind::default_text!($($default)?),
            carried_out: $carried,
        }
    };
}
pub(crate) use row;

/// A table inside a kind: struct, decoder and rows. Each field is
/// `effect identifier ("key")? : Type (= default)?`; those behind `later` are understood, but not carried
/// out by this version.
macro_rules! table {
    (
        $(#[doc = $doc:literal])*
        $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $effect:ident $field:ident $(($key:literal))? : $type:ty $(= $default:expr)?,
            )*
        }
        $(later {
            $(
                $(#[doc = $later_doc:literal])*
                $later_effect:ident $later:ident $(($later_key:literal))? : $later_type:ty $(= $later_default:expr)?,
            )*
        })?
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: $type,)*
            $($($(#[doc = $later_doc])* pub $later: $later_type,)*)?
            /// Where it was written.
            pub origin: crate::span::Origin,
        }

        impl $name {
            /// Its rows of the language's table.
            pub(crate) const FIELDS: &'static [crate::kind::FieldRow] = &[
                $(crate::kind::row!(true, [$($field_doc)*] $effect $field $(($key))? : $type $(= $default)?),)*
                $($(crate::kind::row!(
                    false, [$($later_doc)*] $later_effect $later $(($later_key))? : $later_type $(= $later_default)?
                ),)*)?
            ];
        }

        impl crate::decode::Decode for $name {
            const SHAPE: &'static crate::kind::Shape = &crate::kind::Shape::Table(Self::FIELDS);
            const REQUIRED: bool = crate::kind::any_required(Self::FIELDS);
            const IMPLIED: bool = !Self::REQUIRED;

            fn decode(node: &crate::tree::Node, decoder: &mut crate::decode::Decoder) -> Option<Self> {
                decoder.table(node, Self::FIELDS)?;
                // Every field is decoded before the first `?`, so that all mistakes are told.
                $(let $field = decoder.field::<$type>(
                    node,
                    crate::kind::key!($field $($key)?),
                    crate::kind::default_value!($($default)?),
                );)*
                $($(let $later = decoder.field::<$later_type>(
                    node,
                    crate::kind::key!($later $($later_key)?),
                    crate::kind::default_value!($($later_default)?),
                );)*)?
                Some(Self {
                    $($field: $field?,)*
                    $($($later: $later?,)*)?
                    origin: crate::span::Origin::Git { span: node.span.clone() },
                })
            }

            fn absent(at: &crate::span::Span, decoder: &mut crate::decode::Decoder) -> Option<Self> {
                let empty = crate::tree::Node {
                    value: crate::tree::Value::Table(Vec::new()),
                    span: at.clone(),
                };
                if Self::REQUIRED { None } else { Self::decode(&empty, decoder) }
            }
        }
    };
}
pub(crate) use table;

/// Whether a kind is carried out: one that is written `"kind" in map (later): …` is not.
macro_rules! carried_out {
    () => {
        true
    };
    (later) => {
        false
    };
}
pub(crate) use carried_out;

/// A kind: a table with a name in files and a place in the fleet.
macro_rules! kind {
    (
        $(#[doc = $doc:literal])*
        $kind:literal in $map:ident $(($word:ident))?: $name:ident { $($fields:tt)* }
        $(later { $($later:tt)* })?
    ) => {
        crate::kind::table! {
            $(#[doc = $doc])*
            $name { $($fields)* }
            $(later { $($later)* })?
        }

        /// The row of this kind.
        pub(crate) static ROW: crate::kind::KindRow = crate::kind::KindRow {
            name: $kind,
            doc: concat!($($doc),*),
            fields: $name::FIELDS,
            carried_out: crate::kind::carried_out!($($word)?),
            load: |name, node, span, decoder, draft| {
                if let Some(mut object) = decoder.value::<$name>(node) {
                    object.origin = crate::span::Origin::Git { span: span.clone() };
                    draft.$map.insert(name, object.into());
                }
            },
        };

        impl crate::decode::Kind for $name {
            const KIND: &'static str = $kind;
        }
    };
}
pub(crate) use kind;

/// An enum whose variants are words in files; those behind `later` are understood, but not carried out by
/// this version.
macro_rules! words {
    (
        $(#[doc = $doc:literal])*
        $name:ident { $($(#[doc = $word_doc:literal])* $variant:ident = $word:literal,)* }
        $(later { $($(#[doc = $later_doc:literal])* $later:ident = $later_word:literal,)* })?
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[doc = $word_doc])* $variant,)*
            $($($(#[doc = $later_doc])* $later,)*)?
        }

        impl $name {
            /// As written in files.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                    $($(Self::$later => $later_word,)*)?
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl crate::decode::Decode for $name {
            const SHAPE: &'static crate::kind::Shape = &crate::kind::Shape::Words(&[
                $(crate::kind::Word { word: $word, doc: concat!($($word_doc),*), carried_out: true },)*
                $($(crate::kind::Word {
                    word: $later_word, doc: concat!($($later_doc),*), carried_out: false,
                },)*)?
            ]);

            fn decode(node: &crate::tree::Node, decoder: &mut crate::decode::Decoder) -> Option<Self> {
                match decoder.word(node, Self::SHAPE)? {
                    $($word => Some(Self::$variant),)*
                    $($($later_word => Some(Self::$later),)*)?
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use words;
