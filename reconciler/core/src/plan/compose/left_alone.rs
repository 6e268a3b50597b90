//! Machines that nothing is done to: those that are only observed, those that have their slots as they are, and those that
//! bear another's mark.

use super::Filling;
use crate::condition::Condition;
use crate::plan::as_is::{self, Kept};
use crate::plan::deployment::Decided;
use crate::plan::{Blocked, ForeignMark, MachinePlan, ownership, release};
use schema_ids::MachineId;

/// Why a machine is only observed that git adopts into a slot which there is not.
const NO_ROOM: &str = "it is to be adopted, and there is no slot for it";

/// Why a machine is only observed that git still names.
const ONLY_OBSERVED: &str = "git says manage = \"observe\"";

impl Filling<'_, '_> {
    /// What becomes of a machine that has a slot as it is, or shall have one.
    pub(super) fn kept_as_it_is(&mut self, id: MachineId, machine: &MachinePlan) -> Option<Kept> {
        if self.slots.leaving.contains_key(&id) {
            return None;
        }
        if let Some(why) = self.slots.no_room.get(&id) {
            let before = self.context.parent.machines.get(&id);
            let blocked = Blocked {
                condition: Condition::AdoptionWaits,
                evidence: why.clone(),
            };
            return Some(Kept {
                decided: as_is::watched(NO_ROOM, as_is::look(before, machine.inspect), Some(blocked)),
                as_is: None,
            });
        }
        let slot = self.slots.by_machine.get(&id)?;
        let kept_free = self.kept_free(slot, machine);
        as_is::decide(&self.context, id, machine, slot, self.addresses, kept_free)
    }

    /// A machine of which git says that nothing is done with it, whatever else git says.
    pub(super) fn only_observed(&self, id: MachineId, machine: &MachinePlan) -> Decided {
        let before = self.context.parent.machines.get(&id);
        let waits = if let Some(slot) = self.slots.by_machine.get(&id) {
            Some(format!("deployment {} names it", slot.name))
        } else {
            let bound = self.slots.bound.contains_key(&id) || self.slots.leaving.contains_key(&id);
            bound.then(|| "it has a slot that git no longer gives it".to_owned())
        };
        let blocked = waits.map(|what| Blocked {
            condition: Condition::OnlyObserved,
            evidence: format!("{what}, and git says manage = \"observe\" of it"),
        });
        as_is::watched(ONLY_OBSERVED, as_is::look(before, machine.inspect), blocked)
    }

    /// A machine that bears another's mark, whatever git says of it.
    pub(super) fn anothers(&self, id: MachineId, machine: &MachinePlan, foreign: &ForeignMark) -> Decided {
        let before = self.context.parent.machines.get(&id);
        let slots = &self.slots;
        let has_slot = slots.by_machine.contains_key(&id)
            || slots.bound.contains_key(&id)
            || slots.leaving.contains_key(&id)
            || slots.adopted_by.contains_key(&id);
        let is_wanted = foreign.taken_over || has_slot || !machine.observe;
        let look = ownership::look(before, foreign, as_is::look(before, machine.inspect));
        let blocked = is_wanted.then(|| foreign.blocks(&machine.name));
        as_is::watched(&foreign.says, look, blocked)
    }

    /// Says of a machine that keeps what it was adopted with why it is not released as git says.
    pub(super) fn withheld(&self, id: MachineId, machine: &MachinePlan, mut decided: Decided) -> Decided {
        let bound = self.slots.bound.get(&id).filter(|_| machine.as_is.is_some());
        if let (Some(binding), None) = (bound, &decided.blocked) {
            decided.blocked = release::withheld(&self.context, &self.claims.names, *binding, false);
        }
        decided
    }
}
