//! What people are told of `spread`: slots that only it keeps empty, and running machines that break it.
//!
//! Nothing here moves anything.

use crate::condition::Condition;
use crate::plan::allocate::Spread;
use crate::plan::compose::Filling;
use crate::plan::counted::{Verdict, place, verdict};
use crate::plan::{MachinePlan, Note, Origin};
use schema_fleet::Deployment;
use schema_ids::MachineId;
use std::collections::BTreeMap;

/// Why a machine that does gets no slot: which place is full, which holds it back.
pub(super) fn kept_out(
    deployment: &Deployment,
    spread: &Spread,
    full: &Option<String>,
    emptiest: usize,
) -> String {
    let mut domains = spread.domains().iter();
    let empty = domains.find(|(_, has)| **has == emptiest);
    let empty = empty.map_or(String::new(), |(domain, has)| {
        format!(", {} has {has} and no machine left", named(deployment, domain))
    });
    format!(
        "kept out by spread ({} is full with {}{empty}, max-skew {})",
        named(deployment, full),
        spread.in_domain(full),
        spread.max_skew.unwrap_or_default()
    )
}

/// Deployments whose machines stand less evenly than they would be put today.
pub(super) fn notes(filling: &Filling<'_, '_>, machines: &BTreeMap<MachineId, MachinePlan>) -> Vec<Note> {
    let mut spreads: BTreeMap<_, Spread> = BTreeMap::new();
    for (id, slot) in &filling.slots.by_machine {
        if let (Some(machine), Some(_)) = (machines.get(id), &slot.deployment.spread) {
            let place = place(filling.context.fleet, slot.deployment, machine);
            spreads.entry(slot.name).or_default().add(&place);
        }
    }
    let note = |(name, spread): (_, Spread)| {
        let deployment = filling.context.fleet.deployments.get(name)?;
        let max_skew = deployment.spread.as_ref()?.max_skew;
        let (fullest, most) = spread.domains().iter().max_by_key(|(_, has)| **has)?;
        let too_far = |has: usize| most.saturating_sub(has) > max_skew as usize;
        if !too_far(0) {
            return None;
        }
        // A place without a slot counts if a machine that is free there would do.
        let unused = machines.iter().find_map(|(id, machine)| {
            let domain = place(filling.context.fleet, deployment, machine).domain;
            let is_unused = spread.in_domain(&domain) == 0 && !filling.slots.by_machine.contains_key(id);
            let fits =
                is_unused && matches!(verdict(filling, *id, machine, name, deployment), Verdict::Fits(_));
            fits.then_some(domain)
        });
        let least = spread.domains().iter().min_by_key(|(_, has)| **has)?;
        let (emptiest, least) = match &unused {
            Some(domain) => (domain, 0),
            None => (least.0, *least.1),
        };
        too_far(least).then(|| Note {
            object: format!("deployment.{name}"),
            code: Condition::Uneven.code().to_owned(),
            text: format!(
                "{} has {most} of its machines and {} has {least}, by max-skew {max_skew} they may differ; \
                 nobody is moved",
                named(deployment, fullest),
                named(deployment, emptiest)
            ),
            origin: Some(Origin::of(&deployment.origin)),
        })
    };
    spreads.into_iter().filter_map(note).collect()
}

/// `rack "r1"`; machines of which git does not say it are in `no rack`.
fn named(deployment: &Deployment, domain: &Option<String>) -> String {
    let by = deployment.spread.as_ref().map(|spread| spread.by.value.as_str());
    let by = by.unwrap_or("place");
    match domain {
        Some(domain) => format!("{by} \"{domain}\""),
        None => format!("no {by}"),
    }
}
