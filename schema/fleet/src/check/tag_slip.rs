//! A tag that is declared nowhere, and looks like one that is: M0110.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic},
    span::{Span, Spanned},
    suggest::{is_certain, nearest},
};
use schema_ids::Name;
use std::collections::BTreeMap;

/// Looks at the tags of machines and profiles. Tags need no objects; where some have them, the others are known to be
/// new, unless one slip of the pen makes them.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let draft = subject.draft;
    let machines = draft.machines.iter();
    let machines = machines.flat_map(|(name, one)| one.tags.iter().map(move |tag| ("machine", name, tag)));
    let profiles = draft.profiles.iter();
    let profiles = profiles.flat_map(|(name, one)| one.tags.iter().map(move |tag| ("profile", name, tag)));
    if draft.tags.is_empty() || !subject.broken.is_empty() {
        return;
    }
    // What a profile says is met in all its machines.
    let mut met: BTreeMap<&Name, BTreeMap<&Span, String>> = BTreeMap::new();
    for (kind, name, Spanned { value, span }) in profiles.chain(machines) {
        if !draft.tags.contains_key(value) {
            let places = met.entry(value).or_default();
            places.entry(span).or_insert_with(|| format!("{kind}.{name}"));
        }
    }
    for (tag, places) in met {
        let declared = || draft.tags.keys().map(Name::as_str);
        let near = nearest(tag.as_str(), declared());
        let sure = |near: &&str| is_certain(tag.as_str(), near, declared()) == Applicability::Safe;
        let Some(near) = near.filter(sure) else { continue };
        for (span, object) in places {
            let title = format!("the tag \"{tag}\" is declared nowhere, \"{near}\" is");
            let told = Diagnostic::warning(Code::M0110, title, span, "a slip of the pen?");
            let told = told.fix(
                Applicability::Maybe,
                format!("replace with \"{near}\""),
                span,
                format!("\"{near}\""),
            );
            let help = format!("if it is another one, declare it:  [tag.{tag}]  description = \"…\"");
            found.push(told.help(help).in_object(object));
        }
    }
}
