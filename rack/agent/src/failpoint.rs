//! Named places at which a test ends the agent as `kill -9` would.
//!
//! `MUSTER_FAILPOINT=name` or `name:3` (the third time), as for musterd. That one has its own few lines:
//! the two programs share the messages alone, and those know neither an environment nor a process. Only
//! in builds with debug assertions; the shipped binary does not look.

/// Ends the process here if this place was named, and says so first.
#[cfg(debug_assertions)]
pub(crate) fn reach(place: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };

    /// The place that was named, and how often it is still passed.
    static NAMED: LazyLock<Option<(String, AtomicU32)>> = LazyLock::new(|| {
        let named = std::env::var("MUSTER_FAILPOINT").ok()?;
        let (place, time) = named.split_once(':').unwrap_or((&named, "1"));
        Some((place.to_owned(), AtomicU32::new(time.parse().ok()?)))
    });

    if let Some((named, left)) = &*NAMED
        && named == place
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        eprintln!("failpoint {place} reached");
        // No destructor runs and nothing is flushed; every thread ends.
        let _killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::thread::park();
    }
}

/// Nothing in the shipped binary.
#[cfg(not(debug_assertions))]
pub(crate) fn reach(_place: &str) {}
