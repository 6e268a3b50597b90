//! Runs the field's own tools, each with a deadline.
//!
//! The deadline is kept by `timeout` of coreutils, so that this program stays free of signal and
//! thread play. Never a shell: arguments are passed as they are.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// The initrd's own search path is too short, and a tool must not depend on it.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// So much of a tool's complaint is kept: its end, where the reason is.
const COMPLAINT_CHARS_MAX: usize = 400;

/// The exit status of `timeout` when it had to end the program.
const STATUS_TIMED_OUT: i32 = 124;

/// A tool did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be run or spoken to.
    #[error("cannot run {program}")]
    NotRun {
        /// Which.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It took too long.
    #[error("{program} did not end within {after:?}")]
    TimedOut {
        /// Which.
        program: String,
        /// Its deadline.
        after: Duration,
    },
    /// It failed.
    #[error("{program} failed ({status}): {complaint}")]
    Failed {
        /// Which.
        program: String,
        /// Its exit status or signal.
        status: std::process::ExitStatus,
        /// The end of what it wrote to standard error.
        complaint: String,
    },
}

/// A program to be started with our environment and nothing inherited.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C");
    command
}

/// Runs a program to its end and gives its output, whatever its exit status.
///
/// # Errors
/// It could not be run, or did not end in time.
pub fn output(
    program: &str,
    arguments: &[&str],
    input: &str,
    limit: Duration,
) -> Result<Output, ProgramError> {
    let not_run = |source| ProgramError::NotRun {
        program: program.to_owned(),
        source,
    };
    let mut child = command("/usr/bin/timeout")
        .arg("--kill-after=5")
        .arg(limit.as_secs().to_string())
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(not_run)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input is judged by its exit status. Inputs are scripts of
        // a few kilobytes, below the size of a pipe.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(not_run)?;
    if output.status.code() == Some(STATUS_TIMED_OUT) {
        return Err(ProgramError::TimedOut {
            program: program.to_owned(),
            after: limit,
        });
    }
    Ok(output)
}

/// Runs a program that must succeed and gives what it printed.
///
/// # Errors
/// It could not be run, did not end in time or failed.
pub fn run(program: &str, arguments: &[&str], input: &str, limit: Duration) -> Result<String, ProgramError> {
    let output = output(program, arguments, input, limit)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(ProgramError::Failed {
            program: program.to_owned(),
            status: output.status,
            complaint: complaint(&output.stderr),
        })
    }
}

/// The end of a complaint on one line.
pub(crate) fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr).trim().replace('\n', "; ");
    let skip = text.chars().count().saturating_sub(COMPLAINT_CHARS_MAX);
    text.chars().skip(skip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_reaches_the_program_and_its_output_comes_back() {
        let text = run("tr", &["a", "b"], "banana", Duration::from_secs(10)).unwrap();
        assert_eq!(text, "bbnbnb");
    }

    #[test]
    fn failures_are_told_apart() {
        let error = run("sleep", &["60"], "", Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.to_string(), "sleep did not end within 1s");
        let error = run("cat", &["/nonexistent"], "", Duration::from_secs(10)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cat failed (exit status: 1): cat: /nonexistent: No such file or directory"
        );
    }
}
