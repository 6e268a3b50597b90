//! A fleet repository on this host: git is both ends there, so the other end has musterd's rights too.
//!
//! Whoever may write to a repository says by its config and hooks what git runs in it. Here, none of that is run: what is
//! fetched or published needs no program but git. And nothing is written where somebody else may write: it would become
//! musterd's, so that they could not change it, and lead by a link to wherever they like.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Keeps the other end from running what the repository names. It would fetch what a partial clone lacks, by any program; a
/// push to the branch of its work tree is checked out, by filters.
const RUNS_NOTHING: &str = "GIT_NO_LAZY_FETCH=1 git -c core.hooksPath=/dev/null -c core.alternateRefsCommand=true \
                            -c receive.autogc=false -c receive.denyCurrentBranch=refuse";

/// By the mode: the group, or everyone, may write.
const OTHERS_WRITE: u32 = 0o022;

/// A repository that somebody else may write to, and what to do.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} {why}: what musterd writes there would be lost to them, or lead where they like. Publish to a file \
     (`--publish-snapshot /srv/muster/snapshot`), or have it reached by way of its owner (`--repository \
     ssh://git@localhost{}`), or let nobody but musterd's user write there", path.display(), path.display()
)]
pub(crate) struct OfOthers {
    path: PathBuf,
    why: String,
}

/// A repository on this host.
#[derive(Debug)]
pub(crate) struct Served {
    /// As the operator named it, but for links.
    path: PathBuf,
}

impl Served {
    /// The repository in this folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn at(folder: &Path) -> io::Result<Self> {
        let path = folder.canonicalize()?;
        Ok(Self { path })
    }

    /// The shell's words that serve it. The operator named the folder, so git need not ask who owns it.
    pub(crate) fn by(&self, service: &str) -> String {
        let program = [self.path.join(".git"), self.path.clone()]
            .iter()
            .fold(RUNS_NOTHING.to_owned(), |all, dir| {
                format!("{all} -c safe.directory={}", quoted(dir))
            });
        format!("{program} {service}")
    }

    /// Why nothing may be written to it; `None` if only this user may write there.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub(crate) fn of_others(&self) -> io::Result<Option<OfOthers>> {
        let why = self.objection()?;
        Ok(why.map(|why| OfOthers {
            path: self.path.clone(),
            why,
        }))
    }

    fn objection(&self) -> io::Result<Option<String>> {
        let inside = self.path.join(".git");
        let repository = match found(&inside)? {
            None => self.path.clone(),
            Some(found) if found.is_dir() => inside,
            Some(_) => {
                return Ok(Some(
                    "is a work tree of a repository that lies elsewhere".to_owned(),
                ));
            }
        };
        let parts = ["", "config", "hooks", "objects", "refs"].map(|part| repository.join(part));
        for part in [&self.path].into_iter().chain(&parts) {
            let why = found(part)?.and_then(|found| objection(&found));
            if let Some(why) = why {
                return Ok(Some(match *part == self.path {
                    true => why,
                    false => format!("has {}, which {why}", part.display()),
                }));
            }
        }
        Ok(None)
    }
}

/// What is there, if anything is.
fn found(path: &Path) -> io::Result<Option<Metadata>> {
    match path.metadata() {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn objection(found: &Metadata) -> Option<String> {
    let (ours, theirs) = (rustix::process::geteuid().as_raw(), found.uid());
    if theirs != ours {
        return Some(format!("belongs to uid {theirs}, and musterd is uid {ours}"));
    }
    let mode = found.mode() & 0o777;
    (mode & OTHERS_WRITE != 0).then(|| format!("may be written by others than its owner (mode {mode:04o})"))
}

/// For the shell that git runs `--upload-pack` with.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::Served;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_others_may_write_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let made = |path: &str, mode| {
            let path = dir.path().join(path);
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        };
        let told = |path: &str| Served::at(&dir.path().join(path)).unwrap().objection().unwrap();
        for part in [
            "bare/hooks",
            "bare/objects",
            "bare",
            "work/.git/refs",
            "work/.git",
            "work",
        ] {
            made(part, 0o755);
        }
        assert_eq!((told("bare"), told("work")), (None, None));
        for (part, mode) in [
            ("bare", 0o775),
            ("bare/hooks", 0o2775),
            ("work/.git", 0o757),
            ("work/.git/refs", 0o770),
            ("work", 0o777),
        ] {
            made(part, mode);
            let why = told(&part[..4]).unwrap_or_default();
            assert!(
                why.ends_with(&format!("(mode {:04o})", mode & 0o777)),
                "{part}: {why}"
            );
            made(part, 0o755);
        }
        made("linked", 0o755);
        fs::write(dir.path().join("linked/.git"), "gitdir: /elsewhere\n").unwrap();
        assert!(told("linked").unwrap().contains("lies elsewhere"));
    }
}
