//! From files to a fleet: read, collect objects, lay layers, decode, check, fold.

use crate::{
    allow::allow,
    check::{self, Subject, duplicate},
    code::Code,
    decode::Decoder,
    diagnostic::{Diagnostic, Severity},
    fleet::{Draft, Fleet},
    fold::{fold, sort},
    kinds::kinds,
    layer::Layers,
    limit::{FILE_BYTES_MAX, FILES_MAX},
    marker::Included,
    objects::{Object, objects_of},
    source::{SourceFile, Text},
    span::Span,
    tree::Syntax,
};
use std::collections::BTreeMap;

/// What `parse` found.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The fleet; `None` if there is any error.
    pub fleet: Option<Fleet>,
    /// All mistakes, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads the fleet files (`*.toml`, `*.kdl`) of one revision, in any order. The other files are what
/// fleet files may refer to: user-data, encrypted secrets.
pub fn parse(files: &[SourceFile]) -> Parsed {
    let by_path: BTreeMap<&str, &[u8]> = files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    let mut decoder = Decoder::default();
    let mut broken = Vec::new();
    let objects = read(&by_path, &mut decoder, &mut broken);
    let objects = duplicate::report(objects, &mut decoder);
    let mut draft = decode(&objects, &mut decoder);
    let subject = Subject::new(&by_path, &broken, &objects, &draft, &decoder.references);
    let (found, user_data) = check::all(&subject);
    draft.user_data = user_data;
    draft.not_yet = std::mem::take(&mut decoder.not_yet);
    decoder.diagnostics.extend(found);
    let mut diagnostics = allow(
        fold(decoder.diagnostics, &broken),
        fleet_files(&by_path),
        &objects,
    );
    sort(&mut diagnostics);
    let errors = diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    Parsed {
        fleet: if errors { None } else { draft.finish() },
        diagnostics,
    }
}

/// The objects of these files as they are written, before layers are laid; mistakes are left to `parse`.
pub(crate) fn objects(files: &[SourceFile]) -> Vec<Object> {
    let by_path = files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    read(&by_path, &mut Decoder::default(), &mut Vec::new())
}

/// The files that are read as fleet files, by path.
pub(crate) fn fleet_files<'f>(
    files: &BTreeMap<&'f str, &'f [u8]>,
) -> impl Iterator<Item = (&'f str, &'f [u8])> {
    let included = Included::read(files, &mut Decoder::default());
    let all = files.iter().map(|(path, bytes)| (*path, *bytes));
    all.filter(move |(path, _)| Syntax::of(path).is_some() && included.covers(path))
}

/// A file in which something could not be read, so that things may be missing from it.
#[derive(Debug)]
pub(crate) struct Broken<'f> {
    pub(crate) path: &'f str,
    pub(crate) text: &'f str,
}

/// The objects of all fleet files, in the order of paths and of writing.
pub(crate) fn read<'f>(
    files: &BTreeMap<&'f str, &'f [u8]>,
    decoder: &mut Decoder,
    broken: &mut Vec<Broken<'f>>,
) -> Vec<Object> {
    let mut objects = Vec::new();
    let included = Included::read(files, decoder);
    let fleet_files = files
        .iter()
        .filter_map(|(path, bytes)| Some((*path, *bytes, Syntax::of(path)?)))
        .filter(|(path, ..)| included.covers(path));
    for (number, (path, bytes, syntax)) in fleet_files.enumerate() {
        if number == FILES_MAX {
            let title = format!("more than {FILES_MAX} fleet files");
            decoder
                .diagnostics
                .push(limit(path, title, "this file and those behind it are not read"));
            break;
        }
        if bytes.len() > FILE_BYTES_MAX {
            let title = format!("larger than {} MiB", FILE_BYTES_MAX >> 20);
            decoder.diagnostics.push(limit(path, title, "split this file"));
            broken.push(Broken { path, text: "" });
            continue;
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => Text::new(path, text),
            Err(error) => {
                let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
                let text = Text::new(path, valid);
                let span = text.span(valid.len()..valid.len());
                decoder.diagnostics.push(Diagnostic::error(
                    Code::M0001,
                    "the file is not UTF-8",
                    &span,
                    "the first byte that is none stands here",
                ));
                broken.push(Broken { path, text: valid });
                continue;
            }
        };
        let before = decoder.diagnostics.len();
        let root = syntax.read(&text, &mut decoder.diagnostics);
        if decoder.diagnostics.len() > before {
            broken.push(Broken {
                path,
                text: text.text,
            });
        }
        objects.extend(objects_of(&root, decoder));
    }
    objects
}

fn limit(path: &str, title: String, label: &str) -> Diagnostic {
    Diagnostic::error(Code::M0008, title, &Span::start_of(path), label)
}

/// Decodes kind by kind: what a profile gets wrong is then told of the profile, not of its machines.
fn decode(objects: &[Object], decoder: &mut Decoder) -> Draft {
    let mut draft = Draft::default();
    let layers = Layers::new(objects, decoder);
    for kind in kinds() {
        for object in objects.iter().filter(|object| std::ptr::eq(object.kind, *kind)) {
            decoder.object = object.to_string();
            let Some(name) = decoder.name(&object.name.text, &object.name.span) else {
                continue;
            };
            if !kind.carried_out {
                decoder.not_yet(format!("`{}`", kind.name), &object.name.span);
            }
            let node = layers.resolve(object);
            (kind.load)(name, &node, &object.name.span, decoder, &mut draft);
        }
    }
    draft
}
