//! Texts with placeholders: the one expression the language has in its fields.

use crate::{decode::scalar::text_value, kinds::machine::Machine, value::BadValue};
use schema_ids::Name;
use std::{fmt, str::FromStr};

/// A text in which `{slot}`, `{position}`, `{name}` and `{rack}` stand for what is known of a machine.
/// 1 to 200 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

/// What a template can be filled with.
#[derive(Debug, Clone, Copy)]
pub struct Placeholders<'a> {
    /// The slot in the deployment, from 1.
    pub slot: u32,
    /// The machine's name.
    pub name: &'a str,
    /// The machine's rack.
    pub rack: Option<&'a str>,
    /// The machine's place in its rack.
    pub position: Option<u32>,
}

impl<'a> Placeholders<'a> {
    /// Those of a machine in a slot.
    pub(crate) fn of(slot: u32, name: &'a Name, machine: &'a Machine) -> Self {
        let position = machine.position.as_ref();
        Self {
            slot,
            name: name.as_str(),
            rack: machine.rack.as_ref().map(|rack| rack.as_str()),
            position: position.map(|position| u32::from(position.value)),
        }
    }
}

/// The names that may stand in braces.
const NAMES: [&str; 4] = ["slot", "position", "name", "rack"];

impl Template {
    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a placeholder occurs.
    pub fn uses(&self, placeholder: &str) -> bool {
        self.0.contains(&format!("{{{placeholder}}}"))
    }

    /// The text with its placeholders filled; `None` if one is used that the machine has no value for.
    pub fn fill(&self, with: &Placeholders<'_>) -> Option<String> {
        let values = [
            Some(with.slot.to_string()),
            with.position.map(|position| position.to_string()),
            Some(with.name.to_owned()),
            with.rack.map(str::to_owned),
        ];
        let mut text = self.0.clone();
        for (name, value) in NAMES.iter().zip(values) {
            if self.uses(name) {
                text = text.replace(&format!("{{{name}}}"), &value?);
            }
        }
        Some(text)
    }
}

impl FromStr for Template {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if !(1..=200).contains(&text.chars().count()) || text.contains(char::is_control) {
            return Err(BadValue("it is one line of 1 to 200 characters"));
        }
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let inner = rest[open..]
                .strip_prefix('{')
                .and_then(|after| after.split_once('}'))
                .filter(|(name, _)| NAMES.contains(name))
                .ok_or(BadValue("in braces stands one of slot, position, name, rack"))?;
            rest = inner.1;
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(
    Template,
    M0009,
    "a text with placeholders",
    "web-{slot}",
    r"^([^{}\x00-\x1f\x7f-\x9f]|[{](slot|position|name|rack)[}])+$"
);
