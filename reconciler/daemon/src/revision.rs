//! A commit's files, parsed and checked; known ones come from memory.

use crate::daemon::Daemon;
use crate::source::SourceError;
use reconciler_git::Checked;
use std::sync::{Arc, PoisonError};

/// A revision after checking.
pub(crate) type Parsed = Checked;

/// Reads, parses and checks a commit; a known one comes from memory.
pub(crate) async fn parse(daemon: &Daemon, commit: &str) -> Result<Arc<Parsed>, SourceError> {
    if let Some(known) = daemon.parsed(commit) {
        return Ok(known);
    }
    let tree = daemon.source.tree(commit.to_owned()).await?;
    let commit = commit.to_owned();
    let read = Arc::clone(&daemon.read);
    let parsed = tokio::task::spawn_blocking(move || {
        // A cache that a panic left behind is as good as any: it is looked up by what files hold.
        let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::new(Checked::of(commit, tree, &mut read))
    })
    .await
    .map_err(|_| SourceError::Cut)?;
    daemon.remember(Arc::clone(&parsed));
    Ok(parsed)
}
