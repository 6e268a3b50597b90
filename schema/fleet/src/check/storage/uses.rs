//! Nothing is used for two things, stands on itself, or is made for nothing: M0416, M0417, M0419.

use super::Layout;
use crate::{code::Code, diagnostic::Diagnostic, kinds::storage::PartitionType, span::Span};
use schema_ids::Name;
use std::collections::{BTreeMap, BTreeSet};

impl Layout<'_> {
    pub(super) fn uses(&mut self) {
        let takes = self.takes();
        let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
        // A selector's disks that are cut are taken by their partitions.
        let cut = self
            .storage
            .partition
            .iter()
            .map(|one| (one.on.as_str(), &one.on.span));
        let cut: BTreeMap<&str, &Span> = cut.collect();
        for taking in &takes {
            let first = seen.insert(taking.name, taking.span);
            let whole = taking.may.selector && self.is_selector(taking.name);
            let first = first.or_else(|| cut.get(taking.name).copied().filter(|_| whole));
            if let Some(first) = first {
                let title = format!("\"{}\" is used for two things", taking.name);
                self.found.push(
                    Diagnostic::error(Code::M0416, title, taking.span, "second use").also(first, "first use"),
                );
            }
        }
        self.circles();
        if !self.is_misspelt() {
            self.made_for_nothing(&seen);
        }
    }

    /// What stands on itself by way of others.
    fn circles(&mut self) {
        let mut beneath: BTreeMap<&str, Vec<(&str, &Span)>> = BTreeMap::new();
        for taking in self.takes() {
            let group = taking
                .name
                .split_once('/')
                .map_or(taking.name, |(group, _)| group);
            if let Some(by) = taking.by {
                beneath.entry(by.as_str()).or_default().push((group, taking.span));
            }
        }
        // Each circle is told once, of the first of its names.
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for (start, below) in &beneath {
            let mut open: Vec<&str> = below.iter().map(|(name, _)| *name).collect();
            let mut met: BTreeSet<&str> = BTreeSet::new();
            while let Some(name) = open.pop() {
                if met.insert(name) {
                    open.extend(beneath.get(name).into_iter().flatten().map(|(name, _)| *name));
                }
            }
            if !met.contains(start) || told.contains(start) {
                continue;
            }
            told.extend(&met);
            if let Some((_, span)) = below.first() {
                let title = format!("\"{start}\" stands on itself");
                self.found.push(
                    Diagnostic::error(Code::M0417, title, span, "and so back to where it began")
                        .help("something must stand on a partition or a disk in the end"),
                );
            }
        }
    }

    /// Partitions and volumes that hold nothing. A boot loader has its own without a filesystem, and a group of which
    /// nothing is used is told as one.
    fn empty_parts(&mut self, used: &BTreeMap<&str, &Span>) {
        let storage = self.storage;
        let partitions = storage.partition.iter();
        let partitions = partitions
            .filter(|one| one.partition_type != PartitionType::Bios && !used.contains_key(one.id.as_str()))
            .map(|one| (format!("the partition \"{}\"", one.id), &one.id.span));
        let volumes = storage.lvm.iter().flat_map(|(group, lvm)| {
            let name = move |volume: &str| format!("{group}/{volume}");
            let is_used = move |volume: &str| used.contains_key(name(volume).as_str());
            let volumes = || lvm.volume.iter().map(|(volume, _)| volume);
            let some_used = volumes().any(|volume| is_used(volume.as_str()));
            volumes()
                .filter(move |volume| some_used && !is_used(volume.as_str()))
                .map(move |volume| (format!("the volume \"{}\"", name(volume.as_str())), &volume.span))
        });
        let told = partitions.chain(volumes).map(|(what, span)| {
            Diagnostic::warning(
                Code::M0419,
                format!("{what} holds nothing"),
                span,
                "made, and never used",
            )
            .help("put a filesystem on it, or leave it out")
        });
        self.found.extend(told);
    }

    /// Arrays, groups and the like that hold nothing.
    fn made_for_nothing(&mut self, used: &BTreeMap<&str, &Span>) {
        let storage = self.storage;
        let is_volume_used = |group: &Name| {
            let prefix = format!("{group}/");
            used.keys().any(|name| name.starts_with(&prefix))
        };
        let arrays = storage.raid.keys().map(|name| (name, "array"));
        let devices = storage.luks.keys().map(|name| (name, "encrypted device"));
        let caches = storage.bcache.keys().map(|name| (name, "cached device"));
        let groups = storage.lvm.keys().map(|name| (name, "group"));
        let idle: Vec<(&Name, &str)> = arrays
            .chain(devices)
            .chain(caches)
            .filter(|(name, _)| !used.contains_key(name.as_str()))
            .chain(groups.filter(|(name, _)| !is_volume_used(name)))
            .collect();
        self.empty_parts(used);
        let places: BTreeMap<&Name, Span> = self.made().into_iter().collect();
        for (name, what) in idle {
            let Some(span) = places.get(name) else { continue };
            let title = format!("the {what} \"{name}\" holds nothing");
            self.found.push(
                Diagnostic::warning(Code::M0419, title, span, "made, and never used")
                    .help("put a filesystem on it, or leave it out"),
            );
        }
    }
}
