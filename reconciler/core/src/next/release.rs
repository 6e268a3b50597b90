//! Released: off, for as long as its quarantine, then every disk of the binding erased, each on record; off alone where none is to be erased.
//! Retired: off, and left alone.
//!
//! A release never ends here: the plan ends the binding when it reads the records, or that the machine is off. What fails keeps the
//! binding leaving, so that no slot, address or disk passes on, and the machine is not Ready.

use super::by_hand::WORD_MAX;
use super::commission::INSPECT_LIMIT;
use super::job::{AfterFailure, Wanted};
use super::orders::SOFT_OFF_DEADLINE;
use super::quarantine;
use super::{Case, Decision, Need};
use crate::condition::{Condition, Wait};
use crate::facts::OrderSeen;
use rack_api::fact::PowerSeen;
use rack_api::job::{Erase, JobKind};
use rack_api::order::PowerWanted;
use schema_ids::ContentId;
use std::time::Duration;

/// A few mebibytes are written, and a discard tells of itself between its parts: what says nothing for ten
/// minutes hangs.
const ERASE_LIMIT: Duration = Duration::from_secs(600);

pub(super) fn released(case: &Case<'_>, erase: &Erase) -> Decision {
    if case.facts.released(erase, case.machine.leaving_since).is_some() {
        return Decision::Settled;
    }
    if erase.disks.is_empty() {
        return let_go(case);
    }
    // A machine whose disks are not what may be erased is not even switched off.
    if case.machine.blocked.is_some() {
        return case.rest();
    }
    if let Some(quarantine) = quarantine::of(case) {
        return quarantine::decide(case, quarantine, &need(case));
    }
    match run(case, erase) {
        Ok(()) => case.rest(),
        Err(decision) => decision,
    }
}

/// Whether a release erases data in use.
pub(crate) fn wipes(erase: &Erase) -> bool {
    erase.disks.iter().any(|disk| disk.agreed != ContentId::Blank)
}

fn run(case: &Case<'_>, erase: &Erase) -> Result<(), Decision> {
    let need = Need {
        wipes: wipes(erase),
        ..need(case)
    };
    let ordered = case.boot_order().and_then(OrderSeen::job);
    if ordered.is_some_and(|job| job.kind == JobKind::Inspect) {
        // It was not what the plan took it for. What is found now may change the plan; if it does not,
        // erasing is tried again.
        case.run(&Wanted {
            kind: JobKind::Inspect,
            running: Condition::Commissioning,
            limit: INSPECT_LIMIT,
            after_failure: AfterFailure::Wait,
            need: &need,
        })?;
    }
    let job = case.run(&Wanted {
        kind: JobKind::Erase(Box::new(erase.clone())),
        running: Condition::Erasing,
        limit: ERASE_LIMIT,
        after_failure: AfterFailure::LookAgain,
        need: &need,
    })?;
    let done = job.done.unwrap_or(job.last);
    let evidence = "the job ended and its records are not here yet";
    Err(Decision::Wait(
        Wait::new(Condition::Erasing, done, evidence).limit(ERASE_LIMIT),
    ))
}

/// Off, and nothing else: until it was seen off, two machines might have one name and one address. A system that runs
/// is asked to shut down first, since what its disks hold is to be kept.
fn let_go(case: &Case<'_>) -> Decision {
    const CAUSE: &str = "released with its disks as they are: off";
    if !case.has_bmc() {
        return off_by_hand(case);
    }
    let need = need(case);
    let off = match case.newest_power_order() {
        None if may_run(case) => Err(case.switch(PowerWanted::SoftOff, CAUSE, &need)),
        Some(asked) if asked.power() == Some(PowerWanted::SoftOff) && asked.done.is_none() => {
            Err(asked_to_shut_down(case, asked, &need).unwrap_or_else(Decision::Wait))
        }
        _ => case.off_after(0, CAUSE, &need),
    };
    let waits = match off {
        Ok(seen) => Decision::Wait(Wait::new(
            Condition::Powering,
            seen,
            "it is off; the end of the order is awaited",
        )),
        Err(decision) => decision,
    };
    or_vouched(case, waits)
}

/// Where nothing of ours can switch it off.
pub(super) fn off_by_hand(case: &Case<'_>) -> Decision {
    let evidence = format!("switch it off, then say so: {}", fenced(case));
    Decision::Wait(Wait::new(Condition::PowerByHand, case.around.planned, evidence))
}

/// Switching off that waits on anything else than its end: a person can say that it is off.
pub(super) fn or_vouched(case: &Case<'_>, off: Decision) -> Decision {
    match off {
        Decision::Wait(wait) if wait.condition != Condition::Powering => {
            let fenced = fenced(case);
            let evidence = format!("{}; if it is off for good, say so: {fenced}", wait.evidence);
            Decision::Wait(Wait { evidence, ..wait })
        }
        other => other,
    }
}

fn fenced(case: &Case<'_>) -> String {
    format!("`muster machine fenced {} --reason …`", case.machine.name)
}

/// Whether the installed system is the last that was heard, on a machine that is not off.
pub(super) fn may_run(case: &Case<'_>) -> bool {
    let jobs = [&case.facts.earlier_job, &case.facts.job];
    let in_job = jobs.into_iter().flatten().map(|job| job.last).max();
    let home = case.facts.phoned_home.as_ref().map(|seen| seen.since);
    // A system that muster did not install never speaks.
    (case.machine.as_is.is_some() || home > in_job) && case.power_seen() != PowerSeen::Off
}

/// Waits for a system that shuts down; one that does not is switched off.
pub(super) fn asked_to_shut_down(case: &Case<'_>, asked: &OrderSeen, need: &Need) -> Result<Decision, Wait> {
    const CAUSE: &str = "released, and it did not shut down: off";
    let at = asked.issued.at;
    let limit = SOFT_OFF_DEADLINE + WORD_MAX;
    if asked.failed.is_some() || case.power_clock()?.elapsed(at) > limit {
        return Ok(case.switch(PowerWanted::Off, CAUSE, need));
    }
    Err(Wait::new(Condition::Powering, at, "its system was asked to shut down").limit(limit))
}

/// A place to boot. No deployment's budget: nobody counts on what git has removed.
fn need(case: &Case<'_>) -> Need {
    Need::to_boot(case.machine.rack.clone())
}

/// The order is given once, whatever the machine does later: it is nobody's of ours then.
pub(super) fn retired(case: &Case<'_>) -> Decision {
    if !case.has_bmc() || case.machine.observe {
        return Decision::Settled;
    }
    match case.off_after(0, "retired: off, and left alone", &need(case)) {
        Ok(_) => Decision::Settled,
        Err(decision) => decision,
    }
}
