//! What an earlier life left behind: processes of the same data directory, and stale lock files.
//!
//! Postgres' processes stand in their data directory, all of them and nobody else; that finds them
//! without trusting a pid that may be another's by now.

use super::{ClusterError, STOP_MAX, STOP_NOW_MAX};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a stopping server is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Stops what still runs on these data, then removes lock files: nobody holds them any more, and a
/// stale pid that the kernel has given to another process would keep Postgres from starting. We hold
/// the cluster's lock, so nobody starts it meanwhile.
pub(super) async fn end(data: &Path, sockets: &Path) -> Result<(), ClusterError> {
    let Ok(data) = data.canonicalize() else {
        return Ok(());
    };
    for (signal, patience) in [
        (Signal::INT, STOP_MAX),
        (Signal::QUIT, STOP_NOW_MAX),
        (Signal::KILL, STOP_NOW_MAX),
    ] {
        // The postmaster ends its children; without one they notice and end themselves.
        if let Some(postmaster) = postmaster(&data) {
            let pid = postmaster.as_raw_nonzero().get();
            tracing::warn!(pid, "stopping a Postgres that an earlier musterd left behind");
            let _ = kill_process(postmaster, signal);
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if processes(&data).is_empty() {
                return remove_locks(&data, sockets);
            }
            sleep(LOOK).await;
        }
    }
    let pid = processes(&data)
        .first()
        .map_or(0, |pid| pid.as_raw_nonzero().get());
    Err(ClusterError::StaysUp { pid })
}

fn remove_locks(data: &Path, sockets: &Path) -> Result<(), ClusterError> {
    let name = format!(".s.PGSQL.{}", super::PORT);
    for path in [
        data.join("postmaster.pid"),
        sockets.join(format!("{name}.lock")),
        sockets.join(name),
    ] {
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(ClusterError::Directory { path, source }),
        }
    }
    Ok(())
}

/// The process that `postmaster.pid` names, if it is one of this cluster's.
fn postmaster(data: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let named = Pid::from_raw(text.lines().next()?.trim().parse().ok()?)?;
    processes(data).into_iter().find(|pid| *pid == named)
}

/// Every process that stands in the data directory. One that we may not look at is not ours.
fn processes(data: &Path) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .filter(|pid| {
            std::fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).is_ok_and(|cwd| cwd == data)
        })
        .collect()
}
