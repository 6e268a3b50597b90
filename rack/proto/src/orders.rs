//! Which orders an agent obeys.
//!
//! Orders are ordered by (incarnation, generation, number). Per machine the highest generation seen in
//! either lane fences both; per lane the highest number does. An older or foreign order is refused with
//! the reason, a repeated one is accepted silently. What is in force is the daemon's latest word: a
//! power order that it no longer lists is withdrawn, a boot order stands until it is replaced.

use crate::wipes::Wipes;
use rack_api::{
    config::Desired,
    fact::FactBody,
    job::JobRef,
    order::{Action, Lane, NextBoot, Order, OrderRef},
};
use schema_ids::{Generation, Incarnation, MachineId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// More orders than this at once are not taken: two for each of the most machines a rack agent serves.
pub const ORDERS_MAX: usize = 20_000;

/// The orders of one agent. Its serde form is kept on the agent's disk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orders {
    incarnation: Option<Incarnation>,
    machines: BTreeMap<MachineId, Standing>,
    #[serde(default)]
    wipes: Wipes,
}

/// What one machine was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Standing {
    /// The highest generation seen.
    generation: Generation,
    power: LaneStanding,
    boot: LaneStanding,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct LaneStanding {
    /// The highest order seen.
    highest: Option<(Generation, u32)>,
    /// What is in force.
    order: Option<Order>,
    /// Whether the order in force was carried out or given up; not begun again after a restart.
    ended: bool,
}

/// Why a whole [`Desired`] is not obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// A restored backup, or another control plane.
    #[error("it speaks for incarnation {theirs}, this agent obeys {ours}")]
    Incarnation {
        /// The number it speaks for.
        theirs: u64,
        /// The number obeyed.
        ours: u64,
    },
    /// Two databases that count from the same number.
    #[error("it is another control plane with the same incarnation number {number}")]
    Twin {
        /// The number of both.
        number: u64,
    },
    /// A limit against nonsense.
    #[error("it has {count} orders, more than the {ORDERS_MAX} an agent takes")]
    TooMany {
        /// How many.
        count: usize,
    },
}

impl Orders {
    /// Takes the daemon's latest word. Gives the facts that follow: boot orders taken, orders refused.
    /// A power order is taken by whoever carries it out.
    ///
    /// # Errors
    /// Nothing of it is obeyed if it comes from a foreign or older incarnation.
    pub fn accept(&mut self, desired: &Desired, now: Timestamp) -> Result<Vec<FactBody>, Foreign> {
        let theirs = desired.incarnation;
        if let Some(ours) = self.incarnation {
            if theirs.number < ours.number {
                return Err(Foreign::Incarnation {
                    theirs: theirs.number,
                    ours: ours.number,
                });
            }
            if theirs.number == ours.number && theirs.uuid != ours.uuid {
                return Err(Foreign::Twin { number: ours.number });
            }
        }
        if desired.orders.len() > ORDERS_MAX {
            return Err(Foreign::TooMany {
                count: desired.orders.len(),
            });
        }
        if self.incarnation != Some(theirs) {
            // A new life counts its generations as it likes.
            self.machines.clear();
            self.incarnation = Some(theirs);
        }
        self.withdraw(desired);
        Ok(desired
            .orders
            .iter()
            .filter_map(|order| self.accept_one(desired, order, now))
            .collect())
    }

    /// Counts what the job of the boot order in force is about to write, from now on.
    ///
    /// # Errors
    /// Why it may not begin now: too many others have within the hour.
    pub fn writes(&mut self, job: JobRef, now: Timestamp) -> Result<(), String> {
        let standing = self.machines.get(&job.machine);
        let order = standing.and_then(|standing| standing.boot.order.as_ref());
        let is_it =
            |order: &&Order| matches!(&order.action, Action::Boot(NextBoot::Job(known)) if known.job == job);
        if !order.filter(is_it).is_some_and(Order::wipes_in_use) {
            return Ok(());
        }
        let begun = self.wipes.write(job.machine, job.generation, now);
        begun.map_err(|_| why_too_many(self.wipes.per_hour()))
    }

    /// How many machines may lose data in use within an hour; see [`Wipes::limit`].
    pub fn limit(&mut self, per_hour: u32, lost: bool, now: Timestamp, steady: Duration) {
        self.wipes.limit(per_hour, lost, now, steady);
    }

    /// So much has passed on the host's steady clock; see [`Wipes::passed`]. An hour passes by nothing else.
    pub fn passed(&mut self, steady: Duration) {
        self.wipes.passed(steady);
    }

    /// The boot order in force.
    pub fn boot(&self, machine: MachineId) -> Option<&Order> {
        self.machines.get(&machine)?.boot.order.as_ref()
    }

    /// The power orders in force that were not carried out or given up.
    pub fn power(&self) -> impl Iterator<Item = &Order> {
        self.machines
            .values()
            .filter(|standing| !standing.power.ended)
            .filter_map(|standing| standing.power.order.as_ref())
    }

    /// Notes that a power order was carried out or given up.
    pub fn ended(&mut self, order: OrderRef) {
        if let Some(standing) = self.machines.get_mut(&order.machine)
            && standing.power.order.as_ref().map(Order::reference) == Some(order)
        {
            standing.power.ended = true;
        }
    }

    /// The control plane's life that is obeyed.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation
    }

    /// The highest generation seen per machine.
    pub fn generations(&self) -> BTreeMap<MachineId, Generation> {
        self.machines
            .iter()
            .map(|(machine, standing)| (*machine, standing.generation))
            .collect()
    }

    /// A power order that is no longer listed is not carried out any further. A machine that left the
    /// configuration has no orders; its fence stays, as far as there is room.
    fn withdraw(&mut self, desired: &Desired) {
        let power = |order: &&Order| order.lane() == Lane::Power;
        let listed: BTreeSet<MachineId> = desired
            .orders
            .iter()
            .filter(power)
            .map(|order| order.machine)
            .collect();
        let known = &desired.config.machines;
        for (machine, standing) in &mut self.machines {
            if !listed.contains(machine) {
                standing.power.order = None;
            }
            if !known.contains_key(machine) {
                standing.boot.order = None;
            }
        }
        if self.machines.len() > ORDERS_MAX {
            self.machines.retain(|machine, _| known.contains_key(machine));
        }
    }

    fn accept_one(&mut self, desired: &Desired, order: &Order, now: Timestamp) -> Option<FactBody> {
        let refuse = |why: String| {
            Some(FactBody::OrderRefused {
                order: order.reference(),
                why,
                until: None,
            })
        };
        if order.incarnation != desired.incarnation {
            return refuse(format!(
                "it is of incarnation {}, the control plane's is {}",
                order.incarnation.number, desired.incarnation.number
            ));
        }
        if !desired.config.machines.contains_key(&order.machine) {
            return refuse("this agent's configuration does not have the machine".to_owned());
        }
        let standing = self.machines.entry(order.machine).or_default();
        if order.generation < standing.generation {
            return refuse(format!(
                "generation {} was seen, this is {}",
                standing.generation, order.generation
            ));
        }
        let lane = match order.lane() {
            Lane::Power => &mut standing.power,
            Lane::Boot => &mut standing.boot,
        };
        let place = (order.generation, order.number);
        if let Some(highest) = lane.highest
            && place < highest
        {
            return refuse(format!(
                "number {} of generation {} was seen, this is {}",
                highest.1, highest.0, order.number
            ));
        }
        let repeated = lane.highest == Some(place);
        if repeated && lane.order.as_ref().is_some_and(|known| known != order) {
            return refuse(format!(
                "number {} of generation {} is another order's",
                order.number, order.generation
            ));
        }
        if !repeated
            && order.wipes_in_use()
            && let Err(until) = self.wipes.begin(order.machine, order.generation, now)
        {
            return Some(too_many(order, self.wipes.per_hour(), until));
        }
        standing.generation = order.generation;
        lane.highest = Some(place);
        lane.order = Some(order.clone());
        if repeated {
            return None;
        }
        lane.ended = false;
        match order.lane() {
            Lane::Boot => Some(FactBody::OrderTaken {
                order: order.reference(),
            }),
            Lane::Power => None,
        }
    }
}

/// The refusal of what comes too soon after the others.
fn too_many(order: &Order, per_hour: Option<u32>, until: Timestamp) -> FactBody {
    FactBody::OrderRefused {
        order: order.reference(),
        why: why_too_many(per_hour),
        until: Some(until),
    }
}

fn why_too_many(per_hour: Option<u32>) -> String {
    let most = per_hour.unwrap_or_default();
    format!(
        "{most} machines whose data is in use were given over within an hour, and no more may (--wipes-per-hour of this \
         agent)"
    )
}
