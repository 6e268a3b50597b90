//! Selectors: which machines, by what they are.

use crate::{
    decode::scalar::text_value,
    value::{BadValue, pattern::Pattern},
};
use schema_ids::Name;
use std::{fmt, str::FromStr};

/// `rack:ams1-r07`, `deployment:k8s-*`: machines by their own name, or by that of something they belong to. All
/// machines are `fleet:NAME`, and nothing else is: no selector selects everything by being empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// What the name is of.
    pub of: SelectorOf,
    /// The name; `*` and `?` as in patterns.
    pub name: Pattern,
}

/// What a selector's name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelectorOf {
    /// The machine itself.
    Machine,
    /// Its rack.
    Rack,
    /// The zone of its rack.
    Zone,
    /// Its pool.
    Pool,
    /// A tag it has.
    Tag,
    /// A deployment it has a slot in.
    Deployment,
    /// The fleet.
    Fleet,
}

impl SelectorOf {
    /// All, in the order of messages.
    const ALL: [Self; 7] = [
        Self::Machine,
        Self::Rack,
        Self::Zone,
        Self::Pool,
        Self::Tag,
        Self::Deployment,
        Self::Fleet,
    ];

    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Rack => "rack",
            Self::Zone => "zone",
            Self::Pool => "pool",
            Self::Tag => "tag",
            Self::Deployment => "deployment",
            Self::Fleet => "fleet",
        }
    }
}

/// What a machine can be selected by: its own name, and the names of what it belongs to.
#[derive(Debug, Clone, Default)]
pub struct Place<'a> {
    /// The machine's.
    pub machine: Option<&'a Name>,
    /// Its rack's.
    pub rack: Option<&'a Name>,
    /// Its rack's zone's.
    pub zone: Option<&'a Name>,
    /// Its pool's.
    pub pool: Option<&'a Name>,
    /// Its tags.
    pub tags: Vec<&'a Name>,
    /// The deployments in which it has a slot, or shall have one.
    pub deployments: Vec<&'a Name>,
    /// The fleet's.
    pub fleet: Option<&'a Name>,
}

impl Selector {
    /// Whether it selects the machine of this place.
    pub fn selects(&self, place: &Place<'_>) -> bool {
        let is = |name: &Name| self.name.matches(name.as_str());
        let any = |names: &[&Name]| names.iter().copied().any(is);
        match self.of {
            SelectorOf::Machine => place.machine.is_some_and(is),
            SelectorOf::Rack => place.rack.is_some_and(is),
            SelectorOf::Zone => place.zone.is_some_and(is),
            SelectorOf::Pool => place.pool.is_some_and(is),
            SelectorOf::Tag => any(&place.tags),
            SelectorOf::Deployment => any(&place.deployments),
            SelectorOf::Fleet => place.fleet.is_some_and(is),
        }
    }
}

impl FromStr for Selector {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let why = "it is machine, rack, zone, pool, tag, deployment or fleet, a colon, and a name";
        let (of, name) = text.split_once(':').ok_or(BadValue(why))?;
        let of = SelectorOf::ALL.into_iter().find(|known| known.as_str() == of);
        let of = of.ok_or(BadValue(why))?;
        if of == SelectorOf::Fleet && name.contains(['*', '?']) {
            return Err(BadValue("the fleet is named in full"));
        }
        Ok(Self {
            of,
            name: name.parse()?,
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.of.as_str(), self.name)
    }
}

text_value!(
    Selector,
    M0009,
    "a selector",
    "rack:ams1-r07",
    r"^(machine|rack|zone|pool|tag|deployment|fleet):[\s\S]+$"
);
