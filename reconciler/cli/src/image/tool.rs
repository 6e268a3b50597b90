//! Runs one of Debian's tools: output to a log file, a deadline, and an error that quotes the end
//! of what the tool said, without the mirror's name. None outlives us, nor does anything it started
//! or mounted.

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

    /// Runs `command`, made by [`command`] for `tool`, for at most `limit`.
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
                let stopped = child.kill().and_then(|()| child.wait());
                stopped.map_err(|source| BuildError::Start { tool, source })?;
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

/// A command of `tool` that ends when the calling thread does, by SIGKILL too, and takes along all
/// that it started and mounted: the kernel does that, with a pid and a mount namespace of its own.
/// Needs root.
pub(super) fn command(tool: &'static str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare", "--pid", "--fork"]);
    command.args(["--kill-child=KILL", "--mount-proc", "--", tool]);
    command
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

    /// Set for the test program that is to be killed; nothing else reads it.
    const TO_BE_KILLED: &str = "MUSTER_TEST_TO_BE_KILLED";

    /// Processes that work in a directory, by pid and how often they mention it among their mounts.
    fn working_in(directory: &Path) -> Vec<(u32, usize)> {
        let pids = fs::read_dir("/proc").expect("there is a /proc").flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mounts = |pid: u32| {
            let cwd = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
            let table = fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?;
            let name = directory.to_str().expect("our name is plain");
            (cwd == directory).then(|| (pid, table.matches(name).count()))
        };
        pids.filter_map(mounts).collect()
    }

    fn until(what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < end, "waited in vain: {what}");
            thread::sleep(POLL);
        }
    }

    #[test]
    fn nothing_of_a_tool_outlives_a_caller_that_is_killed() {
        if let Some(directory) = std::env::var_os(TO_BE_KILLED) {
            let directory = PathBuf::from(directory);
            let log = Log::new(directory.join("log"), Vec::new());
            let mut tool = command("sh");
            tool.args([
                "-c",
                "mkdir m; mount -t tmpfs tmpfs m; setsid sleep 60 & sleep 60",
            ]);
            let ended = log.run("sh", tool.current_dir(directory), Duration::from_secs(60));
            panic!("it ended: {ended:?}");
        }
        testbed_scratch::assert_root("mounts");
        let scratch = testbed_scratch::Scratch::new();
        let this = "image::tool::tests::nothing_of_a_tool_outlives_a_caller_that_is_killed";
        let mut caller = Command::new(std::env::current_exe().expect("this is a program"))
            .args(["--exact", this])
            .env(TO_BE_KILLED, scratch.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        // unshare, the shell and two sleepers, which all see the mount.
        until("the tool runs", || {
            let counts = working_in(scratch.path());
            counts.len() == 4 && counts.iter().all(|(_, mounts)| *mounts == 1)
        });
        let ours = fs::read_to_string("/proc/self/mountinfo").expect("there is a mount table");
        assert!(
            !ours.contains(scratch.path().to_str().expect("our name is plain")),
            "{ours}"
        );
        caller.kill().expect("it runs");
        caller.wait().expect("it was our child");
        until("the tool's end", || working_in(scratch.path()).is_empty());
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
