//! From files to a fleet: read, collect objects, lay layers, decode, check, fold.

use crate::{
    advice::advise,
    allow::allow,
    cache::{Cache, Key},
    check::{self, Subject, duplicate},
    code::Code,
    decode::{Decoder, Kind as _},
    diagnostic::{Diagnostic, Severity},
    fit::DeclaredDisk,
    fleet::{Draft, Fleet},
    fold::{fold, sort},
    intake::Refused,
    kinds::profile::Profile,
    layer::Layers,
    limit::{FILES_MAX, KEPT_MAX, LAID_VALUES_MAX},
    marker::Included,
    objects::Object,
    parallel,
    part::Part,
    read::{Broken, FileRead, limit},
    source::SourceFile,
    span::Span,
    tree::Syntax,
};
use schema_ids::Name;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What `parse` found.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The fleet; `None` if there is any error.
    pub fleet: Option<Fleet>,
    /// All mistakes, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads the fleet files (`*.toml`, `*.kdl`) of one revision, in any order. The other files are what
/// fleet files may refer to: user-data, encrypted secrets. A [`Cache`] reads the next revision faster.
pub fn parse(files: &[SourceFile]) -> Parsed {
    parse_taken(files, &Refused::default())
}

/// The same of a repository of which something was not taken.
pub fn parse_taken(files: &[SourceFile], refused: &Refused) -> Parsed {
    assemble(files, refused, None, &Observed::new())
}

/// What inspections found in machines, by their names: the local disks that can be told apart.
pub type Observed = BTreeMap<Name, Vec<DeclaredDisk>>;

/// Reads as [`parse_taken`] does, and solves storage layouts on the disks that were found, where they are known: those of a
/// machine count instead of what `expect` says that it has.
pub fn parse_observed(files: &[SourceFile], refused: &Refused, observed: &Observed) -> Parsed {
    assemble(files, refused, None, observed)
}

/// A fleet file with what was read of it.
pub(crate) struct Source<'f> {
    path: &'f str,
    bytes: &'f [u8],
    /// Its name in a cache, if there is one.
    pub(crate) key: Option<Key>,
    pub(crate) read: Arc<FileRead>,
}

/// So many bytes are read on one thread before a second one pays for itself.
const BYTES_FOR_THREADS: usize = 64 << 10;

/// Machines of a fleet that is checked on several threads.
const MACHINES_FOR_THREADS: usize = 500;

/// Reads, decodes and checks; what a cache has is not made again.
pub(crate) fn assemble(
    files: &[SourceFile],
    refused: &Refused,
    mut cache: Option<&mut Cache>,
    observed: &Observed,
) -> Parsed {
    if refused.is_whole() {
        return Parsed {
            fleet: None,
            diagnostics: refused.diagnostics.clone(),
        };
    }
    let by_path: BTreeMap<&str, &[u8]> = files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    let mut decoder = Decoder::default();
    decoder.diagnostics.extend_from_slice(&refused.diagnostics);
    let sources = read(&by_path, &mut decoder, cache.as_deref());
    decoder.not_yet.clear();
    for source in &sources {
        decoder
            .diagnostics
            .extend(source.read.diagnostics.iter().cloned());
        decoder.more += source.read.more;
        decoder.trim(KEPT_MAX);
    }
    let written = sources.iter().flat_map(|source| &source.read.objects);
    let once = duplicate::report(written, &mut decoder);
    let objects = &once.objects;
    let layers = Layers::new(objects.iter().copied(), &mut decoder);
    let profiles = profiles(&sources);
    let known = cache.as_deref().filter(|_| once.dropped.is_empty());
    let too_heavy = too_heavy(&layers, objects);
    let parts = match too_heavy {
        Some(_) => sources.iter().map(|_| Arc::default()).collect(),
        None => decode(
            &sources,
            &once.dropped,
            &layers,
            known.map(|cache| (cache, profiles)),
        ),
    };
    let mut draft = Draft::default();
    tell(&parts, &mut decoder);
    let references: Vec<_> = parts.iter().map(|part| part.references.clone()).collect();
    // Empty parts are not what the files hold.
    let kept = (cache.is_some() && too_heavy.is_none()).then(|| parts.clone());
    decoder.diagnostics.extend(too_heavy);
    parts.into_iter().for_each(|part| take(&mut draft, part));
    let broken = broken(&sources, refused);
    let subject = Subject::new(
        &by_path,
        refused,
        &broken,
        &once.declared,
        &draft,
        &references,
        observed,
    );
    let found = check::all(&subject, draft.machines.len() > MACHINES_FOR_THREADS);
    draft.user_data = found.user_data;
    draft.not_yet = std::mem::take(&mut decoder.not_yet);
    decoder.diagnostics.extend(found.diagnostics);
    decoder.more += found.more;
    decoder.diagnostics.extend(more(decoder.more));
    let fleet_files = sources.iter().map(|source| (source.path, source.bytes));
    let mut diagnostics = allow(fold(decoder.diagnostics, &broken), fleet_files, objects);
    sort(&mut diagnostics);
    diagnostics.iter_mut().for_each(advise);
    let errors = diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    if let Some((cache, parts)) = cache.as_mut().zip(kept) {
        // A part from which something was dropped is not the whole of its file.
        let parts = parts
            .into_iter()
            .map(|part| once.dropped.is_empty().then_some(part));
        let parts: Vec<_> = parts.collect();
        drop((layers, once));
        cache.keep(profiles, sources.into_iter().zip(parts).collect());
    }
    Parsed {
        fleet: if errors { None } else { draft.finish() },
        diagnostics,
    }
}

/// All layers together are too much to be decoded.
fn too_heavy(layers: &Layers<'_>, objects: &[&Object]) -> Option<Diagnostic> {
    let heaviest = layers.heaviest(objects)?;
    let title = format!("more than {LAID_VALUES_MAX} values, when all layers are laid");
    let label = "this weighs most of what many objects take";
    Some(Diagnostic::error(Code::M0008, title, heaviest, label))
}

/// Hands on what was met in the parts.
fn tell(parts: &[Arc<Part>], decoder: &mut Decoder) {
    let mut told = Vec::new();
    for part in parts {
        told.extend(part.diagnostics.iter().cloned());
        decoder.more += part.more;
        decoder.not_yet.extend(part.not_yet.iter().cloned());
    }
    // What a profile gets wrong is told of the profile, not of its machines: the first is kept of what is alike.
    told.sort_by_key(|(order, _)| *order);
    decoder
        .diagnostics
        .extend(told.into_iter().map(|(_, diagnostic)| diagnostic));
    decoder.trim(KEPT_MAX);
}

/// Files in which something could not be read, or which were not taken.
fn broken<'s>(sources: &'s [Source<'s>], refused: &'s Refused) -> Vec<Broken<'s>> {
    let gone = refused.diagnostics.iter().map(|one| &*one.primary.span.file);
    let gone = gone.map(|path| Broken { path, text: "" });
    let unread = sources
        .iter()
        .filter_map(|source| source.read.as_broken(source.path, source.bytes));
    gone.chain(unread).collect()
}

/// Diagnostics that were counted only.
fn more(number: usize) -> Option<Diagnostic> {
    let title = format!("{number} more errors and warnings");
    (number > 0).then(|| limit(".", title, "put the others right first"))
}

/// The objects of these files as they are written, before layers are laid; mistakes are left to `parse`.
pub(crate) fn objects(files: &[SourceFile]) -> Vec<Object> {
    let by_path = files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    let sources = read(&by_path, &mut Decoder::default(), None);
    let read = sources
        .into_iter()
        .filter_map(|source| Arc::into_inner(source.read));
    read.flat_map(|read| read.objects).collect()
}

/// What of these files could be decoded, in spite of everything that is wrong with them.
pub fn decoded(files: &[SourceFile]) -> Draft {
    let by_path = files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    let mut decoder = Decoder::default();
    let sources = read(&by_path, &mut decoder, None);
    let written = sources.iter().flat_map(|source| &source.read.objects);
    let once = duplicate::report(written, &mut decoder);
    let layers = Layers::new(once.objects.iter().copied(), &mut decoder);
    let mut draft = Draft::default();
    for part in decode(&sources, &once.dropped, &layers, None) {
        take(&mut draft, part);
    }
    draft
}

/// The files that are read as fleet files, by path.
pub(crate) fn fleet_files<'f>(
    files: &BTreeMap<&'f str, &'f [u8]>,
) -> impl Iterator<Item = (&'f str, &'f [u8])> {
    let included = Included::read(files, &mut Decoder::default());
    let all = files.iter().map(|(path, bytes)| (*path, *bytes));
    all.filter(move |(path, _)| Syntax::of(path).is_some() && included.covers(path))
}

/// All fleet files, in the order of paths.
fn read<'f>(
    files: &BTreeMap<&'f str, &'f [u8]>,
    decoder: &mut Decoder,
    cache: Option<&Cache>,
) -> Vec<Source<'f>> {
    let included = Included::read(files, decoder);
    let mut fleet_files: Vec<_> = files
        .iter()
        .filter_map(|(path, bytes)| Some((*path, *bytes, Syntax::of(path)?)))
        .filter(|(path, ..)| included.covers(path))
        .collect();
    if let Some((path, ..)) = fleet_files.get(FILES_MAX) {
        let title = format!("more than {FILES_MAX} fleet files");
        let label = "this file and those behind it are not read";
        decoder.diagnostics.push(limit(path, title, label));
    }
    fleet_files.truncate(FILES_MAX);
    let bytes: usize = fleet_files.iter().map(|(_, bytes, _)| bytes.len()).sum();
    parallel::map(
        &fleet_files,
        bytes > BYTES_FOR_THREADS,
        |(path, bytes, syntax)| {
            let key = cache.map(|_| Key::of_file(path, bytes));
            let before = cache.zip(key).and_then(|(cache, key)| cache.read(&key));
            Source {
                path,
                bytes,
                key,
                read: before.unwrap_or_else(|| Arc::new(FileRead::new(path, bytes, *syntax))),
            }
        },
    )
}

/// The files that have profiles, as one name.
fn profiles(sources: &[Source<'_>]) -> Key {
    let of_profiles = sources.iter().filter(|source| has_profiles(source));
    Key::of_profiles(of_profiles.filter_map(|source| source.key))
}

/// Adds what a file brings; what a cache holds too is copied, but for the machines.
fn take(draft: &mut Draft, part: Arc<Part>) {
    match Arc::try_unwrap(part) {
        Ok(part) => draft.take(part.draft),
        Err(shared) => draft.take(shared.draft.clone()),
    }
}

fn has_profiles(source: &Source<'_>) -> bool {
    source
        .read
        .objects
        .iter()
        .any(|object| object.kind.name == Profile::KIND)
}

/// What each file adds to the fleet, in the order of files. `dropped` are the places of objects that do not count: of
/// one that is written twice, the second.
fn decode(
    sources: &[Source<'_>],
    dropped: &BTreeSet<&Span>,
    layers: &Layers<'_>,
    cache: Option<(&Cache, Key)>,
) -> Vec<Arc<Part>> {
    let written: usize = sources.iter().map(|source| source.read.objects.len()).sum();
    parallel::map(sources, written > MACHINES_FOR_THREADS, |source| {
        let before = cache
            .zip(source.key)
            .and_then(|((cache, profiles), key)| cache.part(&key, &profiles));
        before.unwrap_or_else(|| {
            let objects = source.read.objects.iter();
            let counts = |object: &&Object| !dropped.contains(&object.name.span);
            Arc::new(Part::new(objects.filter(counts), layers))
        })
    })
}
