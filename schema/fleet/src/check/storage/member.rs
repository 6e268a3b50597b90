//! Arrays and pools have the members that their level wants, on disks of their own: M0411, M0418, M0420.

use super::Layout;
use crate::{
    check::place,
    code::Code,
    diagnostic::Diagnostic,
    kinds::storage::RaidLevel,
    span::{Span, Spanned},
};
use schema_ids::Name;
use std::collections::BTreeMap;

/// What md takes as a chunk: 4 KiB is the least, and more than 64 MiB helps nobody.
const CHUNK_BYTES: std::ops::RangeInclusive<u64> = 4096..=(64 << 20);

impl Layout<'_> {
    pub(super) fn members(&mut self) {
        self.arrays();
        let pools = self.storage.zfs.iter();
        let pools = pools.map(|(name, pool)| {
            let wish = format!("a {} vdev", pool.vdev);
            (
                name,
                &pool.members,
                pool.vdev.members_min(),
                wish,
                place(&pool.origin),
            )
        });
        let spread = self.storage.btrfs.iter().map(|(name, made)| {
            let least = made.data.members_min().max(made.metadata.members_min());
            let wish = format!("btrfs with data {} and metadata {}", made.data, made.metadata);
            (name, &made.members, least, wish, place(&made.origin))
        });
        for (name, members, least, wish, span) in pools.chain(spread).collect::<Vec<_>>() {
            let count: u32 = members
                .iter()
                .map(|member| self.disks(member.as_str()))
                .fold(0, u32::saturating_add);
            if count < least {
                self.too_few(&wish, name, (count, least), &span, members, "");
            }
        }
    }

    fn arrays(&mut self) {
        for (name, raid) in &self.storage.raid {
            if let Some(chunk) = &raid.chunk
                && !(chunk.value.0.is_power_of_two() && CHUNK_BYTES.contains(&chunk.value.0))
            {
                let title = format!("{} is no chunk of an array", chunk.value);
                self.found.push(Diagnostic::error(
                    Code::M0420,
                    title,
                    &chunk.span,
                    "a power of two from 4KiB to 64MiB",
                ));
            }
            let partitions = raid.members.iter().map(|member| self.partition(member.as_str()));
            // A member that names nothing is told already.
            let Some(partitions) = partitions.collect::<Option<Vec<_>>>() else {
                continue;
            };
            let count: u32 = raid
                .members
                .iter()
                .map(|member| self.disks(member.as_str()))
                .fold(0, u32::saturating_add);
            let level = raid.level.value;
            let least = level.members_min().saturating_add(raid.spares);
            if count < least {
                let wish = match raid.spares {
                    0 => format!("RAID {}", level.number()),
                    spares => format!("RAID {} with {spares} spare", level.number()),
                };
                let fits = |other: &RaidLevel| other.members_min().saturating_add(raid.spares) <= count;
                let weaker = [RaidLevel::Five, RaidLevel::Mirror].into_iter().find(fits);
                let help =
                    weaker.map(|other| format!("level {} works with {count}; otherwise ", other.number()));
                let help = help.unwrap_or_default();
                self.too_few(
                    &wish,
                    name,
                    (count, least),
                    &raid.level.span,
                    &raid.members,
                    &help,
                );
            }
            if level == RaidLevel::Stripe {
                continue;
            }
            // Two partitions of one selector lie on the same disks.
            let mut by_selector: BTreeMap<&str, &Spanned<Name>> = BTreeMap::new();
            for (member, partition) in raid.members.iter().zip(partitions) {
                if let Some(first) = by_selector.insert(partition.on.as_str(), member) {
                    let title = format!("two members of \"{name}\" lie on the same disks");
                    let label = "the loss of one disk would take both";
                    self.found.push(
                        Diagnostic::error(Code::M0418, title, &member.span, label)
                            .also(&first.span, format!("both are on select.{}", partition.on.value)),
                    );
                }
            }
        }
    }

    fn too_few(
        &mut self,
        wish: &str,
        name: &Name,
        (count, least): (u32, u32),
        span: &Span,
        members: &[Spanned<Name>],
        instead: &str,
    ) {
        let title = format!("{wish} needs at least {least} members, \"{name}\" has {count}");
        let mut diagnostic = Diagnostic::error(Code::M0411, title, span, format!("wants {least} members"));
        if let (Some(first), Some(last)) = (members.first(), members.last()) {
            let text = if count == 1 {
                "1 member".to_owned()
            } else {
                format!("{count} members")
            };
            diagnostic = diagnostic.also(&first.span.to(&last.span), text);
        }
        self.found.push(diagnostic.help(match members {
            [] => "name them:  members = [\"...\"]".to_owned(),
            _ => format!("{instead}let its selectors take more disks: a member counts once for each"),
        }));
    }
}
