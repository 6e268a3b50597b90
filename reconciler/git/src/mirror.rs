//! A bare mirror on disk.

use crate::revision::{CommitInfo, Tree, read_tree};
use schema_ids::Timestamp;
use std::path::{Path, PathBuf};

/// A bare repository that the daemon fetches into.
///
/// Holds no open handle: libgit2's are not shared between threads, and opening one costs less than
/// a millisecond.
#[derive(Debug, Clone)]
pub struct Mirror {
    path: PathBuf,
}

/// What can go wrong with a mirror.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// It cannot be made or opened.
    #[error("cannot open the mirror {}", path.display())]
    Open {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// More new commits than can be looked at.
    #[error("more than {most} commits are new at once; push fewer of them at a time")]
    TooManyNew {
        /// The most.
        most: usize,
    },
    /// An object cannot be read.
    #[error("cannot read {what} from the mirror")]
    Read {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: git2::Error,
    },
}

impl Mirror {
    /// Opens the mirror at `path`, making an empty bare repository if there is none.
    pub fn open_or_create(path: &Path) -> Result<Self, MirrorError> {
        let fail = |source| MirrorError::Open {
            path: path.to_owned(),
            source,
        };
        if !path.join("HEAD").exists() {
            git2::Repository::init_bare(path).map_err(fail)?;
        }
        git2::Repository::open_bare(path).map_err(fail)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// The repository around a folder, a person's clone or that of a CI: nothing is ever written into it.
    pub fn around(folder: &Path) -> Result<Self, MirrorError> {
        let found = git2::Repository::discover(folder).map_err(|source| MirrorError::Open {
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            path: found.path().to_owned(),
        })
    }

    /// Its work tree, if it has one.
    pub fn work_tree(&self) -> Result<Option<PathBuf>, MirrorError> {
        Ok(self.repository()?.workdir().map(Path::to_owned))
    }

    /// Whether it has a part of its history only.
    pub fn is_shallow(&self) -> Result<bool, MirrorError> {
        Ok(self.repository()?.is_shallow())
    }

    /// Where it is, for the child that fetches.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn repository(&self) -> Result<git2::Repository, MirrorError> {
        let as_it_is = git2::RepositoryOpenFlags::NO_SEARCH;
        let nowhere: [&std::ffi::OsStr; 0] = [];
        git2::Repository::open_ext(&self.path, as_it_is, nowhere).map_err(|source| MirrorError::Open {
            path: self.path.clone(),
            source,
        })
    }

    /// The name that git has for these bytes, whether it holds them or not.
    pub fn blob_name(bytes: &[u8]) -> String {
        let id = git2::Oid::hash_object(git2::ObjectType::Blob, bytes);
        id.expect("digesting bytes in memory does not fail").to_string()
    }

    /// The bytes of this name, if the repository holds them.
    pub fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, MirrorError> {
        let Ok(id) = git2::Oid::from_str(name) else {
            return Ok(None);
        };
        match self.repository()?.find_blob(id) {
            Ok(blob) => Ok(Some(blob.content().to_vec())),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(source) => Err(MirrorError::Read {
                what: format!("blob {name}"),
                source,
            }),
        }
    }

    /// Writes a commit of one file that has no parent and that no branch leads to; gives its id.
    pub fn write_alone(
        &self,
        file: &str,
        text: &str,
        message: &str,
        at: Timestamp,
    ) -> Result<String, MirrorError> {
        let repository = self.repository()?;
        let write = || {
            let blob = repository.blob(text.as_bytes())?;
            let mut tree = repository.treebuilder(None)?;
            tree.insert(file, blob, 0o100_644)?;
            let tree = repository.find_tree(tree.write()?)?;
            let time = git2::Time::new(at.unix_ms().div_euclid(1000), 0);
            let who = git2::Signature::new("musterd", "musterd@localhost", &time)?;
            repository.commit(None, &who, &who, message, &tree, &[])
        };
        let written = write().map_err(|source| MirrorError::Read {
            what: format!("{file}, which was to be written"),
            source,
        })?;
        Ok(written.to_string())
    }

    /// The commit that a branch, tag or (abbreviated) id names; `None` if nothing does.
    pub fn resolve(&self, name: &str) -> Result<Option<CommitInfo>, MirrorError> {
        let repository = self.repository()?;
        let object = match repository.revparse_single(name) {
            Ok(object) => object,
            Err(error)
                if matches!(
                    error.code(),
                    git2::ErrorCode::NotFound | git2::ErrorCode::InvalidSpec
                ) =>
            {
                return Ok(None);
            }
            Err(source) => {
                return Err(MirrorError::Read {
                    what: format!("the revision {name:?}"),
                    source,
                });
            }
        };
        let commit = object.peel_to_commit().map_err(|source| MirrorError::Read {
            what: format!("the commit {name:?}"),
            source,
        })?;
        Ok(Some(CommitInfo::of(&commit)))
    }

    /// The commit of the ref with exactly this name, such as `refs/remotes/origin/main` (or `~1` of it); `None` if there is
    /// none.
    pub fn resolve_ref(&self, full: &str) -> Result<Option<CommitInfo>, MirrorError> {
        let exists = self.repository()?.find_reference(without_steps(full)).is_ok();
        // What exists under its full name is found under no other.
        if exists { self.resolve(full) } else { Ok(None) }
    }

    /// The refs that a short name may mean, in the order in which git takes them; what follows it (`~1`) does not count.
    pub fn meanings(&self, name: &str) -> Result<Vec<String>, MirrorError> {
        let repository = self.repository()?;
        let short = without_steps(name);
        let mut found = Vec::new();
        for (before, after) in [
            ("refs/", ""),
            ("refs/tags/", ""),
            ("refs/heads/", ""),
            ("refs/remotes/", ""),
            ("refs/remotes/", "/HEAD"),
        ] {
            let full = format!("{before}{short}{after}");
            if repository.find_reference(&full).is_ok() {
                found.push(full);
            }
        }
        Ok(found)
    }

    /// The files of a commit, as far as the rules of the language let them through.
    pub fn tree(&self, commit: &str) -> Result<Tree, MirrorError> {
        let repository = self.repository()?;
        let fail = |source| MirrorError::Read {
            what: format!("commit {commit}"),
            source,
        };
        let id = git2::Oid::from_str(commit).map_err(fail)?;
        let tree = repository.find_commit(id).map_err(fail)?.tree_id();
        read_tree(&repository, tree)
    }

    /// Whether `newer` is `older` or descends from it.
    pub fn descends(&self, newer: &str, older: &str) -> Result<bool, MirrorError> {
        let repository = self.repository()?;
        let fail = |source| MirrorError::Read {
            what: format!("the history of {newer}"),
            source,
        };
        let (newer, older) = (
            git2::Oid::from_str(newer).map_err(fail)?,
            git2::Oid::from_str(older).map_err(fail)?,
        );
        if newer == older {
            return Ok(true);
        }
        match repository.graph_descendant_of(newer, older) {
            Ok(descends) => Ok(descends),
            // The older one is not in the mirror any more: its branch was rewritten.
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(false),
            Err(source) => Err(fail(source)),
        }
    }
}

/// A revision without what leads from it to another one: `main` of `main~2`, `main^{commit}`, `main@{1}`.
fn without_steps(revision: &str) -> &str {
    let name = revision.split(['~', '^', ':']).next().unwrap_or_default();
    name.split("@{").next().unwrap_or_default()
}
