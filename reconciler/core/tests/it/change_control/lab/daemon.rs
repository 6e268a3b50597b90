//! Daemons: each decides by what it sees, and performs that one by one while the world moves on.

use super::{Event, Lab};
use rack_api::job::JobKind;
use rack_api::order::{Action, NextBoot, Order};
use reconciler_core::admit::{self, BudgetFailure, Grant, Ground, Leave, PermitsEpoch};
use reconciler_core::facts::IssuedOrder;
use reconciler_core::tick::{self, Effect, stand, tick};
use schema_ids::{MachineId, Timestamp};
use std::time::Duration;

/// What a daemon decided and has not done yet.
pub(super) struct Todo {
    plan: String,
    effect: Effect,
    /// Machines that were known to be down when it was decided.
    down: Vec<MachineId>,
    at: Timestamp,
}

/// A grant that was decided longer ago is not taken any more, as in the store.
const DECIDED_MAX: Duration = Duration::from_secs(60);

impl Lab {
    pub(super) fn look(&mut self, daemon: usize) {
        let step = self.tick();
        let down = self.down();
        let todo = step.effects.into_iter().map(|effect| Todo {
            plan: self.world.parent.id.clone(),
            effect,
            down: down.clone(),
            at: self.now(),
        });
        self.daemons[daemon] = todo.collect();
        self.under[daemon] = PermitsEpoch::read(self.epoch);
    }

    /// Performs one effect; whether something came of it.
    pub(super) fn act(&mut self, daemon: usize) -> Result<bool, String> {
        let Some(todo) = self.daemons[daemon].pop_front() else {
            return Ok(false);
        };
        match todo.effect {
            Effect::Issue { order, leave } => {
                let is_new = self.place_is_free(&order.order);
                let is_stale = match &leave {
                    Leave::Unneeded => false,
                    Leave::Held => !self.permits.grants.contains_key(&order.order.machine),
                    Leave::Take(grant) => {
                        self.under[daemon].now() != Some(self.epoch)
                            || self.now().since(grant.at) > DECIDED_MAX
                    }
                };
                if todo.plan != self.world.parent.id || !is_new || is_stale {
                    return Ok(false);
                }
                self.judge_erasure(&order.order, todo.at)?;
                if let Leave::Take(grant) = leave {
                    self.judge_start(&grant, &todo.down, todo.at)?;
                    self.grant(grant);
                    self.under[daemon].wrote(self.epoch);
                }
                self.orders.entry(order.order.machine).or_default().push(*order);
                Ok(true)
            }
            Effect::ReleaseGrant {
                machine,
                generation,
                taken,
                newest,
            } => {
                let held = self.permits.grants.get(&machine);
                let mut orders = self.orders.get(&machine).into_iter().flatten();
                let is_used = orders.any(|issued| {
                    issued.order.generation == generation
                        && newest.is_some_and(|newest| issued.order.number > newest)
                });
                let is_held =
                    held.is_some_and(|grant| (grant.generation, grant.at) == (generation, taken)) && !is_used;
                let is_held = is_held && todo.plan == self.world.parent.id;
                if is_held {
                    self.permits.grants.remove(&machine);
                    self.epoch += 1;
                }
                Ok(is_held)
            }
            Effect::RecordFailure {
                budget,
                machine,
                generation,
                why,
            } => {
                let known = |failure: &BudgetFailure| {
                    (&failure.budget, failure.machine, failure.generation) == (&budget, machine, generation)
                };
                let is_new = !self.failures.iter().any(known);
                if is_new {
                    self.failures.push(BudgetFailure {
                        number: self.failures.len() as u64 + 1,
                        budget,
                        machine,
                        generation,
                        why,
                        at: self.now(),
                        resumed: None,
                    });
                    self.epoch += 1;
                    self.under[daemon].wrote(self.epoch);
                }
                Ok(is_new)
            }
            Effect::Replan { .. } => Ok(false),
        }
    }

    fn judge_start(&mut self, grant: &Grant, down: &[MachineId], decided: Timestamp) -> Result<(), String> {
        let mut judge = std::mem::take(&mut self.judge);
        let judged = judge.start(self, grant, down, decided);
        self.judge = judge;
        judged
    }

    /// The first order of an intent that erases what was in use is decided when its machine has been off for as long as its
    /// quarantine, since it leaves.
    fn judge_erasure(&self, order: &Order, decided: Timestamp) -> Result<(), String> {
        let erases = |order: &Order| matches!(&order.action, Action::Boot(NextBoot::Job(job)) if matches!(job.kind, JobKind::Erase(_)));
        let mut before = self.orders.get(&order.machine).into_iter().flatten();
        let again = before.any(|known| known.order.generation == order.generation && erases(&known.order));
        let machine = &self.world.parent.machines[&order.machine];
        let Some(quarantine) = machine.quarantine.filter(|_| erases(order) && !again) else {
            return Ok(());
        };
        let metal = &self.metal[&order.machine];
        let open = metal.off.map(|off| (off, self.now()));
        let mut rests = metal.rests.iter().copied().chain(open);
        let rested = rests.any(|(off, on)| {
            off <= decided && decided <= on && decided.since(off.max(self.left)) >= quarantine.length()
        });
        match rested {
            true => Ok(()),
            false => Err(format!(
                "erased at {decided}, kept for {quarantine}, leaves since {}: {metal:?}",
                self.left
            )),
        }
    }

    fn grant(&mut self, grant: Grant) {
        let now = self.now();
        if grant.need.wipes {
            let mut known = self.wiped.iter();
            let is_known = known.any(|(id, of, at)| {
                (*id, *of) == (grant.machine, grant.generation) && now.since(*at) < Duration::from_secs(3600)
            });
            if !is_known {
                self.wiped.push((grant.machine, grant.generation, now));
            }
        }
        self.permits
            .grants
            .insert(grant.machine, Grant { at: now, ..grant });
        self.epoch += 1;
    }

    /// Who ran and does not now; who never ran is missed by nobody.
    fn down(&self) -> Vec<MachineId> {
        let down = self
            .metal
            .iter()
            .filter(|(_, metal)| !metal.up && metal.home.is_some());
        down.map(|(id, _)| *id).collect()
    }

    fn place_is_free(&self, order: &Order) -> bool {
        let orders = self.orders.get(&order.machine);
        let newest = orders.and_then(|orders| orders.last());
        newest.is_none_or(|newest| {
            (newest.order.generation, newest.order.number) < (order.generation, order.number)
        })
    }

    /// A person switches it off, if there is room.
    pub(super) fn by_hand(&mut self, id: MachineId) -> Result<(), String> {
        let decided = self.with_world(|world, now| {
            let step = tick(world, now);
            let machine = &world.plan.machines[&id];
            let wish = reconciler_core::next::Wish {
                machine,
                facts: &world.facts[&id],
                around: &tick::around(world, id, machine),
                decision: &step.decisions[&id],
                policy: world.policy,
                power: reconciler_core::next::PowerWish::Off,
                who: "ada",
                why: "",
            };
            let order = wish.order(now).ok()?;
            let standing = stand(world, &step.decisions);
            let ground = Ground {
                plan: world.plan,
                policy: world.policy,
                standing: &standing,
            };
            let taken = admit::by_hand(&order, world.permits, &ground, now);
            taken.exceeds.is_none().then_some((order, taken.leave))
        });
        let Some((order, leave)) = decided else {
            return Ok(());
        };
        if let Leave::Take(grant) = leave {
            let down = self.down();
            let mut judge = std::mem::take(&mut self.judge);
            let judged = judge.room(self, &grant, &down);
            judge.begun(grant.machine);
            self.judge = judge;
            judged?;
            self.grant(grant);
        }
        let at = self.now();
        self.orders.entry(id).or_default().push(IssuedOrder { order, at });
        Ok(())
    }

    /// A daemon looks and performs what it decided, until it decides nothing more.
    pub(crate) fn round(&mut self) {
        let mut acted = true;
        while acted {
            acted = false;
            self.happens(Event::Look(0)).unwrap();
            while !self.daemons[0].is_empty() {
                acted |= self.act(0).unwrap();
            }
        }
    }

    /// Gives the orders that this machine needs next, and no others.
    pub(crate) fn goes_on_with(&mut self, id: MachineId) {
        self.look(0);
        self.daemons[0]
            .retain(|todo| matches!(&todo.effect, Effect::Issue { order, .. } if order.order.machine == id));
        while !self.daemons[0].is_empty() {
            self.act(0).unwrap();
        }
    }
}
