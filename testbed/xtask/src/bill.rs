//! Runs a program and says what it cost: wall time, and CPU time of it and of all it waited for.
//!
//! The bill of a process is in `/proc` from its end until its parent has waited for it, so that is when it is
//! read. Processes that were left to another parent are not on it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Ticks a second of the times in `/proc/PID/stat`: `USER_HZ`, 100 in the ABI of every Linux we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Fields of `/proc/PID/stat` after the name, counted from the state (proc(5) field 3): times in user and in
/// system mode, of the process and of the children it waited for.
const STATE: usize = 0;
const TICKS: std::ops::RangeInclusive<usize> = 11..=14;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What something cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bill {
    pub(crate) wall: Duration,
    pub(crate) cpu_seconds: f64,
}

/// A program that was run to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) succeeded: bool,
    pub(crate) bill: Bill,
    /// Lines of its standard output that the caller wanted to keep.
    pub(crate) kept: Vec<String>,
    /// It was ended because its time was over.
    pub(crate) overdue: bool,
}

/// Runs it with its output going straight to ours.
pub(crate) fn run(command: &mut Command) -> Result<Ran, String> {
    let (child, began) = spawn(command.stdin(Stdio::null()))?;
    finish(child, began, Vec::new())
}

/// The same, with our input as its own.
pub(crate) fn run_with_input(command: &mut Command) -> Result<Ran, String> {
    let (child, began) = spawn(command)?;
    finish(child, began, Vec::new())
}

/// Runs it and passes its output on line by line with a prefix, keeping the lines that `wanted` picks. Its
/// standard input is a pipe that ends when this process does.
pub(crate) fn relay(command: &mut Command, prefix: &str, wanted: fn(&str) -> bool) -> Result<Ran, String> {
    relaying(command, prefix, wanted, Duration::MAX)
}

/// The same within a time, after which the pipe ends too: what is tied to its input ends with it.
pub(crate) fn relay_within(command: &mut Command, prefix: &str, limit: Duration) -> Result<Ran, String> {
    relaying(command, prefix, |_| false, limit)
}

fn relaying(
    command: &mut Command,
    prefix: &str,
    wanted: fn(&str) -> bool,
    limit: Duration,
) -> Result<Ran, String> {
    let (mut child, began) = spawn(
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    )?;
    let (Some(lifeline), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        unreachable!("all three were asked for as pipes");
    };
    let (end, ended) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        let overdue = ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        drop(lifeline);
        overdue
    });
    let beside = {
        let prefix = prefix.to_owned();
        thread::spawn(move || pass_on(errors, &prefix, |_| false))
    };
    let kept = pass_on(output, prefix, wanted);
    // Only a broken pipe or a panic in printing ends it early; what was said so far is printed either way.
    let _ = beside.join();
    let ran = finish(child, began, kept);
    drop(end);
    let overdue = watch.join().unwrap_or_default();
    ran.map(|ran| Ran { overdue, ..ran })
}

fn pass_on(from: impl Read, prefix: &str, wanted: fn(&str) -> bool) -> Vec<String> {
    let mut kept = Vec::new();
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        println!("{prefix}{line}");
        if wanted(&line) {
            kept.push(line);
        }
    }
    kept
}

fn spawn(command: &mut Command) -> Result<(Child, Instant), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command
        .spawn()
        .map_err(|error| format!("cannot start {name}: {error}"))?;
    Ok((child, Instant::now()))
}

fn finish(mut child: Child, began: Instant, kept: Vec<String>) -> Result<Ran, String> {
    let mut ticks = 0;
    while let Some((zombie, spent)) = fs::read_to_string(format!("/proc/{}/stat", child.id()))
        .ok()
        .and_then(|s| parse(&s))
    {
        ticks = spent;
        if zombie {
            break;
        }
        thread::sleep(LOOK_EVERY);
    }
    let status = child
        .wait()
        .map_err(|error| format!("cannot wait for a program: {error}"))?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a run of 2^53 ticks would take three million years"
    )]
    let cpu_seconds = ticks as f64 / TICKS_PER_SECOND;
    Ok(Ran {
        succeeded: status.success(),
        bill: Bill {
            wall: began.elapsed(),
            cpu_seconds,
        },
        kept,
        overdue: false,
    })
}

/// Whether it has ended, and the ticks it has spent. The name is in parentheses and may hold any, so fields count
/// from the last one.
fn parse(stat: &str) -> Option<(bool, u64)> {
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let ticks = fields
        .get(TICKS)?
        .iter()
        .map(|field| field.parse::<u64>())
        .sum::<Result<u64, _>>()
        .ok()?;
    Some((matches!(*fields.get(STATE)?, "Z" | "X"), ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_a_grandchild_is_on_the_bill() {
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let ran = run(Command::new("sh").args(["-c", &format!("sh -c '{busy}'; true")])).expect("sh runs");
        assert!(ran.succeeded);
        assert!(ran.bill.cpu_seconds > 0.0, "{:?}", ran.bill);
    }

    #[test]
    fn wanted_lines_are_kept_and_failure_is_told() {
        let script = "echo one; echo two; exit 1";
        let ran = relay(Command::new("sh").args(["-c", script]), "", |line| line == "two").expect("sh runs");
        assert!(!ran.succeeded);
        assert_eq!(ran.kept, ["two"]);
    }

    #[test]
    fn what_is_tied_to_its_input_ends_with_its_time() {
        let ran = relay_within(
            Command::new("sh").args(["-c", "cat; exit 1"]),
            "",
            Duration::from_millis(10),
        );
        let ran = ran.expect("sh runs");
        assert!(ran.overdue && !ran.succeeded, "{ran:?}");
        let ran = relay_within(&mut Command::new("true"), "", Duration::from_secs(60)).expect("true runs");
        assert!(!ran.overdue && ran.succeeded, "{ran:?}");
    }

    #[test]
    fn the_times_are_summed() {
        let stat = "42 (a) b) Z 1 42 42 0 -1 4194304 1 0 0 0 150 50 7 3 20 0 1 0 7777 1 1";
        assert_eq!(parse(stat), Some((true, 210)));
    }
}
