//! By what a plan may grow beside its parent: what new facts alone may erase.
//!
//! A commit is looked at before it is carried out: people are shown its plan, guards count it, enough of them agree. New
//! facts come at any time, and nobody looks. So they bring up what cannot hurt, and the rest waits for a commit, whose plan
//! shows it.

use crate::condition::Condition;
use crate::observed::DiskContents;
use crate::plan::contents::{Loss, Question};
use crate::plan::{Blocked, Plan};
use schema_fleet::Fleet;
use schema_ids::ContentId;
use serde::{Deserialize, Serialize};

/// By what a plan may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    /// By what its commit says: that is new.
    Commit,
    /// By blank disks, and by what a person consents to where no limit and no protection stands before that: only facts are new.
    Consented,
    /// By blank disks: only facts are new, and enough people must agree to everything else.
    Blank,
}

/// Whether people must agree to what is destroyed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asks {
    /// By the commit of the plan.
    pub own: bool,
    /// By the commit that was carried out before it.
    pub before: bool,
}

impl Asks {
    /// Of a plan of this fleet after its parent. No commit lets itself in: what was asked for before it is asked for as long as
    /// it is carried out.
    pub(super) fn of(fleet: &Fleet, parent: &Plan, is_same_commit: bool) -> Self {
        let approvals = fleet.settings.approvals.as_ref();
        let parent = parent.control.asks;
        Self {
            own: approvals.is_some_and(|approvals| approvals.destructive > 0),
            before: if is_same_commit { parent.before } else { parent.own },
        }
    }

    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Growth {
    pub(super) fn of(asks: Asks, is_same_commit: bool) -> Self {
        match (is_same_commit, asks.own || asks.before) {
            (false, _) => Self::Commit,
            (true, false) => Self::Consented,
            (true, true) => Self::Blank,
        }
    }

    /// What keeps these from being erased, where new facts alone would have them erased; whatever the plan that is carried out
    /// already erases stays.
    pub(super) fn unshown(
        self,
        question: &Question<'_>,
        erased: impl Iterator<Item = DiskContents>,
    ) -> Option<Blocked> {
        if self == Self::Commit {
            return None;
        }
        let shown = question.parent.wipe_set.entries.get(&question.id);
        let is_shown = |disk: &DiskContents| shown.is_some_and(|shown| shown.contains(disk));
        let unshown = erased.filter(|disk| disk.content != ContentId::Blank && !is_shown(disk));
        let (consented, others): (Vec<_>, Vec<_>) =
            unshown.partition(|disk| question.consented(&disk.disk, &disk.content));
        if !others.is_empty() {
            let lines: Vec<String> = others.iter().map(|disk| question.consent(disk)).collect();
            return Some(Blocked {
                condition: Condition::PlanChangedSinceShown,
                evidence: format!("no plan has shown that it would erase this. {}", lines.join("; ")),
            });
        }
        let counts = |disk: &&DiskContents| question.protected || question.loss(disk) == Loss::Counted;
        let held: Vec<String> = consented
            .iter()
            .filter(|disk| self == Self::Blank || counts(disk))
            .map(|disk| format!("{} holds {}, which git lets go", disk.disk, disk.content))
            .collect();
        (!held.is_empty()).then(|| self.wait_for_commit(&held.join("; ")))
    }

    fn wait_for_commit(self, held: &str) -> Blocked {
        let another = "another commit, an empty one will do (`git commit --allow-empty`)";
        match self {
            Self::Blank => Blocked {
                condition: Condition::ApprovalsMissing,
                evidence: format!(
                    "{held}. The fleet's `approvals` ask for people to agree to that, and no plan has shown it to them: push \
                     {another}. Its plan shows it, and `muster approve` is for that one"
                ),
            },
            Self::Commit | Self::Consented => Blocked {
                condition: Condition::PlanChangedSinceShown,
                evidence: format!(
                    "{held}. New facts alone erase nothing of a machine that is protected or in use: push {another}, whose \
                     plan shows it"
                ),
            },
        }
    }
}
