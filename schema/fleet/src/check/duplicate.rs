//! One object, one place: M0103.

use crate::{code::Code, decode::Decoder, diagnostic::Diagnostic, objects::Object, span::Span};
use std::collections::{BTreeMap, BTreeSet, btree_map};

/// Reports objects that are written twice. Gives those that count, the first of each, and the places of the others.
pub(crate) fn report<'o>(
    objects: impl Iterator<Item = &'o Object>,
    decoder: &mut Decoder,
) -> (Vec<&'o Object>, BTreeSet<&'o Span>) {
    let mut seen: BTreeMap<(&'static str, &str), &Span> = BTreeMap::new();
    let (mut kept, mut dropped) = (Vec::new(), BTreeSet::new());
    for object in objects {
        match seen.entry((object.kind.name, &object.name.text)) {
            btree_map::Entry::Vacant(place) => {
                place.insert(&object.name.span);
                kept.push(object);
            }
            btree_map::Entry::Occupied(first) => {
                dropped.insert(&object.name.span);
                decoder.object = object.to_string();
                decoder.report(
                    Diagnostic::error(
                        Code::M0103,
                        format!("{object} is written twice"),
                        &object.name.span,
                        "second time",
                    )
                    .also(first.get(), "first time")
                    .help("an object stands in one place; give one of them another name, or merge them"),
                );
            }
        }
    }
    (kept, dropped)
}
