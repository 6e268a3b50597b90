//! How many machines are left after each thing that a deployment asks: 212 of the pool, 96 with the memory, 2 free.
//!
//! It counts; who is kept out by what is said beside it.

use schema_fleet::Deployment;
use std::collections::BTreeMap;

/// What keeps machines out, in the order in which it is asked. What git says stands before what an inspection has found.
const ORDER: [&str; 19] = [
    "pool",
    "zone",
    "rack",
    "tags",
    "any-tags",
    "without-tags",
    NOT_KEPT,
    "arch",
    "cpu-cores",
    "cpu-threads",
    "memory",
    "disks",
    "gpus",
    "pci",
    FREE,
    CARRIED_OUT,
    INSPECTED,
    SPREAD,
    INSTALLABLE,
];

/// Kept for somebody by git, or released on purpose.
pub(super) const NOT_KEPT: &str = "not reserved";
/// Without a slot of another.
pub(super) const FREE: &str = "its own or free";
/// Of which git says nothing that is not carried out.
pub(super) const CARRIED_OUT: &str = "carried out";
/// Of which it is known what they are made of.
pub(super) const INSPECTED: &str = "inspected";
/// Where a slot keeps the spread.
pub(super) const SPREAD: &str = "spread";
/// On which the deployment can be installed as a whole.
pub(super) const INSTALLABLE: &str = "installable";

/// Machines that were kept out, by what.
#[derive(Debug)]
pub(super) struct Funnel {
    lost: BTreeMap<&'static str, usize>,
    looked_at: usize,
}

impl Funnel {
    /// Of a deployment that has so many slots filled: those machines are its own, whatever it asks for now. What it
    /// says is the same before a slot is filled and after.
    pub(super) fn new(filled: usize) -> Self {
        Self {
            lost: BTreeMap::new(),
            looked_at: filled,
        }
    }

    /// One more machine was looked at.
    pub(super) fn look(&mut self) {
        self.looked_at += 1;
    }

    /// One more machine was kept out by this.
    pub(super) fn lose(&mut self, stage: &'static str) {
        *self.lost.entry(stage).or_default() += 1;
    }

    /// `machines 212, pool 212, cores 180, its own or free 2, wanted 4`.
    pub(super) fn line(&self, deployment: &Deployment, wanted: u32) -> String {
        let mut left = self.looked_at;
        let mut parts = vec![format!("machines {left}")];
        for stage in ORDER {
            let lost = self.lost.get(stage).copied().unwrap_or(0);
            left = left.saturating_sub(lost);
            if lost > 0 || stage == FREE || is_asked(deployment, stage) {
                parts.push(format!("{stage} {left}"));
            }
        }
        parts.push(format!("wanted {wanted}"));
        parts.join(", ")
    }
}

fn is_asked(deployment: &Deployment, stage: &str) -> bool {
    let Some(require) = &deployment.require else {
        return false;
    };
    match stage {
        "pool" => require.pool.is_some(),
        "zone" => require.zone.is_some(),
        "rack" => require.rack.is_some(),
        "tags" => !require.tags.is_empty(),
        "any-tags" => !require.any_tags.is_empty(),
        "without-tags" => !require.without_tags.is_empty(),
        "arch" => require.arch.is_some(),
        "cpu-cores" => require.cpu_cores.is_some(),
        "cpu-threads" => require.cpu_threads.is_some(),
        "memory" => require.memory.is_some(),
        "disks" => !require.disks.is_empty(),
        "gpus" => !require.gpus.is_empty(),
        "pci" => !require.pci.is_empty(),
        _ => false,
    }
}
