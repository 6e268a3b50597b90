//! What becomes of a commit, as a stream of events: `muster apply --events` prints it, a document on each line.
//!
//! Events are made anew from what is stored each time they are asked for, and kept nowhere. Their numbers come from
//! the transaction that stored what they tell, so that they are the same for every reader, after any restart, and
//! whoever stopped reading goes on behind the last number that was read.

use crate::condition::Condition;
use crate::facts::{IssuedOrder, WriteStart};
use crate::log::line;
use crate::next::bmc_condition;
use crate::people::Stage;
use crate::plan::{GuardReport, Note, Plan};
use rack_api::fact::{FactBody, StepState};
use rack_api::order::{Action, PowerWanted};
use schema_ids::{Generation, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The format's name and version; additions are minor.
pub const FORMAT: &str = "muster.event/1.0";

/// The JSON Schema of [`Event::document`], draft 2020-12.
pub const SCHEMA: &str = include_str!("event-1.0.schema.json");

/// Events of one transaction at most: beside its transaction's number, an event's place in it fits into 53 bits, which
/// every reader of JSON keeps exactly. A transaction writes a few thousand rows at most, and brings one plan.
const IN_TRANSACTION_BITS: u32 = 16;

/// Diagnostics of one plan that are told; the plan shows the others.
const NOTES_MAX: usize = 1000;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number: rising, with gaps.
    pub seq: u64,
    /// When what it tells was stored, by the store's clock.
    pub at: Timestamp,
    /// The commit whose doing it is, 40 digits.
    pub commit: String,
    /// What.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum EventBody {
    /// A plan of the commit was adopted: its first, or one with what was found since.
    #[serde(rename = "plan.started", rename_all = "kebab-case")]
    PlanStarted {
        /// Its id.
        plan: String,
        /// The machines that it changes, by their newest names.
        machines: BTreeSet<String>,
        /// The digest of what it may erase, `w-…`.
        wipe_set: String,
    },
    /// A machine begins a step.
    #[serde(rename = "step.started")]
    StepStarted(Step),
    /// It came further in it.
    #[serde(rename = "step.progress", rename_all = "kebab-case")]
    StepProgress {
        /// Which.
        #[serde(flatten)]
        step: Step,
        /// Bytes done.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// It is through with it.
    #[serde(rename = "step.done")]
    StepDone(Step),
    /// It failed.
    #[serde(rename = "step.failed", rename_all = "kebab-case")]
    StepFailed {
        /// Which.
        #[serde(flatten)]
        step: Step,
        /// The error's code.
        code: String,
        /// The error.
        message: String,
    },
    /// A guard says something else of the commit than before.
    #[serde(rename = "guard.changed", rename_all = "kebab-case")]
    GuardChanged {
        /// The plan.
        plan: String,
        /// The guard's name.
        guard: String,
        /// What it does.
        state: GuardState,
        /// What it counted, or who opened it and why.
        detail: String,
    },
    /// Something that people should know.
    #[serde(rename = "diagnostic", rename_all = "kebab-case")]
    Diagnostic {
        /// `muster explain` knows it.
        code: String,
        /// What it is about: `machine.node-01`, `deployment.web`; absent for the commit.
        object: Option<String>,
        /// In words.
        message: String,
    },
    /// It is over, as far as who asked is concerned. It is not stored: it has the number of the last event before it,
    /// and reading on behind that number loses nothing.
    #[serde(rename = "plan.done", rename_all = "kebab-case")]
    PlanDone {
        /// The plan that was asked for.
        plan: String,
        /// As `muster apply --json` says it: `converged`, `held`, `needs-person` …
        outcome: String,
        /// Machines that are not as wanted, with the codes of what they wait on.
        waiting: BTreeMap<Name, Option<String>>,
    },
}

/// A step of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// The machine's newest name.
    pub machine: String,
    /// Its id.
    pub machine_id: MachineId,
    /// `power-on`, `power-off`, `power-soft-off`, `job`, `first-boot`, or the job's own: `image`, `layout` …
    pub step: String,
    /// The generation of the intent that it serves; absent for the first boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    /// The job's try, or the order's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

/// What a guard does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardState {
    /// It lets the plan pass.
    Ok,
    /// It stops the plan.
    Blocked,
    /// A person said that it shall let the plan pass.
    Opened,
}

/// What is stored of a commit, from one snapshot of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Happenings {
    /// Records, in the order of their transactions and within one in the order of their keys.
    pub records: Vec<Happened>,
    /// Every transaction below this number is over and read.
    pub settled: u64,
    /// Transactions below this number were under way or over when the snapshot was taken.
    pub begun: u64,
    /// The newest names of the machines in it.
    pub names: BTreeMap<MachineId, Name>,
}

/// Something stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// The transaction that stored it.
    pub transaction: u64,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The commit came further, or no further.
    Stand(Stage, Option<(String, String)>),
    /// A plan of the commit was adopted.
    Adopted(String),
    /// Someone opened a guard of a plan.
    Opened {
        /// The plan.
        plan: String,
        /// The guard.
        guard: String,
        /// Who and why.
        by: String,
    },
    /// An order for the power was issued.
    Ordered(Box<IssuedOrder>),
    /// A machine asked whether it may write.
    Start(WriteStart),
    /// An agent saw or did something.
    Seen(MachineId, Box<FactBody>),
}

/// What of an adopted plan is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its id.
    pub plan: String,
    /// The machines that it changes.
    pub machines: BTreeSet<MachineId>,
    wipe_set: String,
    guards: Vec<GuardReport>,
    notes: Vec<Note>,
}

impl Adopted {
    /// Of this plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            plan: plan.id.clone(),
            machines: plan.changes.iter().filter_map(|change| change.machine).collect(),
            wipe_set: plan.wipe_set.digest.clone(),
            guards: plan.guards.clone(),
            notes: plan.notes.clone(),
        }
    }
}

impl Event {
    /// As a document `muster.event/1.0`.
    pub fn document(&self) -> serde_json::Value {
        let mut document = serde_json::json!(self);
        if let Some(fields) = document.as_object_mut() {
            fields.insert("format".to_owned(), FORMAT.into());
        }
        document
    }
}

/// The transaction in which what comes behind this number begins.
pub fn transaction_of(seq: u64) -> u64 {
    seq >> IN_TRANSACTION_BITS
}

/// The number behind everything that transactions below this one stored.
pub fn before_transaction(transaction: u64) -> u64 {
    (transaction << IN_TRANSACTION_BITS).saturating_sub(1)
}

/// The events behind the number `after`. `adopted` are the commit's plans in the order of their adoption.
pub fn events(commit: &str, happenings: &Happenings, adopted: &[Adopted], after: u64) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut place = (0, 0);
    for record in &happenings.records {
        for body in told(record, happenings, adopted) {
            place = match place {
                (transaction, number) if transaction == record.transaction => (transaction, number + 1),
                _ => (record.transaction, 0),
            };
            let seq = (place.0 << IN_TRANSACTION_BITS) + place.1;
            if seq > after {
                events.push(Event {
                    seq,
                    at: record.at,
                    commit: commit.to_owned(),
                    body,
                });
            }
        }
    }
    events
}

fn told(record: &Happened, happenings: &Happenings, adopted: &[Adopted]) -> Vec<EventBody> {
    match &record.what {
        What::Stand(_, None) => Vec::new(),
        What::Stand(stage, Some((code, reason))) => vec![EventBody::Diagnostic {
            code: code.clone(),
            object: None,
            message: line(&format!("stopped after {}: {reason}", stage.as_str())),
        }],
        What::Adopted(plan) => of_plan(plan, happenings, adopted),
        What::Opened { plan, guard, by } => vec![EventBody::GuardChanged {
            plan: plan.clone(),
            guard: guard.clone(),
            state: GuardState::Opened,
            detail: line(by),
        }],
        What::Ordered(issued) => ordered(issued, happenings).into_iter().collect(),
        What::Start(start) => {
            let refused = start.refused.as_ref();
            let told = refused.map(|(code, reason)| EventBody::Diagnostic {
                code: code.clone(),
                object: Some(format!("machine.{}", name(start.job.machine, happenings))),
                message: line(reason),
            });
            told.into_iter().collect()
        }
        What::Seen(machine, body) => seen(*machine, body, happenings).into_iter().collect(),
    }
}

/// A plan that was adopted: what is new in it beside the plan of the same commit before it.
fn of_plan(id: &str, happenings: &Happenings, adopted: &[Adopted]) -> Vec<EventBody> {
    let Some(at) = adopted.iter().position(|adopted| adopted.plan == id) else {
        return Vec::new();
    };
    let (plan, before) = (&adopted[at], at.checked_sub(1).map(|at| &adopted[at]));
    let machines = plan.machines.iter().map(|id| name(*id, happenings));
    let mut told = vec![EventBody::PlanStarted {
        plan: id.to_owned(),
        machines: machines.collect(),
        wipe_set: plan.wipe_set.clone(),
    }];
    let said = |guard: &&GuardReport| !before.is_some_and(|before| before.guards.contains(guard));
    let guards = plan.guards.iter().filter(said);
    told.extend(guards.map(|guard| EventBody::GuardChanged {
        plan: id.to_owned(),
        guard: guard.guard.clone(),
        state: match guard.blocked {
            None => GuardState::Ok,
            Some(_) => GuardState::Blocked,
        },
        detail: line(&guard.detail),
    }));
    let said = |note: &&Note| !before.is_some_and(|before| before.notes.contains(note));
    let notes = plan.notes.iter().filter(said).take(NOTES_MAX);
    told.extend(notes.map(|note| EventBody::Diagnostic {
        code: note.code.clone(),
        object: Some(note.object.clone()),
        message: line(&note.text),
    }));
    told
}

fn ordered(issued: &IssuedOrder, happenings: &Happenings) -> Option<EventBody> {
    let Action::Power(wanted) = &issued.order.action else {
        return None;
    };
    let order = &issued.order;
    Some(EventBody::StepStarted(Step {
        machine: name(order.machine, happenings),
        machine_id: order.machine,
        step: match wanted {
            PowerWanted::On => "power-on",
            PowerWanted::SoftOff => "power-soft-off",
            PowerWanted::Off => "power-off",
        }
        .to_owned(),
        generation: Some(order.generation),
        attempt: Some(order.number),
    }))
}

fn seen(machine: MachineId, body: &FactBody, happenings: &Happenings) -> Option<EventBody> {
    let step = |step: &str, generation, attempt| Step {
        machine: name(machine, happenings),
        machine_id: machine,
        step: line(step),
        generation,
        attempt,
    };
    let about = || Some(format!("machine.{}", name(machine, happenings)));
    let diagnostic = |code: &str, message: &str| EventBody::Diagnostic {
        code: code.to_owned(),
        object: about(),
        message: line(message),
    };
    Some(match body {
        FactBody::JobStarted { job, .. } => {
            EventBody::StepStarted(step("job", Some(job.generation), Some(job.attempt)))
        }
        FactBody::JobDone { job, .. } => {
            EventBody::StepDone(step("job", Some(job.generation), Some(job.attempt)))
        }
        FactBody::Step {
            job,
            step: named,
            state,
            ..
        } => {
            let step = step(named, Some(job.generation), Some(job.attempt));
            match state {
                StepState::Started => EventBody::StepStarted(step),
                StepState::Progress { done, total } => EventBody::StepProgress {
                    step,
                    done: *done,
                    total: *total,
                },
                StepState::Done => EventBody::StepDone(step),
                StepState::Failed { code, error } => EventBody::StepFailed {
                    step,
                    code: line(code),
                    message: line(error),
                },
            }
        }
        FactBody::OrderDone { order } => {
            EventBody::StepDone(step("power", Some(order.generation), Some(order.number)))
        }
        FactBody::OrderFailed {
            order,
            step: failed,
            error,
        } => EventBody::StepFailed {
            step: step("power", Some(order.generation), Some(order.number)),
            code: Condition::BmcRefused.code().to_owned(),
            message: line(&format!("{failed}: {error}")),
        },
        FactBody::OrderRefused { why, .. } => diagnostic(Condition::WaitingForRack.code(), why),
        FactBody::BmcFault { fault, detail, .. } => diagnostic(bmc_condition(*fault).code(), detail),
        FactBody::PhonedHome { .. } => EventBody::StepDone(step("first-boot", None, None)),
        FactBody::Boot { .. }
        | FactBody::Leased { .. }
        | FactBody::AddressSeen { .. }
        | FactBody::Power { .. }
        | FactBody::OrderTaken { .. }
        | FactBody::Enlisted { .. }
        | FactBody::Inventory { .. }
        | FactBody::BootOrder { .. }
        | FactBody::Erased { .. }
        | FactBody::Installed { .. } => return None,
    })
}

/// A machine's newest name; its id where it has none.
fn name(machine: MachineId, happenings: &Happenings) -> String {
    let named = happenings.names.get(&machine);
    named.map_or_else(|| machine.to_string(), Name::to_string)
}
