//! What `/proc` says about a process: when it started, whether it lives, what it has spent.
//!
//! A pid alone names nothing, since it is used again; pid and start time together do.

use std::fs;
use std::time::Duration;

/// Ticks a second of the times in `/proc/PID/stat`: `USER_HZ`, 100 in the ABI of every Linux we run on.
const TICKS_PER_SECOND: u64 = 100;

/// Fields of `/proc/PID/stat` after the name, counted from the state (proc(5) field 3).
const STATE: usize = 0;
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const CHILDREN_TICKS: [usize; 2] = [13, 14];
const START_TICKS: usize = 19;

/// The numbers of `/proc/PID/stat` that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    /// Ticks from the host's boot to the process's start.
    pub(crate) started: u64,
    /// CPU time spent by the process itself, children apart.
    pub(crate) spent: Duration,
    /// And by children that it has waited for, and theirs.
    pub(crate) spent_by_children: Duration,
    /// Ended, but not yet waited for by its parent.
    pub(crate) zombie: bool,
}

/// Reads one process; none when there is no such process.
pub(crate) fn status(pid: u32) -> Option<Status> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Whether the process that started then still runs.
pub(crate) fn runs(pid: u32, started: u64) -> bool {
    status(pid).is_some_and(|now| now.started == started && !now.zombie)
}

/// The name is in parentheses and may itself hold spaces and parentheses, so fields count from the last one.
fn parse(stat: &str) -> Option<Status> {
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let time = |ticks: u64| Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
    let [user, system] = CHILDREN_TICKS;
    Some(Status {
        started: number(START_TICKS)?,
        spent: time(number(USER_TICKS)? + number(SYSTEM_TICKS)?),
        spent_by_children: time(number(user)? + number(system)?),
        zombie: matches!(*fields.get(STATE)?, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_moves_no_field() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 1 0 0 0 150 50 75 25 20 0 1 0 7777 1 1";
        let expected = Status {
            started: 7777,
            spent: Duration::from_secs(2),
            spent_by_children: Duration::from_secs(1),
            zombie: false,
        };
        assert_eq!(parse(stat), Some(expected));
    }

    #[test]
    fn this_process_runs_and_another_with_its_pid_does_not() {
        let pid = std::process::id();
        let started = status(pid).expect("this process is in /proc").started;
        assert!(runs(pid, started));
        assert!(!runs(pid, started + 1));
    }
}
