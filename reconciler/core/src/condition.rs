//! Conditions: the only way in which a machine can wait.
//!
//! Each has a stable code, a meaning, a step for a person and, where waiting may end by itself, a
//! limit. All four stand in one table ([`Condition::row`]), from which `docs/conditions/` is printed.
//! A [`Wait`] is a condition at one machine: since when, on what evidence, what next.

mod table;

pub use table::{Condition, Limit, Row};

use schema_ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why a machine waits, for people and for metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What it waits on.
    pub condition: Condition,
    /// Since when, from facts and records; never from a process's start.
    pub since: Timestamp,
    /// How long this may last without news before it is given up; whole seconds on the wire.
    #[serde(with = "limit_seconds")]
    pub limit: Option<Duration>,
    /// The last thing seen.
    pub evidence: String,
    /// What a person can do about it.
    pub next_step: String,
    /// When it is tried again without anyone's help.
    pub retry_at: Option<Timestamp>,
}

impl Wait {
    /// A wait with the table's own limit and next step; where the limit is a matter of the machine's
    /// `boot.timeout`, with that of a machine of which git says nothing.
    pub fn new(condition: Condition, since: Timestamp, evidence: impl Into<String>) -> Self {
        let row = condition.row();
        Self {
            condition,
            since,
            limit: row.limit.by_default(),
            evidence: evidence.into(),
            next_step: row.person.to_owned(),
            retry_at: None,
        }
    }

    /// A revision's stop, told by its code, as a wait of the machines that it holds up. A diagnostic's code
    /// is no condition: planning is what they wait for, and why it does not come is said.
    pub fn of_stop(code: &str, reason: &str, since: Timestamp) -> Self {
        match code.parse() {
            Ok(condition) => Self::new(condition, since, reason),
            Err(_) => {
                let evidence = format!("inspected; its commit cannot be planned again: {code}: {reason}");
                Self::new(Condition::Commissioning, since, evidence)
            }
        }
    }

    /// The same, tried again at this time.
    #[must_use]
    pub fn retry_at(mut self, at: Timestamp) -> Self {
        self.retry_at = Some(at);
        self
    }

    /// The same with another limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same with a step that names what it is about.
    #[must_use]
    pub fn next_step(mut self, step: impl Into<String>) -> Self {
        self.next_step = step.into();
        self
    }
}

/// A limit on the wire: whole seconds, or null.
mod limit_seconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    #[expect(clippy::ref_option, reason = "serde hands the field by reference")]
    pub(super) fn serialize<S: Serializer>(
        limit: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        limit.map(|limit| limit.as_secs()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_secs))
    }
}
