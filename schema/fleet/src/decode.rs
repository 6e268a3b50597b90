//! From the tree to typed values, collecting every mistake on the way.
//!
//! The decoder goes on after an error: a value that cannot be read is `None`, and its siblings are
//! still looked at. References are collected here and looked up when all files are read.

pub(crate) mod scalar;

use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic, Edit, Fix},
    kind::{FieldRow, Shape},
    limit::KEPT_OF_FILE_MAX,
    not_yet::NotYet,
    span::{Given, Origin, Span, Spanned},
    suggest::{is_certain, nearest},
    tree::{Entry, Node, Syntax, Value},
};
use schema_ids::Name;
use std::{collections::BTreeMap, fmt, marker::PhantomData, ops::Deref};

/// A value that can be read from a node.
pub(crate) trait Decode: Sized {
    /// What it looks like, for KDL and for the schema.
    const SHAPE: &'static Shape;
    /// Whether a key with this type must be there, unless the field has a default.
    const REQUIRED: bool = true;
    /// Whether it is a table that is there though nobody writes it.
    const IMPLIED: bool = false;

    /// Reads the value, or reports why not.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self>;

    /// What stands in for a key that is not there, in a table at this place.
    fn absent(_at: &Span, _decoder: &mut Decoder) -> Option<Self> {
        None
    }
}

/// A kind of object that can be referred to.
pub(crate) trait Kind {
    /// Its name in files.
    const KIND: &'static str;
}

/// A name of another object, checked to exist once all files are read.
pub struct Ref<K> {
    /// The name.
    pub name: Name,
    /// Where it was written.
    pub span: Span,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Ref<K> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            span: self.span.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> PartialEq for Ref<K> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<K> fmt::Debug for Ref<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ref({})", self.name)
    }
}

impl<K> fmt::Display for Ref<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl<K> Deref for Ref<K> {
    type Target = Name;

    fn deref(&self) -> &Name {
        &self.name
    }
}

/// Named values in the order in which they were written.
#[derive(Debug, Clone, PartialEq)]
pub struct InOrder<T>(pub Vec<(Spanned<Name>, T)>);

impl<T> InOrder<T> {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.iter()
            .find(|(key, _)| key.as_str() == name)
            .map(|(_, value)| value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Spanned<Name>, &T)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

/// A reference that was met, to be looked up later.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) object: String,
}

/// Collects what decoding finds.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) references: Vec<Reference>,
    /// What was met that this version does not carry out.
    pub(crate) not_yet: Vec<NotYet>,
    /// The object being decoded: `machine.node-01`.
    pub(crate) object: String,
    /// Diagnostics that are counted only.
    pub(crate) more: usize,
}

impl Decoder {
    /// Warns of something that is understood, and remembers whom it concerns.
    pub(crate) fn not_yet(&mut self, what: String, span: &Span) {
        self.report(
            Diagnostic::warning(
                Code::M0007,
                format!("{what} is understood, but not carried out by this version"),
                span,
                match self.object.split_once('.') {
                    Some(("dns" | "device", _)) => "nothing comes of it",
                    _ => "plan refuses the machines that this concerns",
                },
            )
            .help("leave it out until a version carries it out; `muster explain --list` shows all that is waiting"),
        );
        self.not_yet.push(NotYet {
            object: self.object.clone(),
            what,
            origin: Origin::Git { span: span.clone() },
        });
    }

    /// Reports a diagnostic for the object being decoded.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        let object = self.object.clone();
        self.diagnostics.push(diagnostic.in_object(object));
        self.trim(KEPT_OF_FILE_MAX);
    }

    /// Keeps so many diagnostics, and counts the others.
    pub(crate) fn trim(&mut self, most: usize) {
        self.more += self.diagnostics.len().saturating_sub(most);
        self.diagnostics.truncate(most);
    }

    /// Whether one more would only be counted, so that it need not be made.
    pub(crate) fn is_full(&mut self) -> bool {
        let is_full = self.diagnostics.len() >= KEPT_OF_FILE_MAX;
        self.more += usize::from(is_full);
        is_full
    }

    /// Remembers a reference.
    pub(crate) fn refer(&mut self, kind: &'static str, name: &str, span: &Span) {
        self.references.push(Reference {
            kind,
            name: name.to_owned(),
            span: span.clone(),
            object: self.object.clone(),
        });
    }

    /// Reads a value.
    pub(crate) fn value<T: Decode>(&mut self, node: &Node) -> Option<T> {
        T::decode(node, self)
    }

    /// Reads the value of a key, its default, or reports that it is missing.
    pub(crate) fn field<T: Decode>(&mut self, table: &Node, key: &str, default: Option<T>) -> Option<T> {
        if let Some(entry) = table.get(key) {
            return self.value(&entry.node);
        }
        let value = default.or_else(|| T::absent(&table.span, self));
        if value.is_none() {
            let help = match T::SHAPE {
                Shape::Text { example, .. } => Some(format!("for example  {key} = \"{example}\"")),
                Shape::Words(words) => {
                    let words: Vec<_> = words.iter().map(|word| word.word).collect();
                    Some(format!("it is one of {}", words.join(", ")))
                }
                _ => None,
            };
            let mut diagnostic = Diagnostic::error(
                Code::M0005,
                format!("{} has no `{key}`", self.object),
                &table.span,
                format!("`{key}` is missing here"),
            );
            diagnostic.help = help;
            self.report(diagnostic);
        }
        value
    }

    /// Checks that a node is a table and that its keys are known.
    pub(crate) fn table(&mut self, node: &Node, fields: &[FieldRow]) -> Option<()> {
        let Value::Table(entries) = &node.value else {
            self.wrong_type(node, "a table");
            return None;
        };
        for entry in entries {
            self.known_key(entry, fields);
        }
        Some(())
    }

    /// Reports a value of the right type that makes no sense.
    pub(crate) fn unreadable(&mut self, node: &Node, title: &str) {
        self.report(Diagnostic::error(
            Code::M0009,
            title,
            &node.span,
            "not known here",
        ));
    }

    /// Reports that a node is not what is wanted.
    pub(crate) fn wrong_type(&mut self, node: &Node, wanted: &str) {
        self.report(wrong_type(node, wanted));
    }

    fn known_key(&mut self, entry: &Entry, fields: &[FieldRow]) {
        let key = entry.key.text.as_str();
        let free = key.starts_with("x-") || key == "annotations";
        match fields.iter().find(|field| field.key == key) {
            Some(FieldRow {
                carried_out: false, ..
            }) => self.not_yet(format!("`{key}`"), &entry.key.span),
            Some(_) => {}
            None if free => {}
            None if names_a_secret(key) => self.report(secret_in_clear(entry)),
            None => self.unknown_key(entry, fields),
        }
    }

    fn unknown_key(&mut self, entry: &Entry, fields: &[FieldRow]) {
        if self.is_full() {
            return;
        }
        let (key, span) = (&entry.key.text, &entry.key.span);
        let mut diagnostic = Diagnostic::error(
            Code::M0002,
            format!("unknown key `{key}`"),
            span,
            "no such key here",
        );
        let known: Vec<_> = fields.iter().map(|field| field.key).collect();
        if let Some(near) = nearest(key, known.iter().copied()) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(
                is_certain(key, near, known.iter().copied()),
                format!("replace with `{near}`"),
                span,
                near,
            );
        } else if let Some((kind, name)) = self.object.split_once('.')
            && entry
                .node
                .entries()
                .iter()
                .any(|inner| known.contains(&inner.key.text.as_str()))
        {
            let help = format!("a name with a dot stands in quotes:  [{kind}.\"{name}.{key}\"]");
            diagnostic = diagnostic.help(help);
        } else {
            diagnostic = diagnostic.help(format!("known here: {}", known.join(", ")));
        }
        self.report(diagnostic);
    }
}

/// A value of another type than the one that is wanted.
pub(crate) fn wrong_type(node: &Node, wanted: &str) -> Diagnostic {
    let is = node.value.what();
    let title = format!("{wanted} is wanted, not {is}");
    Diagnostic::error(Code::M0003, title, &node.span, format!("this is {is}"))
}

/// Something else than a list; a single text where a list of texts is wanted lacks its brackets alone. In KDL one
/// value is a list as well.
fn no_list(node: &Node, inner: &Shape) -> Diagnostic {
    let mut diagnostic = wrong_type(node, "a list");
    let is_text = matches!(inner, Shape::Text { .. } | Shape::Reference(_) | Shape::Words(_));
    let syntax = Syntax::of(&node.span.file);
    if syntax == Some(Syntax::Kdl) && matches!(node.value, Value::Text(_) | Value::Integer(_)) {
        return diagnostic.help("a list stands between the braces, its values behind the key:  tags a b");
    }
    if let (Some(Syntax::Toml), Value::Table(_), Shape::Table(_)) = (syntax, &node.value, inner) {
        return in_double_brackets(diagnostic, node);
    }
    if matches!(node.value, Value::Text(_)) && is_text && syntax == Some(Syntax::Toml) {
        let at = |position, text: &str| Edit {
            span: Span {
                start: position,
                end: position,
                ..node.span.clone()
            },
            text: text.to_owned(),
        };
        diagnostic.fixes.push(Fix {
            title: "put it in brackets".to_owned(),
            applicability: Applicability::Safe,
            edits: vec![at(node.span.start, "["), at(node.span.end, "]")],
        });
    }
    diagnostic
}

/// One table where a list of them is wanted: its header or its braces lack brackets.
fn in_double_brackets(mut diagnostic: Diagnostic, node: &Node) -> Diagnostic {
    let at = |position, text: &str| Edit {
        span: Span {
            start: position,
            end: position,
            ..node.span.clone()
        },
        text: text.to_owned(),
    };
    diagnostic.fixes.push(Fix {
        title: "put it in brackets".to_owned(),
        applicability: Applicability::Maybe,
        edits: vec![at(node.span.start, "["), at(node.span.end, "]")],
    });
    diagnostic.help("each of the list is  [[KIND.NAME.KEY]],  or  { … }  between [ and ]")
}

/// Whether a key is one in which people write what nobody should read.
fn names_a_secret(key: &str) -> bool {
    const WORDS: [&str; 6] = [
        "password",
        "passwd",
        "passphrase",
        "token",
        "private-key",
        "api-key",
    ];
    WORDS.iter().any(|word| key.ends_with(word))
}

fn secret_in_clear(entry: &Entry) -> Diagnostic {
    Diagnostic::error(
        Code::M0705,
        format!("`{}` would put a secret in git in clear", entry.key.text),
        &entry.key.span,
        "secrets are named, never written here",
    )
    .help("describe it as a secret.NAME object, name that here, and change the secret: git keeps the old one")
}

impl<T: Decode> Decode for Spanned<T> {
    const SHAPE: &'static Shape = T::SHAPE;

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        Some(Self {
            value: decoder.value(node)?,
            span: node.span.clone(),
        })
    }
}

impl<T: Decode> Decode for Given<T> {
    const SHAPE: &'static Shape = T::SHAPE;

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        Some(Self {
            value: decoder.value(node)?,
            span: Some(node.span.clone()),
        })
    }
}

impl<T: Decode> Decode for Option<T> {
    const SHAPE: &'static Shape = T::SHAPE;
    const REQUIRED: bool = false;

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        decoder.value(node).map(Some)
    }

    fn absent(_: &Span, _: &mut Decoder) -> Option<Self> {
        Some(None)
    }
}

impl<T: Decode> Decode for Vec<T> {
    const SHAPE: &'static Shape = &Shape::List(T::SHAPE);
    const REQUIRED: bool = false;

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Value::List(items) = &node.value else {
            decoder.report(no_list(node, T::SHAPE));
            return None;
        };
        let values: Vec<_> = items.iter().map(|item| decoder.value(item)).collect();
        values.into_iter().collect()
    }

    fn absent(_: &Span, _: &mut Decoder) -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: Decode> Decode for InOrder<T> {
    const SHAPE: &'static Shape = &Shape::Map(T::SHAPE);
    const REQUIRED: bool = false;

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Value::Table(entries) = &node.value else {
            decoder.wrong_type(node, "a table of names");
            return None;
        };
        let mut pairs = Vec::with_capacity(entries.len());
        let mut whole = true;
        for entry in entries {
            let name = decoder.name(&entry.key.text, &entry.key.span);
            let value = decoder.value(&entry.node);
            match name.zip(value) {
                Some((value, decoded)) => {
                    pairs.push((
                        Spanned {
                            value,
                            span: entry.key.span.clone(),
                        },
                        decoded,
                    ));
                }
                None => whole = false,
            }
        }
        whole.then_some(Self(pairs))
    }

    fn absent(_: &Span, _: &mut Decoder) -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

impl<T: Decode> Decode for BTreeMap<Name, T> {
    const SHAPE: &'static Shape = &Shape::Map(T::SHAPE);
    const REQUIRED: bool = false;

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let pairs = decoder.value::<InOrder<T>>(node)?.0;
        Some(
            pairs
                .into_iter()
                .map(|(name, value)| (name.value, value))
                .collect(),
        )
    }

    fn absent(_: &Span, _: &mut Decoder) -> Option<Self> {
        Some(Self::new())
    }
}

impl<K: Kind> Decode for Ref<K> {
    const SHAPE: &'static Shape = &Shape::Reference(K::KIND);

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let name = decoder.value::<Name>(node)?;
        decoder.refer(K::KIND, name.as_str(), &node.span);
        Some(Self {
            name,
            span: node.span.clone(),
            kind: PhantomData,
        })
    }
}
