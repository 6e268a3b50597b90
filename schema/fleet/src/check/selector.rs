//! Selectors select something: M0801. An empty one is never "all".

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    fleet::Draft,
    span::Spanned,
    suggest::nearest,
    value::selector::{Selector, SelectorOf},
};

/// Looks at what holds and budgets are about.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let draft = subject.draft;
    let holds = draft.holds.iter();
    let holds = holds.map(|(name, hold)| (format!("hold.{name}"), &hold.targets, &hold.origin));
    let budgets = draft.budgets.iter();
    let budgets = budgets.map(|(name, budget)| (format!("budget.{name}"), &budget.targets, &budget.origin));
    for (object, targets, origin) in holds.chain(budgets) {
        if targets.is_empty() {
            let title = format!("{object} is about nothing");
            let label = "`targets` is missing or empty, and that is never \"all\"";
            found.push(
                Diagnostic::error(Code::M0801, title, &super::place(origin), label)
                    .help("for example  targets = [\"rack:r1\"]; the whole fleet is  \"fleet:NAME\"")
                    .in_object(&object),
            );
        }
        for target in targets {
            if subject.broken.is_empty() && !selects(draft, &target.value) {
                found.push(nothing(draft, target).in_object(&object));
            }
        }
    }
}

fn names(draft: &Draft, of: SelectorOf) -> Vec<&str> {
    match of {
        SelectorOf::Machine => draft.machines.keys().map(|name| name.as_str()).collect(),
        SelectorOf::Rack => draft.racks.keys().map(|name| name.as_str()).collect(),
        SelectorOf::Zone => draft.zones.keys().map(|name| name.as_str()).collect(),
        SelectorOf::Pool => draft.pools.keys().map(|name| name.as_str()).collect(),
        SelectorOf::Tag => {
            let given = draft.machines.values().flat_map(|machine| &machine.tags);
            given.chain(draft.tags.keys()).map(|tag| tag.as_str()).collect()
        }
        SelectorOf::Deployment => draft.deployments.keys().map(|name| name.as_str()).collect(),
        SelectorOf::Fleet => draft.settings.iter().map(|(name, _)| name.as_str()).collect(),
    }
}

fn selects(draft: &Draft, selector: &Selector) -> bool {
    names(draft, selector.of)
        .into_iter()
        .any(|name| selector.name.matches(name))
}

fn nothing(draft: &Draft, target: &Spanned<Selector>) -> Diagnostic {
    let title = format!("\"{}\" selects nothing", target.value);
    let of = target.of.as_str();
    let label = format!("no {of} has such a name");
    let diagnostic = Diagnostic::error(Code::M0801, title, &target.span, label);
    let wanted = target.name.to_string();
    match nearest(&wanted, names(draft, target.of).into_iter()) {
        Some(near) => diagnostic.help(format!("did you mean \"{of}:{near}\"?")),
        None => diagnostic,
    }
}
