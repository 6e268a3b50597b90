//! The control loop: load the world, decide, perform the effects, wait for something to change.
//!
//! It reads the world anew each time and keeps nothing, so that it may be stopped between any two
//! effects. Wake-ups are hints: facts that arrived here or at another daemon, and a timer.

use crate::daemon::Daemon;
use crate::failpoint;
use crate::pipeline::{self, PipelineError};
use crate::roles;
use crate::world::{self, Loaded};
use rack_api::order::{Action, Order};
use reconciler_core::admit::{Leave, PermitsEpoch};
use reconciler_core::hold::Hold;
use reconciler_core::tick::Effect;
use reconciler_store::{By, Claimed, Intended, Issuance, Issue, StoreError, Wake, WorkItem};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The longest pause between two looks at the world: time alone may turn a wait into a decision.
const SWEEP: Duration = Duration::from_secs(5);
/// The pause after a failed step, so that a database that restarts is not hammered.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long a claim on work holds: far above what a step takes, and short enough that the work of a
/// killed daemon is soon another's.
const LEASE: Duration = Duration::from_secs(30);
/// Items claimed at once; what is left over is claimed in the next round.
const CLAIM_MAX: u32 = 1000;
/// Steps taken in a row before the loop pauses: effects normally dry up after a few.
const STEPS_MAX: u32 = 50;

/// What can go wrong in a step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// The database.
    #[error("the database did not do its part")]
    Store(#[source] StoreError),
}

/// Runs until cancelled.
pub(crate) async fn run(daemon: Arc<Daemon>, stop: CancellationToken) {
    let mut swept: Option<Instant> = None;
    loop {
        // Marks say that there is something to do; a sweep looks without any, since marks are hints.
        let sweep = swept.is_none_or(|at| at.elapsed() >= SWEEP);
        let pause = match round(&daemon, sweep).await {
            Ok(Some(pause)) => {
                swept = Some(Instant::now());
                pause
            }
            Ok(None) => SWEEP,
            Err(error) => {
                tracing::warn!(error = %crate::chain(&error), "a control step failed; it will be taken again");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = daemon.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Claims what is marked and takes steps; `None` if another daemon has all of it and no sweep is due.
async fn round(daemon: &Daemon, sweep: bool) -> Result<Option<Duration>, ControlError> {
    let claimed = daemon
        .store
        .claim(CLAIM_MAX, LEASE)
        .await
        .map_err(ControlError::Store)?;
    if claimed.is_empty() && !sweep {
        return Ok(None);
    }
    let pause = steps(daemon).await?;
    finish(daemon, &claimed, pause)
        .await
        .map_err(ControlError::Store)?;
    Ok(Some(pause))
}

/// Gives the marks back; the fleet as a whole is looked at again after `pause`.
async fn finish(daemon: &Daemon, claimed: &[Claimed], pause: Duration) -> Result<(), StoreError> {
    for item in claimed {
        let again = (item.item == WorkItem::Fleet).then_some(pause);
        daemon.store.finish(item, again).await?;
    }
    if claimed.iter().all(|item| item.item != WorkItem::Fleet) {
        daemon.store.enqueue(&[WorkItem::Fleet], pause).await?;
    }
    Ok(())
}

/// Hears of changes that other daemons made, and passes them on.
pub(crate) async fn listen(daemon: Arc<Daemon>, stop: CancellationToken) {
    loop {
        let wakeups = tokio::select! {
            () = stop.cancelled() => return,
            wakeups = daemon.store.listen() => wakeups,
        };
        if let Ok(mut wakeups) = wakeups {
            loop {
                let wake = tokio::select! {
                    () = stop.cancelled() => return,
                    wake = wakeups.next() => wake,
                };
                match wake {
                    Wake::Hint => daemon.announce(),
                    Wake::Poll => daemon.wake.notify_one(),
                }
            }
        }
        tokio::time::sleep(AFTER_FAILURE).await;
    }
}

/// Takes steps until there is nothing to do now; returns how long that is likely to last.
async fn steps(daemon: &Daemon) -> Result<Duration, ControlError> {
    for _ in 0..STEPS_MAX {
        let Some(loaded) = world::load(daemon).await.map_err(ControlError::Store)? else {
            return Ok(SWEEP);
        };
        let mut acted = roles::settle(daemon, &loaded)
            .await
            .map_err(ControlError::Store)?;
        end_spent(daemon, &loaded).await.map_err(ControlError::Store)?;
        let tick = loaded.tick();
        let takes = |effect: &Effect| {
            matches!(
                effect,
                Effect::Issue {
                    leave: Leave::Take(_),
                    ..
                }
            )
        };
        if !tick.effects.iter().any(takes) {
            daemon.set_slowness(None);
        }
        let mut step = Step {
            daemon,
            loaded: &loaded,
            permits: PermitsEpoch::read(loaded.permits_epoch),
        };
        for effect in tick.effects {
            failpoint::reach("effect");
            acted |= step.perform(effect).await?;
        }
        if !acted {
            let due = tick.next_due.map_or(SWEEP, |due| due.since(loaded.now));
            // A moment is left so that a due time of "now" does not spin.
            return Ok(due.clamp(Duration::from_millis(100), SWEEP));
        }
        daemon.announce();
    }
    Ok(Duration::from_millis(100))
}

/// Ends holds of run time that keep nobody and of which nobody needs to hear any more.
async fn end_spent(daemon: &Daemon, loaded: &Loaded) -> Result<(), StoreError> {
    let by = By {
        who: "musterd".to_owned(),
        why: "its time is over".to_owned(),
    };
    let mut holds = loaded.restraints.holds.iter();
    if !holds.any(|hold| hold.expired(loaded.now)) {
        return Ok(());
    }
    let told = loaded.told();
    let is_told = |hold: &Hold| told.iter().any(|told| told.hold.id == hold.id);
    for hold in &loaded.restraints.holds {
        if !is_told(hold) {
            daemon.store.end_hold(&hold.id, &by).await?;
        }
    }
    Ok(())
}

/// One step that is carried out, effect by effect.
struct Step<'a> {
    daemon: &'a Daemon,
    loaded: &'a Loaded,
    /// What its grants are taken under: all that it decided was decided together.
    permits: PermitsEpoch,
}

impl Step<'_> {
    /// Performs one effect; `false` if the world had moved on or nothing came of it.
    async fn perform(&mut self, effect: Effect) -> Result<bool, ControlError> {
        match effect {
            Effect::Issue { order, leave } => self.issue(&order.order, leave).await,
            Effect::ReleaseGrant {
                machine,
                generation,
                taken,
                newest,
            } => {
                let by = By {
                    who: "musterd".to_owned(),
                    why: "the machine is as wanted".to_owned(),
                };
                let store = &self.daemon.store;
                let plan = &self.loaded.plan.id;
                let released = store.release_grant(plan, machine, generation, taken, newest, &by);
                released.await.map_err(ControlError::Store)
            }
            Effect::RecordFailure {
                budget,
                machine,
                generation,
                why,
            } => {
                let by = By {
                    who: "musterd".to_owned(),
                    why,
                };
                let recorded = self
                    .daemon
                    .store
                    .record_failure(&budget, machine, generation, &by);
                let Some(epoch) = recorded.await.map_err(ControlError::Store)? else {
                    return Ok(false);
                };
                self.permits.wrote(epoch);
                tracing::warn!(%machine, generation = generation.0, %budget, why = by.why, "failed, and its budget counts it");
                Ok(true)
            }
            Effect::Replan { machines } => self.replan(machines.len()).await,
        }
    }

    async fn replan(&self, machines: usize) -> Result<bool, ControlError> {
        let Some(commit) = self.loaded.plan.commit.clone() else {
            return Ok(false);
        };
        let by = By {
            who: "musterd".to_owned(),
            why: format!("new facts of {machines} machines"),
        };
        match pipeline::advance(self.daemon, &commit, None, &by).await {
            Ok(_) | Err(PipelineError::Overtaken { .. }) => {}
            Err(PipelineError::Store(error)) => return Err(ControlError::Store(error)),
            // A repository out of reach keeps new facts waiting, and nobody else.
            Err(error) => {
                tracing::warn!(error = %crate::chain(&error), "cannot plan again; it will be tried again");
                return Ok(false);
            }
        }
        let after = self.daemon.store.adopted_id().await;
        Ok(after.map_err(ControlError::Store)?.as_ref() != Some(&self.loaded.plan.id))
    }

    async fn issue(&mut self, order: &Order, leave: Leave) -> Result<bool, ControlError> {
        if self.loaded.stopped_since(self.daemon) {
            self.permits.outdated();
            return Ok(false);
        }
        let takes = leave.taken().is_some();
        let Some(permits_epoch) = self
            .permits
            .now()
            .or((!takes).then_some(self.loaded.permits_epoch))
        else {
            return Ok(false);
        };
        let intended = [Intended {
            order: order.clone(),
            leave,
        }];
        // What begins to write meanwhile is not cut by what was decided before.
        let is_power = matches!(order.action, Action::Power(_));
        let facts = self.loaded.facts.get(&order.machine).filter(|_| is_power);
        let issue = Issue {
            plan: &self.loaded.plan.id,
            permits_epoch,
            decided: failpoint::earlier(self.loaded.now),
            restraints_epoch: self.loaded.restraints_epoch,
            orders: &intended,
            goes: facts.map(|facts| facts.goes().count()),
            beyond: None,
            who: "musterd",
        };
        let issued = self.daemon.store.issue(&issue).await;
        match issued.map_err(ControlError::Store)? {
            Issuance::Written {
                orders,
                permits_epoch,
            } => {
                failpoint::reach("issued");
                if takes {
                    self.permits.wrote(permits_epoch);
                    self.daemon.set_slowness(None);
                }
                if orders.is_empty() {
                    return Ok(false);
                }
                let action = crate::rack_door::action_name(&order.action);
                tracing::info!(machine = %order.machine, generation = order.generation.0, number = order.number,
                    action, cause = %order.cause, "order issued");
                Ok(true)
            }
            Issuance::PlanSuperseded | Issuance::PermitsMoved | Issuance::Begun => {
                // The rest of the step was decided by the same.
                self.permits.outdated();
                Ok(false)
            }
            Issuance::TooLate { after } => {
                self.permits.outdated();
                tracing::warn!(machine = %order.machine, generation = order.generation.0, seconds = after.as_secs(),
                    "decided too long ago, so nothing that needs a grant is begun: this daemon or its database is too slow");
                self.daemon.set_slowness(Some(after));
                Ok(false)
            }
            Issuance::Refused(reason) => {
                tracing::warn!(machine = %order.machine, generation = order.generation.0, reason, "order not issued");
                Ok(false)
            }
        }
    }
}
