//! Whose a machine is, by the mark of ownership that stands in its firmware: what git asks of it, and what keeps it from
//! being touched.
//!
//! A machine that bears another control plane's mark is looked at and nothing else, whatever git says, until git names
//! exactly that control plane as the one which it is taken over from. Then its next inspection replaces the mark, and only
//! when that was seen, or was tried and the firmware does not take it, is it a machine like any other. A mark that cannot
//! be read is somebody's as well.

use crate::condition::Condition;
use crate::observed::Observed;
use crate::plan::{Blocked, MachinePlan, Note};
use rack_api::inventory::FirmwareKind;
use rack_api::ownership::{MarkFound, MarkSeen, MarkWish, OwnershipMark};
use schema_fleet::{Fleet, Machine};
use schema_ids::{Generation, MachineId, MarkOwner, Name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many machines are named in a note; of the others it says how many they are.
const NAMED_MAX: usize = 5;

/// What is planned with a machine's mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MarkPlan {
    /// What a job that takes an inventory does about it.
    pub wish: MarkWish,
    /// Set while another's mark keeps the machine from being touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<ForeignMark>,
}

/// Another's mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ForeignMark {
    /// Whose.
    pub owner: MarkOwner,
    /// What it says, for people.
    pub says: String,
    /// Whether git takes the machine over from exactly that owner: the next inspection replaces the mark.
    pub taken_over: bool,
}

impl MachinePlan {
    /// The mark of another that keeps the machine from being touched.
    pub fn foreign(&self) -> Option<&ForeignMark> {
        self.mark.as_ref()?.foreign.as_ref()
    }
}

impl ForeignMark {
    /// What somebody who wants something of the machine waits on.
    pub fn blocks(&self, name: &Name) -> Blocked {
        let says = &self.says;
        let then = match self.taken_over {
            true => format!(
                "git takes it over: its next inspection replaces the mark. Restart {name} when it suits, from within or by \
                 `muster machine power {name} cycle`"
            ),
            false => format!(
                "if nobody else manages it any more, say `mark = true` and `taken-from = \"{}\"` of machine.{name}",
                self.owner
            ),
        };
        Blocked {
            condition: Condition::MarkedByAnother,
            evidence: format!("{says}; {then}"),
        }
    }
}

/// What is planned with the mark of a machine that git declares.
pub(super) fn of_declared(
    fleet: &Fleet,
    observed: &Observed,
    id: MachineId,
    machine: &Machine,
) -> Option<Box<MarkPlan>> {
    let stands = machine.mark.then(|| OwnershipMark {
        plane: observed.fleet_uid,
        fleet: fleet.name.clone(),
        machine: id,
    });
    let over = machine.taken_from.as_ref().map(|owner| owner.value.clone());
    of(observed, id, stands, over)
}

/// The same of one that git no longer names: none is asked for any more.
pub(super) fn of_undeclared(
    observed: &Observed,
    id: MachineId,
    before: &MachinePlan,
) -> Option<Box<MarkPlan>> {
    let over = before.mark.as_ref().and_then(|mark| mark.wish.over.clone());
    of(observed, id, None, over)
}

fn of(
    observed: &Observed,
    id: MachineId,
    stands: Option<OwnershipMark>,
    over: Option<MarkOwner>,
) -> Option<Box<MarkPlan>> {
    let plane = observed.fleet_uid;
    let seen = seen(observed, id);
    let owner = seen.and_then(|seen| seen.found.owner());
    let foreign = seen.and_then(|seen| foreign(seen, &MarkOwner::Plane(plane), over.as_ref()));
    let is_concerned = stands.is_some() || over.is_some() || owner.is_some();
    let wish = MarkWish { plane, stands, over };
    is_concerned.then(|| Box::new(MarkPlan { wish, foreign }))
}

fn seen(observed: &Observed, id: MachineId) -> Option<&MarkSeen> {
    observed.machines.get(&id)?.inventory.as_ref()?.mark.as_ref()
}

fn foreign(seen: &MarkSeen, ours: &MarkOwner, over: Option<&MarkOwner>) -> Option<ForeignMark> {
    let owner = seen.found.owner().filter(|owner| owner != ours)?;
    let taken_over = over == Some(&owner);
    // Firmware that takes no mark must not lose the machine: a person has said whose it is.
    if taken_over && seen.failed.is_some() {
        return None;
    }
    Some(ForeignMark {
        says: says(&seen.found),
        owner,
        taken_over,
    })
}

/// What another's mark says, in words.
fn says(found: &MarkFound) -> String {
    match found {
        MarkFound::Mark(OwnershipMark {
            plane,
            fleet,
            machine,
        }) => format!(
            "it bears the mark of control plane {plane}, which calls its fleet {fleet} and knows the machine as {machine}"
        ),
        MarkFound::Unreadable { owner, why } => {
            format!("it bears a mark that cannot be read, {owner}: {why}")
        }
        MarkFound::NoPlace | MarkFound::Absent => "it bears no mark".to_owned(),
    }
}

/// The first generation whose inventory does, of a machine that bears another's mark: the next, as soon as it is taken over.
pub(super) fn look(
    before: Option<&MachinePlan>,
    foreign: &ForeignMark,
    asked: Option<Generation>,
) -> Option<Generation> {
    if !foreign.taken_over {
        return asked;
    }
    let stood = before.and_then(MachinePlan::foreign) == Some(foreign);
    let next = before.map_or(Generation(1), |before| before.wanted.generation.next());
    asked.filter(|_| stood).or(Some(next))
}

/// Why there is no mark where git asks for one, if it is known that there can be none.
pub(crate) fn not_left(machine: &MachinePlan, seen: Option<&MarkSeen>) -> Option<String> {
    machine.mark.as_ref()?.wish.stands.as_ref()?;
    match (seen, machine.firmware) {
        (
            Some(MarkSeen {
                failed: Some(why), ..
            }),
            _,
        ) => Some(why.clone()),
        (
            Some(MarkSeen {
                found: MarkFound::NoPlace,
                ..
            }),
            FirmwareKind::Bios,
        )
        | (None, FirmwareKind::Bios) => Some("no place for a mark: boots by BIOS".to_owned()),
        (
            Some(MarkSeen {
                found: MarkFound::NoPlace,
                ..
            }),
            FirmwareKind::Uefi,
        ) => Some("no place for a mark: its firmware shows no variables".to_owned()),
        (Some(_) | None, _) => None,
    }
}

/// The machines of which git asks for a mark and that bear none, in one note for each reason.
pub(super) fn notes(
    fleet: &Fleet,
    observed: &Observed,
    machines: &BTreeMap<MachineId, MachinePlan>,
) -> Vec<Note> {
    let mut lacking: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (id, machine) in machines.iter().filter(|(_, machine)| machine.declared) {
        if let Some(why) = not_left(machine, seen(observed, *id)) {
            lacking.entry(why).or_default().push(machine.name.as_str());
        }
    }
    let note = |(why, mut names): (String, Vec<&str>)| {
        names.sort_unstable();
        let rest = names.len().saturating_sub(NAMED_MAX);
        let more = match rest {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        let named = names[..names.len() - rest].join(", ");
        Note {
            object: format!("fleet.{}", fleet.name),
            code: Condition::MarkNotLeft.code().to_owned(),
            text: format!("git asks for a mark on {named}{more}; {why}"),
            origin: None,
        }
    };
    lacking.into_iter().map(note).collect()
}
