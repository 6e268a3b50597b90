//! A fleet's git repository, as people write to it: commits, branches, merges.

use crate::error::{Result, failed};
use crate::program;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// git answers at once; a loaded host gets more.
const SHORT: Duration = Duration::from_secs(60);

/// Whoever commits in the rack.
const PERSON: [&str; 3] = [
    "user.name=vrack",
    "user.email=vrack@lab.example",
    "commit.gpgsign=false",
];

/// A repository whose branch `main` is carried out.
#[derive(Debug)]
pub(crate) struct Repository {
    path: PathBuf,
}

impl Repository {
    /// Makes an empty one, or takes the one that is there.
    pub(crate) fn create(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).map_err(failed("make the fleet's folder"))?;
        let this = Self { path };
        // On a repository that is there this changes nothing.
        this.git(&["init", "-q", "-b", "main"])?;
        Ok(this)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Commits the fleet to the branch that is checked out, `main` unless in between.
    pub(crate) fn commit(&self, text: &str, message: &str) -> Result<()> {
        fs::write(self.path.join("fleet.toml"), text).map_err(failed("write fleet.toml"))?;
        self.commit_all(message)
    }

    /// Commits the fleet to a new branch, as for a pull request.
    pub(crate) fn propose(&self, branch: &str, text: &str, message: &str) -> Result<()> {
        self.git(&["checkout", "-q", "-b", branch])?;
        self.commit(text, message)?;
        self.git(&["checkout", "-q", "main"])
    }

    /// Merges a branch into the one that is carried out.
    pub(crate) fn merge(&self, branch: &str) -> Result<()> {
        let message = format!("Merge {branch}");
        self.git(&["merge", "-q", "--no-ff", "-m", &message, branch])
    }

    /// Has a person edit the files on a new branch, as for a pull request, and commits that.
    pub(crate) fn propose_edit(
        &self,
        branch: &str,
        message: &str,
        edit: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        self.git(&["checkout", "-q", "-b", branch])?;
        edit(&self.path)?;
        self.commit_all(message)?;
        self.git(&["checkout", "-q", "main"])
    }

    /// Takes the last merge back on a new branch, as for a pull request.
    pub(crate) fn revert(&self, branch: &str) -> Result<()> {
        self.git(&["checkout", "-q", "-b", branch])?;
        self.git(&["revert", "--no-edit", "-m", "1", "HEAD"])?;
        self.git(&["checkout", "-q", "main"])
    }

    /// Takes the last commit back on the branch that is carried out.
    pub(crate) fn put_back(&self) -> Result<()> {
        self.git(&["revert", "--no-edit", "HEAD"])
    }

    /// Commits whatever is in the folder to the branch that is checked out.
    pub(crate) fn commit_all(&self, message: &str) -> Result<()> {
        self.git(&["add", "--all", "."])?;
        self.git(&["commit", "-q", "-m", message])
    }

    /// What a branch's newest commit changes, as git shows it.
    pub(crate) fn shown(&self, branch: &str) -> Result<String> {
        self.run(&["show", "--format=%h %s", "--unified=1", branch])
    }

    fn git(&self, words: &[&str]) -> Result<()> {
        self.run(words).map(drop)
    }

    fn run(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("git");
        command.current_dir(&self.path);
        for setting in PERSON {
            command.args(["-c", setting]);
        }
        program::run(command.args(words), SHORT)
    }
}
