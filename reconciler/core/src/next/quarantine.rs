//! Quarantine: a machine that leaves is off, with its data, for as long as the plan says, before its disks are erased.
//!
//! The time runs from the moment at which it was seen off for its leaving, and anew from the next such moment if it was on
//! in between: whoever had it on may have used it. It is over when the agent of its BMC has told everything up to its end,
//! and once anything was ordered of the erasure it does not come back; a longer quarantine is another generation.

use super::by_hand;
use super::release::{asked_to_shut_down, may_run, off_by_hand, or_vouched};
use super::{Case, Decision, Need, retry};
use crate::condition::{Condition, Wait};
use crate::facts::OrderSeen;
use crate::plan::Quarantine;
use rack_api::fact::PowerSeen;
use rack_api::order::{Lane, PowerWanted};
use schema_ids::Timestamp;
use std::time::Duration;

/// How soon it is looked again whether the agent has told everything: it syncs at least every 25 s.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

const CAUSE: &str = "released: off, its data kept for now";

/// The quarantine that keeps the machine's disks from being erased, unless it is over.
pub(super) fn of<'a>(case: &Case<'a>) -> Option<&'a Quarantine> {
    let quarantine = case.machine.quarantine.as_ref()?;
    let leaving = case.machine.leaving_since?;
    let is_begun = case.facts.written_in >= Some(leaving);
    let is_ordered = case.facts.orders.iter().any(|order| order.job().is_some());
    let lasts = switched_by_hand(case) || !is_over(case, quarantine);
    (!is_begun && !is_ordered && lasts).then_some(quarantine)
}

/// Whether the newest word on its power is a person's: that would have it stay so for good.
fn switched_by_hand(case: &Case<'_>) -> bool {
    let order = case.newest_power_order();
    order.is_some_and(|order| order.issued.order.by_hand.is_some())
}

fn is_over(case: &Case<'_>, quarantine: &Quarantine) -> bool {
    let until = off_since(case, quarantine).map(|since| since.plus(quarantine.length()));
    let told = |until| match case.has_bmc() {
        // What it does not tell of the BMC, or the BMC does not tell it, may be that the machine is on.
        true => {
            let clock = case.power_clock();
            clock.is_ok_and(|clock| clock.has_told(until)) && case.facts.bmc_fault.is_none()
        }
        false => true,
    };
    until.is_some_and(|until| until <= case.now && told(until))
}

/// What is done, or waited for, while it lasts. One that a person has switched on by muster stays on.
pub(super) fn decide(case: &Case<'_>, quarantine: &Quarantine, need: &Need) -> Decision {
    let Some(since) = off_since(case, quarantine) else {
        return match by_hand::kept_on(case) {
            Some(wait) => {
                let evidence = format!(
                    "{}; its quarantine ({quarantine}) begins when it is off",
                    wait.evidence
                );
                Decision::Wait(Wait { evidence, ..wait })
            }
            None if case.has_bmc() => or_vouched(case, switch_off(case, need)),
            None => off_by_hand(case),
        };
    };
    if switched_by_hand(case) {
        return case.switch(PowerWanted::Off, CAUSE, need);
    }
    let until = since.plus(quarantine.length());
    if until > case.now {
        let evidence = format!("off since {since}, its data kept for {quarantine}; erased from {until} on");
        return Decision::Wait(Wait::new(Condition::Quarantined, since, evidence).retry_at(until));
    }
    if let Err(silent) = case.power_clock() {
        return Decision::Wait(silent);
    }
    match &case.facts.bmc_fault {
        Some(fault) => {
            let evidence = format!("{}: whether it is off still is not known", fault.value.1);
            let condition = case.bmc_condition();
            let again = case.now.plus(retry::power_pause(condition, 1));
            Decision::Wait(Wait::new(condition, fault.since, evidence).retry_at(again))
        }
        None => {
            let evidence = format!("off since {since}; its agent is to say that it was so until {until}");
            let again = case.now.plus(LOOK_AGAIN);
            Decision::Wait(Wait::new(Condition::Quarantined, since, evidence).retry_at(again))
        }
    }
}

/// Since when it is off for its leaving, if it is: switched off by order, or by a person who vouches for that.
fn off_since(case: &Case<'_>, quarantine: &Quarantine) -> Option<Timestamp> {
    let facts = case.facts;
    let ordered = match case.facts.newest(Lane::Power) {
        Some(order) => seen_off(case, order),
        None => quarantine.off_since,
    };
    let vouched = facts.fenced.as_ref().map(|fenced| fenced.at);
    if !case.has_bmc() {
        // Nobody sees it go off: since its last word.
        let off = vouched.or(ordered);
        return off.map(|off| facts.heard().map_or(off, |heard| off.max(heard)));
    }
    let told = |state| {
        let power = facts.power.as_ref().filter(|power| power.value == state);
        power.map(|power| power.since)
    };
    let was_on = told(PowerSeen::On).max(facts.heard());
    let seen = ordered.into_iter().chain(vouched);
    let off = seen.filter(|off| was_on <= Some(*off)).min()?;
    // What is told to be off anew was on in between.
    told(PowerSeen::Off).max(Some(off))
}

/// When it was seen off as this order wanted.
fn seen_off(case: &Case<'_>, order: &OrderSeen) -> Option<Timestamp> {
    if order.power() == Some(PowerWanted::On) {
        return None;
    }
    let power = case.facts.power.as_ref();
    let told = power.filter(|seen| seen.value == PowerSeen::Off && seen.since >= order.issued.at);
    order.done.or(told.map(|seen| seen.since))
}

/// Switches it off, by asking its system where one may run: what its disks hold is to be kept.
fn switch_off(case: &Case<'_>, need: &Need) -> Decision {
    let open = case
        .newest_power_order()
        .filter(|order| order.power() != Some(PowerWanted::On) && seen_off(case, order).is_none());
    match open {
        Some(asked) if asked.power() == Some(PowerWanted::SoftOff) => {
            asked_to_shut_down(case, asked, need).unwrap_or_else(Decision::Wait)
        }
        Some(asked) => match case.carried_out(asked, CAUSE, need) {
            Err(decision) => decision,
            Ok(off) => Decision::Wait(Wait::new(Condition::Powering, off, "it was seen off")),
        },
        None if may_run(case) => case.switch(PowerWanted::SoftOff, CAUSE, need),
        None => case.switch(PowerWanted::Off, CAUSE, need),
    }
}
