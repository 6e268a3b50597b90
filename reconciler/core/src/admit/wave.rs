//! Waves: the next begins when every machine of the earlier ones runs as wanted.
//!
//! A new machine that failed where others run the same is not awaited, as long as another one of its wave runs.
//!
//! A machine that is out of service is not kept waiting by it: it holds a place that the earlier waves may need, and
//! bringing it back disturbs nobody.

use super::{Case, Grant, Ground, some_of, tally::Tally};
use crate::condition::{Condition, Wait};
use crate::plan::{Budget, Wave};
use schema_ids::{MachineId, Name};
use std::collections::BTreeMap;

/// A wave that is not over.
pub(super) struct Unfinished {
    place: usize,
    /// How far it is, for people.
    words: String,
}

/// The first wave of a budget that is not over.
pub(super) fn unfinished(
    ground: &Ground<'_>,
    grants: &BTreeMap<MachineId, Grant>,
    budget: &Budget,
) -> Option<Unfinished> {
    let is_well = |id: &MachineId| {
        let is_changed = grants.get(id).is_some_and(|grant| grant.need.disrupts());
        let standing = ground.standing.get(id);
        !is_changed && standing.is_some_and(|standing| standing.well_since().is_some())
    };
    let is_given_up = |id: &MachineId| ground.standing.get(id).is_some_and(|standing| standing.own_fault);
    let awaited = |wave: &Wave| -> Vec<MachineId> {
        let has_one = wave.machines.iter().any(is_well);
        let is_awaited = |id: &&MachineId| !(is_well(id) || has_one && is_given_up(id));
        wave.machines.iter().filter(is_awaited).copied().collect()
    };
    let waves = budget.waves.iter().enumerate();
    let mut waves = waves.map(|(place, wave)| (place, wave, awaited(wave)));
    let (place, wave, missing) = waves.find(|(_, _, awaited)| !awaited.is_empty())?;
    let missing: Vec<String> = missing.into_iter().map(|id| ground.name(id)).collect();
    let called = wave
        .name
        .as_ref()
        .map_or("the last wave".to_owned(), |name| format!("wave {name}"));
    let (done, all) = (
        wave.machines.iter().filter(|id| is_well(id)).count(),
        wave.machines.len(),
    );
    let words = format!(
        "{done} of {all} machines of {called} run as wanted; awaited: {}",
        some_of(missing)
    );
    Some(Unfinished { place, words })
}

pub(super) fn check(case: &Case<'_>, name: &Name, _: &Budget, tally: &Tally) -> Option<Wait> {
    if case.is_out() {
        return None;
    }
    let unfinished = tally.unfinished.as_ref()?;
    let wave = tally.waves.get(&case.machine)?;
    (unfinished.place < *wave).then(|| {
        let evidence = format!("budget {name}: {}", unfinished.words);
        case.wait(Condition::EarlierWave, evidence)
    })
}
