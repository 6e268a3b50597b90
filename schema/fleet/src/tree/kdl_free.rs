//! KDL nodes for which the language has no shape: what stands under `x-*` and `annotations`, and under keys that are
//! not known.
//!
//! One mapping, both ways (`format::kdl` prints by it):
//!
//! | KDL | value |
//! |---|---|
//! | `key 1` | the value |
//! | `key 1 2` | a list |
//! | `key { - 1; - b=2 }` | a list, whatever its length |
//! | `key` | an empty list |
//! | `key a=1 { b 2 }` | a table of properties and children |
//! | `key {}` | an empty table |
//!
//! A key that comes again makes a list of its values; arguments beside properties or children are the table's
//! list `-`. So nothing that is written is left out.

use super::{
    Entry, Key, Node, Value,
    kdl::{Reader, Rest},
    toml::too_deep,
};
use crate::limit::DEPTH_MAX;
use kdl::KdlNode;

/// What a child node is called that is an item of a list.
pub(crate) const ITEM: &str = "-";

impl Reader<'_, '_> {
    /// A node without a shape.
    pub(super) fn free(&mut self, rest: &Rest<'_>, depth: usize) -> Node {
        let span = rest.head.clone();
        if depth > DEPTH_MAX {
            self.diagnostics.push(too_deep(&span));
            return Node {
                value: Value::Null,
                span,
            };
        }
        let properties = rest.node.entries().iter().any(|entry| entry.name().is_some());
        let children = rest.node.children().map(kdl::KdlDocument::nodes);
        let mut items: Vec<_> = rest.arguments.iter().map(|entry| self.scalar(entry)).collect();
        let listed = children
            .is_none_or(|nodes| !nodes.is_empty() && nodes.iter().all(|node| node.name().value() == ITEM));
        if listed && !properties {
            let children = children.unwrap_or_default();
            if items.len() == 1 && children.is_empty() {
                return items.remove(0);
            }
            items.extend(children.iter().map(|child| self.free_child(child, depth)));
            return Node {
                value: Value::List(items),
                span,
            };
        }
        let value = Value::Table(self.free_entries(rest, items, depth));
        Node { value, span }
    }

    fn free_child(&mut self, node: &KdlNode, depth: usize) -> Node {
        let rest = self.rest(node);
        self.free(&rest, depth + 1)
    }

    /// The entries of a table without a shape, in the order of writing.
    fn free_entries(&mut self, rest: &Rest<'_>, items: Vec<Node>, depth: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        let own = || Key {
            text: ITEM.to_owned(),
            span: rest.head.clone(),
        };
        for item in items {
            again(&mut entries, own(), item, true);
        }
        for entry in rest.node.entries() {
            let Some(name) = entry.name() else { continue };
            let key = Key {
                text: name.value().to_owned(),
                span: self.span(name.span()),
            };
            let node = self.scalar(entry);
            again(&mut entries, key, node, false);
        }
        for child in rest.node.iter_children() {
            let key = self.key_of(child);
            let node = self.free_child(child, depth);
            let is_item = key.text == ITEM;
            again(&mut entries, key, node, is_item);
        }
        entries.into_iter().map(|(entry, _)| entry).collect()
    }

    /// The items of a list of scalars that stands as children named `-`, for lists that are long or explained.
    pub(super) fn items(&mut self, node: &KdlNode) -> Option<Vec<Node>> {
        let children = node.children()?.nodes();
        let listed = node.entries().is_empty()
            && !children.is_empty()
            && children.iter().all(|child| child.name().value() == ITEM);
        listed.then(|| {
            let items = children.iter();
            items.map(|child| self.free_child(child, 0)).collect()
        })
    }
}

/// Adds a value, as an item of a list if it is one or if its key comes again. Each entry says whether it is such a
/// list.
pub(super) fn again(entries: &mut Vec<(Entry, bool)>, key: Key, node: Node, is_item: bool) {
    let list = |node: Node| Node {
        span: node.span.clone(),
        value: Value::List(vec![node]),
    };
    let Some((earlier, is_list)) = entries.iter_mut().find(|(entry, _)| entry.key.text == key.text) else {
        let node = if is_item { list(node) } else { node };
        entries.push((Entry { key, node }, is_item));
        return;
    };
    if !*is_list {
        let first = std::mem::replace(&mut earlier.node.value, Value::Null);
        earlier.node = list(Node {
            value: first,
            span: earlier.node.span.clone(),
        });
        *is_list = true;
    }
    if let Value::List(items) = &mut earlier.node.value {
        items.push(node);
    }
}
