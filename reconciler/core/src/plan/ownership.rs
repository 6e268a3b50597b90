//! Whose a machine is, by the mark of ownership that stands in its firmware: what git asks of it, and what keeps it from
//! being touched.
//!
//! A machine that bears another control plane's mark is looked at and nothing else, whatever git says, until git names
//! exactly that control plane as the one which it is taken over from. Then its next inspection replaces the mark, and only
//! when that was seen, or was tried and the firmware does not take it, is it a machine like any other. A mark that cannot
//! be read is somebody's as well.

use crate::condition::Condition;
use crate::intent::Intent;
use crate::observed::Observed;
use crate::plan::{Blocked, MachinePlan, Note};
use rack_api::inventory::FirmwareKind;
use rack_api::ownership::{MarkFound, MarkSeen, MarkWish, OwnershipMark};
use schema_fleet::{Fleet, Machine};
use schema_ids::{Generation, MachineId, MarkOwner, Name, Uuid};
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
    /// Whom git says that it is taken over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<MarkOwner>,
    /// Whether that is done: it opens no later mark before git has said something else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spent: bool,
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
    /// What takes it over, where git does not.
    #[serde(default)]
    pub opens: Opens,
}

/// What a person says to take a machine over that bears another's mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opens {
    /// `taken-from`.
    #[default]
    TakenFrom,
    /// The same, once what git says now is taken out: it has opened an earlier mark.
    TakenFromAnew,
    /// Nothing, while git does not name the machine.
    Nothing,
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
        let Self { says, owner, .. } = self;
        let then = match (self.taken_over, self.opens) {
            (true, _) => format!(
                "git takes it over: its next inspection replaces the mark. Restart {name} when it suits, from within or by \
                 `muster machine power {name} cycle`"
            ),
            (false, Opens::TakenFrom) => format!(
                "if nobody else manages it any more, say `mark = true` and `taken-from = \"{owner}\"` of machine.{name}"
            ),
            (false, Opens::TakenFromAnew) => format!(
                "it was taken over from there once, and marked again since. If nobody else manages it any more, take `taken-from` \
                 out of machine.{name}, apply that, and say it anew"
            ),
            (false, Opens::Nothing) => format!(
                "git does not name {name} any more, and nothing is done to it; say `removed.machine.{name}` to let it go"
            ),
        };
        Blocked {
            condition: Condition::MarkedByAnother,
            evidence: format!("{says}; {then}"),
        }
    }
}

/// What git says of a machine's mark, and what was planned with it before.
struct Said<'a> {
    plane: Uuid,
    stands: Option<OwnershipMark>,
    over: Option<MarkOwner>,
    declared: bool,
    before: Option<&'a MarkPlan>,
}

/// What is planned with the mark of a machine that git declares.
pub(super) fn of_declared(
    fleet: &Fleet,
    observed: &Observed,
    id: MachineId,
    machine: &Machine,
    before: Option<&MachinePlan>,
) -> Option<Box<MarkPlan>> {
    let plane = observed.fleet_uid;
    let said = Said {
        plane,
        stands: machine.mark.then(|| OwnershipMark {
            plane,
            fleet: fleet.name.clone(),
            machine: id,
        }),
        over: machine.taken_from.as_ref().map(|owner| owner.value.clone()),
        declared: true,
        before: before.and_then(|before| before.mark.as_deref()),
    };
    of(said, seen(observed, id))
}

/// The same of one that git no longer names: none is asked for any more.
pub(super) fn of_undeclared(
    observed: &Observed,
    id: MachineId,
    before: &MachinePlan,
) -> Option<Box<MarkPlan>> {
    let before = before.mark.as_deref();
    let said = Said {
        plane: observed.fleet_uid,
        stands: None,
        over: before.and_then(|before| before.said.clone()),
        declared: false,
        before,
    };
    of(said, seen(observed, id))
}

fn of(said: Said<'_>, seen: Option<&MarkSeen>) -> Option<Box<MarkPlan>> {
    // Where there was no place to look at, nothing is known of what stands there.
    let sight = seen.filter(|seen| seen.found != MarkFound::NoPlace);
    let owner = sight.and_then(|sight| sight.found.owner());
    let is_live = sight.is_none() || owner == said.over;
    let before = said.before.filter(|before| before.said == said.over);
    // A word in git opens one mark, not whatever comes after it.
    let is_over = |before: &MarkPlan| before.spent || before.wish.over.is_some() && !is_live;
    let spent = said.over.is_some() && before.is_some_and(is_over);
    let over = said.over.clone().filter(|_| is_live && !spent);
    let mut foreign = match sight {
        Some(sight) => another(sight, said.plane, over.as_ref()),
        // Not seen is not gone: it stands until somebody looks, or git takes the machine over.
        None => said.before.and_then(|before| before.foreign.clone()),
    };
    if sight.is_none() && said.declared {
        foreign = foreign.filter(|foreign| over.as_ref() != Some(&foreign.owner));
    }
    if let Some(foreign) = &mut foreign {
        foreign.taken_over = said.declared && over.as_ref() == Some(&foreign.owner);
        foreign.opens = match said.declared {
            false => Opens::Nothing,
            true if spent && said.over.as_ref() == Some(&foreign.owner) => Opens::TakenFromAnew,
            true => Opens::TakenFrom,
        };
    }
    let is_concerned = [&said.over, &owner].into_iter().any(Option::is_some);
    let is_concerned = is_concerned || said.stands.is_some() || foreign.is_some();
    let wish = MarkWish {
        plane: said.plane,
        stands: said.stands,
        over,
    };
    let plan = MarkPlan {
        wish,
        said: said.over,
        spent,
        foreign,
    };
    is_concerned.then(|| Box::new(plan))
}

fn seen(observed: &Observed, id: MachineId) -> Option<&MarkSeen> {
    observed.machines.get(&id)?.inventory.as_ref()?.mark.as_ref()
}

/// The mark that is seen, if it is another's.
fn another(seen: &MarkSeen, plane: Uuid, over: Option<&MarkOwner>) -> Option<ForeignMark> {
    let owner = seen.found.owner()?;
    // Firmware that takes no mark must not lose the machine: a person has said whose it is.
    let is_taken = over == Some(&owner) && seen.failed.is_some();
    (owner != MarkOwner::Plane(plane) && !is_taken).then(|| ForeignMark {
        says: says(&seen.found),
        owner,
        taken_over: false,
        opens: Opens::default(),
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

/// The first generation whose inventory does, of a machine that bears another's mark: the next, as soon as it is taken over,
/// or where an inspection found the mark that ends in no restart, so that it goes back to its own disk.
pub(super) fn look(
    before: Option<&MachinePlan>,
    foreign: &ForeignMark,
    asked: Option<Generation>,
) -> Option<Generation> {
    let known = before.and_then(MachinePlan::foreign);
    let next = before.map_or(Generation(1), |before| before.wanted.generation.next());
    match (foreign.taken_over, known) {
        (true, Some(known)) if known == foreign => asked.or(Some(next)),
        (true, _) => Some(next),
        (false, None) if before.is_some_and(stays_up) => Some(next),
        (false, _) => asked,
    }
}

/// Whether what a machine was last inspected for leaves it in the system that inspects.
fn stays_up(before: &MachinePlan) -> bool {
    !matches!(before.wanted.intent, Intent::Observe { .. } | Intent::AsIs { .. })
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
