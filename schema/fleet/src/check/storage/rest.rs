//! What is left can be given once: M0409.

use super::Layout;
use crate::{code::Code, diagnostic::Diagnostic, span::Spanned, value::extent::Extent};
use std::collections::BTreeMap;

impl Layout<'_> {
    pub(super) fn rest(&mut self) {
        let storage = self.storage;
        let partitions = storage.partition.iter().map(|partition| {
            let disks = format!("the disks of \"{}\"", partition.on.value);
            (disks, &partition.size)
        });
        let volumes = storage.lvm.iter().flat_map(|(group, lvm)| {
            let volumes = lvm.volume.iter();
            volumes.map(move |(_, volume)| (format!("group \"{group}\""), &volume.size))
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
}
