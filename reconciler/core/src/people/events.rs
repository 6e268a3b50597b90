//! The events of a plan's commit, as `muster apply` reads them on and on.

use crate::event::Event;
use schema_ids::MachineId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `POST` [`EventsRequest`], answered by [`EventsPage`].
pub const EVENTS: &str = "/v1/events";

/// "What became of this plan's commit?"
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsRequest {
    /// A plan of the commit.
    pub plan: String,
    /// Events up to this number are known; 0 for none.
    #[serde(default)]
    pub after: u64,
}

/// Some events, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsPage {
    /// They.
    pub events: Vec<Event>,
    /// Where to read on: nothing up to here is left to be told.
    pub next: u64,
    /// What was begun to be stored by now is told once `next` has reached this.
    pub begun: u64,
    /// The machines that the commit changes, as far as it was carried out.
    pub machines: BTreeSet<MachineId>,
    /// Whether another commit is carried out since.
    pub superseded: bool,
}
