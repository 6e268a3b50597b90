//! Where a fact belongs: its machine, its job, and its slot among the facts of its kind.
//!
//! Facts of one machine, kind and slot that follow each other say the same thing again, so that a
//! reader needs the first and the last of them only. Every kind is one row of one `match`: a new fact breaks the build here.

use crate::column::{clean, held};
use crate::work::WorkItem;
use rack_api::fact::{BmcFaultKind, FactBody, PowerSeen, StepState};
use rack_api::job::JobRef;
use rack_api::order::OrderRef;
use schema_ids::{Digest, MachineId};
use sha2::{Digest as _, Sha256};

/// Longest slot written out; a longer one (a step's name comes from the wire) is written as its digest,
/// since an index entry must stay small.
const SLOT_MAX: usize = 200;

/// Where a fact belongs.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) machine: Option<MachineId>,
    pub(crate) kind: &'static str,
    pub(crate) slot: String,
    pub(crate) generation: Option<i64>,
    pub(crate) attempt: Option<i64>,
    /// Whether a new plan may be due.
    pub(crate) replan: bool,
}

impl Place {
    /// `inventory` is the digest of the fact's inventory, if it has one.
    pub(crate) fn of(body: &FactBody, inventory: Option<&str>) -> Self {
        let content = || inventory.unwrap_or_default().to_owned();
        match body {
            FactBody::Boot { machine, .. } => Self::new("boot", String::new()).machine(*machine),
            FactBody::Leased { address, .. } => Self::new("leased", address.to_string()),
            FactBody::AddressSeen { address, .. } => Self::new("address-seen", address.to_string()),
            FactBody::Power { machine, power } => {
                let value = match power {
                    PowerSeen::On => "on",
                    PowerSeen::Off => "off",
                    PowerSeen::Unknown => "unknown",
                };
                Self::new("power", value.to_owned()).machine(Some(*machine))
            }
            FactBody::BmcFault { machine, fault, .. } => {
                let value = match fault {
                    BmcFaultKind::Silent => "silent",
                    BmcFaultKind::Credentials => "credentials",
                    BmcFaultKind::Refused => "refused",
                    BmcFaultKind::Garbled => "garbled",
                };
                Self::new("bmc-fault", value.to_owned()).machine(Some(*machine))
            }
            FactBody::OrderTaken { order } => Self::order("order-taken", order),
            FactBody::OrderRefused { order, .. } => Self::order("order-refused", order),
            FactBody::OrderDone { order } => Self::order("order-done", order),
            FactBody::OrderFailed { order, .. } => Self::order("order-failed", order),
            FactBody::Enlisted { mac, .. } => Self::new("enlisted", mac.to_string()).replan(),
            FactBody::JobStarted { job, boot_id } => Self::new("job-started", boot_id.to_string()).job(job),
            FactBody::Inventory { job, .. } => Self::new("inventory", content()).job(job).replan(),
            FactBody::BootOrder { job, .. } => Self::new("boot-order", digest(body)).job(job),
            FactBody::Step {
                job,
                boot_id,
                step,
                state,
            } => {
                let word = match state {
                    StepState::Started => "started",
                    StepState::Progress { .. } => "progress",
                    StepState::Done => "done",
                    StepState::Failed { .. } => "failed",
                };
                Self::new("step", format!("{boot_id}/{word}/{step}")).job(job)
            }
            FactBody::Erased { job, disk, .. } => Self::new("erased", disk.to_string()).job(job).replan(),
            FactBody::Installed { job, .. } => Self::new("installed", digest(body)).job(job).replan(),
            FactBody::PhonedHome { machine, .. } => {
                Self::new("phoned-home", digest(body)).machine(Some(*machine))
            }
            FactBody::JobDone { job, boot_id } => Self::new("job-done", boot_id.to_string()).job(job),
        }
    }

    /// What is to be looked at because of it.
    pub(crate) fn work(&self) -> impl Iterator<Item = WorkItem> {
        self.machine
            .map(WorkItem::Machine)
            .into_iter()
            .chain(self.replan.then_some(WorkItem::Fleet))
    }

    fn new(kind: &'static str, slot: String) -> Self {
        let slot = if slot.len() > SLOT_MAX {
            hex(slot.as_bytes())
        } else {
            clean(&slot)
        };
        Self {
            machine: None,
            kind,
            slot,
            generation: None,
            attempt: None,
            replan: false,
        }
    }

    fn machine(self, machine: Option<MachineId>) -> Self {
        Self { machine, ..self }
    }

    fn replan(self) -> Self {
        Self { replan: true, ..self }
    }

    fn job(self, job: &JobRef) -> Self {
        Self {
            machine: Some(job.machine),
            generation: Some(held(job.generation.0)),
            attempt: Some(i64::from(job.attempt)),
            ..self
        }
    }

    fn order(kind: &'static str, order: &OrderRef) -> Self {
        let slot = format!("{}/{}/{}", order.incarnation, order.generation, order.number);
        Self {
            generation: Some(held(order.generation.0)),
            ..Self::new(kind, slot).machine(Some(order.machine))
        }
    }
}

/// The digest of a value's JSON; the derived writers put fields in one order, so equal values give
/// equal digests.
pub(crate) fn digest<T: serde::Serialize>(value: &T) -> String {
    hex(&serde_json::to_vec(value).expect("messages have no maps with keys that JSON cannot write"))
}

fn hex(bytes: &[u8]) -> String {
    Digest(Sha256::digest(bytes).into()).hex()
}
