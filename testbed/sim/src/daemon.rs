//! The daemon's shell: it loads the world, plans new commits, asks `tick`, performs what follows one by
//! one, and answers the agents. It may die between any two of these, and there may be several of it.

mod sync;

pub(crate) use sync::Reply;

use crate::invariant::Invariant;
use crate::report::Violation;
use crate::store::{Store, written};
use crate::world::{Event, World};
use rack_api::order::{Action, NextBoot};
use reconciler_core::admit::{BudgetFailure, Leave, PermitsEpoch, Policy};
use reconciler_core::facts::IssuedOrder;
use reconciler_core::plan::adoption::adoptable;
use reconciler_core::plan::{self, Plan};
use reconciler_core::tick::{self, Effect};
use schema_ids::{Digest, Generation, MachineId, Name, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// One `musterd`.
#[derive(Default)]
pub(crate) struct Daemon {
    up: bool,
    /// Rises with each start: what an earlier life began, the next knows nothing of.
    life: u64,
    todo: VecDeque<Todo>,
    /// The epoch of the permits that its step goes on under.
    permits: Option<PermitsEpoch>,
    /// The commit that it planned last.
    planned: String,
    /// Until when it plans none, since a guard stopped it.
    blocked_until: Option<Timestamp>,
    /// Long polls that wait for news, by request.
    polls: BTreeMap<u64, (Name, Option<Digest>)>,
    /// When it looks at the world next, and the one wake-up that counts.
    next_look: Option<Timestamp>,
    alarm: u64,
}

/// Something to be performed.
enum Todo {
    /// Take the place of this plan's parent.
    Adopt { plan: Box<Plan>, basis: Basis },
    /// An effect, with the plan and the stops that it was decided by.
    Perform {
        plan: String,
        restraints_epoch: u64,
        effect: Effect,
    },
}

/// What was known when a plan was made.
struct Basis {
    /// So many facts.
    facts: usize,
    /// Machines that may write, with the latest generation of such a job.
    written: BTreeMap<MachineId, Generation>,
}

/// How long a wake-up takes to get through.
const WAKE: Duration = Duration::from_millis(5);

/// The same while things fail, in milliseconds: the daemons do not look at the same moment.
const WAKE_SLOW_MS: u64 = 1000;

/// The longest time between two looks at the world.
const SWEEP: Duration = Duration::from_secs(60);

/// Until a commit that a guard stopped is planned again: seldom enough that a day of it is soon over.
const AGAIN: Duration = Duration::from_secs(900);

/// How many machines of the rack may boot at once.
pub(crate) const BOOTS_MAX: u32 = 4;

impl Daemon {
    /// Up, and with nothing to perform.
    pub(crate) fn is_idle(&self) -> bool {
        self.up && self.todo.is_empty()
    }

    pub(crate) fn life(&self) -> u64 {
        self.life
    }
}

impl World<'_> {
    pub(crate) fn daemon_starts(&mut self, daemon: usize) {
        let life = self.daemons[daemon].life + 1;
        self.daemons[daemon] = Daemon {
            up: true,
            life,
            ..Daemon::default()
        };
        self.note(musterd(daemon), "starts");
        self.look(daemon, WAKE);
    }

    pub(crate) fn daemon_crashes(&mut self, daemon: usize, down: Duration) {
        if !self.daemons[daemon].up {
            return;
        }
        *self.report.faults.entry("daemon crash").or_default() += 1;
        let life = self.daemons[daemon].life;
        self.daemons[daemon] = Daemon {
            life,
            ..Daemon::default()
        };
        self.note(musterd(daemon), "dies");
        self.later(down, Event::DaemonStarts { daemon });
    }

    /// One that is up, if any is.
    pub(crate) fn some_daemon(&mut self) -> Option<usize> {
        let first = self.dice.between(0, self.daemons.len() as u64) as usize;
        (0..self.daemons.len())
            .map(|at| (first + at) % self.daemons.len())
            .find(|at| self.daemons[*at].up)
    }

    /// Something changed: all daemons look, and held polls are answered if it is news to them.
    pub(crate) fn announce(&mut self) {
        for daemon in 0..self.daemons.len() {
            if self.daemons[daemon].up {
                let wake = if self.faulty() {
                    Duration::from_millis(self.dice.between(5, WAKE_SLOW_MS))
                } else {
                    WAKE
                };
                self.look(daemon, wake);
            }
            let polls: Vec<u64> = self.daemons[daemon].polls.keys().copied().collect();
            for request in polls {
                self.answer_poll(daemon, request, false);
            }
        }
    }

    /// Has a daemon look at the world after a while, if it does not before.
    fn look(&mut self, daemon: usize, after: Duration) {
        let at = self.now.plus(after);
        let place = &mut self.daemons[daemon];
        if place.next_look.is_some_and(|look| look <= at) {
            return;
        }
        place.next_look = Some(at);
        place.alarm += 1;
        let (life, alarm) = (place.life, place.alarm);
        self.at(at, Event::DaemonWakes { daemon, life, alarm });
    }

    pub(crate) fn daemon_wakes(&mut self, daemon: usize, life: u64, alarm: u64) -> Result<(), Violation> {
        if !self.is_living(daemon, life) || self.daemons[daemon].alarm != alarm {
            return Ok(());
        }
        self.daemons[daemon].next_look = None;
        if !self.daemons[daemon].todo.is_empty() {
            return Ok(());
        }
        let is_blocked = self.daemons[daemon].blocked_until > Some(self.now);
        if self.people.commit != self.daemons[daemon].planned && !is_blocked {
            self.daemons[daemon].planned = self.people.commit.clone();
            self.replan(daemon);
        }
        if self.daemons[daemon].todo.is_empty() {
            let step = self.tick();
            self.check_decisions(&step)?;
            let plan = self.store.plan.id.clone();
            self.daemons[daemon].permits = Some(PermitsEpoch::read(self.store.permits_epoch));
            let restraints_epoch = self.store.restraints_epoch;
            let todo = step.effects.into_iter().map(|effect| Todo::Perform {
                plan: plan.clone(),
                restraints_epoch,
                effect,
            });
            self.daemons[daemon].todo.extend(todo);
            if self.daemons[daemon].todo.is_empty() {
                let due = step.next_due.map_or(SWEEP, |due| due.since(self.now));
                self.look(daemon, due.clamp(WAKE, SWEEP));
                return Ok(());
            }
        }
        self.act_later(daemon);
        Ok(())
    }

    /// The next thing to be done takes a moment; a plan takes longer, so that others come first.
    fn act_later(&mut self, daemon: usize) {
        let plans = matches!(self.daemons[daemon].todo.front(), Some(Todo::Adopt { .. }));
        let delay = if plans && self.faulty() {
            Duration::from_millis(self.dice.between(1, 4000))
        } else {
            self.delay()
        };
        let life = self.daemons[daemon].life;
        self.later(delay, Event::DaemonActs { daemon, life });
    }

    /// What the loop makes of the world now.
    pub(crate) fn tick(&mut self) -> tick::Tick {
        self.store.refresh(self.code);
        let Store {
            plan,
            known,
            restraints,
            records,
            ..
        } = &self.store;
        let policy = Policy {
            boots_max: BOOTS_MAX,
            records: records.clone(),
            ..Policy::under(plan, known, restraints, self.now)
        };
        let world = tick::World {
            plan: &self.store.plan,
            incarnation: self.store.incarnation,
            facts: &self.store.known,
            agents: &self.store.agents,
            permits: &self.store.permits,
            policy: &policy,
            restored: None,
            stopped: None,
        };
        self.code.tick(&world, self.now)
    }

    pub(crate) fn daemon_acts(&mut self, daemon: usize, life: u64) -> Result<(), Violation> {
        if !self.is_living(daemon, life) || self.daemon_dies_here(daemon) {
            return Ok(());
        }
        if let Some(todo) = self.daemons[daemon].todo.pop_front() {
            let done = match todo {
                Todo::Adopt { plan, basis } => self.adopt(daemon, *plan, &basis)?,
                Todo::Perform {
                    plan,
                    restraints_epoch,
                    effect,
                } => match effect {
                    // A stop was made or ended since this was decided.
                    Effect::Issue { .. } if restraints_epoch != self.store.restraints_epoch => false,
                    Effect::Issue { order, leave } => self.issue(daemon, &plan, (*order, leave))?,
                    Effect::RecordFailure {
                        budget,
                        machine,
                        generation,
                        why,
                    } => {
                        let is_new = self.store.record_failure(BudgetFailure {
                            number: self.store.records.failures.len() as u64 + 1,
                            budget,
                            machine,
                            generation,
                            why,
                            at: self.now,
                            resumed: None,
                        });
                        self.wrote(daemon, is_new);
                        is_new
                    }
                    // Another plan was adopted since.
                    Effect::ReleaseGrant { .. } if plan != self.store.plan.id => false,
                    Effect::ReleaseGrant {
                        machine,
                        generation,
                        taken,
                        newest,
                    } => self.store.release(machine, (generation, taken), newest),
                    Effect::Replan { .. } => {
                        self.replan(daemon);
                        false
                    }
                },
            };
            // Done, and nobody was told of it yet.
            if done && self.daemon_dies_here(daemon) {
                return Ok(());
            }
            self.announce();
        }
        if self.daemons[daemon].todo.is_empty() {
            let delay = self.delay();
            self.look(daemon, delay);
        } else {
            self.act_later(daemon);
        }
        Ok(())
    }

    /// Plans the newest commit with what is known now; the plan is adopted next.
    fn replan(&mut self, daemon: usize) {
        let Some(plan) = self.planned() else { return };
        let adopted = &self.store.plan;
        if !plan.wants_the_same(adopted) || plan.commit != adopted.commit {
            let basis = Basis {
                facts: self.store.facts_count(),
                written: written(&self.store),
            };
            let plan = Box::new(plan);
            self.daemons[daemon].todo.push_front(Todo::Adopt { plan, basis });
        }
    }

    pub(crate) fn planned(&mut self) -> Option<Plan> {
        let observed = self.store.observed(self.now, self.code);
        let desired = plan::Desired {
            fleet: self.people.fleet.as_ref()?,
            commit: &self.people.commit,
            base: None,
        };
        Some(self.code.plan(&desired, &observed, &self.store.plan, self.now))
    }

    fn adopt(&mut self, daemon: usize, plan: Plan, basis: &Basis) -> Result<bool, Violation> {
        let settings = self.people.fleet.as_ref().map(|fleet| &fleet.settings);
        let allowed = settings.is_some_and(|settings| {
            adoptable(&plan, &self.store.plan, Some(&plan), settings.unreviewed, &[]).is_ok()
        });
        let parent = plan.parent.clone().unwrap_or_default();
        // A limit over a day opens by itself: the commit is looked at again.
        if self.settings.limit.is_some() && plan.stopped_by(&[], 1, self.now).is_some() {
            let place = &mut self.daemons[daemon];
            place.planned.clear();
            place.blocked_until = Some(self.now.plus(AGAIN));
            self.report.limited += 1;
            return Ok(false);
        }
        let began = self.store.began(&plan, &basis.written);
        if !self.code.is_parent(&parent, &self.store.plan.id) || !self.code.knows_goes(began) {
            // Another daemon was first, or a machine; the commit is looked at again.
            self.daemons[daemon].planned.clear();
            return Ok(false);
        }
        if allowed {
            let (id, made) = (plan.id.clone(), plan.changes.len());
            self.note(musterd(daemon), format_args!("adopts {id}, {made} changes"));
            self.check_adoption(&plan)?;
            self.check_limit(&plan)?;
            let same_commit = plan.commit.as_ref() == Some(&self.people.commit);
            self.store.adopt(plan, self.now);
            self.check_plan()?;
            if same_commit && self.store.facts_count() == basis.facts {
                self.check_plan_stands()?;
            }
        }
        Ok(allowed)
    }

    fn issue(
        &mut self,
        daemon: usize,
        plan: &str,
        (order, leave): (IssuedOrder, Leave),
    ) -> Result<bool, Violation> {
        let begins = self.begins(leave.taken());
        let under = self.daemons[daemon].permits.and_then(PermitsEpoch::now);
        let takes = leave.taken().is_some();
        let unmoved = match &leave {
            Leave::Unneeded => true,
            Leave::Held => self.store.permits.grants.contains_key(&order.order.machine),
            Leave::Take(_) => under == Some(self.store.permits_epoch),
        };
        let issued = unmoved
            && self.code.is_current(plan, &self.store.plan.id)
            && self.store.issue(order.clone(), leave);
        if !issued {
            return Ok(false);
        }
        self.wrote(daemon, takes);
        self.check_planned(&order.order)?;
        self.report.orders += 1;
        let order = order.order;
        let name = self.name_of(order.machine);
        let (number, generation, cause) = (order.number, order.generation, &order.cause);
        let action = match &order.action {
            Action::Power(wanted) => format!("power {wanted:?}"),
            Action::Boot(NextBoot::Local) => "boot its disk".to_owned(),
            Action::Boot(NextBoot::Job(job)) => format!("boot into {}", job.kind.name()),
        };
        self.note(
            musterd(daemon),
            format_args!("orders {name} (generation {generation}, number {number}): {action}; {cause}"),
        );
        if self.wanted(order.machine) != Some(generation) {
            let what = format!("an order of generation {generation} was issued for {name}");
            return Err(self.violation(Invariant::OnlyWhatIsWanted, what));
        }
        self.check_stopped(|| format!("an order was issued for {name}"))?;
        self.check_grants(order.machine)?;
        if begins {
            self.check_budget(order.machine)?;
        }
        Ok(true)
    }

    /// A daemon's step wrote into the permits, if it did, and goes on behind its own word.
    fn wrote(&mut self, daemon: usize, did: bool) {
        let epoch = self.store.permits_epoch;
        if let Some(permits) = self.daemons[daemon].permits.as_mut().filter(|_| did) {
            permits.wrote(epoch);
        }
    }

    pub(crate) fn is_living(&self, daemon: usize, life: u64) -> bool {
        self.daemons[daemon].up && self.daemons[daemon].life == life
    }
}

fn musterd(daemon: usize) -> String {
    format!("musterd{daemon}")
}
