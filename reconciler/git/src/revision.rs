//! One commit's files.

use crate::{DEPTH_MAX, FILE_BYTES_MAX, FILES_MAX, MirrorError, TREE_BYTES_MAX};

/// A commit, in what people need to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// 40 hexadecimal digits.
    pub id: String,
    /// First line of its message.
    pub summary: String,
    /// Its author's name and address.
    pub author: String,
    /// Its committer's time, seconds since 1970.
    pub time: i64,
}

impl CommitInfo {
    pub(crate) fn of(commit: &git2::Commit<'_>) -> Self {
        Self {
            id: commit.id().to_string(),
            summary: commit.summary().ok().flatten().unwrap_or_default().to_owned(),
            author: commit.author().to_string(),
            time: commit.time().seconds(),
        }
    }
}

/// A file of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionFile {
    /// Its path within the repository.
    pub path: String,
    /// Its git blob id: equal ids are equal bytes, which is what parsing is cached by.
    pub blob: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A file that was not read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedFile {
    /// Its path.
    pub path: String,
    /// Why.
    pub why: String,
}

/// A revision's files, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// Its id, 40 digits: a merge that adds nothing of its own keeps it.
    pub id: String,
    /// Regular files.
    pub files: Vec<RevisionFile>,
    /// Others: links, submodules, unreadable names, and what is too large to be a fleet file.
    pub skipped: Vec<SkippedFile>,
}

pub(crate) fn read_tree(repository: &git2::Repository, tree: &git2::Tree<'_>) -> Result<Tree, MirrorError> {
    let mut out = Tree {
        id: tree.id().to_string(),
        ..Tree::default()
    };
    let mut bytes_left = TREE_BYTES_MAX;
    visit(repository, tree, "", 0, &mut bytes_left, &mut out)?;
    out.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(out)
}

fn visit(
    repository: &git2::Repository,
    tree: &git2::Tree<'_>,
    prefix: &str,
    depth: usize,
    bytes_left: &mut usize,
    out: &mut Tree,
) -> Result<(), MirrorError> {
    if depth > DEPTH_MAX {
        return Err(MirrorError::TooLarge {
            what: format!("{prefix} is nested deeper than {DEPTH_MAX} folders"),
        });
    }
    for entry in tree {
        let Ok(name) = entry.name() else {
            out.skipped.push(SkippedFile {
                path: prefix.to_owned(),
                why: "its name is not UTF-8".to_owned(),
            });
            continue;
        };
        let path = format!("{prefix}{name}");
        let fail = |source| MirrorError::Read {
            what: path.clone(),
            source,
        };
        match (entry.kind(), entry.filemode()) {
            (Some(git2::ObjectType::Tree), _) => {
                let folder = repository.find_tree(entry.id()).map_err(fail)?;
                visit(
                    repository,
                    &folder,
                    &format!("{path}/"),
                    depth + 1,
                    bytes_left,
                    out,
                )?;
            }
            (Some(git2::ObjectType::Blob), 0o100_644 | 0o100_755) => {
                let blob = repository.find_blob(entry.id()).map_err(fail)?;
                if blob.size() > FILE_BYTES_MAX {
                    let why = format!("{} bytes, more than {FILE_BYTES_MAX}", blob.size());
                    out.skipped.push(SkippedFile { path, why });
                    continue;
                }
                *bytes_left = bytes_left
                    .checked_sub(blob.size())
                    .ok_or_else(|| MirrorError::TooLarge {
                        what: format!(
                            "more than {TREE_BYTES_MAX} bytes; keep images out of the fleet repository"
                        ),
                    })?;
                if out.files.len() == FILES_MAX {
                    return Err(MirrorError::TooLarge {
                        what: format!("more than {FILES_MAX} files"),
                    });
                }
                let file = RevisionFile {
                    path,
                    blob: entry.id().to_string(),
                    bytes: blob.content().to_vec(),
                };
                out.files.push(file);
            }
            _ => out.skipped.push(SkippedFile {
                path,
                why: "not a regular file".to_owned(),
            }),
        }
    }
    Ok(())
}
