//! Halting: after so many failures nothing more of a budget is begun until a person says so.
//!
//! A failure is a row that stays, whatever becomes of the machine: one that is repaired or recovers by itself does not set a
//! change going again that somebody should have looked at.

use super::{Case, Ground, some_of, tally::Tally};
use crate::condition::{Condition, Wait};
use crate::plan::Budget;
use schema_ids::{Generation, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};

/// A machine that failed while a budget was about it; one for each intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetFailure {
    /// Its number: whoever says "go on" names the last one that was looked at.
    #[serde(default)]
    pub number: u64,
    /// The budget, as it was called then.
    pub budget: Name,
    /// The machine.
    pub machine: MachineId,
    /// The intent that it failed at.
    pub generation: Generation,
    /// The condition and the evidence.
    pub why: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// Who looked at it and said "go on".
    pub resumed: Option<Resumed>,
}

/// A person's "go on".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// A failure that stands and that nobody has recorded yet.
pub(crate) struct Unrecorded {
    pub(crate) machine: MachineId,
    pub(crate) generation: Generation,
    pub(crate) why: String,
}

/// Failures of a budget's machines that are not on record. A machine that nobody counts on yet, and that failed where others
/// run the same, halts nothing.
pub(crate) fn unrecorded(ground: &Ground<'_>, name: &Name, budget: &Budget) -> Vec<Unrecorded> {
    if budget.halt_after_failures == 0 {
        return Vec::new();
    }
    let known = |machine, generation| {
        let mut failures = ground.policy.records.failures.iter();
        failures.any(|known| {
            budget.counts(name, &known.budget) && (known.machine, known.generation) == (machine, generation)
        })
    };
    let failed = budget.members().filter_map(|id| {
        let standing = ground.standing.get(&id).filter(|standing| !standing.own_fault)?;
        let (condition, evidence) = standing.failed.as_ref()?;
        let generation = ground.plan.machines.get(&id)?.wanted.generation;
        (!known(id, generation)).then(|| Unrecorded {
            machine: id,
            generation,
            why: format!("{condition}: {evidence}"),
        })
    });
    failed.collect()
}

/// The failures that count against a budget.
pub(super) struct Counted {
    /// Each machine's name with why it failed.
    pub(super) failures: Vec<String>,
    /// The number of the last one on record; `None` where none is yet.
    pub(super) last: Option<u64>,
}

/// The failures that count against a budget.
pub(super) fn counted(ground: &Ground<'_>, name: &Name, budget: &Budget) -> Counted {
    let failures = ground.policy.records.failures.iter();
    let standing =
        failures.filter(|failure| budget.counts(name, &failure.budget) && failure.resumed.is_none());
    let last = standing.clone().map(|failure| failure.number).max();
    let recorded = standing.map(|failure| (failure.machine, &failure.why, Some(failure.at)));
    let new = unrecorded(ground, name, budget);
    let new = new.iter().map(|failure| (failure.machine, &failure.why, None));
    let words = |(machine, why, at): (MachineId, &String, Option<Timestamp>)| {
        let at = at.map_or_else(String::new, |at| format!(" at {at}"));
        format!("{} failed{at}, {why}", ground.name(machine))
    };
    Counted {
        failures: recorded.chain(new).map(words).collect(),
        last,
    }
}

/// Whether nothing more may be begun.
pub(super) fn is_halted(budget: &Budget, failures: usize) -> bool {
    budget.halt_after_failures > 0 && failures >= budget.halt_after_failures as usize
}

pub(super) fn check(case: &Case<'_>, name: &Name, budget: &Budget, tally: &Tally) -> Option<Wait> {
    let (Counted { failures, last }, most) = (&tally.failed, budget.halt_after_failures);
    is_halted(budget, failures.len()).then(|| {
        let evidence = format!(
            "budget {name} is halted, {} of {most} failures: {}",
            failures.len(),
            some_of(failures.clone())
        );
        case.wait(Condition::BudgetHalted, evidence)
            .next_step(how_to_go_on(name, *last))
    })
}

/// What ends it: a person's word on the failures up to this one. What fails while they are looked at was not seen.
pub(super) fn how_to_go_on(name: &Name, last: Option<u64>) -> String {
    let seen = last.map_or("N".to_owned(), |last| last.to_string());
    format!(
        "Look at the machines that failed, then `muster resume --scope budget:{name} --seen {seen} --reason ...`"
    )
}
