//! Power that a person ordered: given once, carried to its end, then left as it stands.
//!
//! The order is the record: an [`Order`] with its [`ByHand`]. It is never given while something is under way
//! that must not be cut, it is not repeated by itself (but for the second half of a cycle), and it ends with the
//! generation: a commit that wants something else of the machine takes over.

use super::{Around, Case, Decision, Proposal, commission, orders, quarantine, retry};
use crate::admit::Policy;
use crate::condition::{Condition, Wait};
use crate::facts::{JobSeen, MachineFacts, OrderSeen, WriteStart};
use crate::hold::Act;
use crate::intent::Intent;
use crate::plan::MachinePlan;
use crate::refusal::RefusalCode;
use rack_api::fact::PowerSeen;
use rack_api::order::{Action, ByHand, Order, PowerWanted};
use schema_ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long an agent may take to say that it gave up; then the order is history.
pub(crate) const WORD_MAX: Duration = Duration::from_secs(60);

/// A job that said something within this is not cut: far longer than any step is silent.
const JOB_SILENT_MAX: Duration = Duration::from_secs(3600);

/// What a person may ask of a machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerWish {
    /// On.
    On,
    /// Off at once.
    Off,
    /// Off by asking the operating system.
    SoftOff,
    /// Off, seen off, then on; a machine that is off is switched on.
    Cycle,
}

/// A person's wish, with all that bears on it.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The machine.
    pub machine: &'a MachinePlan,
    /// What is known of it.
    pub facts: &'a MachineFacts,
    /// What is known beside it.
    pub around: &'a Around<'a>,
    /// What is decided for it now.
    pub decision: &'a Decision,
    /// What may run.
    pub policy: &'a Policy,
    /// What is wished.
    pub power: PowerWish,
    /// By whom.
    pub who: &'a str,
    /// Why, in that person's words; may be empty.
    pub why: &'a str,
}

/// Why a wish is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// A refusal's or condition's code.
    pub code: &'static str,
    /// The reason.
    pub message: String,
}

impl Wish<'_> {
    /// The order that carries it out.
    ///
    /// # Errors
    /// Why it may not be given now.
    pub fn order(&self, now: Timestamp) -> Result<Order, Refused> {
        let case = Case {
            machine: self.machine,
            facts: self.facts,
            around: self.around,
            now,
        };
        self.permitted(&case)?;
        let is_off = case.power_seen() == PowerSeen::Off;
        let (wanted, word) = match self.power {
            PowerWish::On => (PowerWanted::On, "on"),
            PowerWish::Off => (PowerWanted::Off, "off"),
            PowerWish::SoftOff => (PowerWanted::SoftOff, "soft-off"),
            PowerWish::Cycle if is_off => (PowerWanted::On, "on, for a cycle"),
            PowerWish::Cycle => (PowerWanted::Off, "off, for a cycle"),
        };
        let by_hand = ByHand {
            who: self.who.to_owned(),
            why: self.why.to_owned(),
            cycle: self.power == PowerWish::Cycle,
        };
        Ok(make(&case, wanted, word, by_hand))
    }

    fn permitted(&self, case: &Case<'_>) -> Result<(), Refused> {
        let name = &self.machine.name;
        let refuse = |code, message| Err(Refused { code, message });
        if self.machine.wanted.intent == Intent::Retired {
            let message = format!("{name} is retired; muster gives it no order any more");
            return refuse(RefusalCode::Retired.code(), message);
        }
        if !case.has_bmc() {
            let message = format!("{name} has no BMC; a person has to switch it");
            return refuse(RefusalCode::NoBmc.code(), message);
        }
        if let Some(why) = self.around.restored {
            return refuse(Condition::StateRestored.code(), why.to_owned());
        }
        if let Some(denied) = self.policy.denied(self.around.id, Act::Power) {
            let message = format!(
                "{name} is held: {}. To end it: {}",
                denied.evidence, denied.next_step
            );
            return refuse(Condition::Held.code(), message);
        }
        if let Err(silent) = case.power_clock() {
            return refuse(silent.condition.code(), silent.evidence);
        }
        let busy = |doing: &str| {
            let message = format!("{name} is in the middle of something that is not cut: {doing}");
            refuse(RefusalCode::Busy.code(), message)
        };
        let jobs = [&self.facts.earlier_job, &self.facts.job].into_iter().flatten();
        if let Some(job) = jobs.into_iter().find(|job| self.runs(case, job)) {
            return busy(&super::job::progress(job));
        }
        if self
            .facts
            .goes()
            .next_back()
            .is_some_and(|go| self.is_silent(case, go))
        {
            return busy("it was told that it may write, and has not been heard since");
        }
        // An order of a person's own is replaced by the next: the system does not heed a soft off, for one.
        if standing(case).is_some() {
            return Ok(());
        }
        match self.decision {
            Decision::Propose(proposal) => busy(&proposal.order.cause),
            Decision::Wait(wait) if wait.condition.row().under_way => {
                busy(&format!("{}: {}", wait.condition, wait.evidence))
            }
            Decision::Wait(_) | Decision::Settled => Ok(()),
        }
    }

    /// Whether of a job that may write nothing is known yet: its first words may be under way.
    fn is_silent(&self, case: &Case<'_>, go: &WriteStart) -> bool {
        let heard = self.facts.job.as_ref().is_some_and(|seen| {
            seen.job > go.job || seen.job == go.job && (seen.boot_id == go.boot_id || seen.started > go.at)
        });
        let power = self.facts.power.as_ref();
        let went_off = power.is_some_and(|seen| seen.value == PowerSeen::Off && seen.since > go.at);
        !heard && !went_off && case.now.since(go.at) <= JOB_SILENT_MAX
    }

    /// Whether a job may still be at work, whatever is wanted of the machine by now.
    fn runs(&self, case: &Case<'_>, job: &JobSeen) -> bool {
        let is_given_up =
            matches!(self.decision, Decision::Wait(wait) if wait.condition == Condition::JobStalled);
        let is_open = job.done.is_none() && job.failure().is_none() && case.cut_since(job).is_none();
        is_open && !is_given_up && case.now.since(job.last) <= JOB_SILENT_MAX
    }
}

fn make(case: &Case<'_>, wanted: PowerWanted, word: &str, by_hand: ByHand) -> Order {
    let ByHand { who, why, .. } = &by_hand;
    let colon = if why.is_empty() { "" } else { ": " };
    let cause = format!("power {word}, ordered by {who}{colon}{why}");
    let deadline = match wanted {
        PowerWanted::SoftOff => orders::SOFT_OFF_DEADLINE,
        PowerWanted::On | PowerWanted::Off => orders::POWER_DEADLINE,
    };
    case.order(Action::Power(wanted), deadline, cause, Some(by_hand))
}

/// What a person's order, if it is the newest for the power, leaves to be decided.
pub(super) fn standing(case: &Case<'_>) -> Option<Decision> {
    let order = case.newest_power_order()?;
    let hand = order.issued.order.by_hand.as_ref()?;
    let wanted = order.power()?;
    let switches_on = wanted == PowerWanted::On;
    if let Some(done) = order.done {
        if hand.cycle && !switches_on {
            return Some(second_half(case, hand));
        }
        return kept_off(case, order, done);
    }
    if let Some((failed, step, error)) = &order.failed {
        if !(hand.cycle && switches_on) {
            return None;
        }
        let condition = case.bmc_condition();
        let retry = failed.plus(retry::power_pause(condition, case.failures(wanted)));
        if case.now >= retry {
            return Some(second_half(case, hand));
        }
        let wait = Wait::new(condition, *failed, format!("{step}: {error}"));
        return Some(Decision::Wait(wait.retry_at(retry)));
    }
    let at = order.issued.at;
    let limit = order.issued.order.deadline.since(at) + WORD_MAX;
    match case.power_clock() {
        Err(silent) => Some(Decision::Wait(silent)),
        Ok(clock) if clock.elapsed(at) > limit => None,
        Ok(_) => {
            let wait = Wait::new(Condition::Powering, at, order.issued.order.cause.clone());
            Some(Decision::Wait(wait.limit(limit)))
        }
    }
}

/// The machine was seen off; a cycle is not left there.
fn second_half(case: &Case<'_>, hand: &ByHand) -> Decision {
    Decision::Propose(Proposal {
        order: make(case, PowerWanted::On, "on again", hand.clone()),
        // It ends what was admitted when the person gave the order.
        act: Act::Finish,
        need: None,
        since: case.latest(),
    })
}

/// A machine that a person switched off stays off, whatever was to be done with it.
fn kept_off(case: &Case<'_>, order: &OrderSeen, done: Timestamp) -> Option<Decision> {
    let wants_it_off = match case.machine.wanted.intent {
        // Nothing is done with these, on or off.
        Intent::Observe { .. } | Intent::Orphaned { .. } | Intent::Retired => true,
        Intent::Ready { look } => commission::is_inspected(case, look),
        // It is off as it shall be, for now.
        Intent::Released(_) => quarantine::of(case).is_some(),
        Intent::Deployed(_) | Intent::AsIs { .. } => false,
    };
    let stands = order.power() != Some(PowerWanted::On) && case.power_seen() == PowerSeen::Off;
    (stands && !wants_it_off).then(|| Decision::Wait(as_ordered(order, done)))
}

/// An idle machine that a person switched on stays on.
pub(super) fn kept_on(case: &Case<'_>) -> Option<Wait> {
    let order = case.newest_power_order()?;
    order.issued.order.by_hand.as_ref()?;
    let stands = order.power() == Some(PowerWanted::On) && case.power_seen() == PowerSeen::On;
    order.done.filter(|_| stands).map(|done| as_ordered(order, done))
}

fn as_ordered(order: &OrderSeen, done: Timestamp) -> Wait {
    Wait::new(Condition::PowerOrdered, done, order.issued.order.cause.clone())
}
