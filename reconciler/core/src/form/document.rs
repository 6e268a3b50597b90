//! A plan as a document for programs: `muster.plan/1.0`.
//!
//! The order of its fields is fixed. A reader ignores fields that it does not know: what is added makes a minor
//! version, what is taken away or means something else a major one. No secret and no user-data is in it.

use crate::form::block::Totals;
use crate::form::{Drift, Reference, Setting, UnderWay};
use crate::observed::DiskContents;
use crate::plan::approvals::Agreement;
use crate::plan::{Budget, Change, FieldChange, GuardReport, NamedDisk, Note, Plan, Read, Said};
use crate::times::Estimate;
use schema_ids::{DiskId, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The format's name and version.
pub const FORMAT: &str = "muster.plan/1.0";

/// Its JSON Schema (draft 2020-12).
pub const SCHEMA: &str = include_str!("plan-1.0.schema.json");

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Document {
    /// [`FORMAT`].
    pub format: String,
    /// The plan's id.
    pub id: String,
    /// The plan that it was made against.
    pub parent: Option<String>,
    /// The fleet's name.
    pub fleet: Name,
    /// What it was compared with, if something was named.
    pub base: Option<Reference>,
    /// The commit that was planned.
    pub head: Option<Reference>,
    /// When what it is made of was read.
    pub observed: Observation,
    /// Whether it covers the whole fleet: a part can never be agreed to.
    pub complete: bool,
    /// Whether every guard lets it pass.
    pub applicable: bool,
    /// `none`, `changes`, `destructive` or `blocked`.
    pub outcome: Outcome,
    /// Counted.
    pub summary: Summary,
    /// What may be erased.
    pub wipe_set: WipeSet,
    /// What differs, destructive first.
    pub changes: Vec<NumberedChange>,
    /// What was asked for and is not done.
    pub notes: Vec<Note>,
    /// Machines that are otherwise than they were made.
    pub drift: Vec<Drift>,
    /// Machines that differ from git and are left so, each with what differs.
    pub outdated: BTreeMap<Name, BTreeSet<String>>,
    /// What each guard says.
    pub guards: Vec<GuardWord>,
    /// Who must agree to what it destroys, if anybody.
    #[serde(default)]
    pub approvals: Option<Agreement>,
    /// What was read of the machines that it changes.
    pub reads: BTreeMap<MachineId, Read>,
    /// How many machines may be out of service at once, by budget; left out where there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<Name, BudgetWord>,
    /// How long its installations take together; left out where nothing like them was measured, or one never ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_seconds: Option<TotalTime>,
    /// How long its releases wait before they erase; left out where that may begin at once, or never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_seconds: Option<ReleaseTime>,
    /// What was asked for before it and is not done; left out where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_way: Option<UnderWay>,
}

/// How long installations take together, under the plan's budgets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TotalTime {
    /// If each takes what half of those before took.
    pub p50: u64,
    /// If each takes what nine of ten took.
    pub p90: u64,
    /// How many they are.
    pub installations: usize,
    /// Whether it takes longer since one machine is to run well before the others follow.
    #[serde(default)]
    pub canary: bool,
    /// Whether it takes longer since windows of budgets are closed meanwhile.
    pub windows: bool,
    /// Whether it takes longer since only so many may be erased within an hour.
    #[serde(default)]
    pub hourly: bool,
}

impl TotalTime {
    fn of(plan: &Plan, setting: &Setting) -> Option<Self> {
        let together = setting.pace(plan).together(&plan.changes)?;
        Some(Self {
            p50: together.p50,
            p90: together.p90,
            installations: together.installations,
            canary: together.canary,
            windows: together.windows,
            hourly: together.hourly,
        })
    }
}

/// How long releases that erase something take before they do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReleaseTime {
    /// Before the last of them begins to be erased, at least.
    pub at_least: u64,
    /// How many they are.
    pub releases: usize,
}

/// One budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BudgetWord {
    /// The most machines that may be out of service.
    pub max_unavailable: u32,
    /// After so many failures nothing more is begun; 0 is never.
    pub halt_after_failures: u32,
    /// How long a machine must have been well before the next is begun, in seconds.
    pub soak_seconds: u64,
    /// When something may be begun: `mon-fri 09:00-16:00 Europe/Amsterdam`; absent for always.
    pub window: Option<String>,
    /// Its machines in the order in which they are changed.
    pub waves: Vec<WaveWord>,
    /// Budgets that are no more and for which it goes on: what failed under their names counts, and halts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub formerly: BTreeSet<Name>,
}

/// Machines that go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WaveWord {
    /// Its name; absent for the rest.
    pub name: Option<Name>,
    /// By name, in order.
    pub machines: Vec<Name>,
}

impl BudgetWord {
    fn of(plan: &Plan, budget: &Budget) -> Self {
        let machine = |id: &MachineId| Some(plan.machines.get(id)?.name.clone());
        let waves = budget.waves.iter().map(|wave| WaveWord {
            name: wave.name.clone(),
            machines: wave.machines.iter().filter_map(machine).collect(),
        });
        Self {
            max_unavailable: budget.max_unavailable,
            halt_after_failures: budget.halt_after_failures,
            soak_seconds: budget.soak_seconds,
            window: budget.window.as_ref().map(ToString::to_string),
            waves: waves.collect(),
            formerly: budget.formerly.clone(),
        }
    }
}

/// When what a plan is made of was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Observation {
    /// Then.
    pub at: Timestamp,
    /// Machines of which nothing was heard for too long.
    pub silent_machines: Vec<Name>,
}

/// What a plan comes to, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing, or names and labels only.
    None,
    /// Changes by which nothing is lost.
    Changes,
    /// Something is lost.
    Destructive,
    /// A guard says no.
    Blocked,
}

impl Outcome {
    /// Of a plan.
    pub fn of(plan: &Plan) -> Self {
        if !plan.applicable() {
            Self::Blocked
        } else if plan.changes.iter().any(Change::destructive) {
            Self::Destructive
        } else if plan.changes.iter().all(Change::is_label) {
            Self::None
        } else {
            Self::Changes
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Changes => "changes",
            Self::Destructive => "destructive",
            Self::Blocked => "blocked",
        }
    }
}

/// What a plan comes to, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// Changes by what happens.
    pub actions: BTreeMap<String, usize>,
    /// Machines that lose something.
    pub machines_erased: usize,
    /// Disks that lose something.
    pub disks_erased: usize,
    /// Their sizes together, as far as they are known.
    pub bytes_erased: u64,
}

/// What may be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WipeSet {
    /// Its name, by which people agree to it.
    pub digest: String,
    /// By machine.
    pub entries: Vec<WipeEntry>,
}

/// What may be erased of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WipeEntry {
    /// The machine's identity.
    pub machine: MachineId,
    /// Its name.
    pub name: Option<Name>,
    /// Its serial number, as git has it.
    pub serial: Option<String>,
    /// Disks with what may go.
    pub disks: BTreeSet<DiskContents>,
}

/// What one guard says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GuardWord {
    /// Its name: `limits`, `protection` …
    pub name: String,
    /// Whether it stops the plan.
    pub blocked: bool,
    /// The code under which it does.
    pub code: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// What it counted.
    pub detail: String,
}

impl GuardWord {
    fn of(report: &GuardReport) -> Self {
        let blocked = report.blocked.as_ref();
        Self {
            name: report.guard.clone(),
            blocked: blocked.is_some(),
            code: blocked.map(|(code, _)| code.clone()),
            reason: blocked.map(|(_, reason)| reason.clone()),
            detail: report.detail.clone(),
        }
    }
}

/// A change with a name of its own within the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NumberedChange {
    /// `c1` and on.
    pub id: String,
    /// `machine.m1`, `deployment.web[1]`, `subnet.lab`.
    pub object: String,
    /// What happens.
    pub action: String,
    /// The worst of what it does.
    pub effect: String,
    /// Whose doing it is.
    pub cause: crate::plan::Cause,
    /// Whether something is lost by it.
    pub destructive: bool,
    /// The machine concerned.
    pub machine: Option<Name>,
    /// In words.
    pub why: String,
    /// Where in git.
    pub origin: Option<crate::plan::Origin>,
    /// What differs, value by value.
    pub fields: Vec<FieldChange>,
    /// Disks that it erases.
    pub erases: Vec<DiskContents>,
    /// Disks of the machine that keep their contents.
    pub keeps: Vec<DiskId>,
    /// Those disks, as people know them.
    pub disks: BTreeMap<DiskId, NamedDisk>,
    /// Since when the machine runs what it loses.
    pub in_use_since: Option<Timestamp>,
    /// How long the machine is kept off with its data before that is erased; left out where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<QuarantineWord>,
    /// Rack agents that are told anew by it.
    pub tells: BTreeSet<Name>,
    /// How long its installation takes by itself; left out where nothing like it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_seconds: Option<Estimate>,
}

/// How long a machine is kept off with its data before that is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct QuarantineWord {
    /// How long, in seconds, from when it was seen off.
    pub seconds: u64,
    /// What says so: `entry`, `fleet`, `protected`.
    pub said: Said,
}

/// The document of a plan.
pub fn document(plan: &Plan, setting: &Setting) -> Document {
    let totals = Totals::of(plan, &plan.changes);
    let machine = |id: &MachineId| plan.machines.get(id);
    let entries = plan.wipe_set.entries.iter().map(|(id, disks)| WipeEntry {
        machine: *id,
        name: machine(id).map(|machine| machine.name.clone()),
        serial: machine(id).and_then(|machine| machine.serial.clone()),
        disks: disks.clone(),
    });
    let head = setting.head.clone().or_else(|| {
        let commit = plan.commit.clone()?;
        Some(Reference {
            name: commit.clone(),
            commit,
        })
    });
    let outdated = plan
        .machines
        .values()
        .filter(|machine| !machine.outdated.is_empty());
    Document {
        format: FORMAT.to_owned(),
        id: plan.id.clone(),
        parent: plan.parent.clone(),
        fleet: plan.fleet.clone(),
        base: setting.base.clone(),
        head,
        observed: Observation {
            at: plan.made,
            silent_machines: setting.silent.clone(),
        },
        complete: setting.only.is_none(),
        applicable: plan.applicable(),
        outcome: Outcome::of(plan),
        summary: Summary {
            actions: totals
                .actions
                .iter()
                .map(|(action, count)| (action.word().to_owned(), *count))
                .collect(),
            machines_erased: totals.machines,
            disks_erased: totals.disks,
            bytes_erased: totals.bytes,
        },
        wipe_set: WipeSet {
            digest: plan.wipe_set.digest.clone(),
            entries: entries.collect(),
        },
        changes: plan
            .changes
            .iter()
            .enumerate()
            .map(|(index, change)| numbered((plan, setting), index, change))
            .collect(),
        notes: plan.notes.clone(),
        drift: setting.drift.clone(),
        outdated: outdated
            .map(|machine| (machine.name.clone(), machine.outdated.clone()))
            .collect(),
        guards: plan.guards.iter().map(GuardWord::of).collect(),
        approvals: setting.approvals.clone(),
        reads: plan.reads.clone(),
        budgets: plan
            .budgets
            .iter()
            .map(|(name, budget)| (name.clone(), BudgetWord::of(plan, budget)))
            .collect(),
        estimate_seconds: TotalTime::of(plan, setting),
        release_seconds: setting
            .pace(plan)
            .releases(&plan.changes)
            .map(|time| ReleaseTime {
                at_least: time.at_least,
                releases: time.releases,
            }),
        under_way: UnderWay::of(plan),
    }
}

fn numbered((plan, setting): (&Plan, &Setting), index: usize, change: &Change) -> NumberedChange {
    let named = change
        .erases
        .iter()
        .map(|erased| &erased.disk)
        .chain(&change.keeps);
    let disks = named.filter_map(|id| Some((id.clone(), plan.disks.get(id)?.clone())));
    let machine = change.machine.and_then(|id| plan.machines.get(&id));
    NumberedChange {
        id: format!("c{}", index + 1),
        object: change.object.clone(),
        action: change.action.word().to_owned(),
        effect: change.effect.word().to_owned(),
        cause: change.cause,
        destructive: change.destructive(),
        machine: machine.map(|machine| machine.name.clone()),
        why: change.why.clone(),
        origin: change.origin.clone(),
        fields: change.fields.clone(),
        erases: change.erases.clone(),
        keeps: change.keeps.clone(),
        disks: disks.collect(),
        in_use_since: change.in_use_since,
        quarantine: change.quarantine.map(|quarantine| QuarantineWord {
            seconds: quarantine.seconds,
            said: quarantine.said,
        }),
        tells: change.tells.clone(),
        estimate_seconds: change.machine.and_then(|id| setting.times.get(&id)).copied(),
    }
}
