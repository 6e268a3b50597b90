//! What a run did, and what a person reads when something was seen that must never be.

use crate::crash::Who;
use crate::invariant::Invariant;
use schema_ids::Name;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Events that happened.
    pub events: u64,
    /// Orders that were issued.
    pub orders: usize,
    /// First writes that were allowed.
    pub writes: usize,
    /// Erasures that were finished and told.
    pub erasures: usize,
    /// Plans that a guard kept from being adopted.
    pub limited: u32,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<&'static str, u32>,
    /// Places between effects at which somebody could have died.
    pub places: BTreeMap<Who, u64>,
    /// How machines ended: their decision in a word, their intent, their power and their disks.
    pub end: BTreeMap<Name, String>,
    /// Over every event, in order: two runs of one seed are the same run.
    pub trace: u64,
}

/// What must not be, and was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant does not hold.
    pub invariant: Invariant,
    /// What was seen.
    pub what: String,
    /// The run.
    pub seed: u64,
    /// How long after the beginning, on virtual time.
    pub after: Duration,
    /// How many events had happened.
    pub events: u64,
    /// The last things that happened before it, oldest first.
    pub story: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            invariant,
            what,
            seed,
            after,
            events,
            story,
        } = self;
        writeln!(f, "broken: {invariant}")?;
        writeln!(f, "  seen:  {what}")?;
        writeln!(f, "  when:  seed {seed}, {} in, event {events}", clock(*after))?;
        writeln!(f, "  before it:")?;
        story.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// The last things that happened, for a violation's sake.
#[derive(Debug, Default)]
pub(crate) struct Story(VecDeque<(Duration, String)>);

/// So many things usually reach back to the cause, and fit on a screen.
const STORY_MAX: usize = 20;

impl Story {
    pub(crate) fn note(&mut self, after: Duration, line: String) {
        if self.0.len() == STORY_MAX {
            self.0.pop_front();
        }
        self.0.push_back((after, line));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(after, line): &(Duration, String)| format!("{} {line}", clock(*after));
        self.0.iter().map(line).collect()
    }
}

/// Hours, minutes and seconds of virtual time.
fn clock(after: Duration) -> String {
    let seconds = after.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "{hours}:{minutes:02}:{:02}.{:03}",
        seconds % 60,
        after.subsec_millis()
    )
}
