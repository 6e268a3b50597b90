//! Where revisions come from: `git fetch` as a child into the bare mirror, on a poll and, for a
//! repository on this host, on a hint from the file system.
//!
//! Events are only hints: a missed one costs one poll. A fetch that fails leaves the mirror as it was
//! and is a condition people see.

use crate::served::{OfOthers, Served};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use reconciler_git::{CommitInfo, Mirror, MirrorError, NewCommit, Tree};
use schema_ids::Timestamp;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::Notify;

/// A fetch or push that takes longer is given up and tried again: the first of a large repository over a slow
/// line takes minutes.
const GIT_MAX: Duration = Duration::from_secs(300);

/// What can go wrong with the source.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// `git` cannot be started.
    #[error("cannot run git; install the package git")]
    Git(#[source] std::io::Error),
    /// `git fetch` or `git push` failed.
    #[error("git {what} {repository} failed: {message}")]
    Failed {
        /// "fetch from" or "push to".
        what: &'static str,
        /// Where.
        repository: String,
        /// What git said, cut at 500 characters.
        message: String,
    },
    /// It did not end.
    #[error("git {what} {repository} did not end within {GIT_MAX:?}")]
    TimedOut {
        /// "fetch from" or "push to".
        what: &'static str,
        /// Where.
        repository: String,
    },
    /// The repository's folder on this host cannot be looked at.
    #[error("cannot look at the repository on this host")]
    Served(#[source] std::io::Error),
    /// Somebody else than musterd may write to a repository on this host.
    #[error("nothing is published to it")]
    Others(#[source] OfOthers),
    /// The mirror cannot be read.
    #[error("the mirror cannot be read")]
    Mirror(#[source] MirrorError),
    /// The branch is not there.
    #[error("{repository} has no branch {branch:?}")]
    NoBranch {
        /// Where.
        repository: String,
        /// Which.
        branch: String,
    },
    /// The task that reads the mirror broke.
    #[error("reading the mirror was cut short")]
    Cut,
}

/// The fleet repository.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    mirror: Mirror,
    /// One fetch at a time: git refuses to move a branch that another fetch is moving.
    fetching: Arc<tokio::sync::Mutex<()>>,
    repository: String,
    branch: String,
}

impl Source {
    /// Opens the mirror in the state folder.
    pub(crate) fn open(state: &Path, repository: String, branch: String) -> Result<Self, SourceError> {
        let mirror = Mirror::open_or_create(&state.join("mirror.git")).map_err(SourceError::Mirror)?;
        Ok(Self {
            mirror,
            fetching: Arc::default(),
            repository,
            branch,
        })
    }

    /// The repository's folder, if it is on this host.
    fn local(&self) -> Option<PathBuf> {
        let path = PathBuf::from(
            self.repository
                .strip_prefix("file://")
                .unwrap_or(&self.repository),
        );
        path.is_dir().then_some(path)
    }

    /// Fetches and returns the branch's commit.
    ///
    /// Cancel safety: the child is ended when the future is dropped; git leaves the mirror consistent.
    pub(crate) async fn fetch(&self) -> Result<CommitInfo, SourceError> {
        let _alone = self.fetching.lock().await;
        let mut command = Command::new("git");
        command
            .arg("--git-dir")
            .arg(self.mirror.path())
            .args(["fetch", "--quiet", "--prune", "--no-tags"]);
        if let Some(served) = self.served()? {
            command.arg(format!("--upload-pack={}", served.by("upload-pack")));
        }
        command.arg(&self.repository).arg("+refs/heads/*:refs/heads/*");
        self.run(command, "fetch from").await?;
        self.resolve(self.branch.clone())
            .await?
            .ok_or_else(|| SourceError::NoBranch {
                repository: self.shown(),
                branch: self.branch.clone(),
            })
    }

    /// Writes a file as a commit of its own and makes a ref of the repository lead to it, whatever it led to before.
    ///
    /// Cancel safety: the child is ended when the future is dropped; a push that is cut leaves the ref as it was.
    pub(crate) async fn publish(
        &self,
        name: &str,
        file: &'static str,
        text: String,
        at: Timestamp,
    ) -> Result<(), SourceError> {
        let served = self.served()?;
        let others = served.as_ref().map(Served::of_others).transpose();
        if let Some(others) = others.map_err(SourceError::Served)?.flatten() {
            return Err(SourceError::Others(others));
        }
        let message = format!("{file} of {at}");
        let commit = self
            .reading(move |mirror| mirror.write_alone(file, &text, &message, at))
            .await?;
        let mut command = Command::new("git");
        command
            .arg("--git-dir")
            .arg(self.mirror.path())
            // No hook on this end; what the other end runs, where that is on this host too, `served` says.
            .args([
                "-c",
                "core.hooksPath=/dev/null",
                "push",
                "--quiet",
                "--force",
                "--no-follow-tags",
                "--no-signed",
            ]);
        if let Some(served) = served {
            command.arg(format!("--receive-pack={}", served.by("receive-pack")));
        }
        command.arg(&self.repository).arg(format!("{commit}:{name}"));
        self.run(command, "push to").await
    }

    /// The repository, if it is on this host.
    fn served(&self) -> Result<Option<Served>, SourceError> {
        let served = self.local().map(|path| Served::at(&path)).transpose();
        served.map_err(SourceError::Served)
    }

    /// The repository for people: without the password that an address may have.
    fn shown(&self) -> String {
        let Some((scheme, rest)) = self.repository.split_once("://") else {
            return self.repository.clone();
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match host.rsplit_once('@') {
            // Over HTTP, what stands alone there is a token.
            Some((user, host)) if user.contains(':') || scheme.starts_with("http") => {
                format!("{scheme}://...@{host}{path}")
            }
            _ => self.repository.clone(),
        }
    }

    /// Runs git to its end; `what` it does with the repository.
    async fn run(&self, mut command: Command, what: &'static str) -> Result<(), SourceError> {
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(GIT_MAX, command.output())
            .await
            .map_err(|_| SourceError::TimedOut {
                what,
                repository: self.shown(),
            })?
            .map_err(SourceError::Git)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        // Git may print the address as it was given.
        let said = said.replace(&self.repository, &self.shown());
        Err(SourceError::Failed {
            what,
            repository: self.shown(),
            message: said.trim().chars().take(500).collect(),
        })
    }

    /// The commit that the followed branch was at when it was last fetched.
    pub(crate) async fn followed(&self) -> Result<Option<CommitInfo>, SourceError> {
        self.resolve(self.branch.clone()).await
    }

    /// The commit that a name stands for in the mirror.
    pub(crate) async fn resolve(&self, name: String) -> Result<Option<CommitInfo>, SourceError> {
        self.reading(move |mirror| mirror.resolve(&name)).await
    }

    /// All files of a commit.
    pub(crate) async fn tree(&self, commit: String) -> Result<Tree, SourceError> {
        self.reading(move |mirror| mirror.tree(&commit)).await
    }

    /// Whether `newer` is or descends from `older`.
    pub(crate) async fn descends(&self, newer: String, older: String) -> Result<bool, SourceError> {
        self.reading(move |mirror| mirror.descends(&newer, &older)).await
    }

    /// The commits that `head` has and `base` has not, oldest first; without a base, `head` alone.
    pub(crate) async fn new_commits(
        &self,
        head: String,
        base: Option<String>,
    ) -> Result<Vec<NewCommit>, SourceError> {
        self.reading(move |mirror| mirror.new_commits(&head, base.as_deref()))
            .await
    }

    /// A file of a commit, if it has one of at most so many bytes.
    pub(crate) async fn file(
        &self,
        commit: String,
        path: String,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        self.reading(move |mirror| mirror.file(&commit, &path, bytes_max))
            .await
    }

    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Mirror) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let mirror = self.mirror.clone();
        tokio::task::spawn_blocking(move || read(&mirror))
            .await
            .map_err(|_| SourceError::Cut)?
            .map_err(SourceError::Mirror)
    }

    /// Watches a repository on this host and wakes `changed` when a branch may have moved. `None` for a
    /// remote repository, or where the file system cannot be watched: the poll serves then.
    pub(crate) fn watch(&self, changed: Arc<Notify>) -> Option<RecommendedWatcher> {
        let path = self.local()?;
        let dir = if path.join(".git").is_dir() {
            path.join(".git")
        } else {
            path
        };
        let handler = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                changed.notify_one();
            }
        };
        let mut watcher = match notify::recommended_watcher(handler) {
            Ok(watcher) => watcher,
            Err(error) => {
                tracing::warn!(%error, "cannot watch the repository; the poll serves");
                return None;
            }
        };
        let watched = watcher
            .watch(&dir, RecursiveMode::NonRecursive)
            .and_then(|()| watcher.watch(&dir.join("refs/heads"), RecursiveMode::Recursive));
        match watched {
            Ok(()) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "cannot watch the repository; the poll serves");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Source, SourceError};
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::Notify;

    fn git(at: &Path, arguments: &[&str]) {
        let status = Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
            .args(arguments)
            .current_dir(at)
            .status()
            .expect("git runs");
        assert!(status.success(), "git {arguments:?}");
    }

    #[tokio::test]
    async fn a_commit_is_hinted_and_fetched() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("it's a fleet");
        std::fs::create_dir(&work).unwrap();
        git(&work, &["init", "-q", "-b", "main"]);
        let source = Source::open(dir.path(), work.display().to_string(), "main".to_owned()).unwrap();
        assert!(matches!(source.fetch().await, Err(SourceError::NoBranch { .. })));

        let changed = Arc::new(Notify::new());
        let _watcher = source.watch(Arc::clone(&changed)).expect("inotify works here");
        std::fs::write(work.join("fleet.toml"), "[fleet.lab]\n").unwrap();
        git(&work, &["add", "."]);
        git(&work, &["commit", "-q", "-m", "first"]);
        tokio::time::timeout(Duration::from_secs(10), changed.notified())
            .await
            .expect("a hint came");
        let commit = source.fetch().await.unwrap();
        assert_eq!(commit.summary, "first");
        assert_eq!(source.tree(commit.id).await.unwrap().files[0].path, "fleet.toml");
    }

    #[test]
    fn a_password_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        for (given, wanted) in [
            (
                "https://ada:s3cret@git.example/fleet",
                "https://...@git.example/fleet",
            ),
            ("https://ada:s3c@ret@git.example", "https://...@git.example"),
            ("https://t0ken@git.example/fleet", "https://...@git.example/fleet"),
            ("ssh://git@git.example/fleet", "ssh://git@git.example/fleet"),
            ("git@git.example:fleet", "git@git.example:fleet"),
            ("/srv/a:b@c", "/srv/a:b@c"),
        ] {
            let source = Source::open(dir.path(), given.to_owned(), "main".to_owned()).unwrap();
            assert_eq!(source.shown(), wanted);
        }
    }

    #[tokio::test]
    async fn a_missing_repository_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let source = Source::open(dir.path(), "/nonexistent/fleet".to_owned(), "main".to_owned()).unwrap();
        let error = source.fetch().await.unwrap_err().to_string();
        assert!(error.contains("/nonexistent/fleet"), "{error}");
    }
}
