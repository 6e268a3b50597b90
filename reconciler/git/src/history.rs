//! The commits that are new since another one, with what it takes to know who made and who signed them.

use crate::signature::{Signed, Window};
use crate::{CommitInfo, Mirror, MirrorError};
use schema_ids::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// More commits than so many at once are another repository, or an attack on memory.
const NEW_MAX: usize = 10_000;

/// A commit that is not in what came before.
#[derive(Debug, Clone)]
pub struct NewCommit {
    /// As people know it.
    pub info: CommitInfo,
    /// The addresses of its author and of its committer.
    pub author: String,
    /// Who made this object of it; it is they who sign.
    pub committer: String,
    /// Its signature in its armour, if it has one.
    pub signature: Option<String>,
    /// What the signature is made over.
    pub payload: Vec<u8>,
    /// Whether it is on the branch itself, not only in something that was merged.
    pub is_of_branch: bool,
    /// Its parents, the branch's own first: where each stands among these commits, if it is new.
    pub parents: Vec<Option<usize>>,
    /// Whether it is a merge that adds nothing of its own: a parent that is new and comes after all that was there before
    /// has the same tree.
    pub adds_nothing: bool,
}

impl NewCommit {
    /// What there is to verify, if anything.
    pub fn signed(&self, window: Window) -> Option<Signed<'_>> {
        Some(Signed {
            signature: self.signature.as_deref()?,
            payload: &self.payload,
            committer: &self.committer,
            time: self.info.at(),
            window,
        })
    }
}

impl CommitInfo {
    /// Its committer's time.
    pub fn at(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.time.saturating_mul(1000))
    }
}

impl Mirror {
    /// The commits that `head` has and `base` has not, oldest first; without a base, `head` alone: trust has to begin
    /// somewhere.
    ///
    /// # Errors
    /// The mirror cannot be read, or there are more than can be looked at.
    pub fn new_commits(&self, head: &str, base: Option<&str>) -> Result<Vec<NewCommit>, MirrorError> {
        let repository = self.repository()?;
        let fail = |source| MirrorError::Read {
            what: format!("the history of {head}"),
            source,
        };
        let head_id = git2::Oid::from_str(head).map_err(fail)?;
        let mut ids = vec![head_id];
        if let Some(base) = base {
            ids = since(&repository, head_id, base).map_err(fail)?;
        }
        if ids.len() > NEW_MAX {
            return Err(MirrorError::TooManyNew { most: NEW_MAX });
        }
        let new: BTreeMap<_, _> = ids.iter().copied().zip(0..).collect();
        let mut of_branch = BTreeSet::new();
        let mut next = Some(head_id);
        while let Some(id) = next.filter(|id| new.contains_key(id)) {
            of_branch.insert(id);
            next = repository.find_commit(id).map_err(fail)?.parent_id(0).ok();
        }
        let read = |id: &git2::Oid| {
            let commit = repository.find_commit(*id)?;
            let mut adds_nothing = false;
            for parent in commit.parents().filter(|_| commit.parent_count() > 1) {
                adds_nothing |= parent.tree_id() == commit.tree_id()
                    && new.contains_key(&parent.id())
                    && comes_after(&repository, parent.id(), base)?;
            }
            let parents = commit.parent_ids().map(|parent| new.get(&parent).copied());
            let place = Place {
                is_of_branch: of_branch.contains(id),
                parents: parents.collect(),
                adds_nothing,
            };
            read(&repository, &commit, place)
        };
        ids.iter().map(|id| read(id).map_err(fail)).collect()
    }

    /// A file of a commit; `None` if it has none there, or one larger than `bytes_max`.
    ///
    /// # Errors
    /// The mirror cannot be read.
    pub fn file(&self, commit: &str, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, MirrorError> {
        let repository = self.repository()?;
        let fail = |source| MirrorError::Read {
            what: format!("{path} of commit {commit}"),
            source,
        };
        let id = git2::Oid::from_str(commit).map_err(fail)?;
        let tree = repository.find_commit(id).and_then(|commit| commit.tree());
        let entry = match tree.map_err(fail)?.get_path(std::path::Path::new(path)) {
            Ok(entry) => entry,
            Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
            Err(source) => return Err(fail(source)),
        };
        let sizes = repository.odb().map_err(fail)?;
        let (bytes, kind) = sizes.read_header(entry.id()).map_err(fail)?;
        if kind != git2::ObjectType::Blob || bytes > bytes_max {
            return Ok(None);
        }
        let blob = repository.find_blob(entry.id()).map_err(fail)?;
        Ok(Some(blob.content().to_vec()))
    }
}

/// Oldest first, and no more than one beyond the most.
fn since(repository: &git2::Repository, head: git2::Oid, base: &str) -> Result<Vec<git2::Oid>, git2::Error> {
    let mut walk = repository.revwalk()?;
    walk.push(head)?;
    walk.hide(git2::Oid::from_str(base)?)?;
    walk.set_sorting(git2::Sort::TOPOLOGICAL)?;
    let mut ids = walk.take(NEW_MAX + 1).collect::<Result<Vec<_>, _>>()?;
    ids.reverse();
    Ok(ids)
}

fn comes_after(
    repository: &git2::Repository,
    commit: git2::Oid,
    base: Option<&str>,
) -> Result<bool, git2::Error> {
    match base {
        Some(base) => repository.graph_descendant_of(commit, git2::Oid::from_str(base)?),
        None => Ok(true),
    }
}

/// What a commit is among those that are new.
struct Place {
    is_of_branch: bool,
    parents: Vec<Option<usize>>,
    adds_nothing: bool,
}

fn read(
    repository: &git2::Repository,
    commit: &git2::Commit<'_>,
    place: Place,
) -> Result<NewCommit, git2::Error> {
    let (signature, payload) = match repository.extract_signature(&commit.id(), None) {
        Ok((signature, payload)) => {
            // What is no text is no armour: it is told as one in an unknown format.
            let armour = String::from_utf8_lossy(&signature).into_owned();
            (Some(armour), payload.to_vec())
        }
        Err(error) if error.code() == git2::ErrorCode::NotFound => (None, Vec::new()),
        Err(error) => return Err(error),
    };
    let address = |who: git2::Signature<'_>| String::from_utf8_lossy(who.email_bytes()).into_owned();
    Ok(NewCommit {
        info: CommitInfo::of(commit),
        author: address(commit.author()),
        committer: address(commit.committer()),
        signature,
        payload,
        is_of_branch: place.is_of_branch,
        parents: place.parents,
        adds_nothing: place.adds_nothing,
    })
}
