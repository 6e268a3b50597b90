//! How long something is waited for that is looked at without asking muster: as long as the machine's console goes on.

use crate::error::{Result, RigError};
use crate::once::life::Life;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The longest silence of a console on real hardware: firmware that has nothing to start, or a whole erasure.
const QUIET_MAX: Duration = Duration::from_secs(60);

/// A wait under way.
pub(crate) struct Patience {
    awaited: &'static str,
    quiet: Duration,
    console: PathBuf,
    bytes: u64,
    moved: Instant,
}

impl Patience {
    /// Begins now.
    pub(crate) fn new(life: &Life<'_>, awaited: &'static str) -> Self {
        Self {
            awaited,
            quiet: QUIET_MAX * life.accelerator.timeout_scale(),
            console: life.rack.machine(&life.spec.name).join("console.log"),
            bytes: 0,
            moved: Instant::now(),
        }
    }

    /// An error once nothing was said for too long.
    pub(crate) fn check(&mut self) -> Result<()> {
        let bytes = fs::metadata(&self.console).map_or(0, |data| data.len());
        if bytes != self.bytes {
            (self.bytes, self.moved) = (bytes, Instant::now());
        }
        if self.moved.elapsed() <= self.quiet {
            return Ok(());
        }
        Err(RigError::Stalled {
            awaited: self.awaited.to_owned(),
            quiet: self.quiet,
            last: format!("the console has {bytes} bytes"),
        })
    }
}
