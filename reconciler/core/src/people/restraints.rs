//! Holds and stops over the people's API.

use crate::hold::{Effect, HoldTold, Scope};
use schema_ids::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

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
    pub scope: Option<Resumed>,
    /// Why; may be empty where a stop is ended.
    #[serde(default)]
    pub reason: String,
    /// Of a budget: the number of the last failure that was looked at. What failed since goes on counting.
    #[serde(default)]
    pub seen: Option<u64>,
}

/// What goes on: what was stopped, or a budget that is halted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// What was stopped.
    Scope(Scope),
    /// A budget.
    Budget(Name),
}

impl FromStr for Resumed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("budget:") {
            Some(name) => name
                .parse()
                .map(Self::Budget)
                .map_err(|_| "budget:NAME is the name of a budget"),
            None => text
                .parse()
                .map(Self::Scope)
                .map_err(|_| "it is fleet, zone:NAME, pool:NAME or budget:NAME"),
        }
    }
}

impl fmt::Display for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scope(scope) => scope.fmt(f),
            Self::Budget(name) => write!(f, "budget:{name}"),
        }
    }
}

impl Serialize for Resumed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Resumed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Whom it is that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeAnswer {
    /// The scope.
    pub scope: Resumed,
    /// Of a budget: what failed since and counts still, each with the machine, since when and why.
    #[serde(default)]
    pub left: Vec<String>,
}

/// All holds, as the daemon tells them at this time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldsAnswer {
    /// The daemon's clock.
    pub now: Timestamp,
    /// By id.
    pub holds: Vec<HoldTold>,
}
