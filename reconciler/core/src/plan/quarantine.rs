//! Quarantine: how long a machine that leaves is kept off with its data before its disks are erased.
//!
//! It stands beside the intent, not in it: a shorter one acts on what is standing and changes nothing else. A longer one
//! gets another generation, so that an erasure that was ordered by the shorter one is refused its go; what had begun by
//! then goes on, and so does the time that the machine has been off.

use crate::intent::{Intent, Wanted};
use crate::observed::BindingState;
use crate::plan::deployment::Context;
use crate::plan::{MachinePlan, Plan, length, release};
use rack_api::job::Erase;
use schema_ids::{BindingId, ContentId, Generation, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// How long a machine is kept off with its data, before its disks are erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Quarantine {
    /// How long, in seconds; more than 0.
    pub seconds: u64,
    /// What says so.
    pub said: Said,
    /// Since when it is off, if that was seen in an earlier generation of the same leaving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_since: Option<Timestamp>,
}

/// What says how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// The entry that ends its slot.
    Entry,
    /// The fleet.
    Fleet,
    /// Nothing in git: it was protected while it had its slot.
    Protected,
}

impl Quarantine {
    /// How long.
    pub fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self.said {
            Said::Entry => "so its entry says",
            Said::Fleet => "so the fleet says",
            Said::Protected => "by default, as it was protected",
        };
        write!(f, "{}, {said}", length(self.length()))
    }
}

/// Whom a quarantine may be of.
#[derive(Clone, Copy)]
pub(super) struct Leaver<'a> {
    pub(super) id: MachineId,
    /// What git calls it.
    pub(super) name: &'a Name,
    /// Whether a `removed.machine` entry is about it.
    pub(super) removed: bool,
    /// Whether it has ever been protected while it had its slot.
    pub(super) protected: bool,
}

/// What a machine is wanted to be, and its quarantine before that if it has one.
pub(super) fn of(context: &Context<'_>, leaver: Leaver<'_>, wanted: &mut Wanted) -> Option<Quarantine> {
    let Intent::Released(erase) = &wanted.intent else {
        return None;
    };
    let before = context.parent.machines.get(&leaver.id)?;
    let bound = context.parent.bindings.get(&erase.binding)?;
    let leaves = bound.state == BindingState::Leaving;
    if leaves && release::begun(context.observed, erase.binding, leaver.id, before.leaving_since) {
        return before.quarantine;
    }
    let told = length_of(context, leaver, erase, before.quarantine.filter(|_| leaves));
    let (seconds, said) = told.filter(|_| loses(erase))?;
    let mut quarantine = Quarantine {
        seconds,
        said,
        off_since: None,
    };
    if leaves {
        let shorter = before.quarantine.map_or(0, |before| before.seconds) < seconds;
        if shorter && wanted.generation == before.wanted.generation {
            wanted.generation = wanted.generation.next();
        }
        quarantine.off_since = off_since(context, leaver.id, before, wanted);
    }
    Some(quarantine)
}

/// Whether there is anything to be lost.
fn loses(erase: &Erase) -> bool {
    erase.disks.iter().any(|disk| disk.agreed != ContentId::Blank)
}

/// How long, by whom; `None` for not at all. Where no entry is about it any more, what was said last stands.
fn length_of(
    context: &Context<'_>,
    leaver: Leaver<'_>,
    erase: &Erase,
    standing: Option<Quarantine>,
) -> Option<(u64, Said)> {
    let fleet = context.fleet;
    let binding = context.parent.bindings.get(&erase.binding)?;
    let Some(entry) = release::entry(fleet, binding, leaver.name, leaver.removed) else {
        return standing.map(|standing| (standing.seconds, standing.said));
    };
    let by_default = || {
        let length = schema_fleet::Quarantine::OF_PROTECTED;
        leaver.protected.then_some((length, Said::Protected))
    };
    let of_fleet = || fleet.settings.quarantine.map(|length| (length, Said::Fleet));
    let of_entry = entry.map(|length| (length, Said::Entry));
    let (length, said) = of_entry.or_else(of_fleet).or_else(by_default)?;
    let seconds = length.duration().as_secs();
    (seconds > 0).then_some((seconds, said))
}

/// Since when a machine that leaves already is off, if that was seen in another generation than the wanted one.
fn off_since(
    context: &Context<'_>,
    id: MachineId,
    before: &MachinePlan,
    wanted: &Wanted,
) -> Option<Timestamp> {
    let known = before.quarantine.and_then(|quarantine| quarantine.off_since);
    if before.wanted.generation == wanted.generation {
        return known;
    }
    let seen = context.observed.machines.get(&id);
    let seen = seen.filter(|seen| seen.gone_in == Some(before.wanted.generation));
    seen.and_then(|seen| seen.gone_at).or(known)
}

/// Whether a machine was protected before, since it has had the slot that it has.
pub(super) fn was_protected(parent: &Plan, before: Option<&MachinePlan>, binding: Option<BindingId>) -> bool {
    let has_it = binding.is_some_and(|binding| parent.bindings.contains_key(&binding));
    has_it && before.is_some_and(|before| before.was_protected || before.protect.is_some())
}

/// In which generation it was taken back from a release, if it is still wanted so. `binding` is the one that it has and that
/// does not leave. One that is only observed is not switched: that it was off for a release is remembered until it is
/// managed again.
pub(super) fn taken_back(
    parent: &Plan,
    before: Option<&MachinePlan>,
    wanted: &Wanted,
    binding: Option<BindingId>,
) -> Option<Generation> {
    let before = before?;
    let runs = match &wanted.intent {
        Intent::Deployed(deploy) => deploy.binding,
        Intent::AsIs { binding, .. } => *binding,
        Intent::Observe { .. } => binding?,
        Intent::Ready { .. } | Intent::Orphaned { .. } | Intent::Released(_) | Intent::Retired => {
            return None;
        }
    };
    let left = parent.bindings.get(&runs);
    let left = left.is_some_and(|bound| bound.state == BindingState::Leaving);
    let is_back = left
        || match &before.wanted.intent {
            // An installation that was taken back before it wrote may have switched it off.
            Intent::Deployed(deploy) => {
                deploy.binding == runs && matches!(wanted.intent, Intent::AsIs { .. })
            }
            Intent::Observe { .. } => before.taken_back.is_some(),
            Intent::Ready { .. }
            | Intent::AsIs { .. }
            | Intent::Orphaned { .. }
            | Intent::Released(_)
            | Intent::Retired => false,
        };
    match is_back {
        true => Some(wanted.generation),
        false => before.taken_back.filter(|of| *of == wanted.generation),
    }
}
