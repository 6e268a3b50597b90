//! A server under measurement: a process with its children, and the CPU time that they have had.
//!
//! CPU time is the kernel's own count for a control group (cgroup v2, `cpu.stat`) that the server is started
//! in: user and system time of all its processes, those that have ended among them. It includes what the
//! kernel does in their calls, sending packets through the cable among it; not what interrupts do.

use crate::error::{BenchError, Result, failed};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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
    group: PathBuf,
}

impl Server {
    /// Starts it with its words in a file.
    pub(crate) fn start(name: &'static str, command: Command, log: PathBuf) -> Result<Self> {
        let group = groups()?.join(format!("muster-bench-{}", std::process::id()));
        if !group.exists() {
            fs::create_dir(&group).map_err(failed("make a control group"))?;
        }
        let mut command = grouped(command, &group);
        let file = File::create(&log).map_err(failed(format!("make the log of {name}")))?;
        let again = file.try_clone().map_err(failed("share a log"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(again)
            .stderr(file)
            .spawn()
            .map_err(failed(format!("start {name}")))?;
        Ok(Self {
            name,
            child,
            log,
            group,
        })
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
        let stat = fs::read_to_string(self.group.join("cpu.stat")).unwrap_or_default();
        let used = stat.lines().find_map(|line| line.strip_prefix("usage_usec "));
        Duration::from_micros(used.and_then(|used| used.parse().ok()).unwrap_or(0))
    }

    /// The largest memory that the first process has had, in KiB (proc(5), `VmHWM`).
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }

    fn end(&mut self) {
        signal_all(&self.group, rustix::process::Signal::TERM);
        let until = Instant::now() + END_MAX;
        while Instant::now() < until && !pids(&self.group).is_empty() {
            // Reaps it, which leaves the group then.
            let _status = self.child.try_wait();
            thread::sleep(Duration::from_millis(10));
        }
        signal_all(&self.group, rustix::process::Signal::KILL);
        // An error means that it has ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        // One that is not empty yet is left for the host's next start: it costs nothing.
        let _removed = fs::remove_dir(&self.group);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The root of the control groups (cgroup v2), wherever the host has it.
fn groups() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(failed("read what is mounted"))?;
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = fields.find(|fields| fields.get(2) == Some(&"cgroup2"));
    found
        .and_then(|fields| fields.get(1).map(PathBuf::from))
        .ok_or_else(|| failed("find control groups")(io::Error::other("no cgroup2 is mounted")))
}

/// The same command, which enters a group before it begins.
fn grouped(command: Command, group: &Path) -> Command {
    let mut all = Command::new("sh");
    all.args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
        .arg(group)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            all.env(name, value);
        }
    }
    if let Some(directory) = command.get_current_dir() {
        all.current_dir(directory);
    }
    all
}

fn pids(group: &Path) -> Vec<i32> {
    let pids = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    pids.lines().filter_map(|line| line.parse().ok()).collect()
}

fn signal_all(group: &Path, signal: rustix::process::Signal) {
    for pid in pids(group).into_iter().filter_map(rustix::process::Pid::from_raw) {
        // An error means that it has ended already.
        let _gone = rustix::process::kill_process(pid, signal);
    }
}
