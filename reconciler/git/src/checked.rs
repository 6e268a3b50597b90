//! A commit's files, parsed and checked by the rules of the language: the same for the daemon and in a clone.

use crate::Tree;
use schema_fleet::{Cache, Fleet, Severity, SourceFile};

/// A revision after checking.
#[derive(Debug)]
pub struct Checked {
    /// 40 digits.
    pub commit: String,
    /// The id of its tree, under which plans are remembered as shown: a merge keeps it.
    pub tree: String,
    /// The fleet; `None` if it has errors.
    pub fleet: Option<Fleet>,
    /// The first error's code, for the condition.
    pub code: String,
    /// Everything that is said of it, with file, line and column, as plain text.
    pub text: String,
}

impl Checked {
    /// Parses and checks the files of a commit; `cache` has those that were read before.
    pub fn of(commit: String, tree: Tree, cache: &mut Cache) -> Self {
        let files = tree.files.into_iter().map(|file| SourceFile {
            path: file.path,
            bytes: file.bytes,
        });
        let files: Vec<_> = files.collect();
        let parsed = cache.parse_taken(&files, &tree.refused);
        let errors = parsed.diagnostics.iter();
        let first = errors
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .map(|diagnostic| diagnostic.code.to_string())
            .next();
        Self {
            commit,
            tree: tree.id,
            text: schema_fleet::render::plain(&parsed.diagnostics, &files),
            fleet: parsed.fleet,
            code: first.unwrap_or_default(),
        }
    }
}
