//! Submodules of a person's work tree that were never fetched: to the eye they are empty folders.
//!
//! Only the index knows of them, as the tree of a commit does. Nothing here fetches one or reads what is in it.

use crate::since::prefix;
use std::{collections::BTreeSet, path::Path};

/// The type of an index entry that is another repository (gitformat-index(5), "object type").
const TYPE: u32 = 0o170_000;
const SUBMODULE: u32 = 0o160_000;

/// The work tree that should be around a folder cannot be asked for its submodules.
#[derive(Debug, thiserror::Error)]
#[error("cannot read which submodules there are")]
pub struct SubmodulesError {
    #[source]
    source: git2::Error,
}

/// Paths below `folder` at which its repository has another one, in any state; none where there is no repository.
pub fn submodules(folder: &Path) -> Result<BTreeSet<Vec<u8>>, SubmodulesError> {
    let fail = |source| SubmodulesError { source };
    let repository = match git2::Repository::discover(folder) {
        Ok(repository) => repository,
        Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(BTreeSet::new()),
        Err(source) => return Err(fail(source)),
    };
    let Some(prefix) = prefix(&repository, folder) else {
        return Ok(BTreeSet::new());
    };
    let index = repository.index().map_err(fail)?;
    let entries = index.iter().filter(|entry| entry.mode & TYPE == SUBMODULE);
    let below = entries.filter_map(|entry| Some(entry.path.strip_prefix(prefix.as_bytes())?.to_vec()));
    Ok(below.collect())
}
