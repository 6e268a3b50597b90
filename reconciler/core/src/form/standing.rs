//! How a plan stands to the branch that is followed, and what a person can do with it: it is not always theirs to apply.

use crate::form::Setting;
use crate::form::block::Totals;
use crate::plan::Plan;
use serde::{Deserialize, Serialize};

/// How a plan stands to the branch that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It can be carried out next: the branch is at its commit, or nobody asked where that is.
    #[default]
    Next,
    /// Its commit is not on the branch.
    NotMerged,
    /// The branch went on past its commit, and it never was carried out.
    Passed,
    /// It is what is carried out.
    CarriedOut,
    /// It was carried out, and another plan is since.
    Superseded,
}

impl Standing {
    /// Whether it can be carried out next.
    pub fn is_next(&self) -> bool {
        *self == Self::Next
    }
}

/// What is next for whoever reads the plan.
pub(super) fn next(plan: &Plan, setting: &Setting) -> String {
    let id = &plan.id;
    match setting.standing {
        Standing::CarriedOut => {
            "This plan is carried out; `muster status` shows how far it is, or that it is done.".to_owned()
        }
        Standing::Superseded => {
            "Over: this plan was carried out, and another is since; `muster status` names that.".to_owned()
        }
        Standing::Passed => {
            "Over: the branch went on past this commit without it. `muster plan` shows what it would do now.".to_owned()
        }
        Standing::Next | Standing::NotMerged if !plan.applicable() => {
            "Blocked by a guard: nothing of it will be carried out.".to_owned()
        }
        Standing::Next => format!("Next: muster apply {id}"),
        Standing::NotMerged if Totals::of(plan, &plan.changes).disks == 0 => {
            "Next: merge it. Nothing is carried out of a commit that is not on the branch that musterd follows.".to_owned()
        }
        Standing::NotMerged => format!(
            "Next: muster approve {id} --wipe-set {}\nThen merge it. Nothing is carried out of a commit that is not on the branch that \
             musterd follows.",
            plan.wipe_set.digest
        ),
    }
}
