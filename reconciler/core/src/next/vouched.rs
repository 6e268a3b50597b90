//! A person's word that a machine is gone: what `muster machine fenced` may say, and of which machine.
//!
//! It stands in for one thing alone: that a machine whose disks are kept, for good or in quarantine, was seen off. It erases nothing, and what a
//! release still has to erase it does not end.

use super::Refused;
use crate::facts::MachineFacts;
use crate::intent::Intent;
use crate::plan::MachinePlan;
use crate::refusal::RefusalCode;
use rack_api::fact::PowerSeen;

/// Whether a person's word that this machine is gone would be heeded.
///
/// # Errors
/// Why it would not, or contradicts what is known.
pub fn may_vouch(machine: &MachinePlan, facts: &MachineFacts) -> Result<(), Refused> {
    let name = &machine.name;
    let refuse = |code: RefusalCode, message| {
        Err(Refused {
            code: code.code(),
            message,
        })
    };
    let Intent::Released(erase) = &machine.wanted.intent else {
        let message = format!("{name} is not leaving a slot, so that nothing waits for that word");
        return refuse(RefusalCode::NotLeaving, message);
    };
    if !erase.disks.is_empty() && machine.quarantine.is_none() {
        let message = format!(
            "{name} leaves when its disks are erased; if they cannot be, say disks = \"retain\" in the entry that removes it, \
             or keep = [\"…\"] for single ones, and then this"
        );
        return refuse(RefusalCode::NotLeaving, message);
    }
    let power = facts.power.as_ref().filter(|_| facts.bmc_fault.is_none());
    match power.filter(|seen| machine.bmc.is_some() && seen.value == PowerSeen::On) {
        None => Ok(()),
        Some(on) => {
            let message = format!(
                "the BMC of {name} says that it is on since {}; switch it off: muster machine power {name} off",
                on.since
            );
            refuse(RefusalCode::NotYet, message)
        }
    }
}
