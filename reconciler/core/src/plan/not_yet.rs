//! What git says and this version does not carry out: the machines that it concerns are left as they are.
//!
//! Leaving out a layer of encryption or a limit and doing the rest would be another wish than the one that
//! was reviewed. So whoever is concerned gets nothing new until git no longer says it, or a version carries it out.

use crate::condition::Condition;
use crate::plan::{Blocked, MachinePlan, Note, Origin};
use schema_fleet::{Fleet, Machine, NotYet};
use schema_ids::Name;
use std::collections::{BTreeMap, BTreeSet};

/// What is not carried out, by the object that says it.
pub(super) struct NotCarriedOut<'a> {
    fleet: &'a Fleet,
    by_object: BTreeMap<(&'a str, &'a str), &'a NotYet>,
    /// Objects that concern machines by what they are, not by being named by them.
    wide: Vec<&'a NotYet>,
}

/// What a machine is concerned by: itself, and the deployment whose slot it has or shall have.
#[derive(Clone, Copy)]
pub(super) struct Concerned<'a> {
    pub(super) name: &'a Name,
    pub(super) deployment: Option<&'a Name>,
}

impl<'a> NotCarriedOut<'a> {
    pub(super) fn new(fleet: &'a Fleet) -> Self {
        let mut by_object = BTreeMap::new();
        let mut wide = Vec::new();
        for one in &fleet.not_yet {
            let (kind, name) = parts(&one.object);
            by_object.entry((kind, name)).or_insert(one);
            if matches!(kind, "fleet" | "role" | "tag" | "subnet") {
                wide.push(one);
            }
        }
        Self {
            fleet,
            by_object,
            wide,
        }
    }

    /// Why a machine gets nothing new, if something concerns it.
    pub(super) fn blocked(&self, concerned: Concerned<'_>) -> Option<Blocked> {
        let found = self.of(concerned)?;
        let place = Origin::of(&found.origin);
        Some(Blocked {
            condition: Condition::NotCarriedOut,
            evidence: format!(
                "{} of {} is not carried out by this version ({}:{})",
                found.what, found.object, place.file, place.line
            ),
        })
    }

    /// What is said once for each place in git, with how many machines it keeps as they are: what a profile says is
    /// met again in each of its machines.
    pub(super) fn notes<'m>(&self, machines: impl Iterator<Item = &'m MachinePlan>) -> Vec<Note> {
        let mut kept: BTreeMap<&str, usize> = BTreeMap::new();
        for why in machines.filter_map(|machine| machine.blocked.as_ref()) {
            if why.condition == Condition::NotCarriedOut
                && let Some((_, place)) = why.evidence.rsplit_once(" (")
            {
                *kept.entry(place).or_default() += 1;
            }
        }
        let mut told = BTreeSet::new();
        let mut notes = Vec::new();
        for one in &self.fleet.not_yet {
            let place = Origin::of(&one.origin);
            if !told.insert((place.clone(), &one.what)) {
                continue;
            }
            let said = format!("{}:{})", place.file, place.line);
            let text = match kept.get(said.as_str()).copied().unwrap_or(0) {
                0 => "nothing comes of it".to_owned(),
                1 => "1 machine is left as it is".to_owned(),
                many => format!("{many} machines are left as they are"),
            };
            notes.push(Note {
                object: one.object.clone(),
                code: Condition::NotCarriedOut.code().to_owned(),
                text: format!("{} is not carried out by this version: {text}", one.what),
                origin: Some(place),
            });
        }
        notes
    }

    fn of(&self, concerned: Concerned<'_>) -> Option<&'a NotYet> {
        if self.by_object.is_empty() {
            return None;
        }
        let deployment = concerned
            .deployment
            .and_then(|name| self.fleet.deployments.get(name));
        let machine = self.fleet.machines.get(concerned.name);
        let get = |kind: &str, name: &Name| self.by_object.get(&(kind, name.as_str())).copied();
        let of_deployment = || {
            let deployment = deployment?;
            concerned
                .deployment
                .and_then(|name| get("deployment", name))
                .or_else(|| get("image", &deployment.image.name))
                .or_else(|| get("storage", &deployment.storage.name))
                .or_else(|| get("network", &deployment.network.name))
        };
        let of_machine = || {
            let machine = machine?;
            let rack = machine.rack.as_ref().map(|rack| &rack.name);
            let zone = rack.and_then(|rack| self.fleet.racks.get(rack)?.zone.as_ref());
            let bmc = machine.bmc.as_ref();
            get("machine", concerned.name)
                .or_else(|| rack.and_then(|rack| get("rack", rack)))
                .or_else(|| zone.and_then(|zone| get("zone", &zone.name)))
                .or_else(|| machine.pool.as_ref().and_then(|pool| get("pool", &pool.name)))
                .or_else(|| bmc.and_then(|bmc| get("secret", &bmc.secret.as_ref()?.name)))
                .or_else(|| {
                    let mut fabrics = machine.nic.values().filter_map(|nic| nic.link.as_ref());
                    fabrics.find_map(|link| get("fabric", &link.fabric))
                })
        };
        let widely = || {
            let machine = machine?;
            self.wide
                .iter()
                .copied()
                .find(|one| self.is_wide(&one.object, concerned, machine))
        };
        of_deployment().or_else(of_machine).or_else(widely)
    }

    /// Whether an object that names no machine is about this one.
    fn is_wide(&self, object: &str, concerned: Concerned<'_>, machine: &Machine) -> bool {
        let (kind, name) = parts(object);
        let fleet = self.fleet;
        match kind {
            "fleet" => true,
            "role" => fleet.roles.get(name).is_none_or(|role| {
                let pool = machine.pool.as_ref();
                role.pools.is_empty() || pool.is_some_and(|pool| role.pools.contains(pool))
            }),
            "tag" => concerned
                .deployment
                .and_then(|name| fleet.deployments.get(name))
                .is_some_and(|deployment| {
                    deployment.require.as_ref().is_some_and(|require| {
                        [&require.tags, &require.any_tags, &require.without_tags]
                            .into_iter()
                            .any(|tags| tags.iter().any(|tag| tag.as_str() == name))
                    })
                }),
            "subnet" => fleet.subnets.get(name).is_some_and(|subnet| {
                let mut links = machine.nic.values().filter_map(|nic| nic.link.as_ref());
                links.any(|link| link.value == subnet.vlan.value)
            }),
            _ => false,
        }
    }
}

/// Kind and name of an object: `removed.machine.m1` is of the kind `removed.machine`.
fn parts(object: &str) -> (&str, &str) {
    let nested = [
        "removed.machine.",
        "removed.deployment.",
        "moved.machine.",
        "moved.deployment.",
    ];
    let kind = nested.iter().find(|kind| object.starts_with(*kind));
    match kind {
        Some(kind) => object.split_at(kind.len() - 1),
        None => object.split_once('.').unwrap_or((object, "")),
    }
}
