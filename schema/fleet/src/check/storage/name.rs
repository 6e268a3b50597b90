//! Names in a layout: each of one thing, each of something that is there: M0403, M0410.

use super::Layout;
use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic},
    span::Span,
    suggest::nearest,
};
use schema_ids::Name;
use std::collections::{BTreeMap, BTreeSet};

/// Names that a place may hold.
type Names = BTreeSet<String>;

impl Layout<'_> {
    pub(super) fn names(&mut self) {
        self.each_once();
        self.each_label_once();
        self.each_there();
    }

    /// Partitions and what is made of them share one space of names, and so do selectors with them: a member
    /// may be either.
    fn each_once(&mut self) {
        let mut seen: BTreeMap<&Name, Span> = BTreeMap::new();
        let selectors = self
            .storage
            .select
            .iter()
            .map(|(name, _)| (&name.value, name.span.clone()));
        // A selector and a partition of one name are common, and only the pools take selectors.
        let takes_selectors =
            !self.storage.zfs.is_empty() || !self.storage.btrfs.is_empty() || !self.storage.bcache.is_empty();
        let selectors = selectors.filter(|_| takes_selectors);
        for (name, span) in selectors.chain(self.made()) {
            if let Some(first) = seen.get(name) {
                let title = format!("\"{name}\" is the name of two things");
                self.found
                    .push(Diagnostic::error(Code::M0410, title, &span, "second").also(first, "first"));
            } else {
                seen.insert(name, span);
            }
        }
    }

    /// A label finds one filesystem.
    fn each_label_once(&mut self) {
        let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
        for label in self
            .storage
            .filesystem
            .iter()
            .filter_map(|one| one.label.as_ref())
        {
            if let Some(first) = seen.insert(label.as_str(), &label.span) {
                let title = format!("\"{label}\" is the label of two filesystems");
                self.found
                    .push(Diagnostic::error(Code::M0410, title, &label.span, "second").also(first, "first"));
            }
        }
    }

    fn each_there(&mut self) {
        let storage = self.storage;
        let selectors: Names = storage.select.iter().map(|(name, _)| name.to_string()).collect();
        let partitions: Names = storage.partition.iter().map(|one| one.id.to_string()).collect();
        let devices = storage
            .raid
            .keys()
            .chain(storage.luks.keys())
            .chain(storage.bcache.keys());
        let devices: Names = devices.map(ToString::to_string).collect();
        let volumes = storage.lvm.iter().flat_map(|(group, lvm)| {
            let names = lvm.volume.iter();
            names.map(move |(volume, _)| format!("{group}/{}", volume.value))
        });
        let volumes: Names = volumes.collect();
        for partition in &storage.partition {
            self.known(
                partition.on.as_str(),
                &partition.on.span,
                &[&selectors],
                "selector",
            );
        }
        for taking in self.takes() {
            let may = taking.may;
            let sets = [
                (may.selector, &selectors),
                (may.partition, &partitions),
                (may.device, &devices),
                (may.volume, &volumes),
            ];
            let sets: Vec<&Names> = sets
                .into_iter()
                .filter(|(may, _)| *may)
                .map(|(_, names)| names)
                .collect();
            self.known(taking.name, taking.span, &sets, may.what);
        }
    }

    fn known(&mut self, name: &str, span: &Span, sets: &[&Names], what: &str) {
        if sets.iter().any(|names| names.contains(name)) {
            return;
        }
        let names: Vec<&str> = sets.iter().copied().flatten().map(String::as_str).collect();
        let title = format!("\"{name}\" names nothing in this layout");
        let diagnostic = Diagnostic::error(Code::M0403, title, span, format!("no {what} has this name"));
        self.found.push(match nearest(name, names.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")).fix(
                // Another name may be one that is still to be written down.
                Applicability::Maybe,
                format!("replace with \"{near}\""),
                span,
                format!("\"{near}\""),
            ),
            None if names.is_empty() => diagnostic,
            None => diagnostic.help(format!("there are: {}", names.join(", "))),
        });
    }
}
