//! What is cut fits into what it is cut from, as far as the layout alone says: M0401.

use super::Layout;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::storage::Pick,
    span::Spanned,
    value::{extent::Extent, size::Size},
};
use std::collections::BTreeMap;

impl Layout<'_> {
    pub(super) fn containers(&mut self) {
        self.partitions_on_disks();
        self.volumes_in_groups();
    }

    /// Partitions of a selector whose disks are at most so large.
    fn partitions_on_disks(&mut self) {
        let storage = self.storage;
        for (name, select) in storage.select.iter() {
            let Some(max) = &select.max_size else { continue };
            let sizes = storage.partition.iter().filter(|one| one.on.value == name.value);
            let sizes: Vec<&Spanned<Extent>> = sizes.map(|one| &one.size).collect();
            if let Some((sum, largest)) = sum(&sizes)
                && sum > max.value.0
            {
                let title = format!(
                    "the partitions on \"{}\" need {}, its disks have {} at most",
                    name.value,
                    Size(sum).about(),
                    max.value
                );
                self.found.push(
                    Diagnostic::error(Code::M0401, title, &largest.span, "the largest of them")
                        .also(&max.span, "no disk is larger than this"),
                );
            }
        }
    }

    /// Volumes of a group whose members are partitions of a size.
    fn volumes_in_groups(&mut self) {
        let storage = self.storage;
        let sized: BTreeMap<&str, u64> = storage
            .partition
            .iter()
            .filter_map(|one| match one.size.value {
                Extent::Size(size) => Some((
                    one.id.as_str(),
                    size.0.saturating_mul(u64::from(self.disks(one.id.as_str()))),
                )),
                Extent::Rest => None,
            })
            .collect();
        for (name, group) in &storage.lvm {
            let mut room = group
                .members
                .iter()
                .map(|member| sized.get(member.as_str()).copied());
            let Some(room) = room.try_fold(0_u64, |sum, room| Some(sum.saturating_add(room?))) else {
                continue;
            };
            // All disks of such a selector are taken, so there may be more than are known here.
            let open = group.members.iter().any(|member| {
                let on = self.partition(member.as_str()).map(|one| one.on.as_str());
                on.and_then(|on| storage.select.get(on))
                    .is_some_and(|select| select.count.is_none() && select.pick == Pick::All)
            });
            let sizes: Vec<&Spanned<Extent>> = group.volume.iter().map(|(_, volume)| &volume.size).collect();
            if let Some((sum, largest)) = sum(&sizes)
                && sum > room
                && !open
            {
                let title = format!(
                    "the volumes of \"{name}\" need {}, its members have {}",
                    Size(sum).about(),
                    Size(room).about()
                );
                let mut diagnostic =
                    Diagnostic::error(Code::M0401, title, &largest.span, "the largest of them");
                if let Some(member) = group.members.first() {
                    diagnostic = diagnostic.also(&member.span, "the members");
                }
                self.found.push(diagnostic);
            }
        }
    }
}

/// The sizes that are given together, and the largest.
fn sum<'s>(sizes: &[&'s Spanned<Extent>]) -> Option<(u64, &'s Spanned<Extent>)> {
    let given = || {
        sizes.iter().filter_map(|size| match size.value {
            Extent::Size(bytes) => Some((bytes.0, *size)),
            Extent::Rest => None,
        })
    };
    let largest = given().max_by_key(|(bytes, _)| *bytes)?.1;
    let sum = given().fold(0, |sum: u64, (bytes, _)| sum.saturating_add(bytes));
    Some((sum, largest))
}
