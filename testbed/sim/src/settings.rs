//! What a run is made of.

use crate::crash::Crash;
use std::time::Duration;

/// What a run is made of.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many machines.
    pub machines: usize,
    /// How many daemons share the store.
    pub daemons: usize,
    /// What people commit after the first commit.
    pub commits: Commits,
    /// How many machines a budget over the fleet lets out of service at once; `None` where there is no budget.
    pub budget: Option<u32>,
    /// How many machines may be destroyed within a day; `None` where nothing limits it.
    pub limit: Option<u32>,
    /// For how long things fail.
    pub faults_for: Duration,
    /// One crash at a place of its own, beside the faults.
    pub crash: Option<Crash>,
    /// How long the fleet may take to converge after faults and commits: the longest pause between two
    /// tries is an hour, and there are a few of them.
    pub converges_within: Duration,
    /// How long nothing may happen then.
    pub quiet_for: Duration,
}

/// What people commit after the first commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// A few changes, at drawn times and whenever it suits least.
    Drawn,
    /// One, after so long: every deployed machine gets another image.
    NewImage(Duration),
    /// A few, each of which reinstalls every machine; all of them stay deployed.
    Rolling,
    /// Every two hours one more machine is removed, up to twice as many as may be within a day.
    Removing,
}

impl Default for Settings {
    /// Two daemons, six machines and five hours in which everything fails.
    fn default() -> Self {
        Self {
            machines: 6,
            daemons: 2,
            commits: Commits::Drawn,
            budget: None,
            limit: None,
            faults_for: Duration::from_secs(5 * 3600),
            crash: None,
            converges_within: Duration::from_secs(12 * 3600),
            quiet_for: Duration::from_secs(3 * 3600),
        }
    }
}

impl Settings {
    /// A small fleet without faults, which is deployed and then deployed anew: the ground for one crash
    /// at each of its effects.
    pub fn small() -> Self {
        Self {
            machines: 2,
            daemons: 1,
            commits: Commits::NewImage(Duration::from_secs(1200)),
            budget: None,
            limit: None,
            faults_for: Duration::ZERO,
            crash: None,
            converges_within: Duration::from_secs(4 * 3600),
            quiet_for: Duration::from_secs(600),
        }
    }

    /// A fleet of which one machine after the other is removed, two within a day at most, while everything fails.
    pub fn removing() -> Self {
        Self {
            commits: Commits::Removing,
            limit: Some(2),
            faults_for: Duration::from_secs(10 * 3600),
            converges_within: Duration::from_secs(48 * 3600),
            ..Self::default()
        }
    }

    /// A fleet that is reinstalled a few times, two machines at once, while everything fails.
    pub fn rolling() -> Self {
        Self {
            commits: Commits::Rolling,
            budget: Some(2),
            ..Self::default()
        }
    }
}
