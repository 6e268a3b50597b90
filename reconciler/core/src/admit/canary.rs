//! The canary: the first machine of the fleet that runs a new image or a new storage layout is seen to run before another
//! one that is in use is given over to the same.
//!
//! What is new is told from what runs: a pair of image and layout that no machine runs well now is new. So nothing has to be
//! remembered, and a pair that everybody left is tried again on one machine.

use super::{Case, Grant, Ground};
use crate::condition::{Condition, Wait};
use crate::plan::{layout_digest, length};
use rack_api::job::Deploy;
use schema_ids::{Digest, MachineId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What is tried on one machine first: an image, by content, on a layout. A layout is which partitions, arrays, groups,
/// volumes and filesystems stand on what, not which disks and how large: those differ from machine to machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The image's digest.
    pub image: Digest,
    /// The layout's.
    pub layout: Digest,
}

impl Kind {
    /// What an installation tries.
    pub fn of(deploy: &Deploy) -> Self {
        Self {
            image: deploy.image.digest,
            layout: layout_digest(deploy),
        }
    }
}

/// How far a pair was tried.
#[derive(Default)]
pub(super) struct Tried {
    /// Since when it runs well, on the machine that runs it longest.
    well: Option<(Timestamp, MachineId)>,
    /// Machines that were given over to it, and are not seen to run it.
    given_over: BTreeSet<MachineId>,
}

/// What is tried, on which machines.
pub(super) fn tried(grants: &BTreeMap<MachineId, Grant>, ground: &Ground<'_>) -> BTreeMap<Kind, Tried> {
    let mut kinds: BTreeMap<Kind, Tried> = BTreeMap::new();
    for (id, machine) in &ground.plan.machines {
        let Some(deploy) = machine.wanted.intent.deploy() else {
            continue;
        };
        let standing = ground.standing.get(id);
        let is_granted = grants.get(id).is_some_and(|grant| {
            grant.need.boots && (grant.need.disrupts() || grant.generation == machine.wanted.generation)
        });
        let well = standing
            .and_then(|standing| standing.well_since())
            .filter(|_| !is_granted);
        let tried = kinds.entry(Kind::of(deploy)).or_default();
        if let Some(since) = well {
            let known = tried.well.get_or_insert((since, *id));
            *known = (*known).min((since, *id));
        } else if is_granted || standing.is_some_and(|standing| standing.given_over) {
            tried.given_over.insert(*id);
        }
    }
    kinds
}

pub(super) fn check(case: &Case<'_>) -> Option<Wait> {
    let plan = case.ground.plan;
    let soak = plan.control.canary?.soak();
    // A machine that loses nothing in use may be the first, and waits for nobody.
    if !case.need.disrupts() {
        return None;
    }
    let wanted = plan.machines.get(&case.machine)?.wanted.intent.deploy()?;
    let tried = case
        .tallies
        .kinds(case.grants, case.ground)
        .get(&Kind::of(wanted))?;
    let what = format!("image {} on this layout is new to the fleet", wanted.image.name);
    if let Some((since, first)) = tried.well {
        let until = since.plus(soak);
        return (until > case.now).then(|| {
            let evidence = format!(
                "{what}: {} runs it since {since}, and is to be well for {}: until {until}",
                case.ground.name(first),
                length(soak)
            );
            case.wait(Condition::Canary, evidence).retry_at(until)
        });
    }
    let first = tried.given_over.iter().find(|id| **id != case.machine)?;
    let name = case.ground.name(*first);
    let why = case
        .ground
        .out(*first)
        .map_or_else(String::new, |why| format!(" ({name} {why})"));
    let evidence = format!("{what}: {name} is the first, and has not been seen to run it yet{why}");
    Some(case.wait(Condition::Canary, evidence))
}
