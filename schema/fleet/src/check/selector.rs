//! Selectors select something: M0801. An empty one is never "all".

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
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
            if subject.broken.is_empty() && !selects(subject, &target.value) {
                found.push(nothing(subject, target).in_object(&object));
            }
        }
    }
}

/// Names that there are: of objects that are written, whether they could be read or not.
fn names<'s>(subject: &Subject<'s>, of: SelectorOf) -> Vec<&'s str> {
    let kind = of.as_str();
    let declared = subject.declared.get(kind).into_iter().flatten();
    let mut names: Vec<&str> = declared.map(|(name, _)| *name).collect();
    if of == SelectorOf::Tag {
        let given = subject.draft.machines.values().flat_map(|machine| &machine.tags);
        names.extend(given.map(|tag| tag.as_str()));
    }
    names
}

fn selects(subject: &Subject<'_>, selector: &Selector) -> bool {
    names(subject, selector.of)
        .into_iter()
        .any(|name| selector.name.matches(name))
}

fn nothing(subject: &Subject<'_>, target: &Spanned<Selector>) -> Diagnostic {
    let title = format!("\"{}\" selects nothing", target.value);
    let of = target.of.as_str();
    let label = format!("no {of} has such a name");
    let diagnostic = Diagnostic::error(Code::M0801, title, &target.span, label);
    let wanted = target.name.to_string();
    match nearest(&wanted, names(subject, target.of).into_iter()) {
        Some(near) => diagnostic.help(format!("did you mean \"{of}:{near}\"?")),
        None => diagnostic.help(format!(
            "names of a {of} may end in *; the whole fleet is  \"fleet:NAME\""
        )),
    }
}
