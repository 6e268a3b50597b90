//! Runs one of Debian's tools: output to a log file, a deadline, and an error that quotes the end
//! of what the tool said, without the mirror's name.

use super::error::BuildError;
use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How often a running tool is looked at; small beside any of them.
const POLL: Duration = Duration::from_millis(100);
/// mmdebstrap needs a moment to unmount and clean up after SIGTERM before it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Lines quoted in an error: a screen's worth.
const QUOTED_LINES: usize = 20;
/// Characters quoted of each; mmdebstrap names every package in one line.
const QUOTED_WIDTH: usize = 200;

/// The log file of one build.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    hidden: Vec<String>,
}

impl Log {
    /// A log at `path` in whose quotations the words `hidden` do not appear.
    pub(super) fn new(path: PathBuf, hidden: Vec<String>) -> Self {
        Self { path, hidden }
    }

    /// Forgets what the build before said.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn clear(&self) -> Result<(), BuildError> {
        fs::write(&self.path, "").map_err(BuildError::file("write", &self.path))
    }

    /// Runs `command`, whose program is `tool`, for at most `limit`.
    ///
    /// # Errors
    /// It cannot be started, fails, or takes longer; in the last case it has been stopped.
    pub(super) fn run(
        &self,
        tool: &'static str,
        command: &mut Command,
        limit: Duration,
    ) -> Result<(), BuildError> {
        let open = || OpenOptions::new().append(true).create(true).open(&self.path);
        let (out, err) = open()
            .and_then(|out| Ok((out.try_clone()?, out)))
            .map_err(BuildError::file("write", &self.path))?;
        let mut child = command
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|source| BuildError::Start { tool, source })?;
        let ended = wait(&mut child, limit).map_err(|source| BuildError::Start { tool, source })?;
        match ended {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(BuildError::Failed {
                tool,
                status,
                log: self.path.clone(),
                last: self.last_lines(),
            }),
            None => {
                stop(&mut child).map_err(|source| BuildError::Start { tool, source })?;
                let (log, last) = (self.path.clone(), self.last_lines());
                Err(BuildError::TimedOut {
                    tool,
                    after: limit,
                    log,
                    last,
                })
            }
        }
    }

    fn last_lines(&self) -> String {
        let bytes = fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().collect();
        let quoted = &lines[lines.len().saturating_sub(QUOTED_LINES)..];
        let mut last: Vec<String> = Vec::new();
        for line in quoted {
            let shown = self
                .hidden
                .iter()
                .fold((*line).to_owned(), |line, word| line.replace(word, "<mirror>"));
            last.push(shown.chars().take(QUOTED_WIDTH).collect());
        }
        last.join("\n")
    }
}

/// Says which package to install when `tool` is not on the path.
///
/// # Errors
/// [`BuildError::MissingTool`].
pub(super) fn require(tool: &'static str, package: &'static str) -> Result<(), BuildError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(tool).is_file());
    if found {
        Ok(())
    } else {
        Err(BuildError::MissingTool { tool, package })
    }
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        let status = child.try_wait()?;
        if status.is_some() || started.elapsed() >= limit {
            return Ok(status);
        }
        thread::sleep(POLL);
    }
}

fn stop(child: &mut Child) -> io::Result<()> {
    rustix::process::kill_process(
        rustix::process::Pid::from_child(child),
        rustix::process::Signal::TERM,
    )?;
    if wait(child, STOP_MAX)?.is_none() {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}

/// Creates `path` with `mode`, a file of ours that a tool reads or runs.
///
/// # Errors
/// The file cannot be written.
pub(super) fn place(path: &Path, text: &str, mode: u32) -> Result<(), BuildError> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(BuildError::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (tempfile::TempDir, Log) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = Log::new(directory.path().join("log"), vec!["mirror.example".to_owned()]);
        (directory, log)
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_quotes_the_last_lines_without_the_mirror() {
        let (_directory, log) = log();
        let script = "seq 100; echo cannot reach http://mirror.example/debian >&2; exit 3";
        let error = log
            .run("sh", &mut shell(script), Duration::from_secs(20))
            .expect_err("it fails");
        let text = error.to_string();
        assert!(text.starts_with("sh failed (exit status: 3)"), "{text}");
        assert!(
            text.ends_with("\n99\n100\ncannot reach http://<mirror>/debian"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1 + QUOTED_LINES, "{text}");
    }

    #[test]
    fn a_tool_that_does_not_end_is_stopped() {
        let (_directory, log) = log();
        let error = log
            .run("sh", &mut shell("exec sleep 600"), Duration::ZERO)
            .expect_err("too slow");
        assert!(matches!(error, BuildError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn a_missing_tool_names_its_package() {
        assert!(require("sh", "dash").is_ok());
        let error = require("no-such-tool", "some-package").expect_err("it is not there");
        assert_eq!(
            error.to_string(),
            "no-such-tool is missing: run apt-get install some-package"
        );
    }
}
