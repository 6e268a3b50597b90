//! Which machines free slots get, of those that could have them. The order is written down here alone.
//!
//! A place that `spread` counts with the fewest slots of the deployment first, then the zone, then the rack with the
//! fewest; there the smallest machine that does, so that large ones are left for who needs them; among equals the name
//! decides. Where that leaves a slot empty, choices of the same plan are taken back one after the other as long as each
//! who loses a machine gets another, within [`LOOKS_MAX`]. Nothing here knows of requirements, and a slot that was
//! filled by an earlier plan is never looked at again.

use rack_api::inventory::Inventory;
use schema_ids::{MachineId, Name};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Machines that are looked at for another choice, for all deployments of a plan together: some 20 ms of planning.
pub const LOOKS_MAX: usize = 200_000;

/// A machine that could have a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: Name,
    /// Where it stands.
    pub place: Place,
    /// How large it is.
    pub size: Size,
}

/// Where a machine stands, as far as git says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The zone of its rack.
    pub zone: Option<Name>,
    /// Its rack.
    pub rack: Option<Name>,
    /// What the deployment's `spread` counts by: the name of a zone, a rack or a power feed. Machines of which git does
    /// not say it are in one place together.
    pub domain: Option<String>,
}

/// How large a machine is: compared by memory, then processors, then disks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    memory_gib: u64,
    threads: u32,
    disk_bytes: u64,
    disks: usize,
}

impl Size {
    /// The size of what was inspected. Memory is rounded up to whole GiB: kernels of one build leave a few
    /// pages more or less of equal machines.
    pub fn of(inventory: &Inventory) -> Self {
        Self {
            memory_gib: inventory.memory_bytes.div_ceil(1 << 30),
            threads: inventory.cpu.threads,
            disk_bytes: inventory.disks.iter().map(|disk| disk.size_bytes).sum(),
            disks: inventory.disks.len(),
        }
    }
}

/// How many slots of one deployment stand where, and how evenly they must.
#[derive(Debug, Clone, Default)]
pub struct Spread {
    /// By how many slots the fullest domain may be ahead of the emptiest; absent where nobody asks.
    pub max_skew: Option<u32>,
    zones: BTreeMap<Option<Name>, usize>,
    racks: BTreeMap<Option<Name>, usize>,
    domains: BTreeMap<Option<String>, usize>,
}

impl Spread {
    /// No slot stands anywhere.
    pub fn new(max_skew: Option<u32>) -> Self {
        Self {
            max_skew,
            ..Self::default()
        }
    }

    /// One more slot stands here.
    pub fn add(&mut self, place: &Place) {
        *self.zones.entry(place.zone.clone()).or_default() += 1;
        *self.racks.entry(place.rack.clone()).or_default() += 1;
        *self.domains.entry(place.domain.clone()).or_default() += 1;
    }

    fn remove(&mut self, place: &Place) {
        less(&mut self.zones, &place.zone);
        less(&mut self.racks, &place.rack);
        less(&mut self.domains, &place.domain);
    }

    /// Slots by zone, and by rack: fewest first.
    fn at(&self, place: &Place) -> (usize, usize, usize) {
        let domain = self.max_skew.map_or(0, |_| self.in_domain(&place.domain));
        (
            domain,
            count(&self.zones, &place.zone),
            count(&self.racks, &place.rack),
        )
    }

    /// Slots of each domain that has some.
    pub fn domains(&self) -> &BTreeMap<Option<String>, usize> {
        &self.domains
    }

    /// Slots of this domain.
    pub fn in_domain(&self, domain: &Option<String>) -> usize {
        count(&self.domains, domain)
    }

    /// How many slots the emptiest domain has, of those with a slot or a free machine; none if there is neither.
    pub fn emptiest<'a>(&self, free: impl Iterator<Item = &'a Candidate>) -> Option<usize> {
        let free = free.map(|one| self.in_domain(&one.place.domain));
        free.chain(self.domains.values().copied()).min()
    }

    /// How many slots a domain may have before it gets another.
    fn room_below(&self, emptiest: Option<usize>) -> usize {
        let skew = self.max_skew.map(|skew| skew.max(1) as usize);
        skew.map_or(usize::MAX, |skew| emptiest.unwrap_or(0).saturating_add(skew))
    }
}

fn count<K: Ord>(of: &BTreeMap<K, usize>, at: &K) -> usize {
    of.get(at).copied().unwrap_or(0)
}

fn less<K: Ord>(of: &mut BTreeMap<K, usize>, at: &K) {
    if let Some(count) = of.get_mut(at) {
        *count -= 1;
        if *count == 0 {
            of.remove(at);
        }
    }
}

/// The machine of those that are free that the next slot gets; none if there is none, or spread keeps all of them out.
pub fn next<'a>(
    free: impl Iterator<Item = (&'a MachineId, &'a Candidate)> + Clone,
    spread: &Spread,
) -> Option<MachineId> {
    let emptiest = match spread.max_skew {
        Some(_) => spread.emptiest(free.clone().map(|(_, one)| one)),
        None => None,
    };
    let below = spread.room_below(emptiest);
    free.filter(|(_, one)| spread.max_skew.is_none() || spread.in_domain(&one.place.domain) < below)
        .min_by_key(|(_, one)| (spread.at(&one.place), &one.size, &one.name))
        .map(|(id, _)| *id)
}

/// Takes so many machines of those that are free, one after the other. Of machines in one place only the first is
/// compared with those of other places.
fn take<'a>(
    free: impl Iterator<Item = (&'a MachineId, &'a Candidate)>,
    spread: &mut Spread,
    at_most: usize,
) -> Vec<MachineId> {
    let mut places: BTreeMap<&Place, Vec<(&MachineId, &Candidate)>> = BTreeMap::new();
    free.for_each(|(id, one)| places.entry(&one.place).or_default().push((id, one)));
    for machines in places.values_mut() {
        machines.sort_by_key(|(_, one)| Reverse((&one.size, &one.name)));
    }
    let mut taken = Vec::new();
    while taken.len() < at_most {
        let heads = places.values().filter_map(|machines| machines.last().copied());
        let Some(id) = next(heads, spread) else {
            break;
        };
        let place = places
            .iter_mut()
            .find(|(_, machines)| machines.last().is_some_and(|last| *last.0 == id));
        if let Some((place, machines)) = place {
            machines.pop();
            spread.add(place);
        }
        taken.push(id);
    }
    taken
}

/// A deployment that lacks machines.
#[derive(Debug, Clone)]
pub struct Demand<'a> {
    /// How many.
    pub missing: usize,
    /// The machines that it could have.
    pub candidates: &'a BTreeMap<MachineId, Candidate>,
    /// Where its slots stand.
    pub spread: Spread,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The machines of each deployment, in the order in which they are to be given away.
    pub picks: Vec<Vec<MachineId>>,
    /// Whether the search for other choices was given up after [`LOOKS_MAX`].
    pub gave_up: bool,
}

/// Chooses machines for all deployments, the first before the second.
pub fn choose(demands: Vec<Demand<'_>>) -> Choice {
    let mut search = Search {
        picks: vec![BTreeSet::new(); demands.len()],
        demands,
        holders: BTreeMap::new(),
        trail: Vec::new(),
        looks: 0,
    };
    (0..search.demands.len()).for_each(|demand| search.fill(demand));
    loop {
        let changed = (0..search.demands.len()).any(|demand| search.mend(demand));
        if !changed {
            break;
        }
        // What the exchange has left over.
        (0..search.demands.len()).for_each(|demand| search.fill(demand));
    }
    Choice {
        picks: (0..search.demands.len())
            .map(|demand| search.ordered(demand))
            .collect(),
        gave_up: search.looks >= LOOKS_MAX,
    }
}

struct Search<'a> {
    demands: Vec<Demand<'a>>,
    picks: Vec<BTreeSet<MachineId>>,
    /// Who was given each machine.
    holders: BTreeMap<MachineId, usize>,
    /// What was given (`true`) and taken back since the exchange began, to be undone if it comes to nothing.
    trail: Vec<(bool, usize, MachineId)>,
    looks: usize,
}

impl<'a> Search<'a> {
    fn lacks(&self, demand: usize) -> bool {
        self.demands.get(demand).is_some_and(|demand| demand.missing > 0)
    }

    fn free(&self, demand: usize) -> impl Iterator<Item = (&'a MachineId, &'a Candidate)> + Clone {
        let candidates = self.demands.get(demand).map(|demand| demand.candidates);
        let candidates = candidates.into_iter().flatten();
        candidates.filter(|(id, _)| !self.holders.contains_key(id))
    }

    /// Gives free machines for as long as one may be taken.
    fn fill(&mut self, demand: usize) {
        let Some(wish) = self.demands.get(demand).filter(|wish| wish.missing > 0) else {
            return;
        };
        let taken = take(self.free(demand), &mut wish.spread.clone(), wish.missing);
        taken.into_iter().for_each(|id| self.give(demand, id));
    }

    fn give(&mut self, demand: usize, id: MachineId) {
        self.holders.insert(id, demand);
        self.trail.push((true, demand, id));
        if let Some((wish, picks)) = self.demands.get_mut(demand).zip(self.picks.get_mut(demand)) {
            picks.insert(id);
            wish.missing = wish.missing.saturating_sub(1);
            let one = wish.candidates.get(&id);
            one.into_iter().for_each(|one| wish.spread.add(&one.place));
        }
    }

    fn take_back(&mut self, demand: usize, id: MachineId) {
        self.holders.remove(&id);
        self.trail.push((false, demand, id));
        if let Some((wish, picks)) = self.demands.get_mut(demand).zip(self.picks.get_mut(demand)) {
            picks.remove(&id);
            wish.missing += 1;
            let one = wish.candidates.get(&id);
            one.into_iter().for_each(|one| wish.spread.remove(&one.place));
        }
    }

    fn undo(&mut self, until: usize) {
        for (given, demand, id) in self.trail.split_off(until).into_iter().rev() {
            match given {
                true => self.take_back(demand, id),
                false => self.give(demand, id),
            }
        }
        self.trail.truncate(until);
    }

    /// Fills a slot that is still empty by exchanges, if that can be.
    fn mend(&mut self, demand: usize) -> bool {
        self.trail.clear();
        self.lacks(demand) && self.exchange(demand, &mut BTreeSet::new())
    }

    /// Gives a deployment a machine that another was given, which gets another one for it, and so on. What does not
    /// come out even is as it was before.
    fn exchange(&mut self, demand: usize, seen: &mut BTreeSet<MachineId>) -> bool {
        for (id, holder) in self.held_by_others(demand) {
            if self.looks >= LOOKS_MAX {
                return false;
            }
            if !seen.insert(id) {
                continue;
            }
            let before = self.trail.len();
            self.take_back(holder, id);
            self.give(demand, id);
            if self.replace(holder, seen) && self.is_even(demand) && self.is_even(holder) {
                return true;
            }
            self.undo(before);
        }
        false
    }

    /// Another machine for who has just lost one: a free one, or by an exchange of its own.
    fn replace(&mut self, demand: usize, seen: &mut BTreeSet<MachineId>) -> bool {
        let Some(wish) = self.demands.get(demand) else {
            return false;
        };
        self.looks += wish.candidates.len();
        match next(self.free(demand), &wish.spread) {
            Some(id) => {
                self.give(demand, id);
                true
            }
            None => self.exchange(demand, seen),
        }
    }

    /// Machines that a deployment could take and that others were given in this plan, best first.
    fn held_by_others(&mut self, demand: usize) -> Vec<(MachineId, usize)> {
        let Some(wish) = self.demands.get(demand) else {
            return Vec::new();
        };
        self.looks += self.holders.len() + wish.candidates.len();
        let below = wish
            .spread
            .room_below(wish.spread.emptiest(self.free(demand).map(|(_, one)| one)));
        let held = self.holders.iter().filter(|(_, holder)| **holder != demand);
        let mut held: Vec<_> = held
            .filter_map(|(id, holder)| Some((wish.candidates.get(id)?, *id, *holder)))
            .filter(|(one, ..)| wish.spread.in_domain(&one.place.domain) < below)
            .collect();
        held.sort_by_key(|(one, ..)| (wish.spread.at(&one.place), &one.size, &one.name));
        held.into_iter().map(|(_, id, holder)| (id, holder)).collect()
    }

    /// Whether no domain into which this plan puts something is too far ahead of the emptiest.
    fn is_even(&self, demand: usize) -> bool {
        let Some((wish, picks)) = self.demands.get(demand).zip(self.picks.get(demand)) else {
            return true;
        };
        let most = wish
            .spread
            .room_below(wish.spread.emptiest(self.free(demand).map(|(_, one)| one)));
        let mut new = picks.iter().filter_map(|id| wish.candidates.get(id));
        new.all(|one| wish.spread.in_domain(&one.place.domain) <= most)
    }

    /// The machines of a deployment in the order in which it would take them, were there no others.
    fn ordered(&self, demand: usize) -> Vec<MachineId> {
        let Some((wish, picks)) = self.demands.get(demand).zip(self.picks.get(demand)) else {
            return Vec::new();
        };
        let chosen = wish.candidates.iter().filter(|(id, _)| picks.contains(id));
        let mut spread = wish.spread.clone();
        chosen.clone().for_each(|(_, one)| spread.remove(&one.place));
        take(chosen, &mut spread, picks.len())
    }
}
