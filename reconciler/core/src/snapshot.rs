//! What planning reads of the daemon, to be read elsewhere: the document `muster.snapshot/1.0`.
//!
//! With it and the fleet repository, `muster plan --offline` makes the plan that the daemon would make, its id included. It
//! holds no more than planning reads. Of what git holds already and nobody should read here, a name stands in its place:
//! for user-data that of its blob in git, for the address of a BMC a digest that takes the repository to be compared with.
//! Neither is in it in clear, and both are put back from the repository before anything is planned.

mod redact;

pub use redact::BmcNames;

use crate::form::Drift;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::times::Took;
use schema_ids::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The format's name and version.
pub const FORMAT: &str = "muster.snapshot/1.0";

/// What its signature is made for.
pub const NAMESPACE: &str = "muster-snapshot@1";

/// The file, in a ref of a repository.
pub const FILE: &str = "snapshot";

/// No snapshot is larger, signature included: ten thousand machines need half of it, and no forge takes a file of more than 100 MB.
pub const BYTES_MAX: usize = 64 << 20;

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Snapshot {
    /// [`FORMAT`].
    pub format: String,
    /// The adopted plan, as far as planning reads it.
    pub adopted: Option<Plan>,
    /// The world, as far as planning reads it.
    pub observed: Observed,
    /// What is shown beside a plan: machines that are otherwise than they were made.
    pub drift: Vec<Drift>,
    /// Likewise: machines of which nothing was heard for too long.
    pub silent: Vec<Name>,
    /// When each rack agent was last heard.
    pub agents: BTreeMap<Name, Timestamp>,
    /// The newest installations, for how long those of a plan will take. Snapshots of before they were in it have none.
    #[serde(default)]
    pub took: Vec<Took>,
}

/// What it is made of.
#[derive(Debug)]
pub struct Known {
    /// The adopted plan.
    pub adopted: Option<Plan>,
    /// The world.
    pub observed: Observed,
    /// See [`Snapshot::drift`].
    pub drift: Vec<Drift>,
    /// See [`Snapshot::silent`].
    pub silent: Vec<Name>,
    /// See [`Snapshot::agents`].
    pub agents: BTreeMap<Name, Timestamp>,
    /// See [`Snapshot::took`].
    pub took: Vec<Took>,
}

/// Why what a snapshot leaves out could not be put back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRestored {
    /// User-data.
    #[error("the repository here lacks the user-data {blob} of {machine}")]
    UserData {
        /// Whose.
        machine: Name,
        /// Its blob in git.
        blob: String,
    },
    /// A BMC's address.
    #[error("the repository here does not say what the snapshot's BMC of {machine} is")]
    Bmc {
        /// Whose.
        machine: Name,
    },
    /// It is no snapshot of this version.
    #[error("it is of the format {found:?}, and this program reads {FORMAT}")]
    Format {
        /// Of which it is.
        found: String,
    },
}

impl Snapshot {
    /// The snapshot of what is known. `blob` names user-data as git does; `tree` is that of the adopted commit.
    pub fn of(known: Known, tree: &str, blob: impl Fn(&[u8]) -> String) -> Self {
        let names = BmcNames::new(tree, []);
        Self {
            format: FORMAT.to_owned(),
            adopted: known.adopted.map(|plan| redact::plan(plan, &names, blob)),
            observed: redact::observed(known.observed),
            drift: known.drift,
            silent: known.silent,
            agents: known.agents,
            took: known.took,
        }
    }

    /// Puts back what was left out: `blob` reads user-data by its name in git, `names` know the BMCs of the repository.
    ///
    /// # Errors
    /// What the repository does not have.
    pub fn restored(
        mut self,
        names: &BmcNames,
        blob: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, NotRestored> {
        if self.format != FORMAT {
            return Err(NotRestored::Format { found: self.format });
        }
        if let Some(plan) = &mut self.adopted {
            redact::restore(plan, names, blob)?;
        }
        Ok(self)
    }

    /// Whether it says the same as another one, but for its moment.
    pub fn same_but_for_its_moment(&self, other: &Self) -> bool {
        let mut other = other.clone();
        other.observed.at = self.observed.at;
        other.agents.clone_from(&self.agents);
        *self == other
    }
}

/// The addresses of the BMCs that a fleet declares.
pub fn bmcs(fleet: &schema_fleet::Fleet) -> impl Iterator<Item = IpAddr> + '_ {
    let bmcs = fleet.machines.values().filter_map(|machine| machine.bmc.as_ref());
    bmcs.filter_map(|bmc| Some(bmc.address.as_ref()?.value))
}
