//! How many machines stand where: halls, racks, what is in each.

use std::ops::Range;

/// Machines of a full rack, one in each unit; the switch is in the uppermost of 42.
const RACK_MACHINES: usize = 40;

/// Racks of a full hall: its machines share a network, and a thousand in one are enough.
const HALL_RACKS: usize = 25;

/// A hundred halls have addresses in 10.0.0.0/8, and to spare.
const MACHINES_MAX: usize = 100_000;

/// A fleet.
pub(super) struct Plan {
    pub(super) machines: usize,
    pub(super) halls: Vec<Hall>,
}

/// A hall: a zone with networks of its own.
pub(super) struct Hall {
    /// From 0.
    pub(super) index: usize,
    pub(super) racks: Vec<Rack>,
}

/// A rack, with machines of one sort.
pub(super) struct Rack {
    /// In its hall, from 0.
    pub(super) index: usize,
    pub(super) sort: Sort,
    /// Its machines' numbers in the fleet, from 0.
    pub(super) machines: Range<usize>,
}

/// What the machines of a rack are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Gen4,
    Gen5,
    Dense,
}

impl Sort {
    /// Two racks of either generation, then one of turning disks.
    fn of(rack: usize) -> Self {
        match rack % 5 {
            0 | 1 => Self::Gen4,
            2 | 3 => Self::Gen5,
            _ => Self::Dense,
        }
    }

    pub(super) fn profile(self) -> &'static str {
        match self {
            Self::Gen4 => "gen4",
            Self::Gen5 => "gen5",
            Self::Dense => "dense",
        }
    }

    pub(super) fn pool(self) -> &'static str {
        match self {
            Self::Gen4 | Self::Gen5 => "compute",
            Self::Dense => "objects",
        }
    }
}

impl Plan {
    /// As few full racks as hold them, over at least two halls where there are two racks.
    pub(super) fn of(machines: usize) -> Result<Self, String> {
        if !(1..=MACHINES_MAX).contains(&machines) {
            return Err(format!(
                "a fleet has 1 to {MACHINES_MAX} machines, not {machines}"
            ));
        }
        let racks = machines.div_ceil(RACK_MACHINES);
        let halls = racks.div_ceil(HALL_RACKS).max(racks.min(2));
        let rack = |number: usize, index: usize| Rack {
            index,
            sort: Sort::of(index),
            machines: number * RACK_MACHINES..((number + 1) * RACK_MACHINES).min(machines),
        };
        let mut next = 0;
        let halls = (0..halls).map(|index| {
            let count = (racks - next).div_ceil(halls - index);
            let first = next;
            next += count;
            let racks = (0..count).map(|index| rack(first + index, index)).collect();
            Hall { index, racks }
        });
        Ok(Self {
            machines,
            halls: halls.collect(),
        })
    }

    pub(super) fn racks(&self) -> usize {
        self.halls.iter().map(|hall| hall.racks.len()).sum()
    }
}
