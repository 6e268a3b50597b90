//! Running one job: boot order, power cycle, boot, steps, and another try where that may help.

use super::{Case, Decision, Need, retry};
use crate::condition::{Condition, Wait};
use crate::facts::{JobSeen, OrderSeen};
use crate::intent::Intent;
use rack_api::fact::{PowerSeen, StepState};
use rack_api::job::{Job, JobKind, JobRef};
use rack_api::order::{Action, NextBoot, PowerWanted};
use rack_api::ownership::MarkWish;
use schema_ids::Timestamp;
use std::time::Duration;

/// An in-machine agent that has ended its job asks for another for so long before it switches the
/// machine off; a minute less, so that we do not count on one that is just leaving.
const AGENT_STAYS: Duration = Duration::from_secs(5 * 60);

/// It asks every few seconds; if it has not begun after this, it is gone.
const AGENT_TAKES: Duration = Duration::from_secs(60);

/// Each boot is news; a machine that boots over and over without a word from within is given so many limits.
const BOOTS_MAX: u32 = 3;

/// What is to be run, and what is said while it runs.
pub(super) struct Wanted<'a> {
    pub(super) kind: JobKind,
    /// The condition while its steps run.
    pub(super) running: Condition,
    /// How long it may say nothing.
    pub(super) limit: Duration,
    /// What a failure leads to.
    pub(super) after_failure: AfterFailure,
    pub(super) need: &'a Need,
}

/// What a failure leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterFailure {
    /// Tried without end: it writes nothing.
    TryForEver,
    /// Tried a few times; where the machine is not what the plan took it for, inspected again first.
    LookAgain,
    /// A person.
    Wait,
}

/// How a try ended.
struct Ended {
    condition: Condition,
    at: Timestamp,
    evidence: String,
    /// Whether we ended it ourselves: nothing is to be waited for.
    by_us: bool,
}

impl<'a> Case<'a> {
    /// Runs a job to its good end; everything before that is a decision.
    pub(super) fn run(&self, wanted: &Wanted<'_>) -> Result<&'a JobSeen, Decision> {
        if !self.around.ephemeral {
            let evidence = "the fleet's ephemeral image is not in the plan";
            return Err(Decision::Wait(Wait::new(
                Condition::NoImageForJobs,
                self.around.planned,
                evidence,
            )));
        }
        self.let_end(self.facts.earlier_job.as_ref(), wanted)?;
        let order = self
            .boot_order()
            .filter(|seen| seen.job().is_some_and(|job| job.kind == wanted.kind));
        let Some(order) = order else {
            return Err(self.start(wanted, &wanted.kind, self.attempts() + 1));
        };
        let attempt = order.job().map_or(1, |job| job.job.attempt);
        let ended = match self.facts.job.as_ref().filter(|seen| seen.job.attempt == attempt) {
            Some(job) if job.done.is_some() => return Ok(job),
            Some(job) => self.follow(job, order, wanted)?,
            None => self.boot(order, wanted)?,
        };
        Err(self.again(wanted, attempt, ended))
    }

    /// A job that is under way is let end: what it has begun to write would be half, and what it has
    /// not begun the fence refuses it.
    pub(super) fn let_end(&self, job: Option<&JobSeen>, wanted: &Wanted<'_>) -> Result<(), Decision> {
        let Some(job) = job.filter(|job| job.done.is_none() && job.failure().is_none()) else {
            return Ok(());
        };
        let clock = self.boot_clock().map_err(Decision::Wait)?;
        if self.cut_since(job).is_some() || clock.elapsed(job.last) > wanted.limit {
            return Ok(());
        }
        let evidence = format!("under way, and let end: {}", progress(job));
        Err(Decision::Wait(
            Wait::new(wanted.running, job.last, evidence).limit(wanted.limit),
        ))
    }

    /// When the machine was switched off after the job's last word: it can say nothing more.
    pub(super) fn cut_since(&self, job: &JobSeen) -> Option<Timestamp> {
        let power = self.facts.power.as_ref()?;
        (power.value == PowerSeen::Off && power.since > job.last).then_some(power.since)
    }

    fn start(&self, wanted: &Wanted<'_>, kind: &JobKind, attempt: u32) -> Decision {
        self.start_job(kind, attempt, Some(wanted.need.clone()))
    }

    /// Has a job booted next. Without a need nobody restarts the machine for it.
    pub(super) fn start_job(&self, kind: &JobKind, attempt: u32, need: Option<Need>) -> Decision {
        let generation = self.machine.wanted.generation;
        let job = JobRef {
            machine: self.around.id,
            generation,
            attempt,
        };
        let cause = format!("{} of generation {generation}, try {attempt}", kind.name());
        let job = Job {
            job,
            name: self.machine.name.clone(),
            boot_order: self.machine.boot_order,
            leaves: self.machine.foreign().is_some()
                || matches!(
                    self.machine.wanted.intent,
                    Intent::Observe { .. } | Intent::AsIs { .. }
                ),
            mark: self.mark_wish(),
            kind: kind.clone(),
        };
        self.propose(Action::Boot(NextBoot::Job(Box::new(job))), cause, need)
    }

    /// What its jobs do about its mark of ownership.
    pub(super) fn mark_wish(&self) -> Option<MarkWish> {
        self.machine.mark.as_ref().map(|mark| mark.wish.clone())
    }

    /// The tries so far in this generation, of any job: their numbers never repeat.
    fn attempts(&self) -> u32 {
        let ordered = self
            .facts
            .orders
            .iter()
            .filter_map(|seen| seen.job())
            .map(|job| job.job.attempt);
        ordered.max().unwrap_or(0)
    }

    /// From the boot order to the in-machine agent's first word, or to the end of the try without one.
    fn boot(&self, order: &OrderSeen, wanted: &Wanted<'_>) -> Result<Ended, Decision> {
        self.taken(order, Some(wanted.need))?;
        let ready = order.taken.values().max().copied().unwrap_or(order.issued.at);
        let clock = self.boot_clock().map_err(Decision::Wait)?;
        let after = self.power_order_after(order.number());
        if after.is_none() && self.agent_stays(ready) && clock.elapsed(ready) <= AGENT_TAKES {
            let evidence = "the in-machine agent that is up takes its next job";
            return Err(Decision::Wait(
                Wait::new(Condition::Booting, ready, evidence).limit(AGENT_TAKES),
            ));
        }
        let booting = self.facts.boot.as_ref().filter(|seen| {
            seen.since > ready
                && (after.is_none() || !self.has_bmc())
                && seen.value.answer.as_deref() == Some("job")
        });
        let on = match booting {
            Some(seen) => seen.since,
            None if self.has_bmc() => {
                let cause = format!("boot into {}", wanted.kind.name());
                self.cycled_after(order.number(), &cause, wanted.need)?
            }
            None => {
                let evidence = format!(
                    "switch the machine off and on: it boots into {}",
                    wanted.kind.name()
                );
                return Err(Decision::Wait(Wait::new(Condition::PowerByHand, ready, evidence)));
            }
        };
        let wait = match self.boot_since(after.map_or(ready, |seen| seen.issued.at)) {
            Some(since) => self.starting(Condition::Booting, since, self.boot_evidence()),
            None => self.starting(Condition::NoBoot, on, "powered on, no DHCP request seen yet"),
        };
        let is_over = |limit| clock.elapsed(wait.since) > limit || clock.elapsed(on) > limit * BOOTS_MAX;
        if wait.limit.is_some_and(is_over) {
            return Ok(Ended {
                condition: wait.condition,
                at: wait.since,
                evidence: wait.evidence,
                by_us: false,
            });
        }
        Err(Decision::Wait(wait))
    }

    /// Whether an in-machine agent is up that ended its job shortly before `ready` and was not cut since.
    pub(super) fn agent_stays(&self, ready: Timestamp) -> bool {
        let ended = [self.facts.earlier_job.as_ref(), self.facts.job.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|job| job.done.or_else(|| job.failure().map(|(step, ..)| step.since)))
            .max();
        // That it is on may be told after a short job has ended, so its time says nothing.
        let is_cut = |ended| {
            let mut orders = self.orders();
            orders.any(|seen| seen.power().is_some() && seen.issued.at > ended)
                || self.boot_since(ended).is_some()
        };
        let power = self.facts.power.as_ref().map(|told| told.value);
        power == Some(PowerSeen::On)
            && ended.is_some_and(|ended| !is_cut(ended) && ready.since(ended) < AGENT_STAYS)
    }

    fn boot_evidence(&self) -> String {
        let Some(seen) = &self.facts.boot else {
            return String::new();
        };
        let boot = &seen.value;
        let far = boot
            .http
            .as_ref()
            .map(|file| format!("fetched {file} by HTTP"))
            .or_else(|| boot.answer.as_ref().map(|answer| format!("was told: {answer}")))
            .or_else(|| boot.tftp.as_ref().map(|file| format!("fetched {file} by TFTP")))
            .or_else(|| boot.address.map(|address| format!("has address {address}")))
            .unwrap_or_else(|| "asked for an address".to_owned());
        format!("{} on {}: {far}", boot.mac, boot.link)
    }

    /// From the in-machine agent's first word to the end of the try.
    fn follow(&self, job: &JobSeen, order: &OrderSeen, wanted: &Wanted<'_>) -> Result<Ended, Decision> {
        if let Some((step, code, error)) = job.failure() {
            let condition = Condition::parse(code).unwrap_or(Condition::StepFailed);
            let evidence = format!("{}: {error}", step.step);
            return Ok(Ended {
                condition,
                at: step.since,
                evidence,
                by_us: false,
            });
        }
        let clock = self.boot_clock().map_err(Decision::Wait)?;
        let evidence = progress(job);
        if let Some(at) = self.cut_since(job) {
            return Ok(Ended {
                condition: Condition::JobStalled,
                at,
                evidence: format!("switched off in the middle of it: {evidence}"),
                // An agent that was up has taken the job while the machine was being switched off for it.
                by_us: self
                    .power_order_after(order.number())
                    .is_some_and(|order| order.power() != Some(PowerWanted::On)),
            });
        }
        if clock.elapsed(job.last) > wanted.limit {
            return Ok(Ended {
                condition: Condition::JobStalled,
                at: job.last,
                evidence,
                by_us: false,
            });
        }
        Err(Decision::Wait(
            Wait::new(wanted.running, job.last, evidence).limit(wanted.limit),
        ))
    }

    /// After a try that ended badly: another one, now or later, or a person.
    fn again(&self, wanted: &Wanted<'_>, attempt: u32, ended: Ended) -> Decision {
        let Ended {
            condition,
            at,
            evidence,
            by_us,
        } = ended;
        let left = match wanted.after_failure {
            AfterFailure::TryForEver => true,
            AfterFailure::LookAgain => attempt < retry::JOB_TRIES || !retry::counts(condition),
            AfterFailure::Wait => false,
        };
        if left && wanted.after_failure == AfterFailure::LookAgain && retry::look_again(condition) {
            return self.start(wanted, &JobKind::Inspect, attempt + 1);
        }
        let wait = Wait::new(condition, at, format!("try {attempt}: {evidence}"));
        let mut wait = Wait { limit: None, ..wait };
        if !retry::may_help(condition) || !left {
            return Decision::Wait(wait);
        }
        let retry = at.plus(retry::job_pause(attempt));
        if by_us || self.now >= retry {
            return self.start(wanted, &wanted.kind, attempt + 1);
        }
        wait.retry_at = Some(retry);
        Decision::Wait(wait)
    }
}

/// Where a job stands, in words.
pub(super) fn progress(job: &JobSeen) -> String {
    let Some(step) = job.steps.last() else {
        return "the in-machine agent is up".to_owned();
    };
    match &step.state {
        StepState::Started => format!("{}: begun", step.step),
        StepState::Progress { done, total: 0 } => format!("{}: {} MiB", step.step, done >> 20),
        StepState::Progress { done, total } => {
            let percent = u128::from(*done) * 100 / u128::from(*total);
            format!("{}: {} %", step.step, percent.min(100))
        }
        StepState::Done => format!("{}: done", step.step),
        StepState::Failed { error, .. } => format!("{}: {error}", step.step),
    }
}
