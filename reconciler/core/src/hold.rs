//! Holds and stops: what people keep from being done for now.
//!
//! A hold is declared in git (`hold.*`) or made at run time; both are one value with one meaning. A stop keeps
//! everything from everyone in its scope. What they keep from one machine is a [`Denial`]; the table in
//! [`Deny::keeps_from`] says which acts each denies. Denials are never weighed against each other: one that denies is
//! enough, whatever else there is.

mod denial;
mod place;
mod told;

pub use denial::{Act, Denial, Denied, Deny, stopped};
pub(crate) use denial::{denials, denied};
pub(crate) use place::place;
pub use place::places;
pub use told::{HoldTold, selected, told};

use crate::plan::{Origin, Plan};
use schema_fleet::{Fleet, HoldEffect, Place, Selector, SelectorOf};
use schema_ids::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A hold whose time is over is shown for so long: whoever made it comes back the day after at the latest.
pub const SHOWN_AFTER_END: Duration = Duration::from_secs(24 * 3600);

/// What a hold keeps from its machines, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// No free machine is given a slot.
    NoAllocate,
    /// No disk is written.
    NoDestructive,
    /// No disk is written, and nothing is switched or started anew.
    NoDisruption,
    /// No order at all is given.
    Freeze,
}

impl Effect {
    /// All, least first.
    pub const ALL: [Self; 4] = [
        Self::NoAllocate,
        Self::NoDestructive,
        Self::NoDisruption,
        Self::Freeze,
    ];

    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAllocate => "no-allocate",
            Self::NoDestructive => "no-destructive",
            Self::NoDisruption => "no-disruption",
            Self::Freeze => "freeze",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Effect {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|effect| effect.as_str() == text);
        known.ok_or("it is no-allocate, no-destructive, no-disruption or freeze")
    }
}

impl From<HoldEffect> for Effect {
    fn from(effect: HoldEffect) -> Self {
        match effect {
            HoldEffect::NoAllocate => Self::NoAllocate,
            HoldEffect::NoDestructive => Self::NoDestructive,
            HoldEffect::NoDisruption => Self::NoDisruption,
            HoldEffect::Freeze => Self::Freeze,
        }
    }
}

/// One hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// `hold.NAME` of git, or `h-7`.
    pub id: String,
    /// Whom it is about: any of these.
    #[serde(with = "as_text")]
    pub targets: Vec<Selector>,
    /// What is kept from them.
    pub effect: Effect,
    /// When its time is over; without one it stands until it is taken away.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// The change or incident it belongs to.
    pub ticket: Option<String>,
    /// Who made it; for a declared one, where it stands in git.
    pub by: String,
    /// When it was made; git itself says it of a declared one.
    pub since: Option<Timestamp>,
}

impl Hold {
    /// Whether it is about the machine of this place.
    pub fn is_about(&self, place: &Place<'_>) -> bool {
        self.targets.iter().any(|target| target.selects(place))
    }

    /// Whether its time is over.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Whether git declares it.
    pub fn declared(&self) -> bool {
        self.id.starts_with("hold.")
    }

    /// What takes it away.
    pub fn how_to_end(&self) -> String {
        match self.declared() {
            true => format!("take {} out of git ({})", self.id, self.by),
            false => format!("`muster hold rm {}`", self.id),
        }
    }

    /// Its targets as written.
    pub fn targets_text(&self) -> String {
        let targets: Vec<String> = self.targets.iter().map(ToString::to_string).collect();
        targets.join(" ")
    }
}

/// What a stop is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything.
    Fleet,
    /// A zone or a pool.
    Part(Selector),
}

impl FromStr for Scope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let why = "it is fleet, zone:NAME or pool:NAME";
        if text == "fleet" {
            return Ok(Self::Fleet);
        }
        let part: Selector = text.parse().map_err(|_| why)?;
        match part.of {
            SelectorOf::Zone | SelectorOf::Pool => Ok(Self::Part(part)),
            SelectorOf::Machine
            | SelectorOf::Rack
            | SelectorOf::Tag
            | SelectorOf::Deployment
            | SelectorOf::Fleet => Err(why),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fleet => f.write_str("fleet"),
            Self::Part(part) => part.fmt(f),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a stop is kept, and so what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keeper {
    /// The database: for every daemon, made with `muster stop`.
    Database,
    /// A file on musterd's host, made there with `musterd stop`.
    Host,
}

/// Everything in its scope is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Whom it is about.
    pub scope: Scope,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub by: String,
    /// When.
    pub since: Timestamp,
    /// Where it is kept.
    pub keeper: Keeper,
}

impl Stop {
    /// Whether it is about the machine of this place.
    pub fn is_about(&self, place: &Place<'_>) -> bool {
        match &self.scope {
            Scope::Fleet => true,
            Scope::Part(part) => part.selects(place),
        }
    }

    /// What ends it.
    pub fn how_to_end(&self) -> String {
        match self.keeper {
            Keeper::Database => format!("`muster resume --scope {}`", self.scope),
            Keeper::Host => "`musterd resume` on musterd's host".to_owned(),
        }
    }
}

/// What people made at run time and that stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Restraints {
    /// Holds, those whose time is over too.
    pub holds: Vec<Hold>,
    /// Stops.
    pub stops: Vec<Stop>,
}

impl Restraints {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty() && self.stops.is_empty()
    }
}

/// The holds that git declares.
pub(crate) fn declared(fleet: &Fleet) -> Vec<Hold> {
    let hold = |(name, hold): (&Name, &schema_fleet::Hold)| {
        let Origin { file, line } = Origin::of(&hold.origin);
        Hold {
            id: format!("hold.{name}"),
            targets: hold.targets.iter().map(|target| target.value.clone()).collect(),
            effect: hold.effect.into(),
            until: hold.until.as_ref().map(|until| until.value),
            reason: hold.reason.clone(),
            ticket: hold.ticket.clone(),
            by: format!("{file}:{line}"),
            since: None,
        }
    };
    fleet.holds.iter().map(hold).collect()
}

/// The declared holds of a plan and those of run time.
pub fn all<'a>(plan: &'a Plan, restraints: &'a Restraints) -> impl Iterator<Item = &'a Hold> {
    plan.holds.iter().chain(&restraints.holds)
}

/// The holds that keep free machines from being given slots now: a plan was made under these.
pub fn no_allocate<'a>(holds: impl Iterator<Item = &'a Hold>, now: Timestamp) -> BTreeSet<String> {
    holds
        .filter(|hold| hold.effect == Effect::NoAllocate && !hold.expired(now))
        .map(|hold| hold.id.clone())
        .collect()
}

/// Selectors as a list of texts.
mod as_text {
    use schema_fleet::Selector;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(targets: &[Selector], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(targets.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Selector>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let parse = |text: &String| text.parse().map_err(|_| serde::de::Error::custom("no selector"));
        texts.iter().map(parse).collect()
    }
}
