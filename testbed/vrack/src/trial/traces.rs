//! What orders and writes leave behind, so that their absence can be seen.

use crate::error::Result;
use crate::trial::bed::Bed;
use crate::trial::watch::disproved;

/// Of some machines.
#[derive(Debug)]
pub(crate) struct Traces {
    names: Vec<&'static str>,
    /// Digests of all bytes of their disks.
    disks: Vec<String>,
    /// How often each was switched on.
    starts: Vec<u64>,
    /// How many orders musterd has on record for each.
    orders: Vec<u64>,
}

impl Traces {
    /// Looks now.
    pub(crate) fn of(bed: &Bed, names: &[&'static str]) -> Result<Self> {
        let all = || names.iter().copied();
        Ok(Self {
            names: names.to_vec(),
            disks: all().map(|name| bed.disk_digest(name)).collect::<Result<_>>()?,
            starts: all().map(|name| bed.starts(name)).collect::<Result<_>>()?,
            orders: all().map(|name| bed.orders(name)).collect::<Result<_>>()?,
        })
    }

    /// No disk was written since.
    pub(crate) fn no_write(&self, bed: &Bed) -> Result<()> {
        let now = Self::of(bed, &self.names)?;
        if now.disks == self.disks {
            println!("{}: no byte was written", self.names.join(", "));
            return Ok(());
        }
        disproved(format!("a disk was written: {self:?}, now {now:?}"))
    }

    /// Nothing was ordered since, nothing switched, nothing written.
    pub(crate) fn left_alone(&self, bed: &Bed) -> Result<()> {
        let now = Self::of(bed, &self.names)?;
        if (&now.starts, &now.orders) == (&self.starts, &self.orders) {
            println!("{}: nothing was ordered", self.names.join(", "));
            return self.no_write(bed);
        }
        disproved(format!("not left alone: {self:?}, now {now:?}"))
    }
}
