//! What people say at run time in a script: holds and stops.

use super::Stage;
use super::script::seconds;
use reconciler_core::hold::{Effect, Hold, Keeper, Stop};
use std::time::Duration;

impl Stage {
    /// `[EFFECT] [for TIME] REASON`: of no disruption, and without an end, if nothing is said.
    pub(super) fn hold(&mut self, words: &str) {
        let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
        let (effect, words) = match first.parse() {
            Ok(effect) => (effect, rest),
            Err(_) => (Effect::NoDisruption, words),
        };
        let (until, reason) = match words.strip_prefix("for ").and_then(|rest| rest.split_once(' ')) {
            Some((time, reason)) => (Some(self.now.plus(Duration::from_secs(seconds(time)))), reason),
            None => (None, words),
        };
        self.restraints.holds.push(Hold {
            id: format!("h-{}", self.restraints.holds.len() + 1),
            targets: vec!["machine:m1".parse().unwrap()],
            effect,
            until,
            reason: reason.to_owned(),
            ticket: None,
            by: "anna".to_owned(),
            since: Some(self.now),
        });
    }

    /// `REASON`: the whole fleet.
    pub(super) fn stop(&mut self, reason: &str) {
        self.restraints.stops.push(Stop {
            scope: "fleet".parse().unwrap(),
            reason: reason.to_owned(),
            by: "anna".to_owned(),
            since: self.now,
            keeper: Keeper::Database,
        });
    }
}
