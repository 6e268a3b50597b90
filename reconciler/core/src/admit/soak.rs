//! Soaking: whoever was finished has to be well for a while before the next is begun.

use super::{Case, Ground, tally::Tally};
use crate::condition::{Condition, Wait};
use crate::plan::{Budget, length};
use crate::service::Service;
use schema_ids::{MachineId, Name, Timestamp};
use std::time::Duration;

/// A machine that was finished longer ago says nothing of this change when it boots again.
const FINISHED_LATELY: Duration = Duration::from_secs(24 * 3600);

/// Until when the last one that was finished soaks, if it does: that, since when it runs, and which.
pub(super) fn soaks(
    ground: &Ground<'_>,
    budget: &Budget,
    now: Timestamp,
) -> Option<(Timestamp, Timestamp, MachineId)> {
    let soak = budget.soak();
    if soak.is_zero() {
        return None;
    }
    let lately = |installed: Timestamp| now.since(installed) < FINISHED_LATELY + soak;
    let soaking = budget.members().filter_map(|id| {
        let standing = ground.standing.get(&id)?;
        let Service::Serves { installed, .. } = standing.service else {
            return None;
        };
        let since = standing.well_since().filter(|_| lately(installed))?;
        Some((since.plus(soak), since, id))
    });
    soaking.max().filter(|(until, ..)| *until > now)
}

pub(super) fn check(case: &Case<'_>, name: &Name, budget: &Budget, tally: &Tally) -> Option<Wait> {
    // Bringing back what is out already takes nobody away.
    if case.is_out() {
        return None;
    }
    let (until, since, last) = tally.soaks?;
    let evidence = format!(
        "budget {name}: {} runs since {since}, and is to be well for {} before the next is begun: until {until}",
        case.ground.name(last),
        length(budget.soak())
    );
    Some(case.wait(Condition::Soaking, evidence).retry_at(until))
}
