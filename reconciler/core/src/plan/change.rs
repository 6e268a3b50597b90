//! One difference between a plan and its parent, as people and their tools read it.

use crate::observed::DiskContents;
use crate::plan::{Origin, Quarantine};
use schema_ids::{ContentId, DiskId, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `machine.m1`, `deployment.web[1]`, `subnet.lab`.
    pub object: String,
    /// What happens.
    pub action: ChangeAction,
    /// The worst of what it does.
    #[serde(default)]
    pub effect: Effect,
    /// Whose doing it is.
    #[serde(default)]
    pub cause: Cause,
    /// The machine concerned.
    pub machine: Option<MachineId>,
    /// Why: the field and its old and new value, or the fact.
    pub why: String,
    /// Where.
    pub origin: Option<Origin>,
    /// What differs, value by value, as far as values may be shown: no secret and no user-data is among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// Disks that it erases.
    pub erases: Vec<DiskContents>,
    /// Disks of the machine that keep their contents.
    pub keeps: Vec<DiskId>,
    /// Since when the machine runs what it loses: a hint that somebody uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_use_since: Option<Timestamp>,
    /// How long the machine is kept off with its data before that is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// Rack agents that are told anew by it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tells: BTreeSet<Name>,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its path within the object, as git writes it: `image`, `nic.p0.mac`, `range.dynamic`.
    pub path: String,
    /// What it was; absent where there was none, or where it is too long to be read in a line.
    pub before: Option<String>,
    /// What it is now; absent likewise.
    pub after: Option<String>,
    /// What the change of this value alone comes to.
    pub effect: Effect,
    /// Where the new value stands.
    pub origin: Option<Origin>,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeAction {
    /// Erase and install again.
    Redeploy,
    /// Install for the first time.
    Deploy,
    /// End a binding.
    Release,
    /// Take a machine under management.
    Enlist,
    /// Give a machine a slot as it is; nothing happens to it.
    Adopt,
    /// Change what takes effect at once.
    Update,
    /// Keep, though git no longer says so.
    Orphan,
    /// It is called otherwise; nothing happens to it.
    Rename,
    /// Something else is written of it that nothing acts on; nothing happens to it.
    Label,
}

impl ChangeAction {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Redeploy => "redeploy",
            Self::Deploy => "deploy",
            Self::Release => "release",
            Self::Enlist => "enlist",
            Self::Adopt => "adopt",
            Self::Update => "update",
            Self::Orphan => "orphan",
            Self::Rename => "rename",
            Self::Label => "label",
        }
    }

    /// Its sign at the head of a line.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Redeploy => "-/+",
            Self::Deploy | Self::Enlist => "+",
            Self::Release => "-",
            Self::Update => "~",
            Self::Orphan => "?",
            Self::Adopt => "=",
            Self::Rename | Self::Label => ">",
        }
    }
}

/// What a change comes to, least first. The list is closed: tools branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nothing happens.
    #[default]
    None,
    /// The rack does otherwise at once: DHCP, DNS, power, boot. No machine stops working.
    Live,
    /// A machine is switched on, off or started again.
    Reboot,
    /// A system is installed on blank disks.
    Redeploy,
    /// A system that muster installed is erased; other disks of the machine keep what they hold.
    WipeOs,
    /// Data that muster did not write is erased; other disks of the machine keep what they hold.
    WipeSelected,
    /// No disk of the machine keeps what it holds.
    WipeAll,
}

impl Effect {
    /// Its word in documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Live => "live",
            Self::Reboot => "reboot",
            Self::Redeploy => "redeploy",
            Self::WipeOs => "wipe-os",
            Self::WipeSelected => "wipe-selected",
            Self::WipeAll => "wipe-all",
        }
    }

    /// The fixed tag of a heading under which something is lost.
    pub fn tag(self) -> Option<&'static str> {
        match self {
            Self::None | Self::Live | Self::Reboot | Self::Redeploy => None,
            Self::WipeOs => Some("[WIPE os]"),
            Self::WipeSelected => Some("[WIPE selected]"),
            Self::WipeAll => Some("[WIPE all]"),
        }
    }
}

/// Whose doing a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The commit that was planned.
    #[default]
    ThisChange,
    /// What it is compared with asks for it as well: it comes with this commit or without.
    Pending,
}

impl Change {
    /// Whether something is lost by it.
    pub fn destructive(&self) -> bool {
        let lost = self
            .erases
            .iter()
            .any(|erased| erased.content != ContentId::Blank);
        lost || matches!(self.action, ChangeAction::Redeploy | ChangeAction::Release)
    }

    /// Whether it only changes what people read: nothing happens to any machine.
    pub fn is_label(&self) -> bool {
        matches!(self.action, ChangeAction::Rename | ChangeAction::Label)
    }

    /// Whether two plans, made of different commits, do the same thing here. Where it stands in git is no part of
    /// that.
    pub(super) fn does_the_same(&self, other: &Self) -> bool {
        let values = |change: &Self| -> Vec<_> {
            let fields = change.fields.iter();
            fields
                .map(|field| (field.path.clone(), field.before.clone(), field.after.clone()))
                .collect()
        };
        (&self.object, self.action, self.machine, &self.why, &self.erases)
            == (
                &other.object,
                other.action,
                other.machine,
                &other.why,
                &other.erases,
            )
            && values(self) == values(other)
    }
}
