//! The objects of a fleet as they are written, to be asked about: which there are, what holds for one and why,
//! what stands at a place.
//!
//! It needs no sound fleet: it decodes nothing and reports nothing, so that it answers about the rest of a fleet
//! in which something is wrong. It is a plain value; an editor's server makes a new one for each change.

use crate::{
    check::duplicate, decode::Decoder, layer::Layers, objects::Object, parse::objects, source::SourceFile,
    span::Span,
};
use std::collections::BTreeSet;

/// What is written in the fleet files of one revision.
#[derive(Debug)]
pub struct Index {
    pub(crate) objects: Vec<Object>,
}

impl Index {
    /// Reads the fleet files, in any order; files that are none are passed over. Of an object that is written
    /// twice, the first counts.
    pub fn read(files: &[SourceFile]) -> Self {
        let mut objects = objects(files);
        // What is wrong, `parse` tells.
        let once = duplicate::report(objects.iter(), &mut Decoder::default());
        let dropped: BTreeSet<Span> = once.dropped.into_iter().cloned().collect();
        objects.retain(|object| !dropped.contains(&object.name.span));
        Self { objects }
    }

    /// The names of a kind's objects with their places, in the order of files and of writing.
    pub fn names<'i>(&'i self, kind: &str) -> impl Iterator<Item = (&'i str, &'i Span)> {
        self.objects
            .iter()
            .filter(move |object| object.kind.name == kind)
            .map(|object| (object.name.text.as_str(), &object.name.span))
    }

    pub(crate) fn layers(&self) -> Layers<'_> {
        Layers::new(self.objects.iter(), &mut Decoder::default())
    }
}
