//! One step of the control loop: a world in, effects out.
//!
//! The daemon performs the effects, each on its own, and asks again; the simulator does the same and
//! crashes between any two. Nothing is remembered from one tick to the next.

use crate::admit::{Admission, Grant, Ground, Leave, Permits, Policy, admit, halt};
use crate::condition::{Condition, Wait};
use crate::facts::{AgentSeen, IssuedOrder, MachineFacts, OrderSeen};
use crate::intent::Intent;
use crate::log;
use crate::next::{Around, Decision, Proposal, next};
use crate::plan::{MachinePlan, Plan};
use crate::service::{Service, Standing, own_faults};
use schema_ids::{Generation, Incarnation, MachineId, Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An order for power of an overtaken intent may still be carried out for so long: the longest deadline of one, ten
/// minutes, and half as much for the agent's word.
const OVERTAKEN_ORDER_MAX: Duration = Duration::from_secs(15 * 60);

/// Everything that a step decides on.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The adopted plan.
    pub plan: &'a Plan,
    /// This life of the control plane.
    pub incarnation: Incarnation,
    /// What is known of each machine, folded for the generation that the plan wants.
    pub facts: &'a BTreeMap<MachineId, MachineFacts>,
    /// Every rack agent as last heard.
    pub agents: &'a BTreeMap<Name, AgentSeen>,
    /// Grants that stand.
    pub permits: &'a Permits,
    /// What may run.
    pub policy: &'a Policy,
    /// Set when agents or markers know more than this database: nothing is ordered.
    pub restored: Option<&'a str>,
    /// Set while the plan's commit cannot be planned again with what was inspected since: its condition.
    pub stopped: Option<&'a Wait>,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Plan again with the same commit: these machines have an inventory newer than the plan's, or their
    /// release is over; where there are none, other holds keep free machines than those that the plan knows.
    Replan {
        /// Which.
        machines: Vec<MachineId>,
    },
    /// Record this order and, in the same transaction, take the grant if there is one. Both are
    /// compare-and-set: the order on (machine, generation, number), the grant on the epoch of the permits; if
    /// either has moved, neither is written and the next tick decides anew.
    Issue {
        /// The record.
        order: Box<IssuedOrder>,
        /// By what leave; a grant replaces one of an older generation.
        leave: Leave,
    },
    /// Record that a machine failed while a budget was about it; once for each intent.
    RecordFailure {
        /// The budget.
        budget: Name,
        /// Whose.
        machine: MachineId,
        /// At which intent.
        generation: Generation,
        /// The condition and the evidence.
        why: String,
    },
    /// Give this machine's grant back, if it is still this one, the plan is still the adopted one and nothing was ordered by
    /// it meanwhile.
    ReleaseGrant {
        /// Whose.
        machine: MachineId,
        /// Of which generation.
        generation: Generation,
        /// When it was taken: what a person orders under a grant takes it anew, whatever it is of.
        taken: Timestamp,
        /// The newest order of this generation that was looked at, 0 for none; absent of a generation that is overtaken, of
        /// which nobody orders anything any more.
        newest: Option<u32>,
    },
}

/// What one step decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tick {
    /// To be performed in this order, each on its own.
    pub effects: Vec<Effect>,
    /// What was decided for each machine; a proposal that was not admitted is a wait here.
    pub decisions: BTreeMap<MachineId, Decision>,
    /// When time alone may change a decision; sooner if anything is heard.
    pub next_due: Option<Timestamp>,
}

/// Decides one step.
pub fn tick(world: &World<'_>, now: Timestamp) -> Tick {
    let mut step = Tick::default();
    let nothing = MachineFacts::default();
    let facts = |id: &MachineId| world.facts.get(id).unwrap_or(&nothing);

    let stale: Vec<MachineId> = world
        .plan
        .machines
        .iter()
        .filter(|(id, machine)| inspected_since(machine, facts(id)))
        .map(|(id, _)| *id)
        .collect();
    for (id, machine) in &world.plan.machines {
        let around = around(world, *id, machine);
        step.decisions.insert(*id, next(machine, facts(id), &around, now));
    }
    for id in &stale {
        // The plan is about to change for it; what the old one would do next is not worth starting, and
        // what it waits for may be over.
        if let (Some(decision), Some(machine)) = (step.decisions.get_mut(id), world.plan.machines.get(id))
            && of_the_plan(decision, machine)
        {
            let since = facts(id).inventory.as_ref().map_or(now, |seen| seen.since);
            let again = || Wait::new(Condition::Commissioning, since, "inspected; to be planned again");
            *decision = Decision::Wait(world.stopped.cloned().unwrap_or_else(again));
        }
    }
    let over = over(world, &mut step);
    // Which machines may be given slots is the planner's to say again.
    let freed = world.plan.commit.is_some() && world.plan.no_allocate != world.policy.no_allocate;
    if !stale.is_empty() || !over.is_empty() || freed {
        let machines: BTreeSet<MachineId> = stale.into_iter().chain(over).collect();
        step.effects.push(Effect::Replan {
            machines: machines.into_iter().collect(),
        });
    }
    let standing = stand(world, &step.decisions);
    let ground = Ground {
        plan: world.plan,
        policy: world.policy,
        standing: &standing,
    };
    record_failures(&ground, &mut step);
    issue(world, &ground, &mut step, now);
    release(world, &ground, &mut step);
    step.next_due = next_due(world, &step, now);
    step
}

/// What `next` knows beside the machine itself.
pub fn around<'a>(world: &World<'a>, id: MachineId, machine: &'a MachinePlan) -> Around<'a> {
    let links = machine.nics.iter().filter_map(|nic| nic.link.as_ref());
    let agents = links
        .filter_map(|link| world.plan.links.get(link))
        .flat_map(|link| link.agents.iter().cloned());
    Around {
        id,
        incarnation: world.incarnation,
        boot_agents: agents.collect(),
        ephemeral: world.plan.ephemeral.is_some(),
        deployment: deployment(world.plan, machine),
        planned: world.plan.made,
        restored: world.restored,
    }
}

/// Whether there is an inventory that the plan has not read.
fn inspected_since(machine: &MachinePlan, facts: &MachineFacts) -> bool {
    let seen = facts.inventory.as_ref().map(|seen| seen.since);
    seen.is_some_and(|seen| machine.inspected.is_none_or(|planned| planned < seen))
}

/// Machines whose release is over: their binding ends with the next plan, which is all they wait for.
fn over(world: &World<'_>, step: &mut Tick) -> Vec<MachineId> {
    let mut over = Vec::new();
    for (id, machine) in &world.plan.machines {
        let (Intent::Released(erase), Some(facts)) = (&machine.wanted.intent, world.facts.get(id)) else {
            continue;
        };
        let Some(since) = facts.released(erase, machine.leaving_since) else {
            continue;
        };
        let (condition, evidence) = match erase.disks.is_empty() {
            true => (Condition::Powering, "it is off; to be planned again"),
            false => (Condition::Erasing, "every disk is erased; to be planned again"),
        };
        let again = || Wait::new(condition, since, evidence);
        let wait = world.stopped.cloned().unwrap_or_else(again);
        step.decisions.insert(*id, Decision::Wait(wait));
        over.push(*id);
    }
    over
}

/// Whether it is the plan's word rather than the machine's: an order, or what keeps git's wish out of it.
fn of_the_plan(decision: &Decision, machine: &MachinePlan) -> bool {
    match decision {
        Decision::Propose(_) => true,
        Decision::Wait(wait) => machine.blocked.as_ref().is_some_and(|blocked| {
            (blocked.condition, &blocked.evidence) == (wait.condition, &wait.evidence)
        }),
        Decision::Settled => false,
    }
}

/// The deployment that a machine is to run, as the plan calls it now.
fn deployment<'a>(plan: &'a Plan, machine: &MachinePlan) -> Option<&'a Name> {
    let binding = match &machine.wanted.intent {
        Intent::Deployed(deploy) => deploy.binding,
        Intent::Observe { .. }
        | Intent::Ready { .. }
        | Intent::AsIs { .. }
        | Intent::Orphaned { .. }
        | Intent::Released(_)
        | Intent::Retired => return None,
    };
    plan.bindings.get(&binding).map(|binding| &binding.deployment)
}

/// The grants that stand, each for its deployment's name of today: a deployment that was renamed while a machine of it
/// is erased has that machine in its budget still.
fn standing(world: &World<'_>) -> Permits {
    let mut permits = world.permits.clone();
    for (id, grant) in &mut permits.grants {
        let machine = world.plan.machines.get(id);
        let now = machine.and_then(|machine| deployment(world.plan, machine));
        if let (Some(erases), Some(now)) = (&mut grant.need.erases, now) {
            erases.clone_from(now);
        }
    }
    permits
}

/// How each machine stands, by what is decided for it.
pub fn stand(world: &World<'_>, decisions: &BTreeMap<MachineId, Decision>) -> BTreeMap<MachineId, Standing> {
    let nothing = MachineFacts::default();
    let of = |(id, decision): (&MachineId, &Decision)| {
        let machine = world.plan.machines.get(id)?;
        let facts = world.facts.get(id).unwrap_or(&nothing);
        Some((*id, Standing::of(machine, facts, decision)))
    };
    let mut standing: BTreeMap<MachineId, Standing> = decisions.iter().filter_map(of).collect();
    for id in own_faults(world.plan, &standing) {
        if let Some(standing) = standing.get_mut(&id) {
            standing.own_fault = true;
        }
    }
    standing
}

/// Machines that are out of service and with which nothing goes on by itself, each with why, as the end of a sentence that
/// begins with its name. One that is being changed, or about to be, is none of them.
pub fn unhealthy(
    world: &World<'_>,
    decisions: &BTreeMap<MachineId, Decision>,
) -> BTreeMap<MachineId, String> {
    let goes_on = |id: &MachineId| match decisions.get(id) {
        Some(Decision::Propose(_)) => true,
        Some(Decision::Wait(wait)) => wait.condition.row().under_way,
        Some(Decision::Settled) | None => false,
    };
    let stand = stand(world, decisions);
    let out = stand.into_iter().filter(|(id, _)| !goes_on(id));
    out.filter_map(|(id, standing)| Some((id, log::line(&standing.out()?))))
        .collect()
}

/// A failure is on record before anything else is begun, and stays there when the machine recovers.
fn record_failures(ground: &Ground<'_>, step: &mut Tick) {
    for (name, budget) in &ground.plan.budgets {
        for failure in halt::unrecorded(ground, name, budget) {
            step.effects.push(Effect::RecordFailure {
                budget: name.clone(),
                machine: failure.machine,
                generation: failure.generation,
                why: failure.why,
            });
        }
    }
}

/// Asks for admission, and turns what is not admitted into a wait. Who has waited longest comes first.
fn issue(world: &World<'_>, ground: &Ground<'_>, step: &mut Tick, now: Timestamp) {
    let mut proposals: Vec<Proposal> = step
        .decisions
        .values()
        .filter_map(|decision| match decision {
            Decision::Propose(proposal) => Some(proposal.clone()),
            Decision::Wait(_) | Decision::Settled => None,
        })
        .collect();
    let budgets = world.plan.budgets_by_machine();
    for proposal in &mut proposals {
        let need = proposal.need.as_mut().filter(|need| need.erases.is_some());
        if let Some((need, budgets)) = need.zip(budgets.get(&proposal.order.machine)) {
            need.budgets.clone_from(budgets);
        }
    }
    proposals.sort_by_key(|proposal| (proposal.since, proposal.order.machine));
    let admissions = admit(&proposals, &standing(world), ground, now);
    for (proposal, admission) in proposals.into_iter().zip(admissions) {
        match admission {
            Admission::Go(leave) => {
                let order = Box::new(IssuedOrder {
                    order: proposal.order,
                    at: now,
                });
                step.effects.push(Effect::Issue { order, leave });
            }
            Admission::Wait(wait) => {
                step.decisions
                    .insert(proposal.order.machine, Decision::Wait(wait));
            }
        }
    }
}

/// Gives back what is not used any more. A machine that was being erased and failed keeps its place in
/// its deployment's budget: the change does not go on to the next one before someone has looked.
fn release(world: &World<'_>, ground: &Ground<'_>, step: &mut Tick) {
    for grant in world.permits.grants.values() {
        let (machine, generation) = (grant.machine, grant.generation);
        let wanted = world.plan.machines.get(&machine);
        let wanted = wanted.map(|machine| machine.wanted.generation);
        // Of a plan that was adopted since the one in hand: nothing is known here of what that wants.
        if wanted.is_some_and(|wanted| wanted < generation) {
            continue;
        }
        let decision = step.decisions.get(&machine);
        let keep = match grant.need.disrupts() {
            true => is_counted(world, ground, grant, decision),
            false => is_used(world, grant, decision),
        };
        if !keep {
            let facts = world.facts.get(&machine).filter(|_| wanted == Some(generation));
            step.effects.push(Effect::ReleaseGrant {
                machine,
                generation,
                taken: grant.at,
                newest: facts.map(|facts| facts.next_number() - 1),
            });
        }
    }
}

/// Whether a grant that takes nobody away is used still.
fn is_used(world: &World<'_>, grant: &Grant, decision: Option<&Decision>) -> bool {
    let machine = world.plan.machines.get(&grant.machine);
    let wanted = machine.map(|machine| machine.wanted.generation);
    wanted == Some(grant.generation)
        && match decision {
            Some(Decision::Propose(_)) => true,
            Some(Decision::Wait(wait)) => wait.condition.row().under_way,
            Some(Decision::Settled) | None => false,
        }
}

/// Whether a grant that takes a machine out of service keeps its places: until its machine is seen to run again, or leaves. An intent that
/// was overtaken counts too, since what was ordered for it may still be carried out.
fn is_counted(world: &World<'_>, ground: &Ground<'_>, grant: &Grant, decision: Option<&Decision>) -> bool {
    let Some(machine) = world.plan.machines.get(&grant.machine) else {
        return false;
    };
    let leaves = matches!(machine.wanted.intent, Intent::Released(_) | Intent::Retired);
    let standing = ground.standing.get(&grant.machine);
    let serves_since = standing.and_then(|standing| match standing.service {
        Service::Serves { since, .. } => Some(since),
        Service::NotYet | Service::Out { .. } => None,
    });
    // Who was switched by hand need not run what is wanted of it by now.
    let back_since = match grant.need.boots {
        true => standing.and_then(Standing::well_since),
        false => serves_since,
    };
    let is_back = back_since.is_some_and(|since| since > grant.at);
    let is_overtaken = machine.wanted.generation != grant.generation;
    // Its agents have not begun, and say when they may: whoever comes first by then is let in by the rules of then.
    let is_limited =
        matches!(decision, Some(Decision::Wait(wait)) if wait.condition == Condition::RateLimited);
    let is_refused = is_limited && !is_overtaken && is_refused_by_all(world, grant.machine, machine);
    match decision {
        None => false,
        Some(_) if leaves || is_back || is_refused && serves_since.is_some() => false,
        // What was ordered for it before, or by hand, came to nothing.
        Some(_) if (is_overtaken || !grant.need.boots) && stays(world, ground, grant) => false,
        Some(Decision::Propose(_) | Decision::Wait(_)) => true,
        Some(Decision::Settled) => is_overtaken,
    }
}

/// Whether no agent boots the machine into a job that was ordered for what is wanted: each of them has refused the newest, and none has taken one.
/// One that has said nothing may have taken it.
fn is_refused_by_all(world: &World<'_>, id: MachineId, machine: &MachinePlan) -> bool {
    let orders = world.facts.get(&id).into_iter().flat_map(|facts| &facts.orders);
    let jobs: Vec<&OrderSeen> = orders.filter(|seen| seen.job().is_some()).collect();
    let agents = around(world, id, machine).boot_agents;
    jobs.iter().all(|seen| seen.taken.is_empty())
        && jobs
            .last()
            .is_some_and(|newest| agents.iter().all(|agent| newest.refused.contains_key(agent)))
}

/// Whether a machine serves without a change of its power since its last word, and nothing that was ordered when it was
/// granted can be carried out any more.
fn stays(world: &World<'_>, ground: &Ground<'_>, grant: &Grant) -> bool {
    let Some(facts) = world.facts.get(&grant.machine) else {
        return false;
    };
    let standing = ground.standing.get(&grant.machine);
    let Some(Service::Serves { since, .. }) = standing.map(|standing| &standing.service) else {
        return false;
    };
    let is_switched = facts.power.as_ref().is_some_and(|power| power.since > *since);
    let known_to = facts.agents.values().map(|agent| agent.watermark).min();
    !is_switched && known_to >= Some(grant.at.plus(OVERTAKEN_ORDER_MAX))
}

/// The next moment at which a wait may end by time alone, or an agent fall silent.
fn next_due(world: &World<'_>, step: &Tick, now: Timestamp) -> Option<Timestamp> {
    let waits = step.decisions.values().filter_map(|decision| match decision {
        Decision::Wait(wait) => wait
            .retry_at
            .or_else(|| wait.limit.map(|limit| wait.since.plus(limit))),
        Decision::Propose(_) | Decision::Settled => None,
    });
    let silences = world
        .agents
        .values()
        .map(|agent| agent.heard.plus(AgentSeen::GAP));
    // What is past already waits for news, not for time; a limit is passed only beyond its last moment.
    waits
        .chain(silences)
        .filter(|due| *due >= now)
        .min()
        .map(|due| due.plus(Duration::from_millis(1)))
}
