//! The limits that git sets, and those that count: a commit lowers its own, and never raises them for itself.

use schema_fleet::{Fleet, ScopeLimits};
use schema_ids::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many machines may lose what they hold, in all and at each place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Of the whole fleet.
    pub fleet: Limit,
    /// The share of all machines that one plan may change at all, in percent.
    pub changed_percent: Option<u32>,
    /// Machines from which on shares count.
    pub min_population: u32,
    /// Of zones.
    pub zones: BTreeMap<Name, Limit>,
    /// Of pools.
    pub pools: BTreeMap<Name, Limit>,
    /// Of deployments.
    pub deployments: BTreeMap<Name, Limit>,
}

/// How many machines may lose what they hold; the smaller counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// So many.
    pub destroyed: Option<u32>,
    /// So large a share, in percent.
    pub destroyed_percent: Option<u32>,
}

impl Limit {
    fn of(limits: &ScopeLimits) -> Self {
        Self {
            destroyed: limits.max_destroyed,
            destroyed_percent: limits.max_destroyed_percent.map(|percent| u32::from(percent.0)),
        }
    }

    fn stricter(self, other: Self) -> Self {
        Self {
            destroyed: smaller(self.destroyed, other.destroyed),
            destroyed_percent: smaller(self.destroyed_percent, other.destroyed_percent),
        }
    }
}

impl Limits {
    /// As git says them.
    pub(super) fn of(fleet: &Fleet) -> Self {
        let limits = &fleet.settings.limits;
        let some =
            |name: &Name, limits: &Option<ScopeLimits>| Some((name.clone(), Limit::of(limits.as_ref()?)));
        Self {
            fleet: Limit {
                destroyed: Some(limits.max_destroyed),
                destroyed_percent: Some(limits.max_destroyed_percent),
            },
            changed_percent: limits
                .max_changed_percent
                .as_ref()
                .map(|percent| u32::from(percent.0)),
            min_population: limits.min_population,
            zones: fleet
                .zones
                .iter()
                .filter_map(|(name, zone)| some(name, &zone.limits))
                .collect(),
            pools: fleet
                .pools
                .iter()
                .filter_map(|(name, pool)| some(name, &pool.limits))
                .collect(),
            deployments: fleet
                .deployments
                .iter()
                .filter_map(|(name, deployment)| some(name, &deployment.limits))
                .collect(),
        }
    }

    /// Those that count for a commit with these limits where those of `before` are in force: of each the smaller one, and
    /// what `before` limits and the commit does not.
    #[must_use]
    pub(super) fn under(mut self, before: Option<&Self>) -> Self {
        let Some(before) = before else {
            return self;
        };
        self.fleet = self.fleet.stricter(before.fleet);
        self.changed_percent = smaller(self.changed_percent, before.changed_percent);
        self.min_population = self.min_population.min(before.min_population);
        for (own, before) in [
            (&mut self.zones, &before.zones),
            (&mut self.pools, &before.pools),
            (&mut self.deployments, &before.deployments),
        ] {
            for (name, limit) in before {
                let own = own.entry(name.clone()).or_insert(*limit);
                *own = own.stricter(*limit);
            }
        }
        self
    }

    /// With deployments under the names that they have now.
    pub(super) fn rename(&mut self, renamed: &BTreeMap<&Name, &Name>) {
        for (name, limit) in std::mem::take(&mut self.deployments) {
            let name = renamed.get(&name).map_or(name, |new| (*new).clone());
            let known = self.deployments.entry(name).or_insert(limit);
            *known = known.stricter(limit);
        }
    }
}

fn smaller(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.into_iter().chain(other).min()
}
