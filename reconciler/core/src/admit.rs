//! Decides across machines: which proposals may run now.
//!
//! A proposal that disturbs something needs a grant: a row taken by compare-and-set, one per machine.
//! This module only says which grants to take; it counts, and it never reorders what was granted. Each rule has a file of
//! its own and answers with a wait or not at all; none of them outweighs another.
//!
//! What was begun goes on: whoever holds a grant for an intent is asked nothing more until that intent is carried out.

mod boots;
mod budget;
mod by_hand;
mod canary;
mod epoch;
pub(crate) mod halt;
mod rate;
mod soak;
mod tally;
mod told;
mod wave;
mod window;

pub use by_hand::{ByHand, by_hand};
pub use canary::Kind;
pub use epoch::PermitsEpoch;
pub use halt::{BudgetFailure, Resumed};
pub use told::{BudgetTold, HaltTold, told};

use crate::condition::{Condition, Wait};
use crate::facts::MachineFacts;
use crate::hold::{self, Act, Denial, Denied, Restraints};
use crate::next::{Need, Proposal};
use crate::plan::{Budget, Plan};
use crate::service::Standing;
use rack_api::order::Lane;
use schema_ids::{Generation, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tally::{Tallies, Tally};

/// How many machines of one rack may boot or be imaged at once: what one rack agent with a gigabit
/// uplink can feed with a 500 MiB image each within minutes.
pub const BOOTS_MAX: u32 = 8;

/// How many machines of one deployment without a budget may lose data in use at once.
pub const ERASES_MAX: u32 = 1;

/// What may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Machines of one rack that may boot or be imaged at once.
    pub boots_max: u32,
    /// Machines of one deployment without a budget that may be erased at once, if what they lose was in use.
    pub erases_max: u32,
    /// What holds and stops keep from machines.
    pub denials: BTreeMap<MachineId, Vec<Denial>>,
    /// The holds that keep free machines from being given slots now, by id.
    pub no_allocate: BTreeSet<String>,
    /// What is on record of changes that were begun before.
    #[serde(default)]
    pub records: Records,
}

/// What is on record of changes that were begun before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Records {
    /// Failures that budgets count, and those of the intents of today that people have looked at.
    pub failures: Vec<BudgetFailure>,
    /// Machines whose data in use began to be erased within the last hour, with the intent and since when.
    pub wiped: Vec<(MachineId, Generation, Timestamp)>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            boots_max: BOOTS_MAX,
            erases_max: ERASES_MAX,
            denials: BTreeMap::new(),
            no_allocate: BTreeSet::new(),
            records: Records::default(),
        }
    }
}

impl Policy {
    /// What may run of a plan, with the holds that its git declares, and under what people made at run time.
    pub fn under(
        plan: &Plan,
        facts: &BTreeMap<MachineId, MachineFacts>,
        restraints: &Restraints,
        now: Timestamp,
    ) -> Self {
        Self {
            denials: hold::denials(plan, facts, restraints, now),
            no_allocate: hold::no_allocate(hold::all(plan, restraints), now),
            ..Self::default()
        }
    }

    /// What is kept from a machine.
    pub fn of(&self, machine: MachineId) -> &[Denial] {
        self.denials.get(&machine).map_or(&[], Vec::as_slice)
    }

    /// Why this may not be done to a machine, if so.
    pub fn denied(&self, machine: MachineId, act: Act) -> Option<Denied> {
        hold::denied(self.of(machine), act)
    }
}

/// Leave to disturb one machine, for one generation of its intent. The machine is the key: at most one
/// row each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Whom.
    pub machine: MachineId,
    /// For which intent.
    pub generation: Generation,
    /// What it takes.
    pub need: Need,
    /// Since when.
    pub at: Timestamp,
}

/// By what leave an order is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leave {
    /// None is needed: it disturbs nobody.
    Unneeded,
    /// The grant that its machine holds: it is written only while that stands.
    Held,
    /// This grant, which is taken with it or not at all.
    Take(Grant),
}

impl Leave {
    /// The grant that is to be taken, if one is.
    pub fn taken(&self) -> Option<&Grant> {
        match self {
            Self::Take(grant) => Some(grant),
            Self::Unneeded | Self::Held => None,
        }
    }
}

/// The grants that stand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Permits {
    /// By machine.
    pub grants: BTreeMap<MachineId, Grant>,
}

/// What admission knows beside the proposals and the grants.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The adopted plan.
    pub plan: &'a Plan,
    /// What may run.
    pub policy: &'a Policy,
    /// How each machine of the plan stands.
    pub standing: &'a BTreeMap<MachineId, Standing>,
}

impl Ground<'_> {
    fn name(&self, machine: MachineId) -> String {
        let known = self.plan.machines.get(&machine);
        known.map_or_else(|| machine.to_string(), |machine| machine.name.to_string())
    }

    /// Why a machine counts as out of service, whoever did it.
    fn out(&self, machine: MachineId) -> Option<String> {
        self.standing.get(&machine)?.out()
    }
}

/// The answer to one proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Give the order by this leave.
    Go(Leave),
    /// Not now.
    Wait(Wait),
}

/// Answers each proposal, in their order; earlier ones come first where places are scarce.
pub fn admit(
    proposals: &[Proposal],
    permits: &Permits,
    ground: &Ground<'_>,
    now: Timestamp,
) -> Vec<Admission> {
    let mut grants = permits.grants.clone();
    let mut tallies = Tallies::new(&grants, ground, now);
    let mut admit_next = |proposal: &Proposal| {
        let admission = admit_one(proposal, (&grants, &tallies), ground, now);
        if let Admission::Go(Leave::Take(grant)) = &admission {
            grants.insert(grant.machine, grant.clone());
            match grant.need.disrupts() {
                true => tallies = Tallies::new(&grants, ground, now),
                // It takes no place of a budget, and is one more that a kind is tried on.
                false => tallies.forget_kinds(),
            }
        }
        admission
    };
    proposals.iter().map(&mut admit_next).collect()
}

/// One proposal before the rules.
struct Case<'a> {
    machine: MachineId,
    generation: Generation,
    need: &'a Need,
    since: Timestamp,
    grants: &'a BTreeMap<MachineId, Grant>,
    tallies: &'a Tallies,
    ground: &'a Ground<'a>,
    now: Timestamp,
}

/// A rule of budgets: why it says no to this machine, if it does.
type Rule = fn(&Case<'_>, &Name, &Budget, &Tally) -> Option<Wait>;

impl<'a> Case<'a> {
    /// The grants of all others.
    fn others(&self) -> impl Iterator<Item = &'a Grant> {
        let machine = self.machine;
        self.grants.values().filter(move |grant| grant.machine != machine)
    }

    /// Whether the machine is out of service already: disturbing it takes nobody away.
    fn is_out(&self) -> bool {
        self.ground.out(self.machine).is_some()
    }

    fn wait(&self, condition: Condition, evidence: String) -> Wait {
        Wait::new(condition, self.since, evidence)
    }

    /// The budgets of the plan that count it.
    fn budgets(&self) -> impl Iterator<Item = (&'a Name, &'a Budget, &'a Tally)> {
        let (plan, tallies, need) = (self.ground.plan, self.tallies, self.need);
        let known = need
            .budgets
            .iter()
            .filter_map(|name| plan.budgets.get_key_value(name));
        known.filter_map(|(name, budget)| Some((name, budget, tallies.budgets.get(name)?)))
    }

    /// The first rule that says no to beginning it.
    fn refused(&self) -> Option<Wait> {
        let rules: [Rule; 5] = [
            halt::check,
            window::check,
            wave::check,
            soak::check,
            budget::check,
        ];
        let by_budget = |rule: &Rule| {
            self.budgets()
                .find_map(|(name, of, tally)| rule(self, name, of, tally))
        };
        let refused = match self.need.budgets.is_empty() {
            true => budget::one_at_a_time(self),
            false => rules.iter().find_map(by_budget),
        };
        refused
            .or_else(|| canary::check(self))
            .or_else(|| rate::check(self))
    }
}

fn admit_one(
    proposal: &Proposal,
    (grants, tallies): (&BTreeMap<MachineId, Grant>, &Tallies),
    ground: &Ground<'_>,
    now: Timestamp,
) -> Admission {
    let (machine, generation) = (proposal.order.machine, proposal.order.generation);
    if let Some(denied) = ground.policy.denied(machine, proposal.act) {
        return Admission::Wait(denied.wait(proposal.since));
    }
    let Some(need) = &proposal.need else {
        return Admission::Go(Leave::Unneeded);
    };
    let standing = grants.get(&machine);
    let held = standing.filter(|grant| grant.generation == generation);
    let is_held = held.is_some_and(|grant| grant.need.covers(need));
    let case = Case {
        machine,
        generation,
        need,
        since: proposal.since,
        grants,
        tallies,
        ground,
        now,
    };
    // What was counted over an hour ago may not have begun to write: it is counted anew before it is ordered again.
    let writes = proposal.act == Act::Write && proposal.order.lane() == Lane::Boot;
    let counts_anew = need.wipes && writes && !rate::is_counted(&case);
    if is_held && !counts_anew {
        return Admission::Go(Leave::Held);
    }
    let is_begun = held.is_some_and(|grant| grant.need.has_begun(need));
    let refused = match (is_held, is_begun) {
        (true, _) => rate::check(&case),
        (false, true) => boots::check(&case),
        (false, false) => boots::check(&case).or_else(|| case.refused()),
    };
    match refused {
        Some(wait) => Admission::Wait(wait),
        None => Admission::Go(Leave::Take(Grant {
            machine,
            generation,
            need: need.with(held.map(|grant| &grant.need)),
            at: now,
        })),
    }
}

/// Things named as evidence: the first few, and how many more there are.
fn some_of(mut things: Vec<String>) -> String {
    const NAMED_MAX: usize = 5;
    things.sort();
    let more = things.len().saturating_sub(NAMED_MAX);
    things.truncate(NAMED_MAX);
    match more {
        0 => things.join("; "),
        more => format!("{}; and {more} more", things.join("; ")),
    }
}
