//! Layers: profile beneath file defaults beneath the object. Scalars and lists replace, tables merge,
//! tags add up.
//!
//! Trees are laid upon each other before anything is decoded, so every value keeps the place where it
//! was written, and a mistake in a profile is reported where the profile is.

use crate::{
    code::Code,
    decode::{Decoder, Kind},
    diagnostic::Diagnostic,
    kinds::{machine::Machine, profile::Profile},
    limit::LAID_VALUES_MAX,
    objects::Object,
    span::Span,
    tree::{Entry, Node, Value},
};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// Profiles that build on each other: more are hard to follow for people.
const EXTENDS_MAX: usize = 3;

/// Keys of a profile that describe the profile, not its machines.
const OF_THE_PROFILE: [&str; 2] = ["description", "extends"];

/// Which layer said something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// The object itself.
    Object,
    /// The `defaults` of the object's file.
    Defaults,
    /// A profile of the machine, or one that it builds on.
    Profile(String),
    /// The `defaults` of a profile's file.
    ProfileDefaults(String),
    /// The language: nobody wrote it.
    BuiltIn,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object => f.write_str("the object"),
            Self::Defaults => f.write_str("defaults of its file"),
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::ProfileDefaults(name) => write!(f, "defaults of the file of profile {name}"),
            Self::BuiltIn => f.write_str("built-in"),
        }
    }
}

/// The profiles of a fleet, by name, as written with their files' defaults.
pub(crate) struct Layers<'o> {
    profiles: BTreeMap<&'o str, (&'o Object, Cow<'o, Node>)>,
}

impl<'o> Layers<'o> {
    /// Collects the profiles, and reports those that extend each other without end.
    pub(crate) fn new(objects: impl Iterator<Item = &'o Object>, decoder: &mut Decoder) -> Self {
        let of_profiles = objects.filter(|object| object.kind.name == Profile::KIND);
        let profiles = of_profiles.map(|object| (object.name.text.as_str(), (object, with_defaults(object))));
        let layers = Self {
            profiles: profiles.collect(),
        };
        layers.report_chains(decoder);
        layers
    }

    /// Where the largest layer stands that several objects take, if all objects together hold too much to be decoded.
    pub(crate) fn heaviest<'a>(&'a self, objects: &[&'a Object]) -> Option<&'a Span> {
        let mut shared: BTreeMap<*const Node, (usize, &'a Span)> = BTreeMap::new();
        let mut total = 0_usize;
        for object in objects {
            let stack = self.stack(object);
            for (layer, node) in stack {
                let weight = match layer {
                    Layer::Object => object.weight,
                    _ => {
                        shared
                            .entry(node)
                            .or_insert_with(|| (node.weight(), &node.span))
                            .0
                    }
                };
                total = total.saturating_add(weight);
            }
        }
        if total <= LAID_VALUES_MAX {
            return None;
        }
        let own = || objects.first().map(|object| &object.name.span);
        let heaviest = shared.into_values().max_by_key(|(weight, _)| *weight);
        heaviest.map(|(_, span)| span).or_else(own)
    }

    /// The object with everything beneath it.
    pub(crate) fn resolve<'a>(&self, object: &'a Object) -> Cow<'a, Node> {
        let node = with_defaults(object);
        if object.kind.name != Machine::KIND {
            return node;
        }
        let chain = text_of(&node, "profile")
            .map(|name| self.chain(name))
            .unwrap_or_default();
        let beneath = chain
            .into_iter()
            .rev()
            .fold(None, |beneath: Option<Node>, profile| {
                let mut layer = profile.clone();
                if let Value::Table(entries) = &mut layer.value {
                    entries.retain(|entry| !OF_THE_PROFILE.contains(&entry.key.text.as_str()));
                }
                Some(match beneath {
                    Some(beneath) => lay(&beneath, &layer),
                    None => layer,
                })
            });
        match beneath {
            Some(beneath) => Cow::Owned(lay(&beneath, &node)),
            None => node,
        }
    }

    /// What `resolve` lays together, the uppermost first, each layer as written: a value in the resolved tree is
    /// that of the first layer which has it at the same place in the same file.
    pub(crate) fn stack<'a>(&'a self, object: &'a Object) -> Vec<(Layer, &'a Node)> {
        let mut stack = vec![(Layer::Object, &object.node)];
        stack.extend(object.defaults.as_deref().map(|node| (Layer::Defaults, node)));
        if object.kind.name != Machine::KIND {
            return stack;
        }
        let named = text_of(&object.node, "profile");
        let by_default = || text_of(object.defaults.as_ref()?, "profile");
        let mut next = named.or_else(by_default).and_then(|name| self.profiles.get(name));
        for _ in 0..EXTENDS_MAX {
            let Some((profile, node)) = next else { break };
            let name = &profile.name.text;
            stack.push((Layer::Profile(name.clone()), &profile.node));
            let defaults = profile.defaults.as_deref().into_iter();
            stack.extend(defaults.map(|node| (Layer::ProfileDefaults(name.clone()), node)));
            next = text_of(node, "extends").and_then(|name| self.profiles.get(name));
        }
        stack
    }

    /// A profile and those it builds on, nearest first; at most as many as are allowed.
    fn chain(&self, name: &str) -> Vec<&Node> {
        let mut chain = Vec::new();
        let mut next = self.profiles.get(name);
        while let Some((_, node)) = next {
            if chain.len() == EXTENDS_MAX {
                break;
            }
            chain.push(&**node);
            next = text_of(node, "extends").and_then(|name| self.profiles.get(name));
        }
        chain
    }

    /// The names of a profile and of those it builds on, nearest first; one more than are allowed at most.
    fn names<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        let mut names = vec![name];
        while let Some((_, node)) = names.last().and_then(|name| self.profiles.get(*name))
            && let Some(next) = text_of(node, "extends").filter(|next| self.profiles.contains_key(next))
            && names.len() <= EXTENDS_MAX
        {
            names.push(next);
        }
        names
    }

    /// Of each circle, and of each chain that is too long, its first is told.
    fn report_chains(&self, decoder: &mut Decoder) {
        for (name, (object, node)) in &self.profiles {
            let Some(extends) = node.get("extends") else {
                continue;
            };
            let names = self.names(name);
            let circle = names[1..].iter().position(|other| other == name);
            let in_circle = |names: &[&str]| names[1..].iter().any(|one| names[0] == *one);
            let (title, label) = match circle {
                Some(at) if names[..=at].iter().all(|other| other >= name) => (
                    format!("profile \"{name}\" extends itself"),
                    names[..=at + 1].join(" -> "),
                ),
                Some(_) => continue,
                // Whoever builds on one that is told of is not told of.
                None if names.len() <= EXTENDS_MAX || self.names(names[1]).len() > EXTENDS_MAX => continue,
                None if names[1..].iter().any(|one| in_circle(&self.names(one))) => continue,
                None => (
                    format!("profile \"{name}\" builds on more than two others"),
                    names.join(" -> "),
                ),
            };
            decoder.object = format!("profile.{}", object.name.text);
            decoder.report(
                Diagnostic::error(Code::M0105, title, &extends.node.span, label)
                    .help("at most three profiles in a row, without a circle"),
            );
        }
    }
}

fn with_defaults(object: &Object) -> Cow<'_, Node> {
    match &object.defaults {
        Some(defaults) => Cow::Owned(lay(defaults, &object.node)),
        None => Cow::Borrowed(&object.node),
    }
}

fn text_of<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    match &node.get(key)?.node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// An object's tree upon another.
fn lay(beneath: &Node, above: &Node) -> Node {
    let mut node = merge(beneath, above);
    let tags = tags(beneath, above);
    if let (Value::Table(entries), Some(tags)) = (&mut node.value, tags) {
        entries.retain(|entry| entry.key.text != tags.key.text);
        entries.push(tags);
    }
    node
}

/// Tables merge, everything else replaces.
fn merge(beneath: &Node, above: &Node) -> Node {
    let (Value::Table(lower), Value::Table(upper)) = (&beneath.value, &above.value) else {
        return above.clone();
    };
    let mut entries = upper.clone();
    for entry in &mut entries {
        if let Some(under) = beneath.get(&entry.key.text) {
            entry.node = merge(&under.node, &entry.node);
        }
    }
    entries.extend(
        lower
            .iter()
            .filter(|entry| above.get(&entry.key.text).is_none())
            .cloned(),
    );
    Node {
        value: Value::Table(entries),
        span: above.span.clone(),
    }
}

/// The tags of both, without those that the upper one takes away. `None` where there is nothing to
/// add up, or where something is wrong that the decoder will tell.
fn tags(beneath: &Node, above: &Node) -> Option<Entry> {
    let list = |node: &Node, key: &str| match &node.get(key)?.node.value {
        Value::List(items) => Some(items.clone()),
        _ => None,
    };
    let lower = beneath.get("tags")?;
    let mut items = list(beneath, "tags")?;
    let removed = list(above, "tags-remove").unwrap_or_default();
    items.retain(|item| !removed.iter().any(|gone| same_text(gone, item)));
    if above.get("tags").is_some() {
        items.extend(list(above, "tags")?);
    }
    let span = lower.node.span.clone();
    Some(Entry {
        key: lower.key.clone(),
        node: Node {
            value: Value::List(items),
            span,
        },
    })
}

fn same_text(one: &Node, other: &Node) -> bool {
    matches!((&one.value, &other.value), (Value::Text(one), Value::Text(other)) if one == other)
}
