//! Loads what one step of the control loop decides on.

use crate::daemon::Daemon;
use reconciler_core::admit::{self, BudgetTold, Ground, Permits, Policy};
use reconciler_core::condition::Wait;
use reconciler_core::facts::{AgentSeen, MachineFacts};
use reconciler_core::hold::{self, HoldTold, Restraints};
use reconciler_core::plan::Plan;
use reconciler_core::roles::{self, BmcRole, Due};
use reconciler_core::service::Standing;
use reconciler_core::tick::{self, Tick, World, tick};
use reconciler_store::{HeldRestraints, Scope, StoreError};
use schema_ids::{Incarnation, MachineId, Name, Timestamp};
use std::collections::BTreeMap;

/// The adopted plan with everything known of its machines.
pub(crate) struct Loaded {
    /// As it is in hand: each BMC's agent is the one that holds the role.
    pub(crate) plan: Plan,
    pub(crate) incarnation: Incarnation,
    pub(crate) facts: BTreeMap<MachineId, MachineFacts>,
    pub(crate) agents: BTreeMap<Name, AgentSeen>,
    /// Who commands each rack's BMCs, and whose turn it is.
    pub(crate) roles: BTreeMap<Name, BmcRole>,
    pub(crate) due_roles: Vec<Due>,
    pub(crate) permits: Permits,
    /// Rises with each grant taken or released: a grant counts only under the one it was decided by.
    pub(crate) permits_epoch: u64,
    /// Rises with each hold or stop made or ended: an order or a go counts only under the one it was decided by.
    pub(crate) restraints_epoch: u64,
    /// What people made at run time, with the stop of this host.
    pub(crate) restraints: Restraints,
    pub(crate) policy: Policy,
    pub(crate) restored: Option<String>,
    /// Why the plan's commit goes no further with what is known now.
    pub(crate) stopped: Option<Wait>,
    pub(crate) now: Timestamp,
}

/// Loads the world; `None` before any plan was adopted.
pub(crate) async fn load(daemon: &Daemon) -> Result<Option<Loaded>, StoreError> {
    let Some(plan) = daemon.store.adopted().await? else {
        return Ok(None);
    };
    load_under(daemon, plan).await.map(Some)
}

/// Loads the world under a plan that is at hand.
pub(crate) async fn load_under(daemon: &Daemon, plan: Plan) -> Result<Loaded, StoreError> {
    let roles = daemon.store.bmc_roles().await?;
    let agents = daemon.store.agents().await?;
    let now = daemon.store.now().await?;
    let due_roles = roles::due(&plan, &roles, &agents, daemon.bmc_times, now);
    let plan = roles::in_hand(plan, &roles);
    let scopes = plan
        .machines
        .iter()
        .map(|(id, machine)| {
            (
                *id,
                Scope {
                    generation: machine.wanted.generation,
                    agents: plan.agents_of(machine),
                },
            )
        })
        .collect();
    let held = daemon.store.permits().await?;
    let revision = match &plan.commit {
        Some(commit) => daemon.store.revision(commit).await?,
        None => None,
    };
    let facts = daemon.store.facts_of(&scopes).await?;
    let HeldRestraints { epoch, restraints } = restraints(daemon).await?;
    let policy = Policy {
        records: held.records,
        ..Policy::under(&plan, &facts, &restraints, now)
    };
    Ok(Loaded {
        facts,
        agents,
        roles,
        due_roles,
        permits: held.permits,
        permits_epoch: held.epoch,
        restraints_epoch: epoch,
        restraints,
        policy,
        restored: daemon.store.restored().await?,
        stopped: revision.and_then(|revision| {
            let (code, reason) = revision.condition?;
            Some(Wait::of_stop(&code, &reason, revision.since))
        }),
        incarnation: daemon.store.identity().await?.incarnation,
        now,
        plan,
    })
}

/// What people made at run time, with the stop of this host.
pub(crate) async fn restraints(daemon: &Daemon) -> Result<HeldRestraints, StoreError> {
    let mut held = daemon.store.restraints().await?;
    held.restraints.stops.extend(daemon.host_stop());
    Ok(held)
}

impl Loaded {
    /// Whether this host was stopped since. The database knows nothing of that, so its epochs do not say so.
    pub(crate) fn stopped_since(&self, daemon: &Daemon) -> bool {
        let stop = daemon.host_stop();
        stop.is_some_and(|stop| !self.restraints.stops.contains(&stop))
    }

    /// The holds as people are told of them.
    pub(crate) fn told(&self) -> Vec<HoldTold> {
        hold::told(&self.plan, &self.restraints, &self.policy, self.now)
    }

    /// Machines that are out of service and with which nothing goes on, each with why.
    pub(crate) fn unhealthy(&self, tick: &Tick) -> BTreeMap<MachineId, String> {
        tick::unhealthy(&self.world(), &tick.decisions)
    }

    /// The budgets as people are told of them, by what was decided.
    pub(crate) fn budgets(&self, tick: &Tick) -> Vec<BudgetTold> {
        let standing = tick::stand(&self.world(), &tick.decisions);
        admit::told(&self.permits, &self.ground(&standing), self.now)
    }

    /// What admission knows beside proposals and grants.
    pub(crate) fn ground<'a>(&'a self, standing: &'a BTreeMap<MachineId, Standing>) -> Ground<'a> {
        Ground {
            plan: &self.plan,
            policy: &self.policy,
            standing,
        }
    }

    /// What the core makes of it.
    pub(crate) fn tick(&self) -> Tick {
        tick(&self.world(), self.now)
    }

    /// All that a step decides on.
    pub(crate) fn world(&self) -> World<'_> {
        World {
            plan: &self.plan,
            incarnation: self.incarnation,
            facts: &self.facts,
            agents: &self.agents,
            permits: &self.permits,
            policy: &self.policy,
            restored: self.restored.as_deref(),
            stopped: self.stopped.as_ref(),
        }
    }
}
