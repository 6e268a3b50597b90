//! How many machines whose disks hold data in use may be given over to a job that writes them within an hour.
//!
//! The agent counts for itself, by its own settings and its own clock, and keeps the count on its disk: a control plane that
//! went wrong cannot raise it. What is written on blank disks is not counted, and what a job says of its disks is compared
//! with them before its first write, so that saying "blank" gains nothing.

use schema_ids::{Generation, MachineId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The time within which so many may be begun.
pub const WITHIN: Duration = Duration::from_secs(3600);

/// What was begun within the last hour. Its serde form is kept on the agent's disk; the limit is no part of that.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wipes {
    /// Machine, intent and time; those without a machine stand for what a lost state may have held.
    begun: Vec<(Option<MachineId>, Generation, Timestamp)>,
    #[serde(skip)]
    per_hour: Option<u32>,
}

impl Wipes {
    /// Allows so many within an hour from now on. An agent whose state was `lost`, or that is new, does not know what it
    /// has begun, and counts half of its hour as used: a new one can do its work, and one that lost its state within the
    /// hour exceeds its limit by half at most.
    pub fn limit(&mut self, per_hour: u32, lost: bool, now: Timestamp) {
        self.per_hour = Some(per_hour);
        if lost {
            let used = per_hour as usize / 2;
            self.begun = vec![(None, Generation::default(), now); used];
        }
    }

    /// Counts a machine for an intent, once.
    ///
    /// # Errors
    /// When there is room for it, if there is none now.
    pub fn begin(
        &mut self,
        machine: MachineId,
        generation: Generation,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let Some(per_hour) = self.per_hour else {
            return Ok(());
        };
        // A clock that was set back must not make what was begun later last longer than an hour.
        for (.., at) in &mut self.begun {
            *at = (*at).min(now);
        }
        self.begun.retain(|(.., at)| now.since(*at) < WITHIN);
        let mine = |begun: &(Option<MachineId>, Generation, Timestamp)| {
            (begun.0, begun.1) == (Some(machine), generation)
        };
        if self.begun.iter().any(mine) {
            return Ok(());
        }
        let over = (self.begun.len() + 1).saturating_sub(per_hour as usize);
        match over.checked_sub(1) {
            None => {
                self.begun.push((Some(machine), generation, now));
                Ok(())
            }
            // So many have to be over before there is room.
            Some(at) => Err(self.begun.get(at).map_or(now, |(.., at)| *at).plus(WITHIN)),
        }
    }

    /// What is allowed within an hour, if anything limits it.
    pub(crate) fn per_hour(&self) -> Option<u32> {
        self.per_hour
    }
}
