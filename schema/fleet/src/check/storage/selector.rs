//! Disk selectors: used, not contradicting themselves or each other: M0404, M0412, M0413, M0415.

use super::Layout;
use crate::{
    check::place,
    code::Code,
    diagnostic::Diagnostic,
    kinds::storage::{DiskType, OnRedeploy, Pick, Select},
    span::Spanned,
};
use schema_ids::Name;

impl Layout<'_> {
    pub(super) fn selectors(&mut self) {
        let storage = self.storage;
        if !self.is_misspelt() {
            self.found.extend(self.unused());
        }
        let contradictions = storage
            .select
            .iter()
            .flat_map(|(name, select)| contradictions(name.as_str(), select));
        self.found.extend(contradictions);
        self.overlaps();
        self.kept_alone();
    }

    fn unused(&self) -> Vec<Diagnostic> {
        let takes = self.takes();
        let used = |name: &str| {
            let mut partitions = self.storage.partition.iter();
            let whole = takes
                .iter()
                .any(|taking| taking.may.selector && taking.name == name);
            whole || partitions.any(|partition| partition.on.as_str() == name)
        };
        let tell = |name: &Spanned<Name>| {
            Diagnostic::warning(
                Code::M0404,
                format!("selector \"{}\" is not used", name.value),
                &name.span,
                "it takes disks that nothing is put on",
            )
        };
        let selectors = self.storage.select.iter().map(|(name, _)| name);
        selectors.filter(|name| !used(name.as_str())).map(tell).collect()
    }

    /// One that takes all that fit leaves nothing for a later one of the same sort.
    fn overlaps(&mut self) {
        let selectors: Vec<_> = self.storage.select.iter().collect();
        for (number, (name, select)) in selectors.iter().enumerate() {
            let greedy = selectors[..number].iter().find(|(_, earlier)| {
                earlier.pick == Pick::All && earlier.count.is_none() && covers(earlier, select)
            });
            if let Some((earlier, _)) = greedy {
                let title = format!("nothing is left for selector \"{}\"", name.value);
                self.found.push(
                    Diagnostic::error(
                        Code::M0413,
                        title,
                        &name.span,
                        "every disk of this sort is taken before",
                    )
                    .also(&earlier.span, "this one comes first and takes them all")
                    .help("write it before the one that takes all: selectors take disks in their order"),
                );
            }
        }
    }

    /// What is kept over an installation cannot be beneath what is made anew.
    fn kept_alone(&mut self) {
        let storage = self.storage;
        let kept = storage
            .select
            .iter()
            .filter(|(_, select)| select.on_redeploy == OnRedeploy::Keep);
        for (name, select) in kept {
            let holds_root = storage.filesystem.iter().any(|filesystem| {
                let root = filesystem
                    .mount
                    .as_ref()
                    .is_some_and(|mount| mount.as_str() == "/");
                let on = self
                    .partition(&filesystem.on)
                    .map(|partition| &partition.on.value);
                root && on == Some(&name.value)
            });
            if holds_root {
                let title = format!(
                    "selector \"{}\" keeps the disk of the root filesystem",
                    name.value
                );
                self.found.push(
                    Diagnostic::error(
                        Code::M0415,
                        title,
                        &place(&select.origin),
                        "on-redeploy = \"keep\"",
                    )
                    .help("an installation writes the root filesystem anew; keep other disks"),
                );
            }
        }
    }
}

/// Whether every disk that `narrow` takes would have been taken by `wide`.
fn covers(wide: &Select, narrow: &Select) -> bool {
    let sort = wide.disk_type == DiskType::Any || wide.disk_type == narrow.disk_type;
    let min = |select: &Select| select.min_size.as_ref().map_or(0, |size| size.value.0);
    let max = |select: &Select| select.max_size.as_ref().map_or(u64::MAX, |size| size.value.0);
    let same = wide.model == narrow.model || wide.model.is_none();
    let named = wide.serial.is_empty() && wide.wwn.is_empty() && wide.path.is_empty();
    let plain = wide.bus.is_none() && wide.rotational.is_none() && wide.numa.is_none();
    sort && same && named && plain && min(wide) <= min(narrow) && max(wide) >= max(narrow)
}

fn contradictions(name: &str, select: &Select) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let title = format!("selector \"{name}\" contradicts itself");
    let mut tell = |span, label: &str, other: Option<(_, &str)>| {
        let diagnostic = Diagnostic::error(Code::M0412, &title, span, label);
        found.push(match other {
            Some((span, text)) => diagnostic.also(span, text),
            None => diagnostic,
        });
    };
    if let (Some(min), Some(max)) = (&select.min_size, &select.max_size)
        && min.value > max.value
    {
        tell(
            &min.span,
            "larger than `max-size`",
            Some((&max.span, "`max-size`")),
        );
    }
    let all = select.pick == Pick::All;
    match (&select.count, &select.min_count) {
        (Some(count), _) if all => tell(&count.span, "pick = \"all\" takes all; use `min-count`", None),
        (_, Some(count)) if !all => tell(&count.span, "only with pick = \"all\"; use `count`", None),
        _ => {}
    }
    for count in [&select.count, &select.min_count].into_iter().flatten() {
        if count.value == 0 {
            tell(&count.span, "a selector takes at least one disk", None);
        }
    }
    found
}
