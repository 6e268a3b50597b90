//! What people are told: views of machines for the API and the command line.
//!
//! Made anew for each question from plan, facts and decision; nothing here decides.

mod steps;

pub use steps::{StepStanding, StepStatus};

use crate::boot_order;
use crate::condition::{Condition, Wait};
use crate::facts::{Erasure, MachineFacts, OrderSeen, Seen, StepSeen, WriteStart};
use crate::hold::Denial;
use crate::intent::Intent;
use crate::log;
use crate::next::Decision;
use crate::observed::BindingState;
use crate::ownership;
use crate::phase::{self, Mark, Phase};
use crate::plan::reach::{DeploymentDetail, Reach};
use crate::plan::{MachinePlan, Origin, Plan};
use crate::times::Expected;
use rack_api::fact::{BootEvidence, PowerSeen, StepState};
use rack_api::order::{Lane, PowerWanted};
use schema_ids::{BindingId, Generation, MachineId, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
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
    /// Up to when the agent that reads its BMC has told all that it knows: how fresh `power` is.
    #[serde(default)]
    pub power_as_of: Option<Timestamp>,
    /// The newest power order of this generation.
    #[serde(default)]
    pub power_order: Option<PowerOrder>,
    /// What is wrong with its BMC, and since when.
    #[serde(default)]
    pub bmc_fault: Option<(String, Timestamp)>,
    /// Progress of the running step, percent.
    pub percent: Option<u8>,
    /// The steps of the newest job of this generation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepStatus>,
    /// While it is installed: since when, and how long that takes, as far as anything like it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// The addresses of its installed system.
    pub addresses: Vec<IpAddr>,
    /// Where in git it stands: `file:line`.
    pub origin: String,
    /// What holds and stops keep from it, whether it wants it or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denials: Vec<Denial>,
}

/// A power order and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerOrder {
    /// Its number within the generation.
    pub number: u32,
    /// The state it wants.
    pub wanted: PowerWanted,
    /// Whether a person gave it.
    pub by_hand: bool,
    /// How it ended.
    pub end: OrderEnd,
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderEnd {
    /// It has not.
    UnderWay,
    /// The state was seen.
    Done,
    /// It was given up, for this reason.
    Failed(String),
}

/// One deployment as `muster status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentStatus {
    /// Its name.
    pub name: Name,
    /// The machine in each slot that is filled.
    pub slots: BTreeMap<u32, Name>,
    /// The code of what it waits on, and why, machine by machine, if it lacks some.
    pub lacks: Option<(String, String)>,
}

/// All deployments that have machines, or lack some.
pub fn deployments(plan: &Plan) -> Vec<DeploymentStatus> {
    let mut all: BTreeMap<&str, DeploymentStatus> = BTreeMap::new();
    let new = |name: &Name| DeploymentStatus {
        name: name.clone(),
        slots: BTreeMap::new(),
        lacks: None,
    };
    for binding in plan
        .bindings
        .values()
        .filter(|binding| binding.state == BindingState::Active)
    {
        let name = &binding.deployment;
        let machine = plan.machines.get(&binding.machine);
        let status = all.entry(name.as_str()).or_insert_with(|| new(name));
        status
            .slots
            .extend(machine.map(|machine| (binding.slot, machine.name.clone())));
    }
    for note in &plan.notes {
        let name = note
            .object
            .strip_prefix("deployment.")
            .and_then(|name| name.parse::<Name>().ok());
        let Some((name, text)) = name.zip(note.object.strip_prefix("deployment.")) else {
            continue;
        };
        let status = all.entry(text).or_insert_with(|| new(&name));
        match &mut status.lacks {
            Some((_, lacks)) => lacks.push_str(&format!("\n{}: {}", note.code, note.text)),
            None => status.lacks = Some((note.code.clone(), note.text.clone())),
        }
    }
    all.into_values().collect()
}

/// Everything that explains one deployment, as text: its slots, who would do, and why it lacks machines.
pub fn why_deployment(detail: &DeploymentDetail) -> String {
    let DeploymentDetail {
        name,
        slots,
        lacks,
        funnel,
    } = detail;
    let of = funnel
        .as_ref()
        .map_or(String::new(), |funnel| format!(" of {}", funnel.wanted));
    let machines = match (slots.len(), of.as_str()) {
        (1, "") => "1 machine".to_owned(),
        (1, " of 1") => "its 1 machine".to_owned(),
        (count, of) => format!("{count}{of} machines"),
    };
    let mut lines = vec![format!("deployment.{name} has {machines}")];
    lines.extend(
        slots
            .iter()
            .map(|(slot, machine)| format!("  slot {slot:<5} {machine}")),
    );
    lines.extend(funnel.iter().flat_map(Reach::lines));
    if let Some((code, text)) = lacks {
        lines.push(format!("  waits on   {code}"));
        if let Ok(condition) = code.parse::<Condition>() {
            let row = condition.row();
            lines.push(format!("  evidence   {text}"));
            lines.push(format!("  by itself  {}", row.by_itself));
            lines.push(format!("  next step  {}", row.person));
        }
    }
    lines.iter().map(|entry| indented(entry)).collect()
}

/// The status of one machine; `None` if the plan does not know it.
pub fn machine_status(
    plan: &Plan,
    id: MachineId,
    facts: &MachineFacts,
    decision: &Decision,
    denials: &[Denial],
) -> Option<MachineStatus> {
    let machine = plan.machines.get(&id)?;
    let (phase, mut marks) = phase::phase(machine, facts, decision);
    if !denials.is_empty() {
        marks.insert(Mark::Held);
    }
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
        power_as_of: power_as_of(machine, facts),
        power_order: facts.newest(Lane::Power).and_then(power_order),
        bmc_fault: facts
            .bmc_fault
            .as_ref()
            .map(|fault| (log::line(&fault.value.1), fault.since)),
        percent: percent(facts),
        steps: steps::steps(facts),
        // What was measured is not among what is known of a machine: whoever has it adds it.
        expected: None,
        addresses: addresses(plan, &machine.wanted.intent),
        origin: format!("{file}:{line}"),
        denials: denials.to_vec(),
    })
}

fn power_order(seen: &OrderSeen) -> Option<PowerOrder> {
    let end = match (&seen.failed, seen.done) {
        (_, Some(_)) => OrderEnd::Done,
        (Some((_, step, error)), None) => OrderEnd::Failed(log::line(&format!("{step}: {error}"))),
        (None, None) => OrderEnd::UnderWay,
    };
    Some(PowerOrder {
        number: seen.number(),
        wanted: seen.power()?,
        by_hand: seen.issued.order.by_hand.is_some(),
        end,
    })
}

/// The last moment for which the BMC's agent has told everything.
fn power_as_of(machine: &MachinePlan, facts: &MachineFacts) -> Option<Timestamp> {
    let agent = facts.agents.get(machine.bmc_agent.as_ref()?)?;
    machine.bmc.as_ref().map(|_| agent.watermark)
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
        Intent::AsIs { binding, .. } => format!("{} as it is", slot(binding)),
        Intent::Orphaned { binding } => format!("orphaned {}", slot(binding)),
        Intent::Released(erase) if erase.disks.is_empty() => {
            format!("released from {}, its disks as they are", slot(&erase.binding))
        }
        Intent::Released(erase) => {
            format!(
                "released from {}, erased ({})",
                slot(&erase.binding),
                erase.method.name()
            )
        }
        Intent::Retired => "retired".to_owned(),
    }
}

fn addresses(plan: &Plan, intent: &Intent) -> Vec<IpAddr> {
    let binding = match intent {
        Intent::Deployed(deploy) => deploy.binding,
        Intent::Orphaned { binding } | Intent::AsIs { binding, .. } => *binding,
        Intent::Observe { .. } | Intent::Ready { .. } | Intent::Released(_) | Intent::Retired => {
            return Vec::new();
        }
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

/// Everything that explains one machine, as text: phase, condition, since when and for how long, evidence,
/// next try, next step, and what was last seen of its power, boot, orders and steps.
pub fn why(
    plan: &Plan,
    id: MachineId,
    facts: &MachineFacts,
    decision: &Decision,
    denials: &[Denial],
) -> String {
    let Some(status) = machine_status(plan, id, facts, decision, denials) else {
        return format!("no machine is called {id}\n");
    };
    let mut lines = vec![format!(
        "{} is {}, wanted {} (generation {}, {})",
        status.name, status.phase, status.wanted, status.generation, status.origin
    )];
    if let Some(Intent::Observe { why, .. }) = plan.machines.get(&id).map(|machine| &machine.wanted.intent) {
        lines.push(format!("  because    {why}"));
    }
    match (&status.wait, &status.proposed) {
        (Some(wait), _) => {
            lines.extend(wait_lines(wait));
            lines.extend(console_line(plan, id, wait.condition));
        }
        (None, Some(proposed)) => lines.push(format!("  about to   {proposed}")),
        (None, None) => lines.push("  waits on   nothing: it is as wanted".to_owned()),
    }
    for Denial { text, end, .. } in denials {
        lines.push(format!("  held       {text}\nto end it: {end}"));
    }
    let notes = plan
        .notes
        .iter()
        .filter(|note| note.object == format!("machine.{}", status.name));
    lines.extend(notes.map(|note| format!("  {}  {}", note.code, note.text)));
    if let Some((power, since)) = status.power {
        let as_of = status
            .power_as_of
            .map_or_else(String::new, |at| format!(", as of {at}"));
        lines.push(format!("  power      {power:?} since {since}{as_of}"));
    }
    if let Some(fault) = &facts.bmc_fault {
        let detail = log::of_the_bmc(&fault.value.1);
        lines.push(format!("  BMC        {detail} since {}", fault.since));
    }
    if let Some(machine) = plan.machines.get(&id) {
        lines.extend(boot_order::lines(machine, facts));
        lines.extend(ownership::lines(machine, facts));
    }
    if let Some(boot) = &facts.boot {
        lines.extend(boot_lines(boot));
    }
    lines.extend(facts.orders.iter().map(order_line));
    lines.extend(facts.starts.last().map(start_line));
    if let Some(job) = &facts.job {
        lines.extend(job.steps.iter().map(step_line));
        lines.push(format!(
            "  job        try {}, last heard {}",
            job.job.attempt, job.last
        ));
    }
    let erased = facts.erased.iter();
    lines.extend(erased.map(|(disk, seen)| {
        let Erasure { method, sample, .. } = &seen.value;
        format!("  erased     {disk} at {}: {method}; {sample}", seen.since)
    }));
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
    let agents = facts.agents.iter();
    lines.extend(agents.map(|(name, agent)| format!("  agent      {name}, last heard {}", agent.heard)));
    lines.iter().map(|entry| indented(entry)).collect()
}

/// What it waits on: the cause, since when, until when, on what evidence, and how it goes on.
fn wait_lines(wait: &Wait) -> Vec<String> {
    let Wait {
        condition,
        since,
        limit,
        evidence,
        next_step,
        retry_at,
    } = wait;
    let mut lines = vec![
        format!("  waits on   {}: {}", condition.code(), condition.row().meaning),
        format!("  since      {since}"),
    ];
    lines.push(match limit {
        // Counted only while those are heard who would tell.
        Some(limit) => format!(
            "  limit      {} s without news, so {} at the earliest",
            limit.as_secs(),
            since.plus(*limit)
        ),
        None => "  limit      none".to_owned(),
    });
    lines.push(format!("  evidence   {evidence}"));
    lines.extend(retry_at.map(|at| format!("  next try   {at}")));
    lines.push(format!("  by itself  {}", condition.row().by_itself));
    lines.push(format!("  next step  {next_step}"));
    lines
}

/// Where only the machine's own console tells more: how to look at it, since nobody else does.
fn console_line(plan: &Plan, id: MachineId, condition: Condition) -> Option<String> {
    use Condition::{Booting, FirstBoot, JobStalled, NoBoot, NotSeenAfterInstall};
    if !matches!(
        condition,
        NoBoot | Booting | JobStalled | FirstBoot | NotSeenAfterInstall
    ) {
        return None;
    }
    let bmc = plan.machines.get(&id).and_then(|machine| machine.bmc.as_ref());
    let how = bmc.map_or("at the machine".to_owned(), |bmc| {
        format!("`ipmitool -I lanplus -H {} -U USER -a sol activate`", bmc.address)
    });
    Some(format!(
        "  console    not read by muster; look {how}; `muster explain` knows the codes that it shows"
    ))
}

/// The last boot from the network, stage by stage. A machine's console is not read: what it shows is in
/// `docs/boot-codes.md`.
fn boot_lines(boot: &Seen<BootEvidence>) -> Vec<String> {
    let seen = &boot.value;
    let mut lines = vec![format!(
        "  last boot  {} on {}, as {:?}, told {}",
        seen.mac, seen.link, seen.client, boot.since
    )];
    let stages = log::stages(seen).into_iter();
    lines.extend(stages.map(|(stage, what)| {
        let what = what.unwrap_or_else(|| "nothing".to_owned());
        format!("    {stage:<8} {what}")
    }));
    lines.push(format!("    agent's clock: {} to {}", seen.began, seen.last));
    lines
}

fn start_line(start: &WriteStart) -> String {
    let answer = match &start.refused {
        None => "yes".to_owned(),
        Some((code, reason)) => format!("no, {code}: {reason}"),
    };
    format!("  may write  {answer} ({})", start.at)
}

fn step_line(step: &StepSeen) -> String {
    format!("  step       {:<12} {}", step.step, state(&step.state))
}

/// A line as it is shown: further lines of its text below its column, and nothing that moves a cursor, since
/// machines and strangers have a say in it.
fn indented(entry: &str) -> String {
    let mut out = String::new();
    for (number, line) in entry.lines().enumerate() {
        if number > 0 {
            out.push_str("             ");
        }
        out.extend(line.chars().filter(|character| !character.is_control()));
        out.push('\n');
    }
    out
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
