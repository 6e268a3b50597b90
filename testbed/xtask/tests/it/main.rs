//! A test program that is tied to its caller ends with it, and otherwise as it likes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Ending takes a millisecond; a loaded machine takes its time.
const GONE_MAX: Duration = Duration::from_secs(20);

fn tied(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("tied").args(words);
    command
}

fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn a_program_ends_with_its_caller() {
    let mut xtask = tied(&["sh", "-c", "echo $$; exec sleep 60"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("xtask is a program");
    let output = xtask.stdout.take().expect("it is a pipe");
    let pid = BufReader::new(output)
        .lines()
        .next()
        .expect("the shell speaks")
        .expect("UTF-8");
    assert!(runs(&pid));
    drop(xtask.stdin.take());
    assert!(!xtask.wait().expect("it was our child").success());
    let end = Instant::now() + GONE_MAX;
    while runs(&pid) {
        assert!(Instant::now() < end, "it outlives its caller");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_program_ends_as_it_likes_while_its_caller_is_there_or_never_was() {
    for input in [Stdio::piped, Stdio::null] {
        for (program, succeeds) in [("true", true), ("false", false)] {
            let mut xtask = tied(&[program])
                .stdin(input())
                .spawn()
                .expect("xtask is a program");
            let caller = xtask.stdin.take();
            assert_eq!(
                xtask.wait().expect("it was our child").success(),
                succeeds,
                "{program}"
            );
            drop(caller);
        }
    }
}
