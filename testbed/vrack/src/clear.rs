//! Clears a run away: its processes, its namespace, then mounts, loop devices and files under its directory.
//!
//! Works from the ledger, the namespace and `/proc` alone, so it does the same for a run that ended well,
//! one that failed and one whose harness was killed. Never touches a process that is neither in the
//! ledger (by pid and start time) nor in the run's namespace.

use crate::error::{Result, RigError, chain, failed};
use crate::namespace;
use crate::process_table;
use crate::program;
use crate::qmp;
use crate::run::{QEMU_PREFIX, Recorded, Run};
use rustix::process::{Pid, Signal};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use testbed_scratch::{loop_devices_below, mounts_below};

/// After a polite request a daemon stops its own children; Postgres needs most of this to write its checkpoint.
const STOP_MAX: Duration = Duration::from_secs(15);

/// After SIGKILL only the kernel's own work remains; freeing a gigabyte of guest takes well under a second.
const KILL_MAX: Duration = Duration::from_secs(10);

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Ends everything of the run and removes its files, unless they are kept.
pub(crate) fn run(run: &Run) -> Result<()> {
    stop_processes(run)?;
    for name in run.namespaces().iter().filter(|name| namespace::exists(name)) {
        namespace::delete(name)?;
    }
    release_below(run.directory())?;
    if run.directory().exists() {
        run.remove_files()
    } else {
        Ok(())
    }
}

/// Clears away every run whose harness is gone, and namespaces of runs without a directory. Says what it did.
pub(crate) fn stale() -> Result<()> {
    let _lock = Run::lock()?;
    for stale in Run::all().iter().filter(|run| run.is_stale()) {
        let has_namespace = stale.namespaces().iter().any(|name| namespace::exists(name));
        if !stale.path("run/kept").exists() || has_namespace || has_processes(stale) {
            println!(
                "clearing away {}, left by a run that was ended",
                stale.directory().display()
            );
        }
        run(stale)?;
    }
    let orphans = namespace::all()
        .into_iter()
        .filter_map(|name| Run::of_namespace(&name));
    for orphan in orphans.filter(|run| !run.directory().exists()) {
        println!(
            "clearing away namespace {}, left by a run that was ended",
            orphan.namespace()
        );
        run(&orphan)?;
    }
    Ok(())
}

fn has_processes(run: &Run) -> bool {
    run.recorded().iter().any(Recorded::runs)
}

fn stop_processes(run: &Run) -> Result<()> {
    for socket in qmp_sockets(run) {
        // A machine that does not answer is ended by signal below.
        if let Err(error) = qmp::quit(&socket) {
            println!("{}: {}", socket.display(), chain(&error));
        }
    }
    // Daemons first and politely: they stop what they started themselves.
    let own: Vec<u32> = run
        .recorded()
        .iter()
        .skip(1)
        .filter(|process| process.runs())
        .map(|one| one.pid)
        .collect();
    signal(&own, Signal::TERM);
    if !wait_until_gone(run, STOP_MAX)? {
        signal(&living(run)?, Signal::KILL);
        if !wait_until_gone(run, KILL_MAX)? {
            let pids = living(run)?;
            return Err(RigError::Disproved(format!(
                "processes {pids:?} do not end, even by SIGKILL"
            )));
        }
    }
    Ok(())
}

fn wait_until_gone(run: &Run, deadline: Duration) -> Result<bool> {
    let until = Instant::now() + deadline;
    while !living(run)?.is_empty() {
        if Instant::now() >= until {
            return Ok(false);
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(true)
}

/// Processes of the run: those in the ledger but the harness itself, and all in its namespaces.
fn living(run: &Run) -> Result<Vec<u32>> {
    let mut pids: Vec<u32> = run
        .recorded()
        .iter()
        .skip(1)
        .filter(|process| process.runs())
        .map(|process| process.pid)
        .collect();
    for name in run.namespaces().iter().filter(|name| namespace::exists(name)) {
        pids.extend(namespace::pids(name)?);
    }
    pids.retain(|pid| process_table::status(*pid).is_some_and(|status| !status.zombie));
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

fn signal(pids: &[u32], signal: Signal) {
    for pid in pids
        .iter()
        .filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?))
    {
        // It may have ended by itself in the meantime; who did not is seen by the wait that follows.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// The QMP sockets of machines that run.
fn qmp_sockets(run: &Run) -> Vec<PathBuf> {
    let running = run.recorded().into_iter().filter(Recorded::runs);
    let machines = running.filter_map(|process| process.name.strip_prefix(QEMU_PREFIX).map(str::to_owned));
    machines
        .map(|machine| run.path("m").join(machine).join("qmp"))
        .collect()
}

/// Unmounts everything mounted below a directory and frees loop devices on files in it.
pub(crate) fn release_below(directory: &Path) -> Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(failed("read the mount table"))?;
    for point in mounts_below(&table, directory) {
        rustix::mount::unmount(&point, rustix::mount::UnmountFlags::DETACH)
            .map_err(|errno| failed(format!("unmount {}", point.display()))(errno.into()))?;
    }
    for device in loop_devices_below(directory) {
        program::run(Command::new("losetup").arg("-d").arg(device), KILL_MAX)?;
    }
    Ok(())
}
