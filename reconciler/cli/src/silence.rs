//! Whether musterd answers whoever watches: from the first look that fails or is late on, what is shown is told to be old.

use crate::exit::Failure;
use schema_ids::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A look that takes longer is late; what is at hand is answered within a second.
pub(crate) const LOOK_MAX: Duration = Duration::from_secs(5);

/// Without an answer for so long it is given up: musterd may be restarting.
const SILENT_MAX: Duration = Duration::from_secs(120);

/// How long musterd has not answered.
pub(crate) struct Silence {
    answered: Instant,
    /// The same by the clock of this host, for people.
    at: Timestamp,
    is_told: bool,
}

impl Silence {
    /// Nobody has asked yet.
    pub(crate) fn begin() -> Self {
        Self {
            answered: Instant::now(),
            at: now(),
            is_told: false,
        }
    }

    /// It answered; gives whether somebody was told that it does not.
    pub(crate) fn heard(&mut self) -> bool {
        let was_told = self.is_told;
        *self = Self::begin();
        was_told
    }

    /// It did not: gives what to say of that, what is shown being as of then, and whether it is the first time.
    ///
    /// # Errors
    /// The failure itself, once it has lasted too long.
    pub(crate) fn unheard(
        &mut self,
        failure: Failure,
        as_of: Option<Timestamp>,
    ) -> Result<(String, bool), Failure> {
        if self.answered.elapsed() >= SILENT_MAX {
            return Err(failure);
        }
        let is_first = !self.is_told;
        self.is_told = true;
        let shown = as_of.map_or_else(String::new, |at| format!("; this is as of {at}"));
        Ok((
            format!("musterd has not answered since {}{shown}", self.at),
            is_first,
        ))
    }
}

fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
