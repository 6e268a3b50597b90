//! One object, one place: M0103.

use crate::{code::Code, decode::Decoder, diagnostic::Diagnostic, objects::Object, span::Span};
use std::collections::{BTreeMap, btree_map};

/// Reports objects that are written twice, and keeps the first of each.
pub(crate) fn report(objects: Vec<Object>, decoder: &mut Decoder) -> Vec<Object> {
    let mut seen: BTreeMap<(&'static str, String), Span> = BTreeMap::new();
    let mut kept = Vec::with_capacity(objects.len());
    for object in objects {
        match seen.entry((object.kind.name, object.name.text.clone())) {
            btree_map::Entry::Vacant(place) => {
                place.insert(object.name.span.clone());
                kept.push(object);
            }
            btree_map::Entry::Occupied(first) => {
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
    kept
}
