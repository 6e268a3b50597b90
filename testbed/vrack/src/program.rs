//! Runs one program to its end within a deadline and hands back what it said.
//!
//! For short helpers (`ip`, `git`, `ssh`, `muster`). Programs that stay are started by `child`.

use crate::error::{Result, RigError, failed};
use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What the kernel puts behind the path of a program whose file is gone (proc_pid_exe(5)).
const GONE: &[u8] = b" (deleted)";

/// This program's file, or the one that a build has put in its place since: cargo links programs anew for tests, while
/// machines live.
pub(crate) fn own() -> Result<PathBuf> {
    let path = std::env::current_exe().map_err(failed("find our own program"))?;
    let bytes = path.as_os_str().as_bytes();
    let there = bytes.strip_suffix(GONE).unwrap_or(bytes);
    Ok(PathBuf::from(OsStr::from_bytes(there)))
}

/// How often a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Runs it; a bad end is an error that holds what was said.
pub(crate) fn run(command: &mut Command, deadline: Duration) -> Result<String> {
    let said = outcome(command, deadline)?;
    if said.status.success() {
        return Ok(said.output);
    }
    let outcome = format!(
        "ended with {}: {}{}",
        said.status,
        said.output.trim_end(),
        said.errors.trim_end()
    );
    Err(RigError::Program {
        line: line(command),
        outcome,
    })
}

/// Runs it and reports any end; only not starting and not ending are errors.
pub(crate) fn outcome(command: &mut Command, deadline: Duration) -> Result<Said> {
    let line = line(command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed(format!("start `{line}`")))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        unreachable!("both were asked for as pipes");
    };
    // Read beside waiting: a program that says more than a pipe holds would otherwise never end.
    let output = thread::spawn(move || read(stdout));
    let errors = thread::spawn(move || read(stderr));
    let until = Instant::now() + deadline;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed(format!("wait for `{line}`")))? {
            break status;
        }
        if Instant::now() >= until {
            child.kill().map_err(failed(format!("kill `{line}`")))?;
            child.wait().map_err(failed(format!("wait for `{line}`")))?;
            let outcome = format!("did not end within {} s", deadline.as_secs());
            return Err(RigError::Program { line, outcome });
        }
        thread::sleep(LOOK_EVERY);
    };
    Ok(Said {
        status,
        output: output.join().unwrap_or_default(),
        errors: errors.join().unwrap_or_default(),
    })
}

/// Runs a program that takes its time: each line of its standard error is handed on as it comes, its standard output
/// comes back. No deadline, since it shows what it is at; a bad end is an error.
pub(crate) fn relay(command: &mut Command, told: impl Fn(&str)) -> Result<String> {
    let line = line(command);
    let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(failed(format!("start `{line}`")))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        unreachable!("both were asked for as pipes");
    };
    let output = thread::spawn(move || read(stdout));
    let mut last = String::new();
    for said in BufReader::new(stderr).lines().map_while(io::Result::ok) {
        told(&said);
        last = said;
    }
    let status = child.wait().map_err(failed(format!("wait for `{line}`")))?;
    let output = output.join().unwrap_or_default();
    if status.success() {
        return Ok(output);
    }
    let outcome = format!("ended with {status}: {last}{output}");
    Err(RigError::Program { line, outcome })
}

fn read(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    // A pipe that breaks ends the text; what was read before is what was said.
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_in_the_error() {
        let error = run(
            Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"]),
            Duration::from_secs(5),
        );
        let text = error.expect_err("it ends with 3").to_string();
        assert!(
            text.contains("no such thing") && text.contains("exit status: 3"),
            "{text}"
        );
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let error = run(Command::new("sleep").arg("60"), Duration::from_millis(50));
        assert!(error.expect_err("too long").to_string().contains("did not end"));
    }
}
