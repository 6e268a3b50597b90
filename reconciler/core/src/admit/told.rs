//! Budgets as people are told of them.

use super::{Ground, Permits, budget, halt, tally::Tallies};
use schema_ids::{Name, Timestamp};
use serde::{Deserialize, Serialize};

/// One budget, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetTold {
    /// Its name.
    pub name: Name,
    /// How many machines it is about.
    pub machines: usize,
    /// The most that may be out of service.
    pub max_unavailable: u32,
    /// Those that are, each with why.
    pub out: Vec<String>,
    /// When its window opens, if it is closed.
    pub opens: Option<Timestamp>,
    /// Set when nothing more is begun until a person says so.
    pub halted: Option<HaltTold>,
}

/// Why a budget is halted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltTold {
    /// Each failure that counts, with the machine, since when and why.
    pub failures: Vec<String>,
    /// The number of the last one on record, by which a person says up to where they were looked at; absent for the moment
    /// until the first is.
    #[serde(default)]
    pub seen: Option<u64>,
    /// What ends it.
    pub end: String,
}

/// The budgets of the plan, by name.
pub fn told(permits: &Permits, ground: &Ground<'_>, now: Timestamp) -> Vec<BudgetTold> {
    let tallies = Tallies::new(&permits.grants, ground, now);
    let told = |(name, of): (&Name, &crate::plan::Budget)| {
        let tally = &tallies.budgets[name];
        let window = of.window.as_ref().filter(|window| !window.is_open(now));
        BudgetTold {
            name: name.clone(),
            machines: tally.waves.len(),
            max_unavailable: of.max_unavailable,
            out: budget::words(ground, &tally.takers),
            opens: window.and_then(|window| window.opens(now)),
            halted: halt::is_halted(of, tally.failed.failures.len()).then(|| HaltTold {
                failures: tally.failed.failures.clone(),
                seen: tally.failed.last,
                end: halt::how_to_go_on(name, tally.failed.last),
            }),
        }
    };
    ground.plan.budgets.iter().map(told).collect()
}
