//! What the adopted plan wants of one machine.

use rack_api::job::{Deploy, Erase};
use schema_ids::{BindingId, Generation};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a machine shall be. Compared by value: a generation rises when this changes, and only then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "want")]
pub enum Intent {
    /// Look, never touch: identity ambiguous, restored state, or a machine that only runs.
    Observe {
        /// Why nothing is done.
        why: String,
        /// No inventory of an earlier generation does, since a person asked for a look: it is taken when the machine
        /// next boots from the network, which nobody here makes it do. Absent where none is asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        look: Option<Generation>,
    },
    /// Commissioned and idle: its inventory is known, it is powered off.
    Ready {
        /// No inventory of an earlier generation does, since a person asked for another look. A plan stored
        /// before one could ask takes any.
        #[serde(default = "any_inventory")]
        look: Generation,
    },
    /// Bound to a slot and running the image. Plans that follow each other share what stays as it is.
    Deployed(Arc<Deploy>),
    /// Bound to a slot as it is: it runs what muster did not install, and is left to.
    AsIs {
        /// Its binding; what is known of it is in the machine's [`AsIs`](crate::plan::AsIs).
        binding: BindingId,
        /// As of [`Observe`](Self::Observe).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        look: Option<Generation>,
    },
    /// Left alone on purpose, still bound: its deployment vanished from git without a `removed` entry.
    Orphaned {
        /// The binding that stays.
        binding: BindingId,
    },
    /// Leaves its slot: what its binding wrote is erased, and until then the binding keeps disks and addresses.
    Released(Box<Erase>),
    /// No longer ours to manage: switched off, then no order is given any more.
    Retired,
}

impl Intent {
    /// Idle, with whatever inventory there is.
    pub const IDLE: Self = Self::Ready { look: Generation(0) };

    /// The installation that it wants, if it wants one.
    pub fn deploy(&self) -> Option<&Arc<Deploy>> {
        match self {
            Self::Deployed(deploy) => Some(deploy),
            Self::Observe { .. }
            | Self::Ready { .. }
            | Self::AsIs { .. }
            | Self::Orphaned { .. }
            | Self::Released(_)
            | Self::Retired => None,
        }
    }
}

fn any_inventory() -> Generation {
    Generation(0)
}

/// An intent with the number that fences its orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Rises by one with each change of `intent`.
    pub generation: Generation,
    /// What.
    pub intent: Intent,
}
