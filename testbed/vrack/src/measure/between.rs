//! What muster does between the steps of a deployment, from the times of its own log. Times are the host's.

use crate::error::{Result, RigError};
use crate::programs::Programs;
use serde::Deserialize;

/// An entry of `muster --json log`.
#[derive(Debug, Deserialize)]
struct Entry {
    at: schema_ids::Timestamp,
    what: String,
}

/// Moments of one deployment, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Between {
    /// The commit was merged.
    pub(crate) merged_ms: i64,
    /// The plan was adopted.
    pub(crate) adopted_ms: i64,
    /// The rack agent was told to switch the machine on.
    pub(crate) ordered_ms: i64,
    /// The in-machine agent's "installed" was on record.
    pub(crate) installed_ms: i64,
    /// The BMC had switched the machine off.
    pub(crate) off_ms: i64,
    /// The BMC had switched it on again.
    pub(crate) on_ms: i64,
    /// The word of the new system was on record, which makes it Deployed.
    pub(crate) up_ms: i64,
}

impl Between {
    /// Reads them; nothing before the merge counts, and each comes after the one before.
    pub(crate) fn read(programs: &Programs, merged_ms: i64) -> Result<Self> {
        let text = programs.muster(&["--json", "log", "--since", "2h"])?;
        let entries: Vec<Entry> = text
            .lines()
            .map(serde_json::from_str)
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| unreadable(error.to_string()))?;
        let mut later = entries.iter().skip_while(|entry| entry.at.unix_ms() < merged_ms);
        let mut at = |words: &[&str]| {
            let found = later.find(|entry| words.iter().all(|word| entry.what.contains(word)));
            found
                .map(|entry| entry.at.unix_ms())
                .ok_or_else(|| unreadable(format!("nothing of {words:?} in its order after the merge")))
        };
        Ok(Self {
            merged_ms,
            adopted_ms: at(&["plan", "adopted"])?,
            ordered_ms: at(&["ordered: boot into deploy"])?,
            installed_ms: at(&["installed on"])?,
            off_ms: at(&["power is off"])?,
            on_ms: at(&["power is on"])?,
            up_ms: at(&["the installed system phoned home"])?,
        })
    }
}

fn unreadable(found: String) -> RigError {
    RigError::Answer {
        whom: "muster log".to_owned(),
        found,
    }
}
