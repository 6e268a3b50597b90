//! Named places at which a test ends the process as `kill -9` would.
//!
//! `MUSTER_FAILPOINT=name` or `name:3` (the third time); with `MUSTER_FAILPOINT_PAUSES` it is stopped there, until it is told to
//! continue. Only in builds with debug assertions; the
//! shipped binary does not look.

use schema_ids::Timestamp;

/// Ends the process here if this place was named. Says so first, so that a test can tell that its
/// failpoint was reached.
pub(crate) fn reach(name: &str) {
    #[cfg(debug_assertions)]
    debug::reach(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

/// When something was decided; `MUSTER_DECIDED_EARLIER=61`: as if that was so many seconds earlier, as in a daemon that is
/// too slow.
pub(crate) fn earlier(decided: Timestamp) -> Timestamp {
    #[cfg(debug_assertions)]
    let decided = debug::earlier(decided);
    decided
}

#[cfg(debug_assertions)]
mod debug {
    use schema_ids::Timestamp;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static REACHED: AtomicU32 = AtomicU32::new(0);

    pub(super) fn earlier(decided: Timestamp) -> Timestamp {
        let seconds = std::env::var("MUSTER_DECIDED_EARLIER").ok();
        let seconds = seconds.and_then(|seconds| seconds.parse().ok());
        decided.minus(Duration::from_secs(seconds.unwrap_or(0)))
    }

    pub(super) fn reach(name: &str) {
        let wanted = WANTED.get_or_init(|| {
            let text = std::env::var("MUSTER_FAILPOINT").ok()?;
            let (name, times) = text.split_once(':').unwrap_or((text.as_str(), "1"));
            Some((name.to_owned(), times.parse().ok()?))
        });
        let Some((wanted, times)) = wanted else { return };
        if wanted == name && REACHED.fetch_add(1, Ordering::Relaxed) + 1 == *times {
            eprintln!("failpoint {name} reached");
            let this = rustix::process::getpid();
            if std::env::var_os("MUSTER_FAILPOINT_PAUSES").is_some() {
                let _paused = rustix::process::kill_process(this, rustix::process::Signal::STOP);
                return;
            }
            // What the kernel does to a process that is killed: no destructor, no flush.
            let _ended = rustix::process::kill_process(this, rustix::process::Signal::KILL);
            std::thread::park();
        }
    }
}
