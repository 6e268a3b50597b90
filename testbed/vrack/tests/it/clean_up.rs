//! Whatever ends the rig, nothing of its run remains: no process, namespace, mount or file.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// musterd makes its database cluster first; other tests build and run beside.
const STANDS_MAX: Duration = Duration::from_secs(120);
/// Postgres writes its checkpoint before it ends.
const GONE_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A rig that was started, and what belongs to it.
struct Rig {
    harness: Child,
    directory: PathBuf,
    namespace: String,
    processes: Vec<(i32, String)>,
}

/// What `/proc` says of a process since when it runs; nothing once it has ended.
fn started(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let is_zombie = matches!(*fields.first()?, "Z" | "X");
    (!is_zombie).then(|| fields.get(19).map(|start| (*start).to_owned()))?
}

fn until<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not in {limit:?}: {what}");
        thread::sleep(LOOK_EVERY);
    }
}

impl Rig {
    /// Starts a trial and waits until all of muster's programs run in it.
    fn start() -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_muster-vrack"));
        let folder = program.parent().expect("a program stands in a folder");
        let mut command = Command::new(program);
        command.args(["trial", "conditions", "--programs"]).arg(folder);
        let rig = Self::of(&mut command, "muster-rackd");
        // musterd, Postgres with its own, muster-rackd, BMCs.
        assert!(rig.processes.len() > 8, "{:?}", rig.processes);
        rig
    }

    /// Starts the rig's own trial, and waits until its machine runs, with a tap for each of its two cards.
    fn start_with_a_machine() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster-vrack"));
        // Translated, a machine needs no trial of the host, and so no kernel.
        command
            .args(["bench", "--kernel", "/dev/null"])
            .env("RACK_ACCEL", "tcg");
        let rig = Self::of(&mut command, "qemu-node-01");
        let mut links = Command::new("ip");
        links.args(["-n", &rig.namespace, "-brief", "link"]);
        let links = links.output().expect("ip is a program").stdout;
        let links = String::from_utf8(links).expect("names of devices are text");
        let taps = links.lines().filter(|line| line.starts_with("tap")).count();
        assert_eq!(taps, 2, "{links}");
        rig
    }

    /// Starts a rig, and waits until it has started the last of its programs.
    fn of(command: &mut Command, last: &str) -> Self {
        let harness = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the rig is a program");
        let first = harness.id().to_string();
        let directory = until(STANDS_MAX, "a run's directory", || {
            let mut runs = fs::read_dir("/var/lib/muster-vrack").ok()?.flatten();
            let run = runs.find(|run| ledger(&run.path()).first().is_some_and(|pid| *pid == first))?;
            Some(run.path())
        });
        let id = directory.file_name().expect("a run has an id").to_string_lossy();
        let namespace = format!("muster-{id}");
        until(STANDS_MAX, "its last program in the ledger", || {
            let text = fs::read_to_string(directory.join("run/pids")).ok()?;
            text.contains(last).then_some(())
        });
        let inside = Command::new("ip").args(["netns", "pids", &namespace]).output();
        let inside = String::from_utf8(inside.expect("ip is a program").stdout).expect("pids are digits");
        let pids = inside.lines().map(|pid| pid.trim().parse().expect("a pid"));
        let processes: Vec<(i32, String)> = pids.filter_map(|pid| Some((pid, started(pid)?))).collect();
        Self {
            harness,
            directory,
            namespace,
            processes,
        }
    }

    fn keeper(&self) -> i32 {
        let wanted = format!("keeper\0{}", self.directory.display());
        let all = fs::read_dir("/proc").expect("there is a /proc").flatten();
        let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_keeper = |pid: &i32| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains(&wanted)
        };
        pids.find(is_keeper).expect("a rig has a keeper")
    }

    fn signal(&mut self, signal: Signal) {
        kill(i32::try_from(self.harness.id()).expect("a pid fits"), signal);
        self.harness.wait().expect("it was our child");
    }

    fn expect_nothing(&self) {
        let runs = |(pid, since): &&(i32, String)| started(*pid).as_ref() == Some(since);
        until(GONE_MAX, "an end of all its processes", || {
            self.processes.iter().find(runs).is_none().then_some(())
        });
        until(GONE_MAX, "an end of its namespace and files", || {
            let namespace = Path::new("/run/netns").join(&self.namespace);
            (!namespace.exists() && !self.directory.exists()).then_some(())
        });
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("there is a mount table");
        assert!(!mounts.contains(&*self.directory.to_string_lossy()), "{mounts}");
    }
}

/// The pids of a run's ledger.
fn ledger(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("run/pids")).unwrap_or_default();
    let pids = text.lines().filter_map(|line| line.split(' ').next());
    pids.map(str::to_owned).collect()
}

fn kill(pid: i32, signal: Signal) {
    let pid = Pid::from_raw(pid).expect("a pid is not 0");
    kill_process(pid, signal).expect("it runs");
}

#[test]
fn nothing_remains_when_the_rig_is_interrupted_or_killed() {
    for signal in [Signal::INT, Signal::KILL] {
        let mut rig = Rig::start();
        rig.signal(signal);
        rig.expect_nothing();
    }
}

#[test]
fn nothing_remains_of_a_machine_with_two_cards() {
    let mut rig = Rig::start_with_a_machine();
    rig.signal(Signal::KILL);
    rig.expect_nothing();
}

#[test]
fn the_next_start_clears_away_what_nobody_was_left_to_clear() {
    let mut rig = Rig::start();
    kill(rig.keeper(), Signal::KILL);
    rig.signal(Signal::KILL);
    let program = env!("CARGO_BIN_EXE_muster-vrack");
    let said = Command::new(program)
        .arg("clean")
        .output()
        .expect("the rig is a program");
    assert!(said.status.success(), "{said:?}");
    rig.expect_nothing();
}
