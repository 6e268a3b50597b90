//! Disk selectors: used, and not contradicting themselves: M0404, M0412.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::storage::{Pick, Select, Storage},
};

/// Looks at every selector.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, storage) in &subject.draft.storages {
        let object = format!("storage.{name}");
        let diagnostics = unused(storage).into_iter().chain(
            storage
                .select
                .iter()
                .flat_map(|(name, select)| contradictions(name.as_str(), select)),
        );
        found.extend(diagnostics.map(|diagnostic| diagnostic.in_object(&object)));
    }
}

fn unused(storage: &Storage) -> Vec<Diagnostic> {
    let used = |name: &str| {
        storage
            .partition
            .iter()
            .any(|partition| partition.on.as_str() == name)
    };
    let unused = storage.select.iter().filter(|(name, _)| !used(name.as_str()));
    let tell = |name: &crate::span::Spanned<schema_ids::Name>| {
        Diagnostic::warning(
            Code::M0404,
            format!("selector \"{}\" is not used", name.value),
            &name.span,
            "it takes disks that nothing is put on",
        )
    };
    unused.map(|(name, _)| tell(name)).collect()
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
