//! Loads what one step of the control loop decides on.

use crate::daemon::Daemon;
use reconciler_core::admit::{Permits, Policy};
use reconciler_core::condition::Wait;
use reconciler_core::facts::{AgentSeen, MachineFacts};
use reconciler_core::plan::Plan;
use reconciler_core::roles::{self, BmcRole, Due};
use reconciler_core::tick::{Tick, World, tick};
use reconciler_store::{Scope, StoreError};
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
    Ok(Loaded {
        facts: daemon.store.facts_of(&scopes).await?,
        agents,
        roles,
        due_roles,
        permits: held.permits,
        permits_epoch: held.epoch,
        policy: Policy::default(),
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

impl Loaded {
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
