//! The forms of a plan: text for a terminal, Markdown for a pull request, a document for programs.
//!
//! All three are read off one value and say the same; none asks the world anything, so that a stored plan looks
//! the same whenever it is shown.

pub mod block;
pub mod document;
pub mod markdown;
pub mod standing;
pub mod text;
mod under_way;

use standing::Standing;
pub use under_way::UnderWay;

use crate::plan::Plan;
use crate::plan::approvals::Agreement;
use crate::times::{Estimate, Pace};
use schema_ids::{MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a plan is shown with: how it was asked for, and what was found beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Setting {
    /// What the commit is compared with, as it was named: `origin/main`.
    pub base: Option<Reference>,
    /// The commit, as it was named.
    pub head: Option<Reference>,
    /// The part of the fleet that was asked about; a plan of a part can never be agreed to.
    pub only: Option<String>,
    /// Machines that are not as the adopted plan wants them, and no plan changes that.
    pub drift: Vec<Drift>,
    /// Machines of which nothing was heard for too long.
    pub silent: Vec<Name>,
    /// Who must agree to what is destroyed, if anybody.
    #[serde(default)]
    pub approvals: Option<Agreement>,
    /// How long each installation takes, as far as anything like it was measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub times: BTreeMap<MachineId, Estimate>,
    /// When that was read: windows open and close from then on. Absent where a daemon does not say; then, when the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
    /// How it stands to the branch that is followed, as far as anybody asked.
    #[serde(default, skip_serializing_if = "Standing::is_next")]
    pub standing: Standing,
}

impl Setting {
    /// How fast a plan can be carried out.
    pub fn pace<'a>(&'a self, plan: &'a Plan) -> Pace<'a> {
        Pace::of(plan, &self.times, self.now.unwrap_or(plan.made))
    }
}

/// A commit under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// As a person wrote it; the commit itself where nobody named it.
    pub name: String,
    /// 40 digits.
    pub commit: String,
}

/// A machine that is otherwise than it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Its name.
    pub machine: Name,
    /// The condition's code.
    pub code: String,
    /// What was found.
    pub evidence: String,
}

/// How much of a plan is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Headings and counts.
    Summary,
    /// Everything that is lost; of equal changes of other kinds, a sample.
    #[default]
    Normal,
    /// Everything.
    Full,
}

/// The first digits of a commit, by which people know it.
fn short(commit: &str) -> &str {
    &commit[..commit.len().min(12)]
}

/// So many of something, in words.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    let plural = match noun {
        _ if count == 1 => "",
        _ if noun.ends_with(|last: char| last.is_ascii_uppercase()) => "S",
        _ => "s",
    };
    format!("{count} {noun}{plural}")
}
