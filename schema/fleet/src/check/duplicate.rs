//! One object, one place: M0103.

use crate::{code::Code, decode::Decoder, diagnostic::Diagnostic, objects::Object, span::Span};
use std::collections::{BTreeMap, BTreeSet, btree_map};

/// The places of objects, by kind and name.
pub(crate) type Declared<'o> = BTreeMap<&'static str, BTreeMap<&'o str, &'o Span>>;

/// What is written, with each object once.
#[derive(Default)]
pub(crate) struct Once<'o> {
    /// The objects that count: the first of each name.
    pub(crate) objects: Vec<&'o Object>,
    /// Where they stand.
    pub(crate) declared: Declared<'o>,
    /// Where the others stand.
    pub(crate) dropped: BTreeSet<&'o Span>,
}

/// Reports objects that are written twice.
pub(crate) fn report<'o>(objects: impl Iterator<Item = &'o Object>, decoder: &mut Decoder) -> Once<'o> {
    let mut once = Once::default();
    for object in objects {
        let of_kind = once.declared.entry(object.kind.name).or_default();
        match of_kind.entry(&object.name.text) {
            btree_map::Entry::Vacant(place) => {
                place.insert(&object.name.span);
                once.objects.push(object);
            }
            btree_map::Entry::Occupied(first) => {
                once.dropped.insert(&object.name.span);
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
    once
}
