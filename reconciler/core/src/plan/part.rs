//! A part of a plan, to be looked at: what it does to some machines. Nobody can agree to it, and nothing adopts it.

use crate::hold::places;
use crate::people::Refusal;
use crate::plan::{Note, Plan, WipeSet, digest};
use crate::refusal::RefusalCode;
use schema_fleet::{Code, Place, Selector};
use schema_ids::{MachineId, Name};
use std::collections::BTreeSet;

impl Plan {
    /// [`Self::part`] of a selector as a person wrote it.
    ///
    /// # Errors
    /// It is no selector, or selects nothing.
    pub fn part_called(&self, only: &str) -> Result<Self, Refusal> {
        let refused = |code: &str, message| Refusal {
            code: code.to_owned(),
            message,
        };
        let selector: Selector = only.parse().map_err(|error| {
            let message = format!("{only:?} selects nothing: {error}");
            refused(RefusalCode::BadRequest.code(), message)
        })?;
        self.part(&selector).ok_or_else(|| {
            let message = format!("{only} selects no machine; an empty selection never stands for all");
            refused(Code::M0801.as_str(), message)
        })
    }

    /// What concerns the selected machines, and what is not done of the selected deployments; `None` if there is neither, which
    /// never stands for all. Guards look at the whole plan, and stay.
    #[must_use]
    pub fn part(&self, only: &Selector) -> Option<Self> {
        let selected = places(self).filter(|(_, _, place)| only.selects(place));
        let ids: BTreeSet<MachineId> = selected.map(|(id, _, _)| id).collect();
        let is_of_deployment =
            |note: &Note| deployment(&note.object).is_some_and(|name| only.selects(&named(&name)));
        if ids.is_empty() && !self.notes.iter().any(is_of_deployment) {
            return None;
        }
        let mut part = self.clone();
        part.machines.retain(|id, _| ids.contains(id));
        part.changes
            .retain(|change| change.machine.is_some_and(|id| ids.contains(&id)));
        part.reads.retain(|id, _| ids.contains(id));
        part.destroys.retain(|id| ids.contains(id));
        let mut entries = self.wipe_set.entries.clone();
        entries.retain(|id, _| ids.contains(id));
        part.wipe_set = WipeSet::of(entries);
        let names: BTreeSet<String> = part
            .machines
            .values()
            .map(|machine| format!("machine.{}", machine.name))
            .collect();
        part.notes
            .retain(|note| names.contains(&note.object) || is_of_deployment(note));
        digest::name(&mut part);
        Some(part)
    }
}

/// The deployment that a note is about: `deployment.web`, `deployment.web[1]`.
fn deployment(object: &str) -> Option<Name> {
    let name = object.strip_prefix("deployment.")?;
    let name = name.split_once('[').map_or(name, |(name, _)| name);
    name.parse().ok()
}

/// Where a deployment is by itself, with no machine.
fn named(deployment: &Name) -> Place<'_> {
    Place {
        deployments: vec![deployment],
        ..Place::default()
    }
}
