//! Fleets that are read again and again: by a daemon at each commit, by an editor at each key.
//!
//! A file is known by its path and its bytes, as git knows a blob. One that is unchanged is neither parsed nor
//! decoded again; what a whole fleet can get wrong is looked at anew each time. What the last revision did not use is
//! forgotten, so a cache is about as large as one revision.

use crate::{
    intake::Refused,
    parse::{Observed, Parsed, Source, assemble},
    part::Part,
    read::FileRead,
    source::SourceFile,
};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, sync::Arc};

/// A file's path and bytes, or the profiles of a revision, as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key([u8; 32]);

/// What was made of the files of the last revision.
#[derive(Debug, Default)]
pub struct Cache {
    kept: BTreeMap<Key, Kept>,
}

/// What was made of one file.
#[derive(Debug, Clone)]
struct Kept {
    read: Arc<FileRead>,
    /// Decoded on top of these profiles.
    part: Option<(Key, Arc<Part>)>,
}

impl Cache {
    /// Reads the fleet files of a revision as [`parse`](crate::parse) does, and makes anew only what changed.
    pub fn parse(&mut self, files: &[SourceFile]) -> Parsed {
        self.parse_taken(files, &Refused::default())
    }

    /// The same of a repository of which something was not taken.
    pub fn parse_taken(&mut self, files: &[SourceFile], refused: &Refused) -> Parsed {
        assemble(files, refused, Some(self), &Observed::new())
    }

    /// The file as it was read before.
    pub(crate) fn read(&self, key: &Key) -> Option<Arc<FileRead>> {
        Some(self.kept.get(key)?.read.clone())
    }

    /// The file as it was decoded before on top of the same profiles.
    pub(crate) fn part(&self, key: &Key, profiles: &Key) -> Option<Arc<Part>> {
        let (on, part) = self.kept.get(key)?.part.as_ref()?;
        (on == profiles).then(|| part.clone())
    }

    /// Keeps what this revision was made of, and nothing else.
    pub(crate) fn keep(&mut self, profiles: Key, used: Vec<(Source<'_>, Option<Arc<Part>>)>) {
        let kept = used.into_iter().filter_map(|(source, part)| {
            let part = part.map(|part| (profiles, part));
            Some((
                source.key?,
                Kept {
                    read: source.read,
                    part,
                },
            ))
        });
        self.kept = kept.collect();
    }
}

impl Key {
    /// Of a file.
    pub(crate) fn of_file(path: &str, bytes: &[u8]) -> Self {
        let mut digest = Sha256::new();
        digest.update((path.len() as u64).to_le_bytes());
        digest.update(path.as_bytes());
        digest.update(bytes);
        Self(digest.finalize().into())
    }

    /// Of the files that have profiles in them.
    pub(crate) fn of_profiles(files: impl Iterator<Item = Self>) -> Self {
        let mut digest = Sha256::new();
        files.for_each(|key| digest.update(key.0));
        Self(digest.finalize().into())
    }
}
