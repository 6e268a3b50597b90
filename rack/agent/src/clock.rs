//! The clocks, read here and handed to everything that decides.

use schema_ids::Timestamp;
use std::time::{Duration, SystemTime};

/// Now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::from_unix_ms(0).plus(since)
}

/// How long the host is up, by a clock that nobody sets: the first number of `/proc/uptime`, proc(5). Where it cannot be read
/// no time passes.
pub(crate) fn steady() -> Duration {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split(' ').next().and_then(|up| up.parse().ok());
    Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
}

/// How long from now until then; zero if it has passed.
pub(crate) fn until(then: Timestamp) -> Duration {
    then.since(now())
}
