//! The steps of a machine's job, with how fast they go and how long they last at that.

use crate::facts::{JobSeen, MachineFacts, StepSeen};
use crate::log;
use rack_api::fact::StepState;
use schema_ids::Timestamp;
use serde::{Deserialize, Serialize};

/// A step as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepStatus {
    /// Its name.
    pub step: String,
    /// How it stands.
    pub state: StepStanding,
    /// Since when it stands so.
    pub since: Timestamp,
    /// Bytes done, and in all, of a step that counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<(u64, u64)>,
    /// Bytes a second, on average since its first progress; once there were two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Seconds that are left at that rate, from its last progress on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStanding {
    /// It is under way.
    UnderWay,
    /// It is done.
    Done,
    /// It failed.
    Failed,
}

/// The steps of the newest job, in the order of their beginning.
pub(super) fn steps(facts: &MachineFacts) -> Vec<StepStatus> {
    let job: Option<&JobSeen> = facts.job.as_ref();
    job.map_or_else(Vec::new, |job| job.steps.iter().map(step).collect())
}

fn step(seen: &StepSeen) -> StepStatus {
    let (state, bytes) = match seen.state {
        StepState::Started => (StepStanding::UnderWay, None),
        StepState::Progress { done, total } => (StepStanding::UnderWay, Some((done, total))),
        StepState::Done => (StepStanding::Done, None),
        StepState::Failed { .. } => (StepStanding::Failed, None),
    };
    let rate = bytes.zip(seen.measured).and_then(|((done, _), (began, first))| {
        let elapsed_ms = u64::try_from(seen.last.since(began).as_millis()).ok()?;
        let more = done.checked_sub(first)?;
        more.saturating_mul(1000)
            .checked_div(elapsed_ms)
            .filter(|rate| *rate > 0)
    });
    let left = bytes.zip(rate).and_then(|((done, total), rate)| {
        // A total of nought is one that is not known.
        total.checked_sub(done)?.checked_div(rate).filter(|_| total > 0)
    });
    StepStatus {
        step: log::line(&seen.step),
        state,
        since: seen.since,
        bytes,
        bytes_per_second: rate,
        seconds_left: left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(seconds * 1000)
    }

    #[test]
    fn rates_count_from_the_first_progress() {
        let progress = |done, total, last| StepSeen {
            step: "image".to_owned(),
            state: StepState::Progress { done, total },
            since: at(10),
            measured: Some((at(10), 100)),
            last: at(last),
        };
        let told = |seen: &StepSeen| {
            let step = step(seen);
            (step.bytes_per_second, step.seconds_left)
        };
        assert_eq!(told(&progress(500, 1500, 14)), (Some(100), Some(10)));
        // Nothing was measured yet, it stands, it went back, its end is not known.
        assert_eq!(told(&progress(100, 1500, 10)), (None, None));
        assert_eq!(told(&progress(100, 1500, 14)), (None, None));
        assert_eq!(told(&progress(50, 1500, 14)), (None, None));
        assert_eq!(told(&progress(500, 0, 14)), (Some(100), None));
    }
}
