//! Limits: how many machines may lose what they hold, by one plan and within a day, so that ten small plans do not
//! add up to what one may not do. The fleet has limits, and each zone, pool and deployment may; the smallest counts.

use super::{Ground, names, report};
use crate::condition::Condition;
use crate::observed::Destroyed;
use crate::plan::limits::Limit;
use crate::plan::moved::Moves;
use crate::plan::{GuardReport, MachinePlan, Plan};
use schema_ids::{MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn limits(ground: &Ground<'_>) -> GuardReport {
    let whole = Scope::whole(ground);
    let parts: Vec<Scope> = parts(ground).filter(|part| !part.newly.is_empty()).collect();
    let told: String = parts
        .iter()
        .map(|part| format!("; of {} {} of {}", part.of, part.all(), part.most))
        .collect();
    let detail = format!(
        "destroys {} of {} allowed,{} of {} machines{told}",
        whole.newly.len(),
        whole.most,
        whole.beside(),
        whole.population
    );
    let mut scopes = std::iter::once(&whole).chain(&parts);
    let blocked = scopes.find(|scope| scope.is_passed()).map(|scope| {
        let of = match scope.of.is_empty() {
            true => String::new(),
            false => format!(" of {}", scope.of),
        };
        let (newly, population, most) = (scope.newly.len(), scope.population, scope.most);
        let (names, beside) = (names(ground, scope.newly.iter()), scope.beside());
        let raised = ground.raised();
        let why = format!(
            "it would release or erase {newly} of {population} machines{of}, {names};{beside} the limit is {most}{raised}"
        );
        (Condition::LimitExceeded, why)
    });
    report("limits", detail, blocked)
}

/// The plan that stands, or the one that is made.
#[derive(Debug, Clone, Copy)]
enum Side {
    Parent,
    New,
}

impl Side {
    fn of<'a>(self, ground: &Ground<'a>) -> &'a Plan {
        match self {
            Self::Parent => ground.parent,
            Self::New => ground.new,
        }
    }
}

/// The machines that one set of limits is about.
struct Scope {
    /// Of what they are; empty for the whole fleet.
    of: String,
    population: usize,
    most: usize,
    /// Those that this plan destroys.
    newly: BTreeSet<MachineId>,
    /// How many others were destroyed within a day.
    before: usize,
}

impl Scope {
    fn whole(ground: &Ground<'_>) -> Self {
        let Limit {
            destroyed,
            destroyed_percent,
        } = ground.limits.fleet;
        let share = destroyed_percent.and_then(|percent| ground.share(percent));
        let most = destroyed.map(|most| most as usize);
        let newly = &ground.new.destroys;
        Self {
            of: String::new(),
            population: ground.population(),
            most: most.into_iter().chain(share).min().unwrap_or(usize::MAX),
            newly: newly.clone(),
            before: ground
                .observed
                .destroyed
                .keys()
                .filter(|id| !newly.contains(id))
                .count(),
        }
    }

    /// A part of the fleet; `None` where its limits say nothing.
    fn part(
        ground: &Ground<'_>,
        of: String,
        limit: Limit,
        is_in: &dyn Fn(Side, MachineId) -> bool,
        was_in: &dyn Fn(MachineId, &Destroyed) -> bool,
    ) -> Option<Self> {
        let members = |side: Side| {
            side.of(ground)
                .machines
                .keys()
                .filter(|id| is_in(side, **id))
                .count()
        };
        // A plan that lets many go does not become small by it.
        let population = members(Side::Parent).max(members(Side::New));
        let enough = population >= ground.limits.min_population as usize;
        let percent = limit.destroyed_percent.filter(|_| enough);
        let share = percent.map(|percent| (population * percent as usize / 100).max(1));
        let most = limit.destroyed.map(|most| most as usize);
        let newly = ground.new.destroys.iter().copied();
        // Whoever moves to another pool in the same commit is of both.
        let newly: BTreeSet<MachineId> = newly
            .filter(|id| is_in(Side::Parent, *id) || is_in(Side::New, *id))
            .collect();
        let lately = ground.observed.destroyed.iter();
        Some(Self {
            of,
            population,
            most: most.into_iter().chain(share).min()?,
            before: lately
                .filter(|(id, destroyed)| !newly.contains(id) && was_in(**id, destroyed))
                .count(),
            newly,
        })
    }

    fn all(&self) -> usize {
        self.newly.len() + self.before
    }

    fn is_passed(&self) -> bool {
        !self.newly.is_empty() && self.all() > self.most
    }

    fn beside(&self) -> String {
        match self.before {
            0 => String::new(),
            before => format!(" beside {before} within 24 hours,"),
        }
    }
}

/// A sort of place that machines are in.
struct Place {
    kind: &'static str,
    /// Which of its sort a machine is in.
    of: fn(&MachinePlan) -> Option<&Name>,
    /// Which a machine was in when it was destroyed.
    then: fn(&Destroyed) -> &BTreeSet<Name>,
}

/// Zones, pools and deployments that have limits of their own.
fn parts<'a>(ground: &'a Ground<'_>) -> impl Iterator<Item = Scope> + 'a {
    let limits = &ground.limits;
    let by_place = |place: &Place, name: &Name, limit: Limit| {
        let is_in = |side: Side, id: MachineId| {
            let machine = side.of(ground).machines.get(&id);
            machine.and_then(place.of) == Some(name)
        };
        // Who has left since, or was given another place, was destroyed here all the same.
        let was_in = |id: MachineId, destroyed: &Destroyed| {
            (place.then)(destroyed).contains(name) || is_in(Side::Parent, id) || is_in(Side::New, id)
        };
        let of = format!("{} {name}", place.kind);
        Scope::part(ground, of, limit, &is_in, &was_in)
    };
    let zone = Place {
        kind: "zone",
        of: |machine| machine.zone.as_ref(),
        then: |destroyed| &destroyed.zones,
    };
    let zones = limits.zones.iter();
    let zones = zones.filter_map(move |(name, limit)| by_place(&zone, name, *limit));
    let pool = Place {
        kind: "pool",
        of: |machine| machine.pool.as_ref(),
        then: |destroyed| &destroyed.pools,
    };
    let pools = limits.pools.iter();
    let pools = pools.filter_map(move |(name, limit)| by_place(&pool, name, *limit));
    let (before, now) = (bound(ground.parent), bound(ground.new));
    let moves = Moves::of_deployments(ground.fleet);
    let deployments = limits.deployments.iter().filter_map(move |(name, limit)| {
        let is_in = |side: Side, id: MachineId| {
            let bound = match side {
                Side::Parent => &before,
                Side::New => &now,
            };
            bound.get(&id) == Some(&name)
        };
        let was_in = |_, destroyed: &Destroyed| {
            let mut deployments = destroyed.deployments.iter();
            deployments.any(|was| moves.last(was).0 == name)
        };
        Scope::part(ground, format!("deployment {name}"), *limit, &is_in, &was_in)
    });
    zones.chain(pools).chain(deployments)
}

/// The deployment of each machine that has a slot.
fn bound(plan: &Plan) -> BTreeMap<MachineId, &Name> {
    let bindings = plan.bindings.values();
    bindings
        .map(|binding| (binding.machine, &binding.deployment))
        .collect()
}
