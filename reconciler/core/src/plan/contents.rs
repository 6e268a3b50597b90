//! What is on a disk, and whether it may be erased.

use crate::intent::Intent;
use crate::observed::{DiskContents, Observed};
use crate::plan::Plan;
use crate::plan::layout::size_text;
use crate::plan::written::{Written, is_left_by};
use rack_api::inventory::Disk;
use schema_fleet::{Consent, Fleet, Machine, RemovedMachine};
use schema_ids::{BindingId, ContentId, DiskId, MachineId, Name};
use std::collections::BTreeMap;

/// Contents that a person agrees to lose, where git says so.
#[derive(Clone, Copy)]
pub(super) enum Consents<'a> {
    /// None: git says nothing of the machine, or it is not asked.
    None,
    /// On the machine.
    Machine(&'a Machine),
    /// On the entry that removes it, since it is declared no more.
    Removed(&'a RemovedMachine),
}

impl<'a> Consents<'a> {
    /// What git says of a machine of this name, which may be gone from it.
    pub(super) fn of(fleet: &'a Fleet, name: &Name, removed: bool) -> Self {
        let machine = fleet.machines.get(name).filter(|_| !removed);
        let gone = fleet.removed_machines.get(name).filter(|_| removed);
        match (machine, gone) {
            (Some(machine), _) => Self::Machine(machine),
            (None, Some(gone)) => Self::Removed(gone),
            (None, None) => Self::None,
        }
    }

    fn all(self) -> &'a [Consent] {
        match self {
            Self::None => &[],
            Self::Machine(machine) => &machine.consent,
            Self::Removed(gone) => &gone.consent,
        }
    }

    /// The line by which a person agrees to lose this.
    fn line(self, id: &DiskId, content: &ContentId) -> String {
        let place = match self {
            Self::None | Self::Machine(_) => "the machine",
            Self::Removed(_) => "its removed.machine entry",
        };
        format!("If it may go, add to {place}: consent = [{{ disk = \"{id}\", contents = \"{content}\" }}]")
    }
}

/// Whose disk, for which binding.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) observed: &'a Observed,
    pub(super) parent: &'a Plan,
    pub(super) id: MachineId,
    /// What a person agrees to lose, in git.
    pub(super) consents: Consents<'a>,
    pub(super) binding: BindingId,
    /// What the binding has written, under any of its layouts.
    pub(super) written: &'a BTreeMap<DiskId, Written>,
    /// Whether muster found the system there and did not install it: a person consents to every disk.
    pub(super) as_is: bool,
    /// Whether its disks are protected, where a plan of new facts may install it and it is not in use.
    pub(super) protected: bool,
}

/// What a machine newly loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Loss {
    /// Blank disks, or none.
    Nothing,
    /// What a person agrees to lose, of a machine that is not in use: protection alone stands before that.
    Agreed,
    /// Anything else. Limits count it, and a consent does not change that.
    Counted,
}

impl Question<'_> {
    /// What may be erased from this disk for the binding; else what is there, and what to do about it.
    pub(super) fn agree(&self, disk: &Disk, id: &DiskId) -> Result<ContentId, String> {
        let content = self.content(disk, id);
        if content == ContentId::Blank || self.consented(id, &content) {
            return Ok(content);
        }
        let words = if disk.holds.is_empty() {
            String::new()
        } else {
            format!(": {}", disk.holds)
        };
        let what = format!(
            "{} ({id}, {}) holds {content}{words}",
            disk.path,
            size_text(disk.size_bytes)
        );
        match &content {
            ContentId::Blank => Ok(content),
            ContentId::Marker {
                binding,
                installed: false,
                ..
            } if self.as_is && *binding == self.binding => Ok(content),
            ContentId::Marker { .. } | ContentId::Foreign(_) if self.as_is => Err(format!(
                "{what}. It was adopted, muster did not install it. {}",
                self.consents.line(id, &content)
            )),
            ContentId::Marker {
                binding, installed, ..
            } if self.ours(*binding) => {
                let left = is_left_by(&content, self.binding, self.written.get(id));
                if !*installed || left || self.installed(id, &content) {
                    return Ok(content);
                }
                Err(format!(
                    "{what}. This database was never told that it was installed: it may be in use, and the database \
                     may come from a backup. {}",
                    self.consents.line(id, &content)
                ))
            }
            ContentId::Marker { binding, .. } => {
                let owner = self.observed.bindings.get(binding);
                Err(match owner {
                    Some(owner) => format!(
                        "{what}. That is {}[{}], which still has it; release it there first",
                        owner.deployment, owner.slot
                    ),
                    None => format!(
                        "{what}. Whose that is, is not known here. {}",
                        self.consents.line(id, &content)
                    ),
                })
            }
            ContentId::Foreign(_) => Err(format!("{what}. {}", self.consents.line(id, &content))),
        }
    }

    /// What an erasure or an installation of ours left, if one is newer than the last inspection; else what
    /// that saw.
    pub(super) fn content(&self, disk: &Disk, id: &DiskId) -> ContentId {
        let seen = self.observed.machines.get(&self.id);
        let erased = seen.and_then(|seen| seen.erased.get(id).zip(seen.inspected));
        if erased.is_some_and(|(erased, inspected)| inspected < erased.since) {
            return ContentId::Blank;
        }
        let installed = seen.and_then(|seen| {
            let installed = seen.installed.as_ref()?;
            let newer = seen.inspected.is_none_or(|inspected| inspected < installed.at);
            (newer && installed.disks.contains(id)).then_some(installed)
        });
        let Some(installed) = installed else {
            let inspected = seen.and_then(|seen| seen.inspected);
            let written = self.written.get(id);
            let left = written.and_then(|written| written.left_unseen(self.binding, inspected));
            return left.unwrap_or(&disk.content).clone();
        };
        let planned = self
            .parent
            .machines
            .get(&self.id)
            .and_then(|machine| match &machine.wanted.intent {
                Intent::Deployed(deploy) => Some(deploy),
                Intent::Observe { .. }
                | Intent::Ready { .. }
                | Intent::AsIs { .. }
                | Intent::Orphaned { .. }
                | Intent::Released(_)
                | Intent::Retired => machine.kept.as_ref(),
            });
        let life = planned.filter(|deploy| deploy.binding == installed.binding);
        ContentId::Marker {
            incarnation: life
                .map_or(self.observed.incarnation, |deploy| deploy.incarnation)
                .number,
            binding: installed.binding,
            generation: installed.generation,
            installed: true,
        }
    }

    /// Whether a machine has told that it finished writing this to the disk.
    fn installed(&self, id: &DiskId, content: &ContentId) -> bool {
        let mut told = self
            .observed
            .machines
            .values()
            .filter_map(|seen| seen.installed.as_ref());
        told.any(|told| {
            let is_that = matches!(content, ContentId::Marker { binding, generation, .. }
                if (*binding, *generation) == (told.binding, told.generation));
            is_that && told.disks.contains(id)
        })
    }

    /// A binding of this very slot, or one of ours that has ended.
    fn ours(&self, binding: BindingId) -> bool {
        binding == self.binding || self.parent.ended.contains(&binding)
    }

    pub(super) fn consented(&self, id: &DiskId, content: &ContentId) -> bool {
        let mut consents = self.consents.all().iter();
        consents.any(|consent| consent.disk.value == *id && consent.contents == *content)
    }

    /// The line by which a person agrees to lose this.
    pub(super) fn consent(&self, erased: &DiskContents) -> String {
        self.consents.line(&erased.disk, &erased.content)
    }

    /// What erasing this comes to. A consent says that these contents may go, and no more: of a machine in use they count
    /// all the same, and what is marked as installed is in use, whoever installed it.
    pub(super) fn loss(&self, erased: &DiskContents) -> Loss {
        match &erased.content {
            ContentId::Blank => Loss::Nothing,
            ContentId::Marker { installed: true, .. } => Loss::Counted,
            content if self.is_in_use() || !self.consented(&erased.disk, content) => Loss::Counted,
            ContentId::Marker { .. } | ContentId::Foreign(_) => Loss::Agreed,
        }
    }

    /// Whether the machine has its slot with something on its disks: what it was adopted with, or what the binding wrote.
    fn is_in_use(&self) -> bool {
        let seen = self.observed.machines.get(&self.id);
        let told = seen.and_then(|seen| seen.installed.as_ref());
        let is_installed = told.is_some_and(|told| told.binding == self.binding);
        self.as_is || is_installed || !self.written.is_empty()
    }
}
