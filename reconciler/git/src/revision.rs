//! One commit's files.

use crate::MirrorError;
use schema_fleet::{EntryKind, Intake, Refused, Step};

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

/// A revision's files, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// Its id, 40 digits: a merge that adds nothing of its own keeps it.
    pub id: String,
    /// Regular files.
    pub files: Vec<RevisionFile>,
    /// What was not read, and why: a part of what there is to say of the revision.
    pub refused: Refused,
    /// How many entries were walked.
    pub entries: usize,
}

/// Reads what the rules of the language let through. Everything is judged before anything is read: what is too large
/// costs no more than its lists.
pub(crate) fn read_tree(repository: &git2::Repository, id: git2::Oid) -> Result<Tree, MirrorError> {
    let fail = |source| MirrorError::Read {
        what: "its objects".to_owned(),
        source,
    };
    let mut walk = Walk {
        repository,
        sizes: repository.odb().map_err(fail)?,
        intake: Intake::default(),
        found: Vec::new(),
    };
    walk.visit(id, "")?;
    let entries = walk.intake.entries();
    let refused = walk.intake.end();
    let mut files = Vec::new();
    if !refused.is_whole() {
        for (path, id) in walk.found {
            let read = repository.find_blob(id).map(|blob| RevisionFile {
                blob: id.to_string(),
                bytes: blob.content().to_vec(),
                path: path.clone(),
            });
            files.push(read.map_err(|source| MirrorError::Read { what: path, source })?);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(Tree {
        id: id.to_string(),
        files,
        refused,
        entries,
    })
}

/// The way through the lists of a tree.
struct Walk<'r> {
    repository: &'r git2::Repository,
    /// Tells how large an object is without reading it.
    sizes: git2::Odb<'r>,
    intake: Intake,
    found: Vec<(String, git2::Oid)>,
}

/// The file type in the mode of an entry (git-fast-import(1), `filemodify`); all others are nothing that git writes.
const TYPE: i32 = 0o170_000;
const FOLDER: i32 = 0o040_000;
const FILE: i32 = 0o100_000;
const LINK: i32 = 0o120_000;
const SUBMODULE: i32 = 0o160_000;

impl Walk<'_> {
    /// Walks a folder, whose path ends with `/` or is empty; not deeper than the rules let it. Says whether to go on.
    fn visit(&mut self, id: git2::Oid, folder: &str) -> Result<bool, MirrorError> {
        let fail = |source| MirrorError::Read {
            what: format!("the folder {folder:?}"),
            source,
        };
        let (bytes, _) = self.sizes.read_header(id).map_err(fail)?;
        if !self.intake.takes_list(folder, bytes as u64) {
            return Ok(false);
        }
        let tree = self.repository.find_tree(id).map_err(fail)?;
        for entry in &tree {
            let kind = self.kind(&entry).map_err(fail)?;
            match self.intake.entry(folder, entry.name_bytes(), kind) {
                Step::Enter(path) if !self.visit(entry.id(), &path)? => return Ok(false),
                Step::Read(path) => self.found.push((path, entry.id())),
                Step::Enter(_) | Step::Pass => {}
                Step::Stop => return Ok(false),
            }
        }
        Ok(true)
    }

    fn kind(&self, entry: &git2::TreeEntry<'_>) -> Result<EntryKind, git2::Error> {
        Ok(match entry.filemode_raw() & TYPE {
            FOLDER => EntryKind::Folder,
            FILE => EntryKind::File {
                bytes: self.sizes.read_header(entry.id())?.0 as u64,
            },
            LINK => EntryKind::Link,
            SUBMODULE => EntryKind::Submodule,
            _ => EntryKind::Special,
        })
    }
}
