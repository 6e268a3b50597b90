//! Orders of the current generation and life: which stand, and the making of the next.

use super::{Case, Decision, Need, Proposal};
use crate::condition::{Condition, Wait};
use crate::facts::OrderSeen;
use crate::hold::Act;
use rack_api::order::{Action, ByHand, Lane, NextBoot, Order, PowerWanted};
use schema_ids::Timestamp;
use std::time::Duration;

/// A power order is given up by the agent after this: three tries of a slow BMC.
pub(super) const POWER_DEADLINE: Duration = Duration::from_secs(180);

/// An operating system may take some minutes to shut down; databases do.
pub(super) const SOFT_OFF_DEADLINE: Duration = Duration::from_secs(600);

/// A boot order stands until it is replaced; after a day its job is nobody's wish any more.
const BOOT_DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// A refused order is repeated after this: an agent refuses while it does not know the machine yet,
/// which its next configuration ends.
const REFUSED_REPEAT: Duration = Duration::from_secs(60);

impl<'a> Case<'a> {
    /// The orders of this life of the control plane, oldest first.
    pub(super) fn orders(&self) -> impl DoubleEndedIterator<Item = &'a OrderSeen> + use<'a> {
        let incarnation = self.around.incarnation;
        self.facts
            .orders
            .iter()
            .filter(move |seen| seen.issued.order.incarnation == incarnation)
    }

    /// The boot order that stands.
    pub(super) fn boot_order(&self) -> Option<&'a OrderSeen> {
        self.orders().rfind(|seen| seen.issued.order.lane() == Lane::Boot)
    }

    /// The newest power order after this number.
    pub(super) fn power_order_after(&self, number: u32) -> Option<&'a OrderSeen> {
        self.orders()
            .rfind(|seen| seen.issued.order.lane() == Lane::Power && seen.number() > number)
    }

    /// The newest power order of all.
    pub(super) fn newest_power_order(&self) -> Option<&'a OrderSeen> {
        self.orders()
            .rfind(|seen| seen.issued.order.lane() == Lane::Power)
    }

    /// Proposes the next order.
    pub(super) fn propose(&self, action: Action, cause: impl Into<String>, need: Option<Need>) -> Decision {
        let deadline = match action {
            Action::Power(PowerWanted::SoftOff) => SOFT_OFF_DEADLINE,
            Action::Power(PowerWanted::On | PowerWanted::Off) => POWER_DEADLINE,
            Action::Boot(_) => BOOT_DEADLINE,
        };
        let act = self.act(&action);
        let order = self.order(action, deadline, cause.into(), None);
        Decision::Propose(Proposal {
            order,
            act,
            need,
            since: self.latest(),
        })
    }

    /// What an order does to the machine: switching it for a job that writes is writing.
    fn act(&self, action: &Action) -> Act {
        match action {
            Action::Boot(NextBoot::Local) => Act::Local,
            Action::Boot(NextBoot::Job(job)) => Act::of_job(&job.kind),
            Action::Power(_) => {
                let job = self.boot_order().and_then(OrderSeen::job);
                match job.map(|job| Act::of_job(&job.kind)) {
                    Some(Act::Write) => Act::Write,
                    _ => Act::Power,
                }
            }
        }
    }

    /// The next order.
    pub(super) fn order(
        &self,
        action: Action,
        deadline: Duration,
        cause: String,
        by_hand: Option<ByHand>,
    ) -> Order {
        Order {
            machine: self.around.id,
            incarnation: self.around.incarnation,
            generation: self.machine.wanted.generation,
            number: self.facts.next_number(),
            deadline: self.now.plus(deadline),
            cause,
            by_hand,
            action,
        }
    }

    /// Waits until every live boot agent has taken a boot order; repeats a refused one.
    pub(super) fn taken(&self, seen: &OrderSeen, need: Option<&Need>) -> Result<(), Decision> {
        self.boot_clock().map_err(Decision::Wait)?;
        let missing: Vec<&str> = self
            .live_boot_agents()
            .filter(|name| !seen.taken.contains_key(*name))
            .map(|name| name.as_str())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let at = seen.issued.at;
        let refusal = missing.iter().find_map(|name| {
            let (agent, why) = seen.refused.get_key_value(*name)?;
            Some(format!("{agent} refused: {why}"))
        });
        let Some(evidence) = refusal else {
            let evidence = format!("order {} not yet taken by {}", seen.number(), missing.join(", "));
            return Err(Decision::Wait(Wait::new(Condition::WaitingForRack, at, evidence)));
        };
        let later = missing
            .iter()
            .filter_map(|name| seen.refused_until.get(*name))
            .max();
        let (condition, repeat) = match later {
            Some(until) => (Condition::RateLimited, *until),
            None => (Condition::WaitingForRack, at.plus(REFUSED_REPEAT)),
        };
        if self.now >= repeat {
            let order = &seen.issued.order;
            return Err(self.propose(order.action.clone(), order.cause.clone(), need.cloned()));
        }
        Err(Decision::Wait(
            Wait::new(condition, at, evidence).retry_at(repeat),
        ))
    }

    /// When something last happened to this machine: since then a next step could have been taken.
    pub(super) fn latest(&self) -> Timestamp {
        let facts = self.facts;
        [
            facts
                .orders
                .iter()
                .map(|seen| seen.done.unwrap_or(seen.issued.at))
                .max(),
            facts.job.as_ref().map(|job| job.last),
            facts.inventory.as_ref().map(|seen| seen.since),
            facts.installed.as_ref().map(|seen| seen.since),
        ]
        .into_iter()
        .flatten()
        .fold(self.around.planned, Timestamp::max)
    }
}
