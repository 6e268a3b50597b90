//! What people are told of a machine's mark of ownership. Nothing waits for it here: what another's mark keeps from a
//! machine is planned, see [`MarkPlan`](crate::plan::MarkPlan).

use crate::facts::MachineFacts;
use crate::plan::{MachinePlan, not_left};
use rack_api::ownership::{MarkFound, MarkSeen, OwnershipMark};

/// What is said of it to a person who asks about the machine.
pub(crate) fn lines(machine: &MachinePlan, facts: &MachineFacts) -> Vec<String> {
    let seen = facts.inventory.as_ref();
    let mark = seen.and_then(|seen| seen.value.mark.as_ref());
    let wish = machine.mark.as_ref().map(|mark| &mark.wish);
    let stands = wish.and_then(|wish| wish.stands.as_ref());
    let mut lines = Vec::new();
    if let Some(MarkSeen { found, .. }) = mark {
        let words = match found {
            // Of most machines, and nobody asks: nothing is to be said.
            MarkFound::NoPlace | MarkFound::Absent if stands.is_none() => None,
            MarkFound::NoPlace | MarkFound::Absent => Some("none".to_owned()),
            MarkFound::Mark(mark) => {
                let OwnershipMark {
                    plane,
                    fleet,
                    machine,
                } = mark;
                let whose = match wish.is_some_and(|wish| wish.plane == *plane) {
                    true => "this control plane's".to_owned(),
                    false => format!("control plane {plane}'s"),
                };
                Some(format!("{whose}, fleet {fleet}, machine {machine}"))
            }
            MarkFound::Unreadable { owner, why } => Some(format!("{owner}: {why}")),
        };
        lines.extend(words.map(|words| format!("  mark       {words}")));
    }
    let left =
        mark.is_some_and(|mark| matches!(&mark.found, MarkFound::Mark(found) if Some(found) == stands));
    if let Some(why) = not_left(machine, mark) {
        lines.push(format!("    NOT LEFT {why}"));
    } else if stands.is_some() && !left && machine.foreign().is_none() {
        lines.push("    wanted   its next inspection leaves one; raise `inspect` for that".to_owned());
    } else if let (None, Some(MarkFound::Mark(found))) = (stands, mark.map(|mark| &mark.found))
        && wish.is_some_and(|wish| wish.plane == found.plane)
    {
        // Firmware that refused it once may do so for good: whoever waits is to know why.
        let failed = mark.and_then(|mark| mark.failed.as_deref());
        lines.extend(failed.map(|why| format!("    NOT GONE {why}")));
        lines.push(
            "    wanted   none: its next inspection takes it away; raise `inspect` for that".to_owned(),
        );
    }
    lines
}
