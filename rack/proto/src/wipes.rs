//! How many machines whose disks hold data in use may be given over to a job that writes them within an hour.
//!
//! The agent counts for itself, by its own settings and its own clock, and keeps the count on its disk: a control plane that
//! went wrong cannot raise it, and neither can whoever sets the clock. Its hour passes by a steady clock, which counts from a
//! host's start: what passed while the host was off is not known, and does not count. What is written on blank disks is not counted, and what a job says of its disks is compared
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
    /// The log's own time, by which those times are: it began with the wall clock's, and advances with the steady one.
    #[serde(default)]
    time: Option<Timestamp>,
    /// The steady clock when that was.
    #[serde(default)]
    steady: Duration,
    #[serde(skip)]
    per_hour: Option<u32>,
}

impl Wipes {
    /// Allows so many within an hour from now on. An agent whose state was `lost`, or that is new, does not know what it
    /// has begun, and counts half of its hour as used: a new one can do its work, and one that lost its state within the
    /// hour exceeds its limit by half at most.
    ///
    /// It is `now` by the wall clock, and `steady` as for [`Self::passed`].
    pub fn limit(&mut self, per_hour: u32, lost: bool, now: Timestamp, steady: Duration) {
        self.passed(steady);
        self.per_hour = Some(per_hour);
        let time = *self.time.get_or_insert(now);
        // Kept by the wall clock, before there was a time of its own: what it says of later was begun by now.
        for (.., at) in &mut self.begun {
            *at = (*at).min(time);
        }
        if lost {
            let used = per_hour as usize / 2;
            self.begun = vec![(None, Generation::default(), time); used];
        }
    }

    /// So much has passed on the steady clock since the host's start. Where it is less than before, the host was started again
    /// since, and at least so much has passed.
    pub fn passed(&mut self, steady: Duration) {
        let since = steady.checked_sub(self.steady).unwrap_or(steady);
        self.time = self.time.map(|time| time.plus(since));
        self.steady = steady;
    }

    /// Counts a machine for an intent, once.
    ///
    /// # Errors
    /// When there is room for it by the wall clock, which is `now`, if there is none now.
    pub fn begin(
        &mut self,
        machine: MachineId,
        generation: Generation,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let Some(per_hour) = self.per_hour else {
            return Ok(());
        };
        let time = *self.time.get_or_insert(now);
        self.begun.retain(|(.., at)| time.since(*at) < WITHIN);
        let mine = |begun: &(Option<MachineId>, Generation, Timestamp)| {
            (begun.0, begun.1) == (Some(machine), generation)
        };
        if self.begun.iter().any(mine) {
            return Ok(());
        }
        let over = (self.begun.len() + 1).saturating_sub(per_hour as usize);
        match over.checked_sub(1) {
            None => {
                self.begun.push((Some(machine), generation, time));
                Ok(())
            }
            // So many have to be over before there is room; told by the clock that others have.
            Some(at) => {
                let begun = self.begun.get(at).map_or(time, |(.., at)| *at);
                Err(now.plus(begun.plus(WITHIN).since(time)))
            }
        }
    }

    /// Counts a machine for an intent from now on: it is about to write. A boot order stands for a day, so its own count may be long over.
    ///
    /// # Errors
    /// As for [`Self::begin`].
    pub fn write(
        &mut self,
        machine: MachineId,
        generation: Generation,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        self.begin(machine, generation, now)?;
        let is_other = |begun: &(Option<MachineId>, Generation, Timestamp)| {
            (begun.0, begun.1) != (Some(machine), generation)
        };
        if let Some(time) = self.time
            && !self.begun.iter().all(is_other)
        {
            // Oldest first, as they are.
            self.begun.retain(is_other);
            self.begun.push((Some(machine), generation, time));
        }
        Ok(())
    }

    /// What is allowed within an hour, if anything limits it.
    pub(crate) fn per_hour(&self) -> Option<u32> {
        self.per_hour
    }
}
