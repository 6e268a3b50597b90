//! A server under measurement: a process with its children, and the CPU time that they have had.
//!
//! CPU time is the kernel's own count of user and system time (proc(5), `stat`), of the process, of those
//! that it started, and of those that have ended. It includes what the kernel does in their calls, packets
//! sent through the cable among them; not what happens in interrupts.

use crate::error::{BenchError, Result, failed};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The kernel counts to user space in hundredths of a second on every architecture of ours (`USER_HZ`).
const TICK_MS: u64 = 10;
/// All of the servers are up within a second or two; a loaded host gets more.
const READY_MAX: Duration = Duration::from_secs(30);
/// They end at once; what does not is killed.
const END_MAX: Duration = Duration::from_secs(10);

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it with its words in a file.
    pub(crate) fn start(name: &'static str, mut command: Command, log: PathBuf) -> Result<Self> {
        let file = File::create(&log).map_err(failed(format!("make the log of {name}")))?;
        let again = file.try_clone().map_err(failed("share a log"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(again)
            .stderr(file)
            .spawn()
            .map_err(failed(format!("start {name}")))?;
        Ok(Self { name, child, log })
    }

    /// Waits until something is so.
    pub(crate) fn await_true(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        let until = Instant::now() + READY_MAX;
        while !is_so(self) {
            let ended = self.child.try_wait().map_err(failed("look after a server"))?;
            if ended.is_some() || Instant::now() > until {
                return Err(BenchError::TooLong {
                    what: format!("{}: {what}", self.name),
                    seconds: READY_MAX.as_secs(),
                    log: self.log(),
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log).map_or_else(
            |_| String::new(),
            |text| String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Duration {
        let ticks: u64 = tree(self.child.id()).into_iter().filter_map(ticks).sum();
        Duration::from_millis(ticks * TICK_MS)
    }

    /// The largest memory that the first process has had, in KiB (proc(5), `VmHWM`).
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }

    /// Ends it, and what it started.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let all = tree(self.child.id());
        for pid in &all {
            signal(*pid, rustix::process::Signal::TERM);
        }
        let until = Instant::now() + END_MAX;
        while Instant::now() < until {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        for pid in all.iter().filter(|pid| **pid != self.child.id()) {
            signal(*pid, rustix::process::Signal::KILL);
        }
        // An error means that it has ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        // An error means that it has ended already.
        let _gone = rustix::process::kill_process(pid, signal);
    }
}

/// A process and all that came of it.
fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut at = 0;
    while let Some(pid) = all.get(at) {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        all.extend(
            children
                .split_whitespace()
                .filter_map(|word| word.parse::<u32>().ok()),
        );
        at += 1;
    }
    all
}

/// utime, stime, cutime and cstime (proc(5), fields 14 to 17).
fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have spaces; it ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(") ")?;
    let times = fields.split(' ').skip(11).take(4);
    Some(times.filter_map(|field| field.parse::<u64>().ok()).sum())
}
