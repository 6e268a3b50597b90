//! Budgets can be met, and waves come to an end: M0609, M0610, M0611.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::budget::{Budget, Wave},
    value::{selector::SelectorOf, share::Share},
};

/// Looks at every budget, and at the deployments that name one.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, budget) in &subject.draft.budgets {
        let object = format!("budget.{name}");
        let mut told = never_met(budget);
        told.extend(budget.wave.iter().filter_map(wave));
        found.extend(told.into_iter().map(|one| one.in_object(&object)));
    }
    for (name, deployment) in &subject.draft.deployments {
        let Some(named) = &deployment.budget else { continue };
        let Some(budget) = subject.draft.budgets.get(&named.name) else {
            continue;
        };
        let about = budget.targets.iter().any(|target| match target.of {
            SelectorOf::Deployment => target.name.matches(name.as_str()),
            // Whether its machines are among those, only their places tell.
            _ => true,
        });
        if !about {
            let title = format!("budget \"{named}\" is not about deployment \"{name}\"");
            let first = budget
                .targets
                .first()
                .map_or_else(|| place(&budget.origin), |target| target.span.clone());
            found.push(
                Diagnostic::error(Code::M0610, title, &named.span, "named here")
                    .also(&first, "this is what it is about")
                    .help(format!("add \"deployment:{name}\" to its targets"))
                    .in_object(format!("deployment.{name}")),
            );
        }
    }
}

fn never_met(budget: &Budget) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let most = &budget.max_unavailable;
    if most.value == Share::Machines(0) {
        found.push(
            Diagnostic::error(
                Code::M0609,
                "a budget of no machine is never met",
                &most.span,
                "nothing may ever be begun",
            )
            .help("a `hold` says that nothing is to be done"),
        );
    }
    if let Some(window) = &budget.window {
        let mut days = window.days.clone();
        days.sort_by_key(|day| day.value);
        if let Some(pair) = days.windows(2).find(|pair| pair[0].value == pair[1].value) {
            found.push(
                Diagnostic::warning(
                    Code::M0609,
                    format!("{} is named twice", pair[1].value),
                    &pair[1].span,
                    "again",
                )
                .also(&pair[0].span, "first"),
            );
        }
    }
    let mut whole = budget.wave.iter().filter_map(|wave| wave.percent.as_ref());
    let sum: u32 = whole.clone().map(|percent| u32::from(percent.value.0)).sum();
    if sum > 100
        && let Some(last) = whole.next_back()
    {
        let title = format!("the waves are {sum} percent of all machines");
        found.push(
            Diagnostic::error(Code::M0609, title, &last.span, "nobody is left for this one")
                .help("each wave is a share of all; the last may be left out, and takes the rest"),
        );
    }
    found
}

/// A wave is so many, or so large a share.
fn wave(wave: &Wave) -> Option<Diagnostic> {
    match (&wave.machines, &wave.percent) {
        (Some(machines), Some(percent)) => {
            let title = format!("wave \"{}\" is counted twice", wave.name.value);
            Some(
                Diagnostic::error(Code::M0611, title, &percent.span, "as a share")
                    .also(&machines.span, "and as a number"),
            )
        }
        (Some(machines), None) if machines.value == 0 => {
            let title = format!("wave \"{}\" is of no machine", wave.name.value);
            Some(Diagnostic::error(
                Code::M0611,
                title,
                &machines.span,
                "at least one",
            ))
        }
        (None, None) => {
            let title = format!(
                "wave \"{}\" has neither `machines` nor `percent`",
                wave.name.value
            );
            Some(Diagnostic::error(
                Code::M0611,
                title,
                &wave.name.span,
                "how large is it?",
            ))
        }
        _ => None,
    }
}
