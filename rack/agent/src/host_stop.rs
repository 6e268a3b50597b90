//! `muster-rackd stop` and `resume`: a file in the state folder, which only its owner may write.
//!
//! A running agent looks for it before each order, each boot and each first write, so that it needs neither a signal
//! nor a restart, and holds after one. What cannot be looked at stops as well.

use crate::{clock, journal::replace};
use clap::Args;
use rack_api::stop::{BYTES_MAX, FILE, HostStop};
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Stop this agent.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Why, for whoever finds it stopped.
    #[arg(long)]
    reason: String,
    /// The agent's state folder.
    #[arg(long, default_value = "/var/lib/muster-rackd")]
    state_dir: PathBuf,
}

/// End the stop of this host.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The agent's state folder.
    #[arg(long, default_value = "/var/lib/muster-rackd")]
    state_dir: PathBuf,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostStopError {
    #[error("--reason is one line of text")]
    Reason,
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("nothing is stopped: there is no {0}")]
    NotStopped(PathBuf),
}

/// Stops; said on standard error, as everything else that this program says.
pub(crate) fn stop(wish: &Stop) -> Result<(), HostStopError> {
    let reason = wish.reason.trim();
    if reason.is_empty() || reason.chars().any(char::is_control) {
        return Err(HostStopError::Reason);
    }
    let by = std::env::var("SUDO_USER").unwrap_or_else(|_| "root".to_owned());
    let stop = HostStop {
        reason: reason.to_owned(),
        by,
        since: clock::now(),
    };
    let path = wish.state_dir.join(FILE);
    let written = serde_json::to_vec(&stop)
        .map_err(io::Error::other)
        .and_then(|text| replace(&path, &text));
    written.map_err(|source| HostStopError::Write {
        path: path.clone(),
        source,
    })?;
    tracing::info!(path = %path.display(), reason, "stopped; `muster-rackd resume` ends it");
    Ok(())
}

/// Ends the stop.
pub(crate) fn resume(wish: &Resume) -> Result<(), HostStopError> {
    let path = wish.state_dir.join(FILE);
    match std::fs::remove_file(&path) {
        Ok(()) => {
            tracing::info!(path = %path.display(), "no longer stopped on this host");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(HostStopError::NotStopped(path)),
        Err(source) => Err(HostStopError::Write { path, source }),
    }
}

/// The stop of this host, if there is one.
pub(crate) fn look(state_dir: &Path) -> Option<HostStop> {
    let limit = BYTES_MAX as u64;
    let mut bytes = Vec::new();
    let read = File::open(state_dir.join(FILE)).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Ok(_) | Err(_) => Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| HostStop::unreadable())),
    }
}
