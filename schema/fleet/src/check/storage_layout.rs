//! Storage layouts hold together: M0403, M0405, M0408 to M0411, M0414, M0416.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic},
    kinds::storage::{Filesystem, FilesystemType, Partition, PartitionType, Storage},
    span::{Span, Spanned},
    suggest::nearest,
    value::extent::Extent,
};
use schema_ids::Name;
use std::collections::{BTreeMap, BTreeSet};

/// Looks at every storage layout.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, storage) in &subject.draft.storages {
        let mut layout = Layout {
            storage,
            found: Vec::new(),
        };
        layout.ids();
        layout.names();
        layout.uses();
        layout.rest();
        layout.raid_members();
        layout.mounts(name);
        storage
            .filesystem
            .iter()
            .for_each(|filesystem| layout.fits(filesystem));
        layout.esp_is_formatted();
        let object = format!("storage.{name}");
        found.extend(
            layout
                .found
                .into_iter()
                .map(|diagnostic| diagnostic.in_object(&object)),
        );
    }
}

/// Names that a place may hold.
type Names = BTreeSet<String>;

struct Layout<'s> {
    storage: &'s Storage,
    found: Vec<Diagnostic>,
}

impl<'s> Layout<'s> {
    fn partition(&self, id: &str) -> Option<&'s Partition> {
        self.storage
            .partition
            .iter()
            .find(|partition| partition.id.as_str() == id)
    }

    /// On how many disks a partition is, at least.
    fn disks(&self, partition: &Partition) -> u32 {
        self.storage
            .select
            .get(partition.on.as_str())
            .map_or(1, |select| select.count_min())
    }

    /// Partitions, arrays and groups share one space of names.
    fn ids(&mut self) {
        let storage = self.storage;
        let mut seen: BTreeMap<&Name, Span> = BTreeMap::new();
        let partitions = storage
            .partition
            .iter()
            .map(|partition| (&partition.id.value, partition.id.span.clone()));
        let arrays = storage
            .raid
            .iter()
            .map(|(name, raid)| (name, place(&raid.origin)));
        let groups = storage
            .lvm
            .iter()
            .map(|(name, group)| (name, place(&group.origin)));
        for (name, span) in partitions.chain(arrays).chain(groups) {
            if let Some(first) = seen.get(name) {
                let title = format!("\"{name}\" is the name of two things");
                self.found
                    .push(Diagnostic::error(Code::M0410, title, &span, "second").also(first, "first"));
            } else {
                seen.insert(name, span);
            }
        }
    }

    /// What is named is there.
    fn names(&mut self) {
        let storage = self.storage;
        let selectors: Names = storage.select.iter().map(|(name, _)| name.to_string()).collect();
        let partitions: Names = storage.partition.iter().map(|one| one.id.to_string()).collect();
        let arrays = || {
            let names = storage.raid.keys().chain(storage.luks.keys());
            names.chain(storage.bcache.keys()).map(ToString::to_string)
        };
        let bases: Names = partitions.iter().cloned().chain(arrays()).collect();
        let volumes = storage.lvm.iter().flat_map(|(group, lvm)| {
            lvm.volume
                .iter()
                .map(move |(volume, _)| format!("{group}/{}", volume.value))
        });
        let all: Names = bases.iter().cloned().chain(volumes).collect();
        for partition in &storage.partition {
            self.known(partition.on.as_str(), &partition.on.span, &selectors, "selector");
        }
        for member in storage.raid.values().flat_map(|raid| &raid.members) {
            self.known(member.as_str(), &member.span, &partitions, "partition");
        }
        for member in storage.lvm.values().flat_map(|group| &group.members) {
            self.known(member.as_str(), &member.span, &bases, "partition or RAID array");
        }
        for filesystem in &storage.filesystem {
            self.known(
                &filesystem.on,
                &filesystem.on.span,
                &all,
                "partition, RAID array or group/volume",
            );
        }
    }

    fn known(&mut self, name: &str, span: &Span, names: &Names, what: &str) {
        if names.contains(name) {
            return;
        }
        let title = format!("\"{name}\" names nothing in this layout");
        let diagnostic = Diagnostic::error(Code::M0403, title, span, format!("no {what} has this name"));
        self.found
            .push(match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")).fix(
                    Applicability::Safe,
                    format!("replace with \"{near}\""),
                    span,
                    format!("\"{near}\""),
                ),
                None if names.is_empty() => diagnostic,
                None => diagnostic.help(format!(
                    "there are: {}",
                    Vec::from_iter(names.iter().map(String::as_str)).join(", ")
                )),
            });
    }

    /// Nothing is used for two things.
    fn uses(&mut self) {
        let storage = self.storage;
        let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
        let members = storage.raid.values().flat_map(|raid| &raid.members);
        let members = members.chain(storage.lvm.values().flat_map(|group| &group.members));
        let members = members.map(|member| (member.as_str(), &member.span));
        let filesystems = storage
            .filesystem
            .iter()
            .map(|one| (one.on.as_str(), &one.on.span));
        for (name, span) in members.chain(filesystems) {
            if let Some(first) = seen.insert(name, span) {
                let title = format!("\"{name}\" is used for two things");
                self.found
                    .push(Diagnostic::error(Code::M0416, title, span, "second use").also(first, "first use"));
            }
        }
    }

    /// What is left can be given once.
    fn rest(&mut self) {
        let storage = self.storage;
        let partitions = storage.partition.iter().map(|partition| {
            (
                format!("the disks of \"{}\"", partition.on.value),
                &partition.size,
            )
        });
        let volumes = storage.lvm.iter().flat_map(|(group, lvm)| {
            lvm.volume
                .iter()
                .map(move |(_, volume)| (format!("group \"{group}\""), &volume.size))
        });
        let mut first: BTreeMap<String, &Spanned<Extent>> = BTreeMap::new();
        for (container, size) in partitions.chain(volumes) {
            if size.value != Extent::Rest {
                continue;
            }
            if let Some(first) = first.get(&container) {
                let title = format!("the rest of {container} is given twice");
                self.found.push(
                    Diagnostic::error(Code::M0409, title, &size.span, "nothing is left for this one")
                        .also(&first.span, "this one takes all that is left"),
                );
            } else {
                first.insert(container, size);
            }
        }
    }

    fn raid_members(&mut self) {
        for (name, raid) in &self.storage.raid {
            let partitions = raid.members.iter().map(|member| self.partition(member.as_str()));
            // A member that names nothing is told already.
            let Some(partitions) = partitions.collect::<Option<Vec<_>>>() else {
                continue;
            };
            let count: u32 = partitions.iter().map(|partition| self.disks(partition)).sum();
            let (level, min) = (raid.level.value.number(), raid.level.value.members_min());
            if count < min {
                let title = format!("RAID {level} needs at least {min} members, \"{name}\" has {count}");
                self.found.push(
                    Diagnostic::error(
                        Code::M0411,
                        title,
                        &raid.level.span,
                        format!("wants {min} members"),
                    )
                    .help("a member counts once for each disk its selector takes"),
                );
            }
        }
    }

    /// Each mount point once, and one of them is the root.
    fn mounts(&mut self, name: &Name) {
        let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
        for mount in self
            .storage
            .filesystem
            .iter()
            .filter_map(|one| one.mount.as_ref())
        {
            if let Some(first) = seen.insert(mount.as_str(), &mount.span) {
                let title = format!("{} is mounted twice", mount.value);
                self.found.push(
                    Diagnostic::error(Code::M0405, title, &mount.span, "second time")
                        .also(first, "first time"),
                );
            }
        }
        if !seen.contains_key("/") {
            let title = format!("storage \"{name}\" has no root filesystem");
            self.found.push(
                Diagnostic::error(
                    Code::M0408,
                    title,
                    &place(&self.storage.origin),
                    "nothing is mounted at /",
                )
                .help("give one filesystem  mount = \"/\""),
            );
        }
    }

    /// A filesystem and what it is on.
    fn fits(&mut self, filesystem: &Filesystem) {
        let kind = &filesystem.filesystem_type;
        let mut tell = |title: String, label: &str, other: Option<(&Span, String)>| {
            let diagnostic = Diagnostic::error(Code::M0414, title, &kind.span, label);
            self.found.push(match other {
                Some((span, text)) => diagnostic.also(span, text),
                None => diagnostic,
            });
        };
        if let (FilesystemType::Swap, Some(mount)) = (kind.value, &filesystem.mount) {
            let other = (&mount.span, "but it has a mount point".to_owned());
            tell("swap space is not mounted".to_owned(), "swap", Some(other));
        }
        let Some(partition) = self
            .storage
            .partition
            .iter()
            .find(|one| one.id.as_str() == filesystem.on.as_str())
        else {
            return;
        };
        let id = &partition.id;
        let other = || {
            Some((
                &id.span,
                format!("a partition of type {}", partition.partition_type),
            ))
        };
        match (partition.partition_type, kind.value) {
            (PartitionType::Esp, FilesystemType::Vfat)
            | (PartitionType::Swap, FilesystemType::Swap)
            | (PartitionType::Linux, _) => {}
            (PartitionType::Esp, _) => {
                tell(
                    "an EFI system partition holds FAT".to_owned(),
                    "UEFI cannot read this",
                    other(),
                );
            }
            (PartitionType::Swap, _) => {
                tell(
                    "a swap partition holds swap".to_owned(),
                    "this is a filesystem",
                    other(),
                );
            }
            (PartitionType::Bios, _) => {
                tell(
                    "a BIOS boot partition holds no filesystem".to_owned(),
                    "GRUB would overwrite it",
                    other(),
                );
            }
        }
        let disks = self
            .storage
            .select
            .get(partition.on.as_str())
            .map_or(1, |select| select.count_min());
        if disks > 1 && partition.partition_type == PartitionType::Linux {
            let title = format!("\"{}\" is on {disks} disks", id.value);
            let other = (
                &partition.on.span,
                "its selector takes more than one disk".to_owned(),
            );
            tell(title, "on which of them? put RAID or LVM between", Some(other));
        }
    }

    fn esp_is_formatted(&mut self) {
        let storage = self.storage;
        for partition in storage
            .partition
            .iter()
            .filter(|one| one.partition_type == PartitionType::Esp)
        {
            if !storage
                .filesystem
                .iter()
                .any(|one| one.on.as_str() == partition.id.as_str())
            {
                let title = format!(
                    "EFI system partition \"{}\" has no filesystem",
                    partition.id.value
                );
                self.found.push(
                    Diagnostic::error(Code::M0414, title, &partition.id.span, "UEFI finds nothing on it")
                        .help("give it a filesystem with  type = \"vfat\"  mount = \"/boot/efi\""),
                );
            }
        }
    }
}
