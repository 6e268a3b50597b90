//! Ready: inspected, then off and idle.

use super::job::{AfterFailure, Wanted};
use super::{Case, Decision, Need, by_hand};
use crate::condition::{Condition, Wait};
use rack_api::fact::PowerSeen;
use rack_api::job::JobKind;
use rack_api::order::{Action, NextBoot, PowerWanted};
use schema_ids::Generation;
use std::time::Duration;

/// An inspection reads a few sysfs files and the ends of each disk; a step that says nothing for ten
/// minutes hangs.
pub(super) const INSPECT_LIMIT: Duration = Duration::from_secs(600);

/// `look` is the first generation whose inventory does.
pub(super) fn ready(case: &Case<'_>, look: Generation) -> Decision {
    let need = Need::to_boot(case.machine.rack.clone());
    let wanted = Wanted {
        kind: JobKind::Inspect,
        running: Condition::Commissioning,
        limit: INSPECT_LIMIT,
        after_failure: AfterFailure::TryForEver,
        need: &need,
    };
    match inspected(case, &wanted, look).and_then(|()| idle(case, &need)) {
        Ok(()) => case.rest(),
        Err(decision) => decision,
    }
}

/// Whether the inventory that there is does.
pub(super) fn is_inspected(case: &Case<'_>, look: Generation) -> bool {
    let inspected = case.facts.inspected_in;
    inspected.is_some_and(|generation| generation >= look)
}

/// There is an inventory, and no job under way.
fn inspected(case: &Case<'_>, wanted: &Wanted<'_>, look: Generation) -> Result<(), Decision> {
    if is_inspected(case, look) {
        case.let_end(case.facts.earlier_job.as_ref(), wanted)?;
        return case.let_end(case.facts.job.as_ref(), wanted);
    }
    let job = case.run(wanted)?;
    let done = job.done.unwrap_or(job.last);
    let evidence = "the inspection ended and its inventory is not here yet";
    Err(Decision::Wait(
        Wait::new(Condition::Commissioning, done, evidence).limit(INSPECT_LIMIT),
    ))
}

/// It boots from its own disk if anything, and is off.
fn idle(case: &Case<'_>, need: &Need) -> Result<(), Decision> {
    let off = case.power_seen() == PowerSeen::Off;
    let order = match case.boot_order() {
        Some(order) if order.job().is_none() => order,
        None if off || !case.has_bmc() => return Ok(()),
        _ => return Err(case.propose(Action::Boot(NextBoot::Local), "idle: its own disk, if any", None)),
    };
    case.taken(order, None)?;
    if off || !case.has_bmc() {
        return Ok(());
    }
    if let Some(wait) = by_hand::kept_on(case) {
        return Err(Decision::Wait(wait));
    }
    let switched = case
        .power_order_after(order.number())
        .filter(|seen| seen.power() != Some(PowerWanted::On));
    let since = case
        .facts
        .power
        .as_ref()
        .map_or(case.around.planned, |seen| seen.since);
    if switched
        .and_then(|seen| seen.done)
        .is_some_and(|done| since > done)
    {
        let evidence = format!("switched off, and on again since {since}");
        return Err(Decision::Wait(Wait::new(Condition::PowerDrift, since, evidence)));
    }
    case.off_after(order.number(), "idle: nothing to do", need)
        .map(|_| ())
}
