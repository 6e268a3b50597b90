//! How long an installation will probably take, from how long those of this fleet took.
//!
//! What stands here is shown beside a plan and is no part of it: two plans of the same world are one plan, whatever was
//! measured meanwhile. Where nothing was measured nothing is said; no time is ever guessed.

mod pace;

pub use pace::{Pace, Releases, Together};

use crate::facts::MachineFacts;
use crate::observed::Observed;
use crate::phase::Phase;
use crate::plan::{ChangeAction, Plan};
use crate::status::MachineStatus;
use rack_api::job::{Deploy, JobKind};
use schema_ids::{MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An installation that is over: from the order of its job to the first word of the system that it installed, by the
/// store's clock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Took {
    /// The image that was installed, by its name in the fleet.
    pub image: Name,
    /// The machine's model, as its inventory says; empty where it is not known.
    pub model: String,
    /// How long it took.
    pub seconds: u64,
}

/// How long an installation takes, by nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Half of those it is made of took no longer, in seconds.
    pub p50: u64,
    /// Nine of ten of them took no longer, in seconds.
    pub p90: u64,
    /// Of so many installations; at least 1.
    pub samples: u32,
    /// What they have in common with the one that is estimated.
    pub like: Like,
}

/// What the installations of an estimate have in common with what is estimated, closest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Like {
    /// The image and the model.
    ImageAndModel,
    /// The image: this model was never installed with it.
    Image,
    /// The model: this image was never installed.
    Model,
    /// Nothing but the fleet.
    Any,
}

impl Like {
    /// After "installations": `of this image on this model`.
    pub fn words(self) -> &'static str {
        match self {
            Self::ImageAndModel => "of this image on this model",
            Self::Image => "of this image on any model",
            Self::Model => "of other images on this model",
            Self::Any => "of any image on any model",
        }
    }
}

/// What was measured, ready to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    by_both: BTreeMap<Name, BTreeMap<String, Estimate>>,
    by_image: BTreeMap<Name, Estimate>,
    by_model: BTreeMap<String, Estimate>,
    all: Option<Estimate>,
}

impl History {
    /// Of these installations, in any order.
    pub fn of(took: &[Took]) -> Self {
        let mut by_both: BTreeMap<&Name, BTreeMap<&str, Vec<u64>>> = BTreeMap::new();
        let mut by_image: BTreeMap<&Name, Vec<u64>> = BTreeMap::new();
        let mut by_model: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for one in took {
            by_image.entry(&one.image).or_default().push(one.seconds);
            // Two machines of which nobody knows the model are not of one model.
            if !one.model.is_empty() {
                let of_image = by_both.entry(&one.image).or_default();
                of_image.entry(&one.model).or_default().push(one.seconds);
                by_model.entry(&one.model).or_default().push(one.seconds);
            }
        }
        let by_both = by_both.into_iter().map(|(image, models)| {
            let models = models
                .into_iter()
                .filter_map(|(model, times)| Some((model.to_owned(), estimate(times, Like::ImageAndModel)?)));
            (image.clone(), models.collect())
        });
        let by_image = by_image
            .into_iter()
            .filter_map(|(image, times)| Some((image.clone(), estimate(times, Like::Image)?)));
        let by_model = by_model
            .into_iter()
            .filter_map(|(model, times)| Some((model.to_owned(), estimate(times, Like::Model)?)));
        Self {
            by_both: by_both.collect(),
            by_image: by_image.collect(),
            by_model: by_model.collect(),
            all: estimate(took.iter().map(|one| one.seconds).collect(), Like::Any),
        }
    }

    /// How long this image takes on this model: from the closest of what was measured; `None` where nothing was.
    pub fn estimate(&self, image: &Name, model: &str) -> Option<Estimate> {
        let both = self.by_both.get(image).and_then(|models| models.get(model));
        both.or_else(|| self.by_image.get(image))
            .or_else(|| self.by_model.get(model))
            .or(self.all.as_ref())
            .copied()
    }
}

/// The estimate of these times; `None` of none.
fn estimate(mut seconds: Vec<u64>, like: Like) -> Option<Estimate> {
    seconds.sort_unstable();
    // Nearest rank: the smallest value that so many percent of all do not exceed.
    let rank = |percent: usize| {
        let place = (seconds.len() * percent).div_ceil(100);
        seconds.get(place.checked_sub(1)?).copied()
    };
    Some(Estimate {
        p50: rank(50)?,
        p90: rank(90)?,
        samples: u32::try_from(seconds.len()).unwrap_or(u32::MAX),
        like,
    })
}

/// How long each installation of a plan takes, as far as it is known which image goes on which machine.
pub fn estimates(plan: &Plan, observed: &Observed, took: &[Took]) -> BTreeMap<MachineId, Estimate> {
    let history = History::of(took);
    let installed = plan.changes.iter().filter_map(|change| {
        let id = change.machine.filter(|_| installs(change.action))?;
        let deploy = deployed(plan, id)?;
        Some((id, history.estimate(&deploy.image.name, model(observed, id))?))
    });
    installed.collect()
}

/// The model of a machine, as its newest inventory says; empty where it is not known.
pub fn model(observed: &Observed, id: MachineId) -> &str {
    let inventory = observed
        .machines
        .get(&id)
        .and_then(|seen| seen.inventory.as_ref());
    inventory.map_or("", |inventory| inventory.product.as_str())
}

/// Whether a change of this kind ends with a system that phones home.
fn installs(action: ChangeAction) -> bool {
    match action {
        ChangeAction::Redeploy | ChangeAction::Deploy => true,
        ChangeAction::Release
        | ChangeAction::Adopt
        | ChangeAction::Enlist
        | ChangeAction::Update
        | ChangeAction::Orphan
        | ChangeAction::Rename
        | ChangeAction::Label => false,
    }
}

/// What a machine of the plan is to run.
fn deployed(plan: &Plan, id: MachineId) -> Option<&Deploy> {
    plan.machines.get(&id)?.wanted.intent.deploy().map(Arc::as_ref)
}

/// An installation that is under way, with how long such a one takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// When its job was ordered, by the store's clock.
    pub began: Timestamp,
    /// How long it takes.
    #[serde(flatten)]
    pub estimate: Estimate,
}

/// When the newest job was ordered that installs this machine, and what it installs; `None` of a machine that runs as
/// wanted, or that nothing is ordered of yet.
pub fn under_way<'a>(
    plan: &'a Plan,
    status: &MachineStatus,
    facts: &MachineFacts,
) -> Option<(Timestamp, &'a Deploy)> {
    if status.phase == Phase::Deployed {
        return None;
    }
    let deploy = deployed(plan, status.id)?;
    let ordered = facts.orders.iter().filter(|seen| {
        let kind = seen.job().map(|job| &job.kind);
        matches!(kind, Some(JobKind::Deploy(_)))
    });
    let newest = ordered.max_by_key(|seen| seen.number())?;
    Some((newest.issued.at, deploy))
}

/// The model of a machine, as its newest inventory says; empty where it is not known.
pub fn model_of(facts: &MachineFacts) -> &str {
    let inventory = facts.inventory.as_ref();
    inventory.map_or("", |seen| seen.value.product.as_str())
}

impl Expected {
    /// What is left of it, in words.
    pub fn words(&self, now: Timestamp) -> String {
        let passed = now.since(self.began).as_secs();
        let Estimate { p50, p90, .. } = self.estimate;
        if passed < p50 {
            format!("about {} left", words(p50 - passed))
        } else if passed < p90 {
            format!("no more than {} left, 9 times of 10", words(p90 - passed))
        } else {
            format!(
                "{} so far, and 9 of 10 took no more than {}",
                words(passed),
                words(p90)
            )
        }
    }
}

/// A length of time as people say it, rounded up: `95 s`, `14 min`, `1 h 20 min`, `3 d 4 h`.
pub fn words(seconds: u64) -> String {
    let pair = |count: u64, per: u64, (large, small): (&str, &str)| match count % per {
        0 => format!("{} {large}", count / per),
        rest => format!("{} {large} {rest} {small}", count / per),
    };
    match seconds {
        0..120 => format!("{seconds} s"),
        // Up to the last minute that is said of hours: rounding up must not say "60 min".
        120..172_740 => match seconds.div_ceil(60) {
            minutes @ 0..60 => format!("{minutes} min"),
            minutes => pair(minutes, 60, ("h", "min")),
        },
        _ => pair(seconds.div_ceil(3600), 24, ("d", "h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(image: &str, model: &str, seconds: u64) -> Took {
        Took {
            image: image.parse().unwrap(),
            model: model.to_owned(),
            seconds,
        }
    }

    #[test]
    fn ranks_are_the_nearest() {
        let of = |times: &[u64]| {
            let all: Vec<Took> = times.iter().map(|time| took("a", "x", *time)).collect();
            let estimate = History::of(&all).estimate(&"a".parse().unwrap(), "x");
            estimate.map(|estimate| (estimate.p50, estimate.p90, estimate.samples))
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[7]), Some((7, 7, 1)));
        assert_eq!(of(&[9, 1]), Some((1, 9, 2)));
        assert_eq!(of(&[3, 1, 2]), Some((2, 3, 3)));
        let ten: Vec<u64> = (1..=10).rev().collect();
        assert_eq!(of(&ten), Some((5, 9, 10)));
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(of(&hundred), Some((50, 90, 100)));
    }

    #[test]
    fn the_closest_history_counts() {
        let history = History::of(&[
            took("a", "x", 10),
            took("a", "y", 20),
            took("b", "x", 30),
            // Nobody knows of which model these are, and they are not of one.
            took("c", "", 40),
        ]);
        let asked = |image: &str, model: &str| {
            let estimate = history.estimate(&image.parse().unwrap(), model).unwrap();
            (estimate.p50, estimate.samples, estimate.like)
        };
        assert_eq!(asked("a", "x"), (10, 1, Like::ImageAndModel));
        assert_eq!(asked("a", "z"), (10, 2, Like::Image));
        assert_eq!(asked("c", ""), (40, 1, Like::Image));
        assert_eq!(asked("new", "x"), (10, 2, Like::Model));
        assert_eq!(asked("new", "z"), (20, 4, Like::Any));
        assert_eq!(asked("new", ""), (20, 4, Like::Any));
        assert_eq!(History::default().estimate(&"a".parse().unwrap(), "x"), None);
    }

    #[test]
    fn lengths_are_said_in_two_units() {
        for (seconds, wanted) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (121, "3 min"),
            (3540, "59 min"),
            (3541, "1 h"),
            (3600, "1 h"),
            (3601, "1 h 1 min"),
            (4800, "1 h 20 min"),
            (172_739, "47 h 59 min"),
            (172_740, "2 d"),
            (172_800, "2 d"),
            (172_801, "2 d 1 h"),
        ] {
            assert_eq!(words(seconds), wanted, "{seconds}");
        }
    }

    #[test]
    fn what_is_left_counts_from_the_order() {
        let expected = Expected {
            began: Timestamp::from_unix_ms(0),
            estimate: Estimate {
                p50: 600,
                p90: 900,
                samples: 3,
                like: Like::Image,
            },
        };
        let said = |seconds: i64| expected.words(Timestamp::from_unix_ms(seconds * 1000));
        assert_eq!(said(0), "about 10 min left");
        assert_eq!(said(599), "about 1 s left");
        assert_eq!(said(600), "no more than 5 min left, 9 times of 10");
        assert_eq!(said(900), "15 min so far, and 9 of 10 took no more than 15 min");
    }
}
