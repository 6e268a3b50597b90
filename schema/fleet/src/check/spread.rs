//! A deployment can be spread as it says: M0607.

use super::{Candidate, Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::deployment::{Deployment, SpreadBy},
};
use schema_ids::Name;
use std::collections::BTreeMap;

/// Looks at every deployment that is spread.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, deployment) in &subject.draft.deployments {
        found.extend(
            impossible(subject, name, deployment).map(|one| one.in_object(format!("deployment.{name}"))),
        );
    }
}

fn impossible(subject: &Subject<'_>, name: &Name, deployment: &Deployment) -> Option<Diagnostic> {
    let draft = subject.draft;
    let spread = deployment.spread.as_ref()?;
    let Some(count) = &deployment.count else {
        let title = format!("deployment \"{name}\" names its machines and is not spread");
        return Some(
            Diagnostic::error(Code::M0607, title, &place(&spread.origin), "with `count` only")
                .help("a person has chosen where they stand"),
        );
    };
    if spread.max_skew == 0 {
        let title = "no machine may be ahead of another";
        return Some(
            Diagnostic::error(
                Code::M0607,
                title,
                &place(&spread.origin),
                "`max-skew` is at least 1",
            )
            .help("with 1 every place has the same number, or one more"),
        );
    }
    if !subject.broken.is_empty() {
        return None;
    }
    // How many may stand in each place.
    let mut places: BTreeMap<String, u32> = BTreeMap::new();
    for Candidate { machine, .. } in subject.candidates(deployment.require.as_ref()) {
        let rack = machine
            .rack
            .as_ref()
            .and_then(|rack| Some((&rack.name, draft.racks.get(&rack.name)?)));
        let zone = rack
            .and_then(|(_, rack)| rack.zone.as_ref())
            .map(|zone| &zone.name);
        let fits = deployment
            .require
            .as_ref()
            .is_none_or(|require| require.unmet_by_git(machine, zone).is_none());
        if !fits || machine.reserve.is_some() {
            continue;
        }
        let place = match spread.by.value {
            SpreadBy::Rack => rack.map(|(name, _)| name.to_string()),
            SpreadBy::Zone => zone.map(ToString::to_string),
            SpreadBy::PowerFeed => rack
                .and_then(|(_, rack)| rack.power_feeds.first())
                .map(ToString::to_string),
        };
        *places.entry(place.unwrap_or_default()).or_default() += 1;
    }
    let least = places.values().min().copied()?;
    // The emptiest place holds the others back.
    let most: u32 = places
        .values()
        .map(|room| (*room).min(least.saturating_add(spread.max_skew)))
        .sum();
    (count.value > most && places.len() > 1).then(|| {
        let title = format!(
            "deployment \"{name}\" counts {}, and {most} can be spread so evenly",
            count.value
        );
        let by = spread.by.value;
        let emptiest = places
            .iter()
            .find(|(_, room)| **room == least)
            .map_or("", |(place, _)| place);
        let text = format!(
            "{by} \"{emptiest}\" has {least}, no other may have more than {}",
            least.saturating_add(spread.max_skew)
        );
        Diagnostic::warning(Code::M0607, title, &count.span, "the others stay empty")
            .also(&place(&spread.origin), text)
    })
}
