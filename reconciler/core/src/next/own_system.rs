//! Machines that run what muster did not install: those that are only observed, and those that are kept as they are.
//!
//! They are never restarted. An inspection that a person asked for waits in the boot answer until somebody restarts the
//! machine; it is served once, and the machine goes on to its own disk whatever comes of it.

use super::{Case, Decision, Need, commission, drift};
use crate::condition::{Condition, Wait};
use crate::facts::{JobSeen, OrderSeen};
use crate::intent::Intent;
use crate::next::job::progress;
use crate::plan::Blocked;
use rack_api::fact::PowerSeen;
use rack_api::job::JobKind;
use rack_api::order::{Action, NextBoot};
use schema_ids::Generation;

/// Only looked at.
pub(super) fn observed(case: &Case<'_>, look: Option<Generation>) -> Decision {
    match inspected(case, look) {
        Ok(()) => case.rest(),
        Err(decision) => decision,
    }
}

/// Kept as it is: it is wanted on, as whatever runs is, and nothing else.
pub(super) fn as_is(case: &Case<'_>, look: Option<Generation>) -> Decision {
    match inspected(case, look).and_then(|()| powered(case)) {
        Ok(()) => case.rest(),
        Err(decision) => decision,
    }
}

/// A machine that bears another's mark is looked at, if a person wants that, and gets no order else. The plan says so of those
/// that git declares; those that it removes are left as they run.
pub(super) fn anothers(case: &Case<'_>) -> Option<Decision> {
    let foreign = case.machine.foreign()?;
    match &case.machine.wanted.intent {
        Intent::Observe { .. } | Intent::Orphaned { .. } => None,
        Intent::Retired => Some(led_back(case)),
        Intent::Ready { .. } | Intent::Deployed(_) | Intent::AsIs { .. } | Intent::Released(_) => {
            let Blocked { condition, evidence } = foreign.blocks(&case.machine.name);
            Some(Decision::Wait(Wait::new(
                condition,
                case.around.planned,
                evidence,
            )))
        }
    }
}

/// Nothing is done to it, once what found the mark has left it.
fn led_back(case: &Case<'_>) -> Decision {
    let is_up = case.agent_stays(case.now);
    match inspected(case, is_up.then_some(case.machine.wanted.generation)) {
        Ok(()) => Decision::Settled,
        Err(decision) => decision,
    }
}

/// The inspection that a person asked for is over, or none was asked for, and the machine boots its own disk.
fn inspected(case: &Case<'_>, look: Option<Generation>) -> Result<(), Decision> {
    let ordered = case.boot_order().filter(|order| order.job().is_some());
    if look.is_none_or(|look| commission::is_inspected(case, look)) {
        return match ordered {
            None if case.boot_order().is_none() && stands_in_a_job(case) => Err(begin(case)),
            None => Ok(()),
            Some(order) => Err(leave(case, order)),
        };
    }
    let Some(order) = ordered else {
        return match case.boot_order() {
            // It was served once, and came to nothing.
            Some(_) => Err(Decision::Wait(failed(case))),
            None => Err(begin(case)),
        };
    };
    if let (None, Some(job)) = (&case.facts.job, order.job())
        && job.mark != case.mark_wish()
    {
        // Git asks something else of its mark than when the job was given, and nobody has restarted the machine for it yet.
        return Err(case.start_job(&JobKind::Inspect, job.job.attempt + 1, None));
    }
    case.taken(order, None)?;
    match &case.facts.job {
        None => {
            let ready = order.taken.values().max().copied().unwrap_or(order.issued.at);
            let wait = anothers_look(case, order)
                .unwrap_or_else(|| Wait::new(Condition::RestartAwaited, ready, awaited(case, order)));
            Err(Decision::Wait(wait))
        }
        Some(job) => Err(follow(case, job)),
    }
}

/// Whether it was restarted for a job that nobody wants any more: what it booted then waits there for another, and a job that
/// leaves leads it back to its own disk.
fn stands_in_a_job(case: &Case<'_>) -> bool {
    let facts = case.facts;
    let Some(boot) = &facts.boot else {
        return false;
    };
    let went_off = facts
        .power
        .as_ref()
        .is_some_and(|power| power.value == PowerSeen::Off && power.since > boot.since);
    let mut jobs = [&facts.earlier_job, &facts.job].into_iter().flatten();
    let is_done = jobs.any(|job| job.done.is_some() && Some(job.last) >= facts.boot_began);
    boot.value.answer.as_deref() == Some("job") && !went_off && !is_done
}

/// Its own disk, once the job that leads there is over, or nobody takes it.
fn leave(case: &Case<'_>, order: &OrderSeen) -> Decision {
    let ends = |job: &JobSeen| job.done.is_some() || job.failure().is_some() || case.cut_since(job).is_some();
    if case.facts.job.as_ref().is_some_and(ends) {
        return its_own_disk(case, "inspected: its own disk");
    }
    match case.boot_clock() {
        Err(silent) => Decision::Wait(silent),
        Ok(clock) if clock.elapsed(order.issued.at) > commission::INSPECT_LIMIT => {
            its_own_disk(case, "nobody takes its way back: its own disk")
        }
        Ok(_) => {
            let evidence = "on its way back to its own disk";
            let wait = Wait::new(Condition::Commissioning, order.issued.at, evidence);
            Decision::Wait(wait.limit(commission::INSPECT_LIMIT))
        }
    }
}

fn begin(case: &Case<'_>) -> Decision {
    if !case.around.ephemeral {
        let evidence = "the fleet's ephemeral image is not in the plan";
        return Decision::Wait(Wait::new(
            Condition::NoImageForJobs,
            case.around.planned,
            evidence,
        ));
    }
    case.start_job(&JobKind::Inspect, 1, None)
}

/// Nobody is asked to restart a machine that is another's and that git does not take over.
fn anothers_look(case: &Case<'_>, order: &OrderSeen) -> Option<Wait> {
    case.machine.foreign().filter(|foreign| !foreign.taken_over)?;
    let Blocked { condition, evidence } = case.machine.blocked.as_ref()?;
    let evidence = format!(
        "{evidence}; a look that ends at its own disk is ready since {}, for what inspected it, or for when it next boots",
        order.issued.at
    );
    Some(Wait::new(*condition, case.around.planned, evidence))
}

fn awaited(case: &Case<'_>, order: &OrderSeen) -> String {
    let name = &case.machine.name;
    format!(
        "its inspection is ready since {}: restart {name} when it suits, from within or by `muster machine power {name} cycle`",
        order.issued.at
    )
}

/// From the first word of the inspection to its end. One that says nothing any more is not served again.
fn follow(case: &Case<'_>, job: &JobSeen) -> Decision {
    if job.failure().is_some() || case.cut_since(job).is_some() {
        return its_own_disk(case, "its inspection failed: its own disk");
    }
    match case.boot_clock() {
        Err(silent) => Decision::Wait(silent),
        Ok(clock) if clock.elapsed(job.last) > commission::INSPECT_LIMIT => {
            its_own_disk(case, "its inspection said nothing more: its own disk")
        }
        Ok(_) => {
            let wait = Wait::new(Condition::Commissioning, job.last, progress(job));
            Decision::Wait(wait.limit(commission::INSPECT_LIMIT))
        }
    }
}

fn failed(case: &Case<'_>) -> Wait {
    let (at, why) = match &case.facts.job {
        Some(job) => (
            job.last,
            job.failure().map_or_else(
                || progress(job),
                |(step, _, error)| format!("{}: {error}", step.step),
            ),
        ),
        None => (case.around.planned, "nothing was heard of it".to_owned()),
    };
    let evidence = format!("its inspection came to nothing ({why}); it boots its own disk");
    Wait::new(Condition::StepFailed, at, evidence)
        .next_step("Read the evidence; to have it inspected once more, raise the machine's `inspect` in git.")
}

fn its_own_disk(case: &Case<'_>, cause: &str) -> Decision {
    case.propose(Action::Boot(NextBoot::Local), cause, None)
}

/// A machine that went off is shown; it is switched on where git says `power = "on"`.
fn powered(case: &Case<'_>) -> Result<(), Decision> {
    let power = case.facts.power.as_ref();
    let off = power.filter(|power| power.value == PowerSeen::Off);
    match off.filter(|_| case.power_seen() == PowerSeen::Off) {
        None => Ok(()),
        Some(off) => {
            let need = Need::to_boot(case.machine.rack.clone());
            drift::found_off(case, off.since, "it was adopted as it runs", &need)
        }
    }
}
