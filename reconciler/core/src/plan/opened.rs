//! Guards that people open for one plan: the only way past a guard.
//!
//! There is no switch that opens all of them, and none that stays: an opening is for one guard of one plan, has a reason, ends
//! by itself, and where a fleet asks for it counts only once two people have said it.

use crate::plan::{GuardReport, Plan};
use schema_fleet::{FleetSettings, Unreviewed};
use schema_ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// An opening ends after so long: time to carry out what was in view, not to forget about it.
pub const LASTS: Duration = Duration::from_secs(3600);

/// One person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Which guard, by its name in the plan.
    pub guard: String,
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
    /// When; it ends [`LASTS`] later.
    pub at: Timestamp,
}

/// What a commit may do unseen: what it says itself and what was in force before it must both allow, so that no commit lets
/// itself in. Without a fleet before it, it speaks for itself.
pub fn unreviewed(new: &FleetSettings, base: Option<&FleetSettings>) -> Unreviewed {
    match (new.unreviewed, base.map(|base| base.unreviewed)) {
        (Unreviewed::Allow, None | Some(Unreviewed::Allow)) => Unreviewed::Allow,
        (Unreviewed::Approve, _) | (_, Some(Unreviewed::Approve)) => Unreviewed::Approve,
    }
}

/// So many people must say it: two, but for a fleet that carries out what nobody was shown, which is a laboratory.
pub fn needed(unreviewed: Unreviewed) -> usize {
    match unreviewed {
        Unreviewed::Allow => 1,
        Unreviewed::Approve => 2,
    }
}

/// The people who have said it of this guard and whose word still counts.
pub fn people<'o>(opened: &'o [Opened], guard: &str, now: Timestamp) -> BTreeSet<&'o str> {
    let counts = |one: &&Opened| one.guard == guard && now < one.at.plus(LASTS);
    opened.iter().filter(counts).map(|one| one.who.as_str()).collect()
}

impl Plan {
    /// The first guard that stops this plan, openings considered.
    pub fn stopped_by(&self, opened: &[Opened], needed: usize, now: Timestamp) -> Option<&GuardReport> {
        let is_open = |guard: &str| people(opened, guard, now).len() >= needed;
        self.guards
            .iter()
            .find(|guard| guard.blocked.is_some() && !is_open(&guard.guard))
    }
}
