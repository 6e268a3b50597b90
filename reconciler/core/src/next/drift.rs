//! A deployed machine that is found off: shown, switched on again only where git says `power = "on"`, and as wanted
//! where it says `power = "off"`. One that was off for a release which was taken back is started again.
//!
//! Never fought without end: what keeps going off is ill, or someone wants it off.

use super::{Case, Decision, Need, retry};
use crate::condition::{Condition, Wait};
use crate::facts::{OrderSeen, PhonedHome, Seen};
use rack_api::fact::PowerSeen;
use rack_api::order::PowerWanted;
use schema_ids::Timestamp;
use std::time::Duration;

/// It is switched on so often within [`KEPT_ON_WITHIN`]: a power cut or two and a hand that slipped, not a fight.
const KEPT_ON_MAX: usize = 5;

/// A day, so that what is ill is tried again while someone is there to see it.
const KEPT_ON_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// What to do about a machine that ran by its own word, `seen`.
pub(super) fn decide(case: &Case<'_>, seen: &Seen<PhonedHome>, need: &Need) -> Result<(), Decision> {
    let power = case.facts.power.as_ref();
    let Some(off) = power.filter(|power| power.value == PowerSeen::Off && power.since > seen.since) else {
        return Ok(());
    };
    found_off(case, off.since, "it ran before", need)
}

/// What to do about a machine that is off since then; `ran` says why it should not be.
pub(super) fn found_off(case: &Case<'_>, since: Timestamp, ran: &str, need: &Need) -> Result<(), Decision> {
    if case.machine.may_be_off {
        return Ok(());
    }
    // Whoever is only observed is not switched, whatever else git says of its power.
    if case.machine.keep_on && case.has_bmc() && !case.machine.observe {
        return switch_on(case, since, need);
    }
    back_on(case, need)?;
    Err(drifted(since, format!("off since {since}; {ran}")))
}

fn drifted(since: Timestamp, evidence: String) -> Decision {
    Decision::Wait(Wait::new(Condition::PowerDrift, since, evidence))
}

/// A machine that was switched off for a release which was taken back is switched on again, once.
fn back_on(case: &Case<'_>, need: &Need) -> Result<(), Decision> {
    const CAUSE: &str = "taken back from its release: on again";
    if case.machine.taken_back != Some(case.machine.wanted.generation)
        || !case.has_bmc()
        || case.machine.observe
    {
        return Ok(());
    }
    let mut switched = case
        .orders()
        .filter(|order| order.power() == Some(PowerWanted::On));
    match switched.next_back() {
        None => Err(case.switch(PowerWanted::On, CAUSE, need)),
        Some(last) if last.done.is_none() && switched.all(|order| order.done.is_none()) => {
            case.carried_out(last, CAUSE, need).map(drop)
        }
        Some(_) => Ok(()),
    }
}

fn switch_on(case: &Case<'_>, since: Timestamp, need: &Need) -> Result<(), Decision> {
    const CAUSE: &str = "found off, and git says power = \"on\"";
    let is_on = |order: &&OrderSeen| order.power() == Some(PowerWanted::On);
    if let Some(order) = case.newest_power_order().filter(is_on)
        && order.issued.at >= since
    {
        return case.carried_out(order, CAUSE, need).map(drop);
    }
    let lately: Vec<Timestamp> = case
        .orders()
        .filter(|order| is_on(order) && order.issued.order.by_hand.is_none())
        .map(|order| order.issued.at)
        .filter(|at| case.now.since(*at) < KEPT_ON_WITHIN)
        .collect();
    let (Some(first), Some(last)) = (lately.first(), lately.last()) else {
        return Err(case.switch(PowerWanted::On, CAUSE, need));
    };
    let (due, evidence) = if lately.len() < KEPT_ON_MAX {
        let tries = u32::try_from(lately.len()).unwrap_or(u32::MAX);
        let evidence = format!("off since {since}; switched on before at {last}");
        (last.plus(retry::job_pause(tries)), evidence)
    } else {
        let evidence = format!(
            "off since {since}; switched on {KEPT_ON_MAX} times since {first}, and off again each time"
        );
        (first.plus(KEPT_ON_WITHIN), evidence)
    };
    if case.now >= due {
        return Err(case.switch(PowerWanted::On, CAUSE, need));
    }
    Err(Decision::Wait(
        Wait::new(Condition::PowerDrift, since, evidence).retry_at(due),
    ))
}
