//! The wall clock, read here and handed to everything that decides.

use schema_ids::Timestamp;
use std::time::{Duration, SystemTime};

/// Now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::from_unix_ms(0).plus(since)
}

/// How long from now until then; zero if it has passed.
pub(crate) fn until(then: Timestamp) -> Duration {
    then.since(now())
}
