//! What a binding has written: every disk on which it may have begun to install, under any of its layouts.
//!
//! A layout that moves to another disk leaves a system on the first. That disk stays the binding's until a
//! release has erased it. A disk is in here only if a go or an installation is on record for it: what was
//! planned and never begun is nobody's.

use crate::intent::Intent;
use crate::observed::ObservedMachine;
use crate::plan::MachinePlan;
use crate::plan::contents::{Consents, Question};
use crate::plan::deployment::{Context, last_deploy};
use rack_api::inventory::Inventory;
use schema_ids::{BindingId, ContentId, DiskId, Generation, MachineId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A disk that a binding may have written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The generation that was told to go; it stands in the disk's marker.
    pub generation: Generation,
    /// What may go of it: the marker that an installation left after anybody looked, else what the go let go.
    pub agreed: ContentId,
    /// Its size when planned, in bytes.
    pub size_bytes: u64,
    /// The inspection that was known when the plan turned to something else: a newer one says better what it holds.
    pub inspected: Option<Timestamp>,
}

/// The disks that a binding has written up to now: those that the parent plan knows of, and those of what the
/// parent wants, if that has begun.
pub(super) fn written(context: &Context<'_>, id: MachineId, binding: BindingId) -> BTreeMap<DiskId, Written> {
    let parent = context.parent;
    let bound = parent.bindings.contains_key(&binding);
    let (true, Some(before)) = (bound, parent.machines.get(&id)) else {
        return BTreeMap::new();
    };
    let mut written = before.written.clone();
    let Some(seen) = context.observed.machines.get(&id) else {
        return written;
    };
    let known = Known {
        question: Question {
            observed: context.observed,
            parent,
            id,
            consents: Consents::None,
            binding,
            // Asked of what the newest go has let go: only what was seen or installed tells of that.
            written: &BTreeMap::new(),
            as_is: false,
            protected: false,
        },
        before,
        seen,
    };
    let done = seen.installed.as_ref();
    if let Some(done) = done.filter(|done| done.binding == binding) {
        for disk in &done.disks {
            let entry = written.entry(disk.clone());
            entry.or_insert_with(|| known.disk(disk, done.generation));
        }
    }
    let generation = before.wanted.generation;
    if let Intent::Deployed(deploy) = &before.wanted.intent
        && deploy.binding == binding
        && seen.written_in.is_some_and(|written| written >= generation)
    {
        let disks = deploy.disks.iter().map(|plan| &plan.disk);
        written.extend(disks.map(|disk| (disk.clone(), known.disk(disk, generation))));
    }
    written
}

struct Known<'a> {
    question: Question<'a>,
    before: &'a MachinePlan,
    seen: &'a ObservedMachine,
}

impl Known<'_> {
    fn disk(&self, disk: &DiskId, generation: Generation) -> Written {
        let inventory = self.seen.inventory.as_ref();
        let mut found = inventory.into_iter().flat_map(|inventory| &inventory.disks);
        let found = found.find(|found| found.id.as_ref() == Some(disk));
        let planned =
            last_deploy(self.before).and_then(|deploy| deploy.disks.iter().find(|plan| plan.disk == *disk));
        let size = planned
            .map(|plan| plan.size_bytes)
            .or(found.map(|found| found.size_bytes));
        let left = found.and_then(|found| {
            let content = self.question.content(found, disk);
            (content != found.content).then_some(content)
        });
        let agreed = left.or(planned.map(|plan| plan.agreed.clone()));
        Written {
            generation,
            agreed: agreed.unwrap_or(ContentId::Blank),
            size_bytes: size.unwrap_or_default(),
            inspected: self.seen.inspected,
        }
    }
}

impl Written {
    /// What an installation of this binding left on it, if nobody has looked since.
    pub(super) fn left_unseen(&self, binding: BindingId, inspected: Option<Timestamp>) -> Option<&ContentId> {
        let left =
            matches!(&self.agreed, ContentId::Marker { binding: of, installed: true, .. } if *of == binding);
        (left && inspected <= self.inspected).then_some(&self.agreed)
    }
}

/// A marker of this binding that the job of one of its goes has left.
pub(super) fn is_left_by(content: &ContentId, binding: BindingId, written: Option<&Written>) -> bool {
    match content {
        ContentId::Marker {
            binding: of,
            generation,
            installed,
            ..
        } => {
            let told = written.is_some_and(|written| written.generation == *generation);
            *of == binding && (!installed || told)
        }
        ContentId::Blank | ContentId::Foreign(_) => false,
    }
}

/// The disks that carry a marker of this binding, with their sizes.
pub(super) fn marked(inventory: &Inventory, binding: BindingId) -> impl Iterator<Item = (&DiskId, u64)> {
    let is_own =
        move |content: &ContentId| matches!(content, ContentId::Marker { binding: of, .. } if *of == binding);
    let disks = inventory.disks.iter().filter(move |disk| is_own(&disk.content));
    disks.filter_map(|disk| Some((disk.id.as_ref()?, disk.size_bytes)))
}
