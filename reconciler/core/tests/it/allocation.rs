//! What holds for every deployment that counts: slots stay, are apart, and depend on nothing but what is asked.

use crate::seen::SeenMachine;
use crate::world::{self, World};
use proptest::prelude::*;
use reconciler_core::plan::allocate::{self, Candidate, Place, Size, Spread};
use schema_ids::{BindingId, MachineId, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// One machine: its rack, its pool, its memory; racks 0 and 1 stand in zone 0, 2 and 3 in zone 1.
#[derive(Debug, Clone)]
struct Hardware {
    rack: usize,
    pool: bool,
    memory_gib: u32,
}

fn machine() -> impl Strategy<Value = Hardware> {
    (0_usize..4, any::<bool>(), 1_u32..5).prop_map(|(rack, pool, memory_gib)| Hardware {
        rack,
        pool,
        memory_gib,
    })
}

/// How many a deployment counts, whether of the pool only, and how much memory it asks for.
type Wish = (u32, bool, u32);

fn wish() -> impl Strategy<Value = Wish> {
    (1_u32..5, any::<bool>(), 1_u32..4)
}

fn fleet(machines: &[(usize, &Hardware)], wishes: &[Wish]) -> schema_fleet::Fleet {
    let mut text = String::from("[zone.z0]\n[zone.z1]\n[pool.p]\n");
    for rack in 0..4 {
        writeln!(
            text,
            "[rack.k{rack}]\nzone = \"z{}\"\nagents = [\"rackd-1\"]",
            rack / 2
        )
        .unwrap();
    }
    for (number, machine) in machines {
        writeln!(
            text,
            "[machine.m{number}]\nrack = \"k{}\"\nboot.mode = \"bios\"\n{}\
             nic.p0 = {{ mac = \"52:54:00:77:02:{number:02x}\", link = \"lab/pxe\" }}",
            machine.rack,
            if machine.pool { "pool = \"p\"\n" } else { "" }
        )
        .unwrap();
    }
    for (number, (count, pool, memory)) in wishes.iter().enumerate() {
        let pool = if *pool { "pool = \"p\", " } else { "" };
        writeln!(
            text,
            "[deployment.d{number}]\ncount = {count}\nrequire = {{ {pool}memory = \">= {memory}GiB\" }}\n\
             hostname = \"h{number}-{{slot}}\"\nimage = \"debian-a\"\nstorage = \"disk\"\nnetwork = \"auto\""
        )
        .unwrap();
    }
    world::fleet("limits.max-destroyed = 100", &text)
}

fn see(world: &mut World, number: usize, machine: &Hardware) {
    let seen = format!(
        "serial = \"S{number}\"\nmacs = [\"52:54:00:77:02:{number:02x}\"]\nmemory_gib = {}\n\
         disks = [{{ id = \"serial:m{number}\", gb = 20 }}]",
        machine.memory_gib
    );
    let seen: SeenMachine = toml::from_str(&seen).unwrap();
    let (id, _) = world.parent.machine(&format!("m{number}")).unwrap();
    let inventory = seen.inventory(&world.parent);
    world.see(id, inventory);
}

fn adopt(world: &mut World, fleet: &schema_fleet::Fleet) {
    world.later();
    let new = world.plan(fleet);
    world.adopt(fleet, new);
}

/// The machine in each slot.
fn slots(world: &World) -> BTreeMap<(String, u32), String> {
    let bindings = world.parent.bindings.values();
    let named = bindings.map(|binding| {
        let machine = world.parent.machines[&binding.machine].name.to_string();
        ((binding.deployment.to_string(), binding.slot), machine)
    });
    named.collect()
}

fn bindings(world: &World) -> BTreeMap<BindingId, MachineId> {
    let bindings = world.parent.bindings.iter();
    bindings.map(|(id, binding)| (*id, binding.machine)).collect()
}

/// All machines declared and inspected, then the wishes: in the order of `turns`.
fn deployed(machines: &[Hardware], wishes: &[Wish], turns: impl Iterator<Item = usize>) -> World {
    let all: Vec<_> = machines.iter().enumerate().collect();
    let mut world = World::new();
    world.next_commit();
    adopt(&mut world, &fleet(&all, &[]));
    for number in turns {
        see(&mut world, number, &machines[number]);
    }
    adopt(&mut world, &fleet(&all, &[]));
    world.next_commit();
    adopt(&mut world, &fleet(&all, wishes));
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// `World::adopt` plans each adopted plan again and fails if anything changes.
    #[test]
    fn slots_are_apart_and_stay(
        machines in prop::collection::vec(machine(), 1..9),
        wishes in prop::collection::vec(wish(), 1..4),
        others in prop::collection::vec(wish(), 3),
        more in prop::collection::vec(machine(), 1..3),
    ) {
        let mut world = deployed(&machines, &wishes, 0..machines.len());
        let before = slots(&world);
        let taken: BTreeSet<&String> = before.values().collect();
        prop_assert_eq!(taken.len(), before.len(), "a machine has two slots");
        for (deployment, (count, pool, memory)) in wishes.iter().enumerate() {
            let own: Vec<&String> = before.iter().filter(|((name, _), _)| *name == format!("d{deployment}")).map(|(_, machine)| machine).collect();
            let of = |name: &str| &machines[name[1..].parse::<usize>().unwrap()];
            prop_assert!(own.len() <= *count as usize);
            prop_assert!(own.iter().all(|name| (of(name).pool || !pool) && of(name).memory_gib >= *memory));
            // Who lacks one has nobody left that would do.
            let left = machines.iter().enumerate().filter(|(number, _)| !taken.contains(&format!("m{number}")));
            let would = |machine: &Hardware| (machine.pool || !pool) && machine.memory_gib >= *memory;
            prop_assert!(own.len() == *count as usize || !left.into_iter().any(|(_, machine)| would(machine)));
        }

        // Other machines, and then other requirements, move nobody.
        let grown: Vec<Hardware> = machines.iter().chain(&more).cloned().collect();
        let all: Vec<_> = grown.iter().enumerate().collect();
        let kept = bindings(&world);
        world.next_commit();
        adopt(&mut world, &fleet(&all, &wishes));
        (machines.len()..grown.len()).for_each(|number| see(&mut world, number, &grown[number]));
        adopt(&mut world, &fleet(&all, &wishes));
        let grew = slots(&world);
        prop_assert!(before.iter().all(|(slot, machine)| grew.get(slot) == Some(machine)));
        prop_assert!(grew.len() >= before.len());
        let changed: Vec<Wish> = wishes.iter().zip(&others).map(|((count, ..), (_, pool, memory))| (*count, *pool, *memory)).collect();
        world.next_commit();
        adopt(&mut world, &fleet(&all, &changed));
        prop_assert!(kept.iter().all(|(id, machine)| bindings(&world).get(id) == Some(machine)));

        // Fewer ends nothing that was written.
        let ids: Vec<MachineId> = world.parent.bindings.values().map(|binding| binding.machine).collect();
        ids.into_iter().for_each(|id| world.install(id));
        adopt(&mut world, &fleet(&all, &changed));
        let kept = bindings(&world);
        let one: Vec<Wish> = changed.iter().map(|(_, pool, memory)| (1, *pool, *memory)).collect();
        world.next_commit();
        adopt(&mut world, &fleet(&all, &one));
        prop_assert_eq!(&bindings(&world), &kept);
        prop_assert!(world.parent.ended.is_empty());
    }

    /// In whatever order machines were inspected before the wish.
    #[test]
    fn the_order_of_inspections_decides_nothing(
        machines in prop::collection::vec(machine(), 1..9),
        wishes in prop::collection::vec(wish(), 1..4),
    ) {
        let one = deployed(&machines, &wishes, 0..machines.len());
        let other = deployed(&machines, &wishes, (0..machines.len()).rev());
        prop_assert_eq!(slots(&one), slots(&other));
    }

    /// No zone has two slots more than another that still has a candidate, whatever the candidates' ids are.
    #[test]
    fn it_spreads_and_ids_decide_nothing(machines in prop::collection::vec(machine(), 1..12), seed: u8) {
        let candidates = |turn: u8| -> BTreeMap<MachineId, Candidate> {
            machines.iter().enumerate().map(|(number, machine)| {
                let number = u8::try_from(number).unwrap();
                let id = MachineId(Uuid::from_bytes([number.wrapping_mul(37).wrapping_add(turn); 16]));
                (id, candidate(number, machine))
            }).collect()
        };
        let order = |turn: u8| {
            let (mut left, mut spread, mut order) = (candidates(turn), Spread::default(), Vec::new());
            while let Some(id) = allocate::next(left.iter(), &spread) {
                let one = left.remove(&id).unwrap();
                spread.add(&one.place);
                order.push(one);
                let zones = |zone: usize| order.iter().filter(|one| one.place.zone == zone_of(zone)).count();
                for (zone, other) in [(0, 1), (1, 0)] {
                    let has_left = left.values().any(|one| one.place.zone == zone_of(other));
                    prop_assert!(!has_left || zones(zone) <= zones(other) + 1);
                }
            }
            Ok(order)
        };
        prop_assert_eq!(order(0)?, order(seed)?);
    }
}

fn zone_of(zone: usize) -> Option<schema_ids::Name> {
    Some(format!("z{zone}").parse().unwrap())
}

fn candidate(number: u8, machine: &Hardware) -> Candidate {
    let seen = format!("macs = []\nmemory_gib = {}\ndisks = []", machine.memory_gib);
    let seen: SeenMachine = toml::from_str(&seen).unwrap();
    Candidate {
        name: format!("m{number}").parse().unwrap(),
        place: Place {
            zone: zone_of(machine.rack / 2),
            rack: Some(format!("k{}", machine.rack).parse().unwrap()),
            domain: Some(format!("k{}", machine.rack)),
        },
        size: Size::of(&seen.inventory(&World::new().parent)),
    }
}

/// A deployment of the search by itself: what it may have, how many it lacks, its skew, where its slots stand.
#[derive(Debug, Clone)]
struct Asking {
    candidates: BTreeMap<MachineId, Candidate>,
    missing: usize,
    max_skew: Option<u32>,
    standing: Vec<Place>,
}

impl Asking {
    fn spread(&self) -> Spread {
        let mut spread = Spread::new(self.max_skew);
        self.standing.iter().for_each(|place| spread.add(place));
        spread
    }
}

fn asked(
    machines: &[Hardware],
    may: &[bool],
    missing: usize,
    max_skew: Option<u32>,
    standing: &[usize],
) -> Asking {
    let numbered = machines.iter().zip(0_u8..).zip(may);
    let candidates = numbered.filter(|(_, may)| **may).map(|((machine, number), _)| {
        (
            MachineId(Uuid::from_bytes([number; 16])),
            candidate(number, machine),
        )
    });
    let stands = |rack: &usize| {
        let machine = Hardware {
            rack: *rack,
            pool: false,
            memory_gib: 1,
        };
        candidate(99, &machine).place
    };
    Asking {
        candidates: candidates.collect(),
        missing,
        max_skew,
        standing: standing.iter().map(stands).collect(),
    }
}

fn choose(all: &[Asking]) -> allocate::Choice {
    let demands = all.iter().map(|one| allocate::Demand {
        missing: one.missing,
        candidates: &one.candidates,
        spread: one.spread(),
    });
    allocate::choose(demands.collect())
}

/// Whether each deployment's new machines keep the skew, counted from nothing but the result.
fn keeps(all: &[Asking], picks: &[Vec<MachineId>]) -> bool {
    let given: BTreeSet<&MachineId> = picks.iter().flatten().collect();
    all.iter().zip(picks).all(|(one, picks)| {
        let Some(skew) = one.max_skew else { return true };
        let mut counts: BTreeMap<&Option<String>, usize> = BTreeMap::new();
        let free = one.candidates.iter().filter(|(id, _)| !given.contains(id));
        free.for_each(|(_, free)| {
            counts.entry(&free.place.domain).or_default();
        });
        let new: Vec<_> = picks.iter().map(|id| &one.candidates[id].place.domain).collect();
        let stands = one.standing.iter().map(|place| &place.domain);
        stands
            .chain(new.iter().copied())
            .for_each(|domain| *counts.entry(domain).or_default() += 1);
        let least = counts.values().min().copied().unwrap_or(0);
        new.iter().all(|domain| counts[domain] <= least + skew as usize)
    })
}

/// The most slots that any assignment fills.
fn most(all: &[Asking], machines: u8, picks: &mut Vec<Vec<MachineId>>, from: u8) -> usize {
    if from == machines {
        return if keeps(all, picks) {
            picks.iter().map(Vec::len).sum()
        } else {
            0
        };
    }
    let id = MachineId(Uuid::from_bytes([from; 16]));
    let mut best = most(all, machines, picks, from + 1);
    for (number, one) in all.iter().enumerate() {
        if one.candidates.contains_key(&id) && picks[number].len() < one.missing {
            picks[number].push(id);
            best = best.max(most(all, machines, picks, from + 1));
            picks[number].pop();
        }
    }
    best
}

type Wanting = (Vec<bool>, usize, Option<u32>, Vec<usize>);

fn wanting() -> impl Strategy<Value = Wanting> {
    (
        prop::collection::vec(any::<bool>(), 7),
        0_usize..5,
        prop::option::of(1_u32..3),
        prop::collection::vec(0_usize..4, 0..3),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Of one deployment with a spread, and of several without: as many slots as any choice could fill.
    #[test]
    fn as_many_slots_are_filled_as_can_be(
        machines in prop::collection::vec(machine(), 1..8),
        wishes in prop::collection::vec(wanting(), 1..4),
    ) {
        let count = u8::try_from(machines.len()).unwrap();
        let of = |(may, missing, skew, standing): &Wanting, skewed: bool| {
            asked(&machines, may, *missing, skew.filter(|_| skewed), standing)
        };
        let plain: Vec<Asking> = wishes.iter().map(|wish| of(wish, false)).collect();
        for all in [plain, vec![of(&wishes[0], true)]] {
            let choice = choose(&all);
            prop_assert!(!choice.gave_up);
            let filled: usize = choice.picks.iter().map(Vec::len).sum();
            prop_assert_eq!(filled, most(&all, count, &mut vec![Vec::new(); all.len()], 0));
        }
    }

    /// With several deployments: no new machine is further ahead than it may be, no machine is given twice, and who
    /// still lacks one could take none of those that are left: the same plan again changes nothing.
    #[test]
    fn skew_is_kept_and_nothing_is_left_that_could_be_taken(
        machines in prop::collection::vec(machine(), 1..8),
        wishes in prop::collection::vec(wanting(), 1..4),
    ) {
        let all: Vec<Asking> = wishes.iter().map(|(may, missing, skew, standing)| asked(&machines, may, *missing, *skew, standing)).collect();
        let choice = choose(&all);
        prop_assert_eq!(&choice, &choose(&all));
        prop_assert!(keeps(&all, &choice.picks));
        let given: BTreeSet<MachineId> = choice.picks.iter().flatten().copied().collect();
        prop_assert_eq!(given.len(), choice.picks.iter().map(Vec::len).sum::<usize>());
        let again: Vec<Asking> = all.iter().zip(&choice.picks).map(|(one, picks)| {
            let mut one = one.clone();
            one.missing -= picks.len();
            one.standing.extend(picks.iter().map(|id| one.candidates[id].place.clone()));
            one.candidates.retain(|id, _| !given.contains(id));
            one
        }).collect();
        prop_assert!(choose(&again).picks.iter().all(Vec::is_empty));
    }
}
