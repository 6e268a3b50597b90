//! BMCs as they are: now and then silent, deaf, or telling what was ordered instead of what is.

use crate::world::World;
use rack_api::fact::PowerSeen;
use rack_api::order::PowerWanted;
use schema_ids::{Generation, Timestamp};

/// How a BMC misbehaves, each until a time.
#[derive(Debug, Default)]
pub(crate) struct Bmc {
    pub(crate) silent_until: Option<Timestamp>,
    /// Says yes and does nothing.
    pub(crate) deaf_until: Option<Timestamp>,
    /// Tells what was ordered last instead of what is.
    pub(crate) lies_until: Option<Timestamp>,
    ordered: Option<PowerWanted>,
    /// The newest intent for which an agent was to switch the machine off, and was told that it is, while it was on.
    pub(crate) lied_for: Option<Generation>,
}

impl Bmc {
    pub(crate) fn is_faulty(&self, now: Timestamp) -> bool {
        [self.silent_until, self.deaf_until, self.lies_until]
            .into_iter()
            .flatten()
            .any(|until| now < until)
    }
}

/// A BMC did not answer.
#[derive(Debug)]
pub(crate) struct Unanswered;

impl World<'_> {
    pub(crate) fn bmc_reads(&self, machine: usize) -> Result<PowerSeen, Unanswered> {
        let place = &self.machines[machine];
        if self.during(place.bmc.silent_until) {
            return Err(Unanswered);
        }
        let on = match place.bmc.ordered.filter(|_| self.during(place.bmc.lies_until)) {
            Some(ordered) => ordered == PowerWanted::On,
            None => place.on,
        };
        Ok(if on { PowerSeen::On } else { PowerSeen::Off })
    }

    pub(crate) fn bmc_obeys(
        &mut self,
        machine: usize,
        wanted: Option<PowerWanted>,
    ) -> Result<(), Unanswered> {
        if self.during(self.machines[machine].bmc.silent_until) {
            return Err(Unanswered);
        }
        let Some(wanted) = wanted else { return Ok(()) };
        self.machines[machine].bmc.ordered = Some(wanted);
        if !self.during(self.machines[machine].bmc.deaf_until) {
            if wanted != PowerWanted::On {
                self.switched_off_by_us(machine);
            }
            self.switch(machine, wanted == PowerWanted::On);
        }
        Ok(())
    }

    fn during(&self, until: Option<Timestamp>) -> bool {
        until.is_some_and(|until| self.now < until)
    }
}
