//! What one file adds to a fleet: its objects decoded, with all layers beneath them.
//!
//! It depends on the file and on the profiles, and on nothing else, so it is made anew only when one of them changes.

use crate::{
    decode::{Decoder, Reference},
    diagnostic::Diagnostic,
    fleet::Draft,
    kinds::kinds,
    layer::Layers,
    not_yet::NotYet,
    objects::Object,
};
use std::sync::Arc;

/// The decoded objects of a file, with what was met on the way.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) draft: Draft,
    /// Each with the place of its kind in the order of kinds.
    pub(crate) diagnostics: Vec<(usize, Diagnostic)>,
    pub(crate) references: Arc<Vec<Reference>>,
    pub(crate) not_yet: Vec<NotYet>,
    /// Diagnostics that are counted only.
    pub(crate) more: usize,
}

impl Part {
    /// Decodes a file's objects.
    pub(crate) fn new<'o>(objects: impl Iterator<Item = &'o Object> + Clone, layers: &Layers<'_>) -> Self {
        let mut part = Self::default();
        let mut decoder = Decoder::default();
        for (order, kind) in kinds().iter().enumerate() {
            for object in objects.clone().filter(|object| std::ptr::eq(object.kind, *kind)) {
                decoder.object = object.to_string();
                let Some(name) = decoder.name(&object.name.text, &object.name.span) else {
                    continue;
                };
                if !kind.carried_out {
                    decoder.not_yet(format!("`{}`", kind.name), &object.name.span);
                }
                let node = layers.resolve(object);
                (kind.load)(name, &node, &object.name.span, &mut decoder, &mut part.draft);
            }
            let told = decoder.diagnostics.drain(..);
            part.diagnostics
                .extend(told.map(|diagnostic| (order, diagnostic)));
        }
        part.references = Arc::new(decoder.references);
        part.not_yet = decoder.not_yet;
        part.more = decoder.more;
        part
    }
}
