//! Watches one machine while it is deployed: how much console it has written, what its QEMU has spent, how often it
//! was started; many times a second.
//!
//! The console is on the host the moment it is written, by whatever runs in the machine. So both sides of a comparison
//! are read with one clock, and neither is asked anything.

use crate::chassis;
use crate::error::{Result, RigError};
use crate::rack::{self, Rack};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Between two looks: steps take seconds, and a look costs a microsecond or two of the machine's own host.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A machine at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Milliseconds since 1970, as musterd's own times.
    pub(crate) at_ms: i64,
    /// CPU time of its QEMUs since it was made.
    pub(crate) cpu_ms: u64,
    pub(crate) starts: u64,
    pub(crate) console_bytes: u64,
}

/// All that was seen, oldest first, and the whole console.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) samples: Vec<Sample>,
    pub(crate) console: String,
}

/// A watch that is under way.
pub(crate) struct Meter {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Sample>>>,
    watched: Watched,
}

/// Where a machine is looked at.
#[derive(Debug, Clone)]
struct Watched {
    socket: PathBuf,
    words: Vec<String>,
    directory: PathBuf,
}

impl Meter {
    /// Begins; the machine as it is now is seen.
    pub(crate) fn start(rack: &Rack, machine: &str) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watched = Watched {
            socket: rack.socket(),
            words: [machine, "get", "cpu-ms", "starts"].map(str::to_owned).to_vec(),
            directory: rack.machine(machine),
        };
        let mut samples = vec![watched.look()?];
        let looked_at = watched.clone();
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                samples.push(looked_at.look()?);
                thread::sleep(LOOK_EVERY);
            }
            Ok(samples)
        });
        Ok(Self {
            stop,
            thread,
            watched,
        })
    }

    /// Ends, and gives what was seen.
    pub(crate) fn stop(self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        let mut samples = self
            .thread
            .join()
            .map_err(|_| RigError::Disproved("the watch over a machine panicked".to_owned()))??;
        let console = rack::console(&self.watched.directory);
        // After the console was read: so each of its words has a look that saw it.
        samples.push(self.watched.look()?);
        Ok(Seen { samples, console })
    }
}

/// Milliseconds since 1970 by the host's clock.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Watched {
    fn look(&self) -> Result<Sample> {
        let lines = chassis::ask(&self.socket, &self.words)?;
        let number = |item: &str| {
            let value = lines
                .iter()
                .find_map(|line| line.strip_prefix(item)?.strip_prefix(':'));
            value
                .and_then(|value| value.parse().ok())
                .ok_or_else(|| RigError::Answer {
                    whom: "the chassis".to_owned(),
                    found: lines.join("\n"),
                })
        };
        Ok(Sample {
            at_ms: now_ms(),
            cpu_ms: number("cpu-ms")?,
            starts: number("starts")?,
            // One that was never started has no console.
            console_bytes: fs::metadata(self.directory.join("console.log")).map_or(0, |data| data.len()),
        })
    }
}
