//! How many machines of the whole fleet may begin to lose data in use within an hour, counted from rows.

use super::Case;
use crate::condition::{Condition, Wait};
use schema_ids::{Generation, MachineId, Timestamp};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Whether the machine is counted for its intent already. That is over with the hour, be it carried out by then or not.
pub(super) fn is_counted(case: &Case<'_>) -> bool {
    let mine = (case.machine, case.generation);
    recorded(case).any(|(machine, generation, _)| (*machine, *generation) == mine)
}

fn recorded<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a (MachineId, Generation, Timestamp)> {
    let (wiped, now) = (&case.ground.policy.records.wiped, case.now);
    wiped.iter().filter(move |(.., at)| now.since(*at) < HOUR)
}

pub(super) fn check(case: &Case<'_>) -> Option<Wait> {
    if !case.need.wipes {
        return None;
    }
    if is_counted(case) {
        return None;
    }
    let mut begun: Vec<Timestamp> = recorded(case).map(|(.., at)| *at).collect();
    // Taken a moment ago, and not read back yet.
    let is_recorded =
        |machine, generation| recorded(case).any(|(known, of, _)| (*known, *of) == (machine, generation));
    let just = case
        .others()
        .filter(|grant| grant.need.wipes && case.now.since(grant.at) < HOUR);
    begun.extend(
        just.filter(|grant| !is_recorded(grant.machine, grant.generation))
            .map(|grant| grant.at),
    );
    begun.sort_unstable();
    let most = case.ground.plan.control.wiped_per_hour as usize;
    if begun.len() < most {
        return None;
    }
    let evidence = format!(
        "{} machines began to be erased within the last hour, and {most} may (limits.max-wiped-per-hour)",
        begun.len()
    );
    let wait = case.wait(Condition::RateLimited, evidence);
    // So many have to be over before there is room for one more.
    let free = begun.get(begun.len() - most).filter(|_| most > 0);
    Some(match free {
        Some(at) => wait.retry_at(at.plus(HOUR)),
        None => wait,
    })
}
