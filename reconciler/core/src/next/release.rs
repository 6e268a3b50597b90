//! Released: off, then every disk of the binding erased, each on record. Retired: off, and left alone.
//!
//! A release never ends here: the plan ends the binding when it reads the records. What fails keeps the
//! binding leaving, so that no slot, address or disk passes on, and the machine is not Ready.

use super::commission::INSPECT_LIMIT;
use super::job::{AfterFailure, Wanted};
use super::{Case, Decision, Need};
use crate::condition::{Condition, Wait};
use crate::facts::OrderSeen;
use rack_api::job::{Erase, JobKind};
use std::time::Duration;

/// A few mebibytes are written, and a discard tells of itself between its parts: what says nothing for ten
/// minutes hangs.
const ERASE_LIMIT: Duration = Duration::from_secs(600);

pub(super) fn released(case: &Case<'_>, erase: &Erase) -> Decision {
    if case.facts.erased_for(erase, case.machine.leaving_since).is_some() {
        return Decision::Settled;
    }
    // A machine whose disks are not what may be erased is not even switched off.
    if case.machine.blocked.is_some() {
        return case.rest();
    }
    match run(case, erase) {
        Ok(()) => case.rest(),
        Err(decision) => decision,
    }
}

fn run(case: &Case<'_>, erase: &Erase) -> Result<(), Decision> {
    let need = need(case);
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

/// A place to boot. No deployment's budget: nobody counts on what git has removed.
fn need(case: &Case<'_>) -> Need {
    Need {
        rack: case.machine.rack.clone(),
        erases: None,
    }
}

/// The order is given once, whatever the machine does later: it is nobody's of ours then.
pub(super) fn retired(case: &Case<'_>) -> Decision {
    if !case.has_bmc() {
        return Decision::Settled;
    }
    match case.off_after(0, "retired: off, and left alone", &need(case)) {
        Ok(_) => Decision::Settled,
        Err(decision) => decision,
    }
}
