//! What people are told: views of machines for the API and the command line.
//!
//! Made anew for each question from plan, facts and decision; nothing here decides.

use crate::condition::Wait;
use crate::facts::{MachineFacts, OrderSeen};
use crate::intent::Intent;
use crate::next::Decision;
use crate::phase::{self, Mark, Phase};
use crate::plan::{Origin, Plan};
use rack_api::fact::{BootEvidence, PowerSeen, StepState};
use schema_ids::{BindingId, Generation, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One machine as `muster status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineStatus {
    /// Its name.
    pub name: Name,
    /// Its identity.
    pub id: MachineId,
    /// Where it stands.
    pub phase: Phase,
    /// What is to be said beside it.
    pub marks: BTreeSet<Mark>,
    /// Its intent in words: `ready`, `deployed web[1]` …
    pub wanted: String,
    /// The intent's number.
    pub generation: Generation,
    /// What it waits on, if it waits.
    pub wait: Option<Wait>,
    /// What is about to be ordered, if something is.
    pub proposed: Option<String>,
    /// The power state as last told, and since when.
    pub power: Option<(PowerSeen, Timestamp)>,
    /// Progress of the running step, percent.
    pub percent: Option<u8>,
    /// The addresses of its installed system.
    pub addresses: Vec<IpAddr>,
    /// Where in git it stands: `file:line`.
    pub origin: String,
}

/// The status of one machine; `None` if the plan does not know it.
pub fn machine_status(
    plan: &Plan,
    id: MachineId,
    facts: &MachineFacts,
    decision: &Decision,
) -> Option<MachineStatus> {
    let machine = plan.machines.get(&id)?;
    let (phase, marks) = phase::phase(machine, facts, decision);
    let (wait, proposed) = match decision {
        Decision::Wait(wait) => (Some(wait.clone()), None),
        Decision::Propose(proposal) => (None, Some(proposal.order.cause.clone())),
        Decision::Settled => (None, None),
    };
    let Origin { file, line } = &machine.origin;
    Some(MachineStatus {
        name: machine.name.clone(),
        id,
        phase,
        marks,
        wanted: wanted(plan, &machine.wanted.intent),
        generation: machine.wanted.generation,
        wait,
        proposed,
        power: facts.power.as_ref().map(|seen| (seen.value, seen.since)),
        percent: percent(facts),
        addresses: addresses(plan, &machine.wanted.intent),
        origin: format!("{file}:{line}"),
    })
}

/// An intent in words.
fn wanted(plan: &Plan, intent: &Intent) -> String {
    let slot = |binding: &BindingId| {
        plan.bindings.get(binding).map_or_else(
            || binding.to_string(),
            |bound| format!("{}[{}]", bound.deployment, bound.slot),
        )
    };
    match intent {
        Intent::Observe { .. } => "observe".to_owned(),
        Intent::Ready { .. } => "ready".to_owned(),
        Intent::Deployed(deploy) => format!("{} {}", slot(&deploy.binding), deploy.image.name),
        Intent::Orphaned { binding } => format!("orphaned {}", slot(binding)),
    }
}

fn addresses(plan: &Plan, intent: &Intent) -> Vec<IpAddr> {
    let binding = match intent {
        Intent::Deployed(deploy) => deploy.binding,
        Intent::Orphaned { binding } => *binding,
        Intent::Observe { .. } | Intent::Ready { .. } => return Vec::new(),
    };
    plan.bindings
        .get(&binding)
        .map(|bound| bound.addresses.iter().copied().collect())
        .unwrap_or_default()
}

/// Progress of the step that runs.
fn percent(facts: &MachineFacts) -> Option<u8> {
    match facts.job.as_ref()?.steps.last()?.state {
        StepState::Progress { done, total } if total > 0 => u8::try_from(done.min(total) * 100 / total).ok(),
        StepState::Started | StepState::Progress { .. } | StepState::Done | StepState::Failed { .. } => None,
    }
}

/// Everything that explains one machine, as text: phase, condition, evidence, next step, orders and
/// steps so far.
pub fn why(plan: &Plan, id: MachineId, facts: &MachineFacts, decision: &Decision) -> String {
    let Some(status) = machine_status(plan, id, facts, decision) else {
        return format!("no machine is called {id}\n");
    };
    let mut lines = vec![format!(
        "{} is {}, wanted {} (generation {}, {})",
        status.name, status.phase, status.wanted, status.generation, status.origin
    )];
    if let Some(Intent::Observe { why }) = plan.machines.get(&id).map(|machine| &machine.wanted.intent) {
        lines.push(format!("  because    {why}"));
    }
    if let Some(wait) = &status.wait {
        lines.push(format!(
            "  waits on   {}: {}",
            wait.condition.code(),
            wait.condition.row().meaning
        ));
        lines.push(format!("  since      {}", wait.since));
        if let Some(limit) = wait.limit {
            lines.push(format!("  limit      {} s without news", limit.as_secs()));
        }
        lines.push(format!("  evidence   {}", wait.evidence));
        lines.push(format!("  next step  {}", wait.next_step));
        if let Some(at) = wait.retry_at {
            lines.push(format!("  tried again at {at}"));
        }
    } else if let Some(proposed) = &status.proposed {
        lines.push(format!("  about to   {proposed}"));
    }
    let notes = plan
        .notes
        .iter()
        .filter(|note| note.object == format!("machine.{}", status.name));
    lines.extend(notes.map(|note| format!("  {}  {}", note.code, note.text)));
    if let Some((power, since)) = status.power {
        lines.push(format!("  power      {power:?} since {since}"));
    }
    if let Some(fault) = &facts.bmc_fault {
        lines.push(format!("  BMC        {} since {}", fault.value.1, fault.since));
    }
    if let Some(boot) = &facts.boot {
        let BootEvidence {
            client,
            address,
            answer,
            http,
            last,
            ..
        } = &boot.value;
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        let address = address.map_or_else(|| "no address".to_owned(), |address| address.to_string());
        lines.push(format!(
            "  last boot  {client}, {address}, answered {}, fetched {}, last seen {last}",
            or_none(answer),
            or_none(http)
        ));
    }
    lines.extend(facts.orders.iter().map(order_line));
    if let Some(job) = &facts.job {
        lines.extend(
            job.steps
                .iter()
                .map(|step| format!("  step       {:<12} {}", step.step, state(&step.state))),
        );
    }
    if let Some(seen) = &facts.phoned_home {
        let disk = seen
            .value
            .root_disk
            .as_ref()
            .map_or("an unknown disk", |disk| disk.as_str());
        lines.push(format!(
            "  phoned home at {} from {} on {disk}",
            seen.since, seen.value.root_device
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn order_line(seen: &OrderSeen) -> String {
    let order = &seen.issued.order;
    let outcome = match (
        &seen.failed,
        seen.done,
        seen.refused.iter().next(),
        seen.taken.is_empty(),
    ) {
        (Some((at, step, error)), ..) => format!("failed at {at}: {step}: {error}"),
        (None, Some(at), ..) => format!("done at {at}"),
        (None, None, Some((agent, why)), _) => format!("refused by {agent}: {why}"),
        (None, None, None, false) => "taken".to_owned(),
        (None, None, None, true) => "issued".to_owned(),
    };
    format!("  order {:<4} {} ({outcome})", order.number, order.cause)
}

fn state(state: &StepState) -> String {
    match state {
        StepState::Started => "begun".to_owned(),
        StepState::Progress { done, total } => format!("{} of {} MiB", done >> 20, total >> 20),
        StepState::Done => "done".to_owned(),
        StepState::Failed { code, error } => format!("FAILED {code}: {error}"),
    }
}
