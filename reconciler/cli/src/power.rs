//! `muster machine power`: asks musterd to switch one machine, and says what is known of its power.

use crate::arguments::{Power, PowerAction};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::machine::detail;
use crate::say::{say, say_json, tell};
use rack_api::fact::PowerSeen;
use rack_api::order::{OrderRef, PowerWanted};
use reconciler_core::next::PowerWish;
use reconciler_core::people::{self, MachineDetail, PowerAnswer, PowerRequest};
use reconciler_core::status::{MachineStatus, OrderEnd};
use serde_json::json;
use std::thread;
use std::time::Duration;

/// Between two looks: an order takes seconds.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Orders, or tells.
pub(crate) fn run(client: &Client, wish: &Power, json: bool) -> Result<Exit, Failure> {
    let power = match wish.action {
        PowerAction::Status => return status(client, &wish.machine, json),
        PowerAction::On => PowerWish::On,
        PowerAction::Off => PowerWish::Off,
        PowerAction::SoftOff => PowerWish::SoftOff,
        PowerAction::Cycle => PowerWish::Cycle,
    };
    // Asked first, so that a name that is none is told as such, and is no path.
    let name = detail(client, &wish.machine)?.status.name;
    let request = PowerRequest {
        power,
        reason: wish.reason.clone(),
        beyond_budget: wish.beyond_budget,
    };
    let path = format!("{}{name}{}", people::MACHINES, people::POWER);
    let answer: PowerAnswer = client.post(&path, &request)?;
    if !json {
        say(format_args!(
            "{name}: {} (order {} of generation {})",
            answer.cause, answer.order.number, answer.order.generation
        ))?;
    }
    let end = if wish.wait {
        Some(until_ended(client, &wish.machine, answer.order, power)?)
    } else {
        None
    };
    let failed = match &end {
        Some(End::Failed(why)) => Some(why.clone()),
        Some(End::Done) | None => None,
    };
    if json {
        let document = json!({
            "machine": name, "order": answer.order, "cause": answer.cause,
            "done": end.as_ref().map(|_| failed.is_none()), "error": failed,
        });
        say_json(document)?;
    } else if let Some(why) = &failed {
        tell(format_args!("{name}: {why}"));
    } else if end.is_some() {
        say(format_args!("{name}: done"))?;
    } else {
        say(format_args!("See `muster machine power {name} status`."))?;
    }
    Ok(if failed.is_some() {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// How an order ended.
enum End {
    Done,
    Failed(String),
}

/// Waits for the order, and for the second one of a cycle. The agent gives each up by its deadline, so this ends.
fn until_ended(client: &Client, machine: &str, order: OrderRef, power: PowerWish) -> Result<End, Failure> {
    loop {
        let MachineDetail { status, .. } = detail(client, machine)?;
        if (
            status.generation,
            status.power_order.as_ref().map(|order| order.number),
        ) < (order.generation, Some(order.number))
        {
            thread::sleep(LOOK_EVERY);
            continue;
        }
        let Some(newest) = status
            .power_order
            .filter(|_| status.generation == order.generation)
        else {
            return Ok(End::Failed("a commit wants something else of it now".to_owned()));
        };
        let is_ours = newest.number == order.number || (power == PowerWish::Cycle && newest.by_hand);
        if !is_ours {
            return Ok(End::Failed("another order came after this one".to_owned()));
        }
        let is_last = power != PowerWish::Cycle || newest.wanted == PowerWanted::On;
        match newest.end {
            OrderEnd::Done if is_last => return Ok(End::Done),
            OrderEnd::Failed(why) => return Ok(End::Failed(why)),
            OrderEnd::Done | OrderEnd::UnderWay => thread::sleep(LOOK_EVERY),
        }
    }
}

fn status(client: &Client, machine: &str, json: bool) -> Result<Exit, Failure> {
    let MachineDetail { status, .. } = detail(client, machine)?;
    let MachineStatus {
        name,
        power,
        power_as_of,
        bmc_fault,
        wait,
        ..
    } = &status;
    if json {
        say_json(json!({
            "machine": name, "power": power.map(|(power, _)| power), "since": power.map(|(_, since)| since),
            "as-of": power_as_of, "bmc-fault": bmc_fault, "wait": wait,
        }))?;
        return Ok(Exit::Done);
    }
    let word = match power.map(|(power, _)| power) {
        Some(PowerSeen::On) => "on",
        Some(PowerSeen::Off) => "off",
        Some(PowerSeen::Unknown) | None => "not known",
    };
    let since = power.map_or_else(String::new, |(_, since)| format!(" since {since}"));
    let as_of = power_as_of.map_or_else(
        || ", and no rack agent that reads its BMC was heard".to_owned(),
        |at| format!(", as of {at}"),
    );
    say(format_args!("{name}: power {word}{since}{as_of}"))?;
    if let Some((fault, since)) = bmc_fault {
        say(format_args!("{name}: BMC {fault} (since {since})"))?;
    }
    if let Some(wait) = wait {
        say(format_args!(
            "{name}: {} {}",
            wait.condition.code(),
            wait.evidence
        ))?;
    }
    Ok(Exit::Done)
}
