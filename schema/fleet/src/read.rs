//! One fleet file: from its bytes to the objects in it, and what is wrong with it alone.
//!
//! Nothing here depends on any other file, so a file that was read once need not be read again.

use crate::{
    code::Code,
    decode::Decoder,
    diagnostic::Diagnostic,
    limit::{FILE_BYTES_MAX, KEPT_OF_FILE_MAX, OBJECTS_MAX},
    objects::{Object, objects_of},
    source::Text,
    span::Span,
    tree::Syntax,
};

/// A file as it was read.
#[derive(Debug)]
pub(crate) struct FileRead {
    /// The objects, in the order of writing.
    pub(crate) objects: Vec<Object>,
    /// What is wrong with it.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// If something in it could not be read: how many of its bytes are text that names may be looked for in.
    pub(crate) broken: Option<usize>,
    /// Diagnostics that are counted only.
    pub(crate) more: usize,
}

/// A file in which something could not be read, so that things may be missing from it.
#[derive(Debug)]
pub(crate) struct Broken<'f> {
    pub(crate) path: &'f str,
    pub(crate) text: &'f str,
}

impl FileRead {
    /// Reads a file.
    pub(crate) fn new(path: &str, bytes: &[u8], syntax: Syntax) -> Self {
        let mut decoder = Decoder::default();
        if bytes.len() > FILE_BYTES_MAX {
            let title = format!("larger than {} MiB", FILE_BYTES_MAX >> 20);
            return Self::unread(limit(path, title, "split this file"), 0);
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => Text::new(path, text),
            Err(error) => {
                let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
                let text = Text::new(path, valid);
                let span = text.span(valid.len()..valid.len());
                let label = "the first byte that is none stands here";
                let diagnostic = Diagnostic::error(Code::M0001, "the file is not UTF-8", &span, label);
                return Self::unread(diagnostic, valid.len());
            }
        };
        let root = syntax.read(&text, &mut decoder.diagnostics);
        let broken = (!decoder.diagnostics.is_empty()).then_some(bytes.len());
        decoder.trim(KEPT_OF_FILE_MAX);
        let objects = objects_of(root, &mut decoder);
        if let Some(beyond) = objects.get(OBJECTS_MAX) {
            let title = format!("more than {OBJECTS_MAX} objects in one file");
            let diagnostic = Diagnostic::error(Code::M0008, title, &beyond.name.span, "split this file");
            return Self::unread(diagnostic, bytes.len());
        }
        Self {
            objects,
            diagnostics: decoder.diagnostics,
            broken,
            more: decoder.more,
        }
    }

    fn unread(diagnostic: Diagnostic, text: usize) -> Self {
        Self {
            objects: Vec::new(),
            diagnostics: vec![diagnostic],
            broken: Some(text),
            more: 0,
        }
    }

    /// The file among those in which something could not be read; none if all could.
    pub(crate) fn as_broken<'f>(&self, path: &'f str, bytes: &'f [u8]) -> Option<Broken<'f>> {
        let text = bytes.get(..self.broken?)?;
        let text = std::str::from_utf8(text).unwrap_or_default();
        Some(Broken { path, text })
    }
}

/// A limit of the reader that a file, or the files up to it, exceed.
pub(crate) fn limit(path: &str, title: String, label: &str) -> Diagnostic {
    Diagnostic::error(Code::M0008, title, &Span::start_of(path), label)
}
