//! `musterd stop` and `resume`: a file in the state folder, which stops everything of this daemon's, whether the database
//! and the repository can be reached or not.
//!
//! It is looked for each time the world is loaded. What cannot be looked at stops as well.

use crate::settings::State;
use clap::Args;
use rack_api::stop::{BYTES_MAX, FILE, HostStop};
use reconciler_core::hold::{Keeper, Scope, Stop as Stopped};
use schema_ids::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Stop everything of this daemon's.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    pub(crate) state: State,
    /// Why, for whoever finds it stopped.
    #[arg(long)]
    pub(crate) reason: String,
}

/// End the stop of this host.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) state: State,
}

/// Stops; the error is for a person.
pub(crate) fn stop(wish: &Stop) -> Result<(), String> {
    let reason = wish.reason.trim();
    if reason.is_empty() || reason.chars().any(char::is_control) {
        return Err("--reason is one line of text".to_owned());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stop = HostStop {
        reason: reason.to_owned(),
        by: std::env::var("SUDO_USER").unwrap_or_else(|_| "root".to_owned()),
        since: Timestamp::from_unix_ms(i64::try_from(now.as_millis()).unwrap_or(i64::MAX)),
    };
    let path = wish.state.state_dir.join(FILE);
    let text = serde_json::to_vec(&stop).map_err(|error| error.to_string())?;
    write(&path, &text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("Stopped: musterd orders nothing and lets nothing be written until `musterd resume` here.");
    Ok(())
}

/// Readable by its owner alone, and whole on the disk before anyone believes that it stops.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Ends the stop; the error is for a person.
pub(crate) fn resume(wish: &Resume) -> Result<(), String> {
    let path = wish.state.state_dir.join(FILE);
    match std::fs::remove_file(&path) {
        Ok(()) => {
            println!("No longer stopped on this host. `muster status` shows stops that others made.");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("nothing is stopped here: there is no {}", path.display()))
        }
        Err(error) => Err(format!("cannot remove {}: {error}", path.display())),
    }
}

/// The stop of this host, if there is one.
pub(crate) fn look(state_dir: &Path) -> Option<Stopped> {
    let mut bytes = Vec::new();
    let limit = BYTES_MAX as u64;
    let read = File::open(state_dir.join(FILE)).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    let stop = match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Ok(_) | Err(_) => serde_json::from_slice(&bytes).unwrap_or_else(|_| HostStop::unreadable()),
    };
    let HostStop { reason, by, since } = stop;
    Some(Stopped {
        scope: Scope::Fleet,
        reason,
        by,
        since,
        keeper: Keeper::Host,
    })
}
