//! Storage layouts: what they name, use, hold and fit on.

mod container;
mod fit;
mod format;
mod member;
mod mount;
mod name;
mod rest;
mod selector;
mod uses;

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::{Diagnostic, Severity},
    kinds::storage::{Partition, Storage},
    span::Span,
};
use schema_ids::Name;
use std::collections::BTreeSet;

/// Looks at every storage layout, alone and on the machines that it is used on.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    // What is wrong in itself is solved on no disks.
    let mut wrong = BTreeSet::new();
    for (name, storage) in &subject.draft.storages {
        let mut layout = Layout {
            name,
            storage,
            found: Vec::new(),
        };
        layout.names();
        layout.selectors();
        layout.uses();
        layout.rest();
        layout.containers();
        if !layout.is_misspelt() {
            layout.members();
        }
        layout.mounts();
        layout.formats();
        if layout.found.iter().any(|one| one.severity == Severity::Error) {
            wrong.insert(name);
        }
        let object = format!("storage.{name}");
        let diagnostics = layout.found.into_iter();
        found.extend(diagnostics.map(|diagnostic| diagnostic.in_object(&object)));
    }
    fit::check(subject, &wrong, found);
}

/// A layout that is looked at, and what was found.
struct Layout<'s> {
    name: &'s Name,
    storage: &'s Storage,
    found: Vec<Diagnostic>,
}

impl<'s> Layout<'s> {
    fn partition(&self, id: &str) -> Option<&'s Partition> {
        let mut partitions = self.storage.partition.iter();
        partitions.find(|partition| partition.id.as_str() == id)
    }

    /// On how many disks something is that is named as a member, at least: a selector's or a partition's.
    fn disks(&self, member: &str) -> u32 {
        let selector = self
            .partition(member)
            .map_or(member, |partition| partition.on.as_str());
        let select = self.storage.select.get(selector);
        select.map_or(1, |select| select.count_min())
    }

    /// Whether a name leads nowhere: what seems to be used by nothing may have been meant by it.
    fn is_misspelt(&self) -> bool {
        self.found.iter().any(|found| found.code == Code::M0403)
    }

    fn is_selector(&self, name: &str) -> bool {
        self.storage.select.get(name).is_some()
    }

    /// What the layout makes under a name, with the place of it: not selectors and volumes.
    fn made(&self) -> Vec<(&'s Name, Span)> {
        let storage = self.storage;
        let partitions = storage
            .partition
            .iter()
            .map(|partition| (&partition.id.value, partition.id.span.clone()));
        let arrays = storage
            .raid
            .iter()
            .map(|(name, made)| (name, place(&made.origin)));
        let groups = storage.lvm.iter().map(|(name, made)| (name, place(&made.origin)));
        let luks = storage
            .luks
            .iter()
            .map(|(name, made)| (name, place(&made.origin)));
        let zfs = storage.zfs.iter().map(|(name, made)| (name, place(&made.origin)));
        let btrfs = storage
            .btrfs
            .iter()
            .map(|(name, made)| (name, place(&made.origin)));
        let bcache = storage
            .bcache
            .iter()
            .map(|(name, made)| (name, place(&made.origin)));
        partitions
            .chain(arrays)
            .chain(luks)
            .chain(groups)
            .chain(zfs)
            .chain(btrfs)
            .chain(bcache)
            .collect()
    }

    /// Everything that takes something else as a whole: what takes it, and the name it takes with its place.
    fn takes(&self) -> Vec<Taking<'s>> {
        let storage = self.storage;
        let mut takes = Vec::new();
        let mut add = |by: Option<&'s Name>, name: &'s str, span: &'s Span, may: May| {
            takes.push(Taking { by, name, span, may });
        };
        for (by, made) in &storage.raid {
            made.members
                .iter()
                .for_each(|member| add(Some(by), member.as_str(), &member.span, May::PARTITION));
        }
        for (by, made) in &storage.lvm {
            made.members
                .iter()
                .for_each(|member| add(Some(by), member.as_str(), &member.span, May::DEVICE));
        }
        for (by, made) in &storage.luks {
            add(Some(by), &made.on, &made.on.span, May::VOLUME);
        }
        let pools = storage.zfs.iter().map(|(by, made)| (by, &made.members));
        let pools = pools.chain(storage.btrfs.iter().map(|(by, made)| (by, &made.members)));
        for (by, members) in pools {
            members
                .iter()
                .for_each(|member| add(Some(by), member.as_str(), &member.span, May::DISK));
        }
        for (by, made) in &storage.bcache {
            for part in [&made.backing, &made.cache] {
                add(Some(by), part.as_str(), &part.span, May::DISK_OR_DEVICE);
            }
        }
        for filesystem in &storage.filesystem {
            add(None, &filesystem.on, &filesystem.on.span, May::VOLUME);
        }
        takes
    }
}

/// One thing that is taken as a whole by another.
struct Taking<'s> {
    /// What takes it; none for a filesystem.
    by: Option<&'s Name>,
    name: &'s str,
    span: &'s Span,
    may: May,
}

/// What may be named in a place.
#[derive(Clone, Copy)]
struct May {
    selector: bool,
    partition: bool,
    /// Arrays, encrypted devices, cached ones.
    device: bool,
    volume: bool,
    what: &'static str,
}

impl May {
    const PARTITION: Self = Self {
        selector: false,
        partition: true,
        device: false,
        volume: false,
        what: "partition",
    };
    const DEVICE: Self = Self {
        device: true,
        what: "partition, RAID array or encrypted device",
        ..Self::PARTITION
    };
    const VOLUME: Self = Self {
        volume: true,
        what: "partition, RAID array or group/volume",
        ..Self::DEVICE
    };
    const DISK: Self = Self {
        selector: true,
        what: "selector or partition",
        ..Self::PARTITION
    };
    const DISK_OR_DEVICE: Self = Self {
        selector: true,
        what: "selector, partition or RAID array",
        ..Self::DEVICE
    };
}
