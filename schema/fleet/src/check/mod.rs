//! What one value alone cannot show: references, duplicates, addresses, disks, and what belongs
//! together. One file for each question.
//!
//! A check looks at what could be decoded and says nothing about what could not: that is told already.

pub(crate) mod address;
pub(crate) mod address_fit;
pub(crate) mod adopted;
pub(crate) mod authority;
pub(crate) mod bmc;
pub(crate) mod bond;
pub(crate) mod boot;
pub(crate) mod boot_link;
pub(crate) mod budget;
pub(crate) mod counted;
pub(crate) mod deployment;
pub(crate) mod device;
pub(crate) mod dns;
pub(crate) mod duplicate;
pub(crate) mod enslaved;
pub(crate) mod fabric;
pub(crate) mod firmware;
pub(crate) mod given_twice;
pub(crate) mod hostname;
pub(crate) mod identity;
pub(crate) mod image;
pub(crate) mod installable;
pub(crate) mod kept;
pub(crate) mod masters;
pub(crate) mod mtu;
pub(crate) mod network_layout;
pub(crate) mod provisioning;
pub(crate) mod rack;
pub(crate) mod reference;
pub(crate) mod renamed;
pub(crate) mod route;
pub(crate) mod router_advertisement;
pub(crate) mod script;
pub(crate) mod secret;
pub(crate) mod selector;
pub(crate) mod settings;
pub(crate) mod shrinks;
pub(crate) mod spread;
pub(crate) mod storage;
pub(crate) mod subnet;
pub(crate) mod tag;
pub(crate) mod tag_slip;
pub(crate) mod tombstone;
pub(crate) mod unprotected;
pub(crate) mod unread;
pub(crate) mod user_data;
pub(crate) mod user_data_text;
pub(crate) mod vanished;
pub(crate) mod vlan_interface;
pub(crate) mod wrong_vlan;

use crate::{
    decode::Reference,
    diagnostic::Diagnostic,
    fleet::{Draft, Fleet},
    intake::Refused,
    kinds::{machine::Machine, require::Require, subnet::Subnet},
    limit::KEPT_MAX,
    parallel,
    parse::Observed,
    read::Broken,
    span::Span,
    value::path::RepositoryPath,
};
use duplicate::Declared;
use schema_ids::Name;
use std::{collections::BTreeMap, sync::Arc};

/// The subnets on each VLAN of a fabric.
type ByVlan<'s> = BTreeMap<&'s str, Vec<(&'s Name, &'s Subnet)>>;

/// Everything a check may look at.
pub(crate) struct Subject<'s> {
    /// All files of the revision by path.
    pub(crate) files: &'s BTreeMap<&'s str, &'s [u8]>,
    /// What of the repository was not taken.
    pub(crate) refused: &'s Refused,
    /// Files that could not be read to the end.
    pub(crate) broken: &'s [Broken<'s>],
    /// What could be decoded.
    pub(crate) draft: &'s Draft,
    /// References that were met.
    pub(crate) references: &'s [Arc<Vec<Reference>>],
    /// Every object that is written anywhere, decoded or not: by kind and name.
    pub(crate) declared: &'s Declared<'s>,
    /// The subnets of each VLAN, by the names of its fabric and its own.
    subnets: BTreeMap<&'s str, ByVlan<'s>>,
    /// What inspections found.
    pub(crate) observed: &'s Observed,
    /// All machines, and those of each pool, rack and zone.
    machines: Machines<'s>,
}

/// Machines by what a requirement may name, so that a deployment does not look at each of a large fleet.
#[derive(Default)]
struct Machines<'s> {
    all: Vec<Candidate<'s>>,
    by_pool: BTreeMap<&'s str, Vec<Candidate<'s>>>,
    by_rack: BTreeMap<&'s str, Vec<Candidate<'s>>>,
    by_zone: BTreeMap<&'s str, Vec<Candidate<'s>>>,
}

/// A machine that a deployment may choose.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'s> {
    pub(crate) name: &'s Name,
    pub(crate) machine: &'s Machine,
    /// Where its rack stands.
    zone: Option<&'s Name>,
}

impl Candidate<'_> {
    /// Whether git says nothing against it.
    pub(crate) fn meets(&self, require: Option<&Require>) -> bool {
        require.is_none_or(|require| require.unmet_by_git(self.machine, self.zone).is_none())
    }
}

impl<'s> Machines<'s> {
    fn of(draft: &'s Draft) -> Self {
        let mut machines = Self::default();
        for (name, machine) in &draft.machines {
            let rack = machine.rack.as_ref();
            let zone = rack.and_then(|rack| draft.racks.get(&rack.name)?.zone.as_ref());
            let candidate = Candidate {
                name,
                machine,
                zone: zone.map(|zone| &zone.name),
            };
            machines.all.push(candidate);
            if let Some(pool) = &machine.pool {
                machines.by_pool.entry(pool.as_str()).or_default().push(candidate);
            }
            if let Some(rack) = rack {
                machines.by_rack.entry(rack.as_str()).or_default().push(candidate);
            }
            if let Some(zone) = zone {
                machines.by_zone.entry(zone.as_str()).or_default().push(candidate);
            }
        }
        machines
    }
}

impl<'s> Subject<'s> {
    /// Brings together what the checks look at.
    pub(crate) fn new(
        files: &'s BTreeMap<&'s str, &'s [u8]>,
        refused: &'s Refused,
        broken: &'s [Broken<'s>],
        declared: &'s Declared<'s>,
        draft: &'s Draft,
        references: &'s [Arc<Vec<Reference>>],
        observed: &'s Observed,
    ) -> Self {
        let mut subnets: BTreeMap<&str, ByVlan<'_>> = BTreeMap::new();
        for (name, subnet) in &draft.subnets {
            let of_fabric = subnets.entry(subnet.vlan.fabric.as_str()).or_default();
            let on_vlan = of_fabric.entry(subnet.vlan.vlan.as_str()).or_default();
            on_vlan.push((name, subnet));
        }
        Self {
            files,
            refused,
            broken,
            draft,
            references,
            declared,
            subnets,
            observed,
            machines: Machines::of(draft),
        }
    }

    /// The subnets of a VLAN, by name.
    pub(crate) fn subnets_on(&self, fabric: &Name, vlan: &Name) -> &[(&'s Name, &'s Subnet)] {
        let found = self
            .subnets
            .get(fabric.as_str())
            .and_then(|of_fabric| of_fabric.get(vlan.as_str()));
        found.map_or(&[], Vec::as_slice)
    }

    /// Machines among which all are that meet a requirement by what git says; the others of them may not.
    pub(crate) fn candidates(&self, require: Option<&Require>) -> &[Candidate<'s>] {
        let machines = &self.machines;
        let of = |by: &'_ BTreeMap<&'s str, Vec<Candidate<'s>>>, name: Option<&Name>| {
            name.map(|name| by.get(name.as_str()).map_or(0, Vec::len))
        };
        let pool = require
            .and_then(|require| require.pool.as_ref())
            .map(|pool| &pool.name);
        let rack = require
            .and_then(|require| require.rack.as_ref())
            .map(|rack| &rack.name);
        let zone = require
            .and_then(|require| require.zone.as_ref())
            .map(|zone| &zone.name);
        let ways = [
            (of(&machines.by_pool, pool), &machines.by_pool, pool),
            (of(&machines.by_rack, rack), &machines.by_rack, rack),
            (of(&machines.by_zone, zone), &machines.by_zone, zone),
        ];
        let fewest = ways
            .into_iter()
            .filter(|(count, ..)| count.is_some())
            .min_by_key(|(count, ..)| *count);
        match fewest {
            Some((_, by, Some(name))) => by.get(name.as_str()).map_or(&[], Vec::as_slice),
            _ => &machines.all,
        }
    }

    /// Whether an object is written somewhere, even if it could not be decoded.
    pub(crate) fn declares(&self, kind: &str, name: &str) -> bool {
        self.declared
            .get(kind)
            .is_some_and(|names| names.contains_key(name))
    }
}

/// What the checks found.
pub(crate) struct Found {
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Diagnostics that are counted only.
    pub(crate) more: usize,
    /// The user-data files that deployments name.
    pub(crate) user_data: BTreeMap<RepositoryPath, Vec<u8>>,
}

/// Runs all checks.
pub(crate) fn all(subject: &Subject<'_>, is_large: bool) -> Found {
    let checks: [fn(&Subject<'_>, &mut Vec<Diagnostic>); 44] = [
        reference::check,
        settings::check,
        secret::check,
        fabric::check,
        subnet::check,
        address::check,
        identity::check,
        bmc::check,
        storage::check,
        boot::check,
        network_layout::check,
        image::check,
        deployment::check,
        adopted::check,
        counted::check,
        hostname::check,
        tombstone::check,
        renamed::check,
        rack::check,
        boot_link::check,
        firmware::check,
        device::check,
        dns::check,
        mtu::check,
        masters::check,
        bond::check,
        route::check,
        router_advertisement::check,
        tag::check,
        installable::check,
        script::check,
        spread::check,
        budget::check,
        selector::check,
        authority::check,
        user_data_text::check,
        provisioning::check,
        vlan_interface::check,
        enslaved::check,
        wrong_vlan::check,
        tag_slip::check,
        unread::check,
        address_fit::check,
        given_twice::check,
    ];
    let found = parallel::map(&checks, is_large, |check| {
        let mut found = Vec::new();
        check(subject, &mut found);
        found
    });
    let mut found = found.concat();
    let more = found.len().saturating_sub(KEPT_MAX);
    found.truncate(KEPT_MAX);
    let user_data = user_data::collect(subject, &mut found);
    Found {
        diagnostics: found,
        more,
        user_data,
    }
}

/// What a change takes away that it should not.
pub(crate) fn of_change(before: &Fleet, now: &Fleet) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let checks: [fn(&Fleet, &Fleet, &mut Vec<Diagnostic>); 4] =
        [vanished::check, shrinks::check, unprotected::check, kept::check];
    checks.iter().for_each(|check| check(before, now, &mut found));
    found
}

/// The span of an object's name: everything that is checked comes from the repository.
pub(crate) fn place(origin: &crate::span::Origin) -> Span {
    origin.span().cloned().unwrap_or_else(|| Span::start_of("."))
}
