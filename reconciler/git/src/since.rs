//! What changed in a work tree since it left a branch: the files as they were, and the lines that are new.
//!
//! For `muster check --changed-since`, on a person's own clone. Paths are relative to the folder that is asked about,
//! which may lie anywhere in the repository. Only files that the rules of the language let through on one of the two sides
//! are looked at: the index, ignored files and hidden ones play no part.

use crate::{
    MirrorError,
    revision::{Tree, read_tree},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

/// The difference between a work tree and the commit where it left a branch.
#[derive(Debug, Clone, Default)]
pub struct Since {
    /// That commit: 40 digits.
    pub base: String,
    /// The folder's files there.
    pub before: Tree,
    /// Lines of each file that were changed or added, as they are numbered in the work tree.
    pub lines: BTreeMap<String, Vec<RangeInclusive<u32>>>,
    /// Files with another name than there: the new one, and the old one.
    pub renamed: BTreeMap<String, String>,
}

/// Why it cannot be said.
#[derive(Debug, thiserror::Error)]
pub enum SinceError {
    /// No repository is around the folder, or it has no work tree.
    #[error("{} is in no work tree of git", folder.display())]
    NoWorkTree {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// Nothing has this name.
    #[error(
        "there is no branch, tag or commit {name:?} here; a clone of one branch knows no other: fetch it"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// The two have no commit in common.
    #[error(
        "{name:?} and HEAD have no commit in common here; a shallow clone lacks it: fetch the whole history"
    )]
    NoBase {
        /// What was asked for.
        name: String,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// More files are other ones than anybody looks at.
    #[error(
        "{changed} files here are other ones than where this left {name:?}, and at most {CHANGES_MAX} are compared: check all \
         of it, or a change of less"
    )]
    TooMany {
        /// What was asked for.
        name: String,
        /// How many.
        changed: usize,
    },
    /// Something cannot be read.
    #[error("cannot read {what}")]
    Read {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// The tree before cannot be read.
    #[error(transparent)]
    Tree(MirrorError),
}

/// Files of a change that are compared line by line; each that is new is compared with each that is gone, to find
/// those that were renamed. A thousand racks in another syntax are twice as many.
const CHANGES_MAX: usize = 2000;

/// Compares the files of `folder` in a work tree, which are `now`, with the merge base of its HEAD and `name`.
pub fn since(folder: &Path, name: &str, now: &BTreeMap<&str, &[u8]>) -> Result<Since, SinceError> {
    let nowhere = |source| SinceError::NoWorkTree {
        folder: folder.to_owned(),
        source,
    };
    let repository = git2::Repository::discover(folder).map_err(nowhere)?;
    let prefix = prefix(&repository, folder).ok_or_else(|| nowhere(git2::Error::from_str("it is bare")))?;
    let base = base(&repository, name)?;
    let read = |what| move |source| SinceError::Read { what, source };
    let tree = base.tree().map_err(read("the commit before"))?;
    let before = before(&repository, &tree, &prefix)?;
    let changed = changed(&before, now);
    let mut since = Since {
        base: base.id().to_string(),
        before,
        ..Since::default()
    };
    if changed.is_empty() {
        return Ok(since);
    }
    if changed.len() > CHANGES_MAX {
        return Err(SinceError::TooMany {
            name: name.to_owned(),
            changed: changed.len(),
        });
    }
    let mut options = git2::DiffOptions::new();
    // Nothing else is walked, whatever lies beside it: without a name, all would be.
    options.disable_pathspec_match(true);
    for path in changed {
        options.pathspec(format!("{prefix}{path}"));
    }
    options
        .context_lines(0)
        .include_untracked(true)
        .recurse_untracked_dirs(true)
        .show_untracked_content(true);
    let mut diff = repository
        .diff_tree_to_workdir_with_index(Some(&tree), Some(&mut options))
        .map_err(read("what changed"))?;
    let mut renames = git2::DiffFindOptions::new();
    renames.renames(true).for_untracked(true);
    diff.find_similar(Some(&mut renames))
        .map_err(read("what was renamed"))?;
    since.take(&diff, &prefix).map_err(read("what changed"))?;
    Ok(since)
}

/// Where the folder lies in the work tree, with a slash at the end if it is not the whole; `None` if it is in none.
pub(crate) fn prefix(repository: &git2::Repository, folder: &Path) -> Option<String> {
    let root = repository.workdir()?.canonicalize().ok()?;
    let folder = folder.canonicalize().ok()?;
    let inside = folder.strip_prefix(root).ok()?.to_str()?;
    Some(if inside.is_empty() {
        String::new()
    } else {
        format!("{inside}/")
    })
}

/// The commit that HEAD and the named one have in common.
fn base<'r>(repository: &'r git2::Repository, name: &str) -> Result<git2::Commit<'r>, SinceError> {
    let unknown = |source| SinceError::Unknown {
        name: name.to_owned(),
        source,
    };
    let other = repository
        .revparse_single(name)
        .and_then(|object| object.peel_to_commit())
        .map_err(unknown)?;
    let none = |source| SinceError::NoBase {
        name: name.to_owned(),
        source,
    };
    let head = repository
        .head()
        .and_then(|head| head.peel_to_commit())
        .map_err(none)?;
    let base = repository.merge_base(head.id(), other.id()).map_err(none)?;
    repository.find_commit(base).map_err(none)
}

/// The folder in a tree; empty if it is not there yet.
fn before(repository: &git2::Repository, tree: &git2::Tree<'_>, prefix: &str) -> Result<Tree, SinceError> {
    let folder = prefix.trim_end_matches('/');
    let id = if folder.is_empty() {
        tree.id()
    } else {
        match tree.get_path(Path::new(folder)) {
            Ok(entry) if entry.kind() == Some(git2::ObjectType::Tree) => entry.id(),
            Ok(_) => return Ok(Tree::default()),
            Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(Tree::default()),
            Err(source) => {
                return Err(SinceError::Read {
                    what: "the folder before",
                    source,
                });
            }
        }
    };
    read_tree(repository, id).map_err(SinceError::Tree)
}

/// The paths under which there are other bytes than before, or none on one side.
fn changed(before: &Tree, now: &BTreeMap<&str, &[u8]>) -> BTreeSet<String> {
    let was: BTreeMap<&str, &[u8]> = before
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    let paths = was.keys().chain(now.keys());
    let other = paths.filter(|path| was.get(*path) != now.get(*path));
    other.map(|path| (*path).to_owned()).collect()
}

impl Since {
    /// Takes the changes below the prefix out of a diff.
    fn take(&mut self, diff: &git2::Diff<'_>, prefix: &str) -> Result<(), git2::Error> {
        let inside = |file: git2::DiffFile<'_>| {
            let path = file.path()?.to_str()?;
            path.strip_prefix(prefix).map(str::to_owned)
        };
        for delta in diff
            .deltas()
            .filter(|delta| delta.status() == git2::Delta::Renamed)
        {
            if let (Some(new), Some(old)) = (inside(delta.new_file()), inside(delta.old_file())) {
                self.renamed.insert(new, old);
            }
        }
        let lines = std::cell::RefCell::new(&mut self.lines);
        let add = |path: Option<String>, range| {
            if let Some(path) = path {
                lines.borrow_mut().entry(path).or_default().push(range);
            }
        };
        diff.foreach(
            &mut |_, _| true,
            // What is not text has no lines: all of it is another one.
            Some(&mut |delta, _| {
                add(inside(delta.new_file()), 1..=u32::MAX);
                true
            }),
            Some(&mut |delta, hunk| {
                if hunk.new_lines() > 0 {
                    let last = hunk.new_start().saturating_add(hunk.new_lines() - 1);
                    add(inside(delta.new_file()), hunk.new_start()..=last);
                }
                true
            }),
            None,
        )
    }
}
