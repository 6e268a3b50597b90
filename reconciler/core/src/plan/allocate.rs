//! Which machine a free slot gets, of those that could have it. The order is written down here alone.
//!
//! The zone with the fewest slots of the deployment first, then the rack with the fewest; there the smallest
//! machine that does, so that large ones are left for who needs them; among equals the name decides. Nothing
//! here knows of requirements, and a slot that is filled is never looked at again.

use rack_api::inventory::Inventory;
use schema_ids::{MachineId, Name};
use std::collections::BTreeMap;

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

/// How many slots of one deployment stand where.
#[derive(Debug, Clone, Default)]
pub struct Spread {
    zones: BTreeMap<Option<Name>, usize>,
    racks: BTreeMap<Option<Name>, usize>,
}

impl Spread {
    /// One more slot stands here.
    pub fn add(&mut self, place: &Place) {
        *self.zones.entry(place.zone.clone()).or_default() += 1;
        *self.racks.entry(place.rack.clone()).or_default() += 1;
    }

    fn at(&self, place: &Place) -> (usize, usize) {
        let count = |of: Option<&usize>| of.copied().unwrap_or(0);
        (
            count(self.zones.get(&place.zone)),
            count(self.racks.get(&place.rack)),
        )
    }
}

/// The machine that the next free slot gets; none only if there are no candidates.
pub fn next(candidates: &BTreeMap<MachineId, Candidate>, spread: &Spread) -> Option<MachineId> {
    let best = candidates
        .iter()
        .min_by_key(|(_, one)| (spread.at(&one.place), &one.size, &one.name));
    best.map(|(id, _)| *id)
}
