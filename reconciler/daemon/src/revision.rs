//! A commit's files, parsed and checked.

use crate::daemon::Daemon;
use crate::source::SourceError;
use schema_fleet::{Fleet, Severity, SourceFile};
use std::sync::{Arc, PoisonError};

/// A revision after checking.
pub(crate) struct Parsed {
    /// 40 digits.
    pub(crate) commit: String,
    /// The id of its tree, under which plans are remembered as shown: a merge keeps it.
    pub(crate) tree: String,
    /// The fleet; `None` if it has errors.
    pub(crate) fleet: Option<Fleet>,
    /// The first error's code, for the condition.
    pub(crate) code: String,
    /// Everything that is said of it, with file, line and column, as plain text.
    pub(crate) text: String,
}

/// Reads, parses and checks a commit; a known one comes from memory.
pub(crate) async fn parse(daemon: &Daemon, commit: &str) -> Result<Arc<Parsed>, SourceError> {
    if let Some(known) = daemon.parsed(commit) {
        return Ok(known);
    }
    let tree = daemon.source.tree(commit.to_owned()).await?;
    let commit = commit.to_owned();
    let read = Arc::clone(&daemon.read);
    let parsed = tokio::task::spawn_blocking(move || {
        let id = tree.id;
        let files: Vec<_> = tree
            .files
            .into_iter()
            .map(|file| SourceFile {
                path: file.path,
                bytes: file.bytes,
            })
            .collect();
        // A cache that a panic left behind is as good as any: it is looked up by what files hold.
        let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
        let parsed = read.parse_taken(&files, &tree.refused);
        drop(read);
        let code = parsed
            .diagnostics
            .iter()
            .find(|diagnostic| diagnostic.severity == Severity::Error)
            .map(|diagnostic| diagnostic.code.to_string())
            .unwrap_or_default();
        let text = schema_fleet::render::plain(&parsed.diagnostics, &files);
        Arc::new(Parsed {
            commit,
            tree: id,
            fleet: parsed.fleet,
            code,
            text,
        })
    })
    .await
    .map_err(|_| SourceError::Cut)?;
    daemon.remember(Arc::clone(&parsed));
    Ok(parsed)
}
