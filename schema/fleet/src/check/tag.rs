//! Tags that are asked for are given to somebody: M0109.

use super::Subject;
use crate::{code::Code, diagnostic::Diagnostic, suggest::nearest};
use std::collections::BTreeSet;

/// Looks at what deployments require.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let draft = subject.draft;
    let given = draft.machines.values().flat_map(|machine| &machine.tags);
    let given = given.map(|tag| &tag.value);
    let known: BTreeSet<&str> = given.chain(draft.tags.keys()).map(|tag| tag.as_str()).collect();
    for (name, deployment) in &draft.deployments {
        let Some(require) = &deployment.require else {
            continue;
        };
        let asked = [&require.tags, &require.any_tags, &require.without_tags];
        for tag in asked.into_iter().flatten() {
            if known.contains(tag.as_str()) || !subject.broken.is_empty() {
                continue;
            }
            let title = format!("no machine has the tag \"{tag}\"");
            let label = "and no tag.* object declares it";
            let diagnostic = Diagnostic::warning(Code::M0109, title, &tag.span, label);
            let help = match nearest(tag.as_str(), known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("if it is to come, declare it:  [tag.{tag}]  description = \"…\""),
            };
            found.push(diagnostic.help(help).in_object(format!("deployment.{name}")));
        }
    }
}
