//! Holds and stops over the people's API.

use crate::hold::{Effect, HoldTold, Scope};
use schema_ids::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET` a list of [`HoldTold`]; `POST` [`HoldRequest`], answered by a [`Hold`](crate::hold::Hold). This, an id and
/// [`END`]: `POST` [`EndRequest`], answered by an empty object.
pub const HOLDS: &str = "/v1/holds";
/// After a hold's id, or [`STOPS`].
pub const END: &str = "/end";
/// `POST` [`StopRequest`], answered by a [`Stop`](crate::hold::Stop). This and [`END`]: `POST` [`ResumeRequest`],
/// answered by an empty object.
pub const STOPS: &str = "/v1/stops";

/// "Leave these alone."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRequest {
    /// Selectors; each must select a machine of the adopted plan.
    pub targets: Vec<String>,
    /// What is kept from them.
    pub effect: Effect,
    /// When its time is over; to come.
    pub until: Timestamp,
    /// Why; never empty.
    pub reason: String,
    /// The change or incident it belongs to.
    #[serde(default)]
    pub ticket: Option<String>,
}

/// "It is over."
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EndRequest {
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// "Stop."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    /// Whom.
    pub scope: Scope,
    /// Why; never empty.
    pub reason: String,
}

/// "Go on."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeRequest {
    /// Whom; where none is said, the only one that is stopped.
    pub scope: Option<Scope>,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// Whom it is that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeAnswer {
    /// The scope.
    pub scope: Scope,
}

/// All holds, as the daemon tells them at this time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldsAnswer {
    /// The daemon's clock.
    pub now: Timestamp,
    /// By id.
    pub holds: Vec<HoldTold>,
}
