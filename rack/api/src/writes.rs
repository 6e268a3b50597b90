//! What a job may write, as the fence before the first write judges it: the same for every job that writes.
//!
//! A view of the job, made where it is judged; it is never sent.

use crate::job::{Deploy, DiskErase, DiskPlan, Erase};
use schema_ids::{BindingId, ContentId, Digest, DiskId, Incarnation};

/// A disk of a wipe-set.
pub trait Agreed {
    /// Which.
    fn disk(&self) -> &DiskId;

    /// The contents that the plan agreed to erase.
    fn agreed(&self) -> &ContentId;

    /// Its size when planned, in bytes.
    fn size_bytes(&self) -> u64;
}

/// A job's wipe-set, and in whose name it is written.
#[derive(Debug)]
pub struct Writes<'a, D> {
    /// The binding that owns the disks.
    pub binding: BindingId,
    /// The control plane's life that wants it.
    pub incarnation: Incarnation,
    /// The digest of what is carried out.
    pub spec: Digest,
    /// The reinstall epoch.
    pub epoch: u64,
    /// The disks: these and no others.
    pub disks: &'a [D],
    /// What is left on them.
    pub leaves: Leaves,
}

/// What a job leaves on its disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// A system with its final marker, which is not written again.
    System,
    /// Nothing, so that a blank disk has nothing to lose.
    Nothing,
}

impl<D> Clone for Writes<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Writes<'_, D> {}

impl Deploy {
    /// What it writes.
    pub fn writes(&self) -> Writes<'_, DiskPlan> {
        Writes {
            binding: self.binding,
            incarnation: self.incarnation,
            spec: self.spec,
            epoch: self.epoch,
            disks: &self.disks,
            leaves: Leaves::System,
        }
    }
}

impl Erase {
    /// What it writes.
    pub fn writes(&self) -> Writes<'_, DiskErase> {
        Writes {
            binding: self.binding,
            incarnation: self.incarnation,
            spec: self.spec,
            epoch: 0,
            disks: &self.disks,
            leaves: Leaves::Nothing,
        }
    }
}

impl Agreed for DiskPlan {
    fn disk(&self) -> &DiskId {
        &self.disk
    }

    fn agreed(&self) -> &ContentId {
        &self.agreed
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

impl Agreed for DiskErase {
    fn disk(&self) -> &DiskId {
        &self.disk
    }

    fn agreed(&self) -> &ContentId {
        &self.agreed
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}
