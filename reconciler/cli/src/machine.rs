//! `muster show`, `why`, `machine discovered`, `machine fenced` and `recover`.

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::plan;
use crate::say::{say, say_json};
use crate::status::line;
use comfy_table::{ContentArrangement, Table, presets};
use reconciler_core::form::{Detail, Setting, text};
use reconciler_core::gpu;
use reconciler_core::people::{
    self, DiscoveredMachine, FencedAnswer, FencedRequest, MachineDetail, RecoverAnswer, Refusal,
};
use reconciler_core::plan::Plan;
use reconciler_core::plan::against::Against;
use reconciler_core::plan::reach::DeploymentDetail;
use reconciler_core::refusal::RefusalCode;
use reconciler_core::status;
use serde::Serialize;

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("views are plain data and always serialise")
}

/// A machine, a deployment or a plan in full.
pub(crate) fn show(client: &Client, name: &str, json: bool) -> Result<Exit, Failure> {
    if name.starts_with("p-") {
        let shown: Plan = client.get(&format!("{}{name}", people::PLANS))?;
        let setting = Setting {
            // Told beside the plan; where nobody can tell, the plan is shown all the same.
            standing: client
                .get(&format!("{}{name}{}", people::PLANS, people::STANDING))
                .unwrap_or_default(),
            ..Setting::default()
        };
        if json {
            say_json(plan::json_text(&shown, &setting))?;
        } else {
            say(text::render(&shown, &setting, Detail::Full))?;
        }
        return Ok(Exit::Done);
    }
    let machine = match named(client, name)? {
        Named::Machine(machine) => machine,
        Named::Deployment(detail) => return tell_deployment(&detail, json),
    };
    let detail = detail(client, &machine)?;
    if json {
        say_json(pretty(&detail))?;
        return Ok(Exit::Done);
    }
    say(format_args!("{}\n\n", line(&detail.status)))?;
    say(format_args!("{}", detail.why.trim_end()))?;
    if let Some(inventory) = &detail.inventory {
        say(format_args!("\nHARDWARE"))?;
        say(format_args!(
            "    {} {}  serial {}",
            inventory.vendor,
            inventory.product,
            inventory.serial.as_deref().unwrap_or("-")
        ))?;
        say(format_args!(
            "    {} cores  {}  {} MiB",
            inventory.cpu.cores,
            inventory.cpu.model,
            inventory.memory_bytes >> 20
        ))?;
        for disk in &inventory.disks {
            let id = disk
                .id
                .as_ref()
                .map_or("no identity".to_owned(), ToString::to_string);
            let holds = if disk.holds.is_empty() {
                "blank"
            } else {
                &disk.holds
            };
            say(format_args!(
                "    disk  {:<10} {:>8} MiB  {id}  {holds}",
                disk.path,
                disk.size_bytes >> 20
            ))?;
        }
        let gpus = inventory
            .pci
            .iter()
            .flatten()
            .filter(|devices| devices.are_gpus());
        for gpus in gpus {
            say(format_args!("    gpu   {} x {}", gpus.count, gpu::words(gpus)))?;
        }
        for nic in &inventory.nics {
            say(format_args!(
                "    nic   {:<10} {}  {}",
                nic.name,
                nic.mac,
                if nic.link { "link" } else { "no link" }
            ))?;
        }
    }
    Ok(Exit::Done)
}

pub(crate) fn detail(client: &Client, name: &str) -> Result<MachineDetail, Failure> {
    let name = name.strip_prefix("machine.").unwrap_or(name);
    if name.is_empty() || name.contains(['/', '?', '#', '%']) {
        return Err(Failure::Usage(format!("{name:?} is no machine's name")));
    }
    client.get(&format!("{}{name}", people::MACHINES))
}

/// Why a machine is where it is, or a deployment lacks machines.
pub(crate) fn why(client: &Client, name: &str, json: bool) -> Result<Exit, Failure> {
    let machine = match named(client, name)? {
        Named::Machine(machine) => machine,
        Named::Deployment(detail) => return tell_deployment(&detail, json),
    };
    let detail = detail(client, &machine)?;
    if json {
        say_json(pretty(&detail.status))?;
    } else {
        say(format_args!("{}", detail.why.trim_end()))?;
    }
    Ok(Exit::Done)
}

/// Why a machine has a slot of a deployment, or not.
pub(crate) fn against(client: &Client, name: &str, deployment: &str, json: bool) -> Result<Exit, Failure> {
    let is_name = |name: &str| !name.is_empty() && !name.contains(['/', '?', '#', '%']);
    let wanted = deployment
        .strip_prefix("deployment.")
        .filter(|wanted| is_name(wanted));
    let Some(wanted) = wanted else {
        let message = format!("{deployment:?} is no deployment: write deployment.NAME");
        return Err(Failure::Usage(message));
    };
    let name = name.strip_prefix("machine.").unwrap_or(name);
    if !is_name(name) {
        return Err(Failure::Usage(format!("{name:?} is no machine's name")));
    }
    let told: Against = client.get(&format!("{}{name}{}{wanted}", people::MACHINES, people::AGAINST))?;
    if json {
        say_json(pretty(&told))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["", "ASKED", "WANTED", "FOUND"]);
    let first = told.rows.iter().position(|row| !row.met);
    for (place, row) in told.rows.iter().enumerate() {
        let mark = match (row.met, Some(place) == first) {
            (true, _) => "ok",
            (false, true) => "NO",
            (false, false) => "no",
        };
        let found = row.found.as_deref().unwrap_or("not inspected yet");
        table.add_row([mark, row.what.as_str(), row.wanted.as_str(), found]);
    }
    say(format_args!(
        "machine.{} against deployment.{}: {}\n\n{table}",
        told.machine, told.deployment, told.verdict
    ))?;
    Ok(Exit::Done)
}

/// What an object's name, as plans write it, stands for.
enum Named {
    /// A machine, by itself or by its slot.
    Machine(String),
    /// A deployment.
    Deployment(Box<DeploymentDetail>),
}

/// Reads `node-01`, `machine.node-01`, `deployment.web` and `deployment.web[1]`.
fn named(client: &Client, name: &str) -> Result<Named, Failure> {
    let Some(deployment) = name.strip_prefix("deployment.") else {
        return Ok(Named::Machine(name.to_owned()));
    };
    let (deployment, slot) = match deployment.strip_suffix(']').and_then(|name| name.split_once('[')) {
        None => (deployment, None),
        Some((deployment, slot)) => (deployment, slot.parse::<u32>().ok()),
    };
    if deployment.is_empty() || deployment.contains(['/', '?', '#', '%', '[', ']']) {
        let message =
            format!("{name:?} names no deployment: write deployment.NAME, or deployment.NAME[SLOT]");
        return Err(Failure::Usage(message));
    }
    let detail: DeploymentDetail = client.get(&format!("{}{deployment}", people::DEPLOYMENTS))?;
    let Some(slot) = slot else {
        return Ok(Named::Deployment(Box::new(detail)));
    };
    match detail.slots.get(&slot) {
        Some(machine) => Ok(Named::Machine(machine.to_string())),
        None => Err(Failure::Refused(Refusal {
            code: RefusalCode::NotFound.code().to_owned(),
            message: format!(
                "no machine has {deployment}[{slot}]; `muster why deployment.{deployment}` says which slots are filled"
            ),
        })),
    }
}

fn tell_deployment(detail: &DeploymentDetail, json: bool) -> Result<Exit, Failure> {
    if json {
        say_json(pretty(detail))?;
    } else {
        say(format_args!("{}", status::why_deployment(detail).trim_end()))?;
    }
    Ok(Exit::Done)
}

/// Machines that no file declares.
pub(crate) fn discovered(client: &Client, patch: bool, json: bool) -> Result<Exit, Failure> {
    let found: Vec<DiscoveredMachine> = client.get(people::DISCOVERED)?;
    if json {
        say_json(pretty(&found))?;
    } else if patch {
        for machine in &found {
            say(format_args!("{}\n", machine.toml))?;
        }
    } else if found.is_empty() {
        say(format_args!("No machine asked to boot that no file declares."))?;
    } else {
        for machine in &found {
            let inventory = &machine.discovered.inventory;
            let serial = inventory.serial.as_deref().unwrap_or("-");
            say(format_args!(
                "{}  {}  {} {}  serial {serial}  {} disks  seen {}",
                machine.mac,
                machine.discovered.link,
                inventory.vendor,
                inventory.product,
                inventory.disks.len(),
                machine.discovered.seen
            ))?;
        }
        say(format_args!(
            "\nDeclare them with the lines of `muster machine discovered --patch`."
        ))?;
    }
    Ok(Exit::Done)
}

/// Vouches for a machine that is gone.
pub(crate) fn fenced(client: &Client, machine: &str, reason: &str, json: bool) -> Result<Exit, Failure> {
    // Asked first, so that a name that is none is told as such, and is no path.
    let name = detail(client, machine)?.status.name;
    let request = FencedRequest {
        reason: reason.to_owned(),
    };
    let path = format!("{}{name}{}", people::MACHINES, people::FENCED);
    let answer: FencedAnswer = client.post(&path, &request)?;
    if json {
        say_json(pretty(&answer))?;
    } else {
        say(format_args!(
            "{name}: its slot, name and addresses are free for others"
        ))?;
    }
    Ok(Exit::Done)
}

/// Raises the incarnation.
pub(crate) fn recover(client: &Client, json: bool) -> Result<Exit, Failure> {
    let answer: RecoverAnswer = client.post(people::RECOVER, &serde_json::json!({}))?;
    if json {
        say_json(pretty(&answer))?;
    } else {
        say(format_args!(
            "Incarnation {} begins; orders are sent again.",
            answer.incarnation.number
        ))?;
    }
    Ok(Exit::Done)
}
