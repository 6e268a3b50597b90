//! `muster hold`: what is left alone for now. Made and ended at run time by musterd, or printed as fleet lines, so that
//! a commit declares it.

mod lines;
mod until;

pub(crate) use until::Until;

use crate::arguments::{HoldAdd, HoldCommand, HoldLs, HoldRm};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json};
use comfy_table::{ContentArrangement, Table, presets};
use reconciler_core::hold::{Hold, HoldTold};
use reconciler_core::people::restraints::{END, EndRequest, HOLDS, HoldRequest, HoldsAnswer};
use schema_ids::Timestamp;

/// Does what is asked; `online` connects where musterd is needed.
pub(crate) fn run(
    online: impl Fn() -> Result<Client, Failure>,
    wish: &HoldCommand,
    json: bool,
) -> Result<Exit, Failure> {
    match wish {
        HoldCommand::Add(wish) if wish.as_patch => lines::of_wish(wish, json),
        HoldCommand::Add(wish) => add(&online()?, wish, json),
        HoldCommand::Rm(wish) => rm(&online()?, wish, json),
        HoldCommand::Ls(wish) => ls(&online()?, wish, json),
    }
}

fn add(client: &Client, wish: &HoldAdd, json: bool) -> Result<Exit, Failure> {
    let answer: HoldsAnswer = client.get(HOLDS)?;
    let request = HoldRequest {
        targets: wish.targets.clone(),
        effect: wish.effect,
        until: wish.until.at(answer.now),
        reason: wish.reason.clone(),
        ticket: wish.ticket.clone(),
    };
    let hold: Hold = client.post(HOLDS, &request)?;
    if json {
        let text = serde_json::to_string(&hold).expect("views are plain data and always serialise");
        say_json(text)?;
        return Ok(Exit::Done);
    }
    let until = hold
        .until
        .map_or_else(String::new, |until| format!(" until {until}"));
    say(format_args!(
        "{}: {} on {}{until}. `muster hold rm {}` ends it.",
        hold.id,
        hold.effect,
        hold.targets_text(),
        hold.id
    ))?;
    Ok(Exit::Done)
}

fn rm(client: &Client, wish: &HoldRm, json: bool) -> Result<Exit, Failure> {
    let path = format!("{HOLDS}/{}{END}", wish.id);
    let reason = wish.reason.clone();
    let _ended: serde_json::Value = client.post(&path, &EndRequest { reason })?;
    if json {
        say_json(serde_json::json!({ "ended": wish.id }))?;
    } else {
        say(format_args!("{} is ended.", wish.id))?;
    }
    Ok(Exit::Done)
}

fn ls(client: &Client, wish: &HoldLs, json: bool) -> Result<Exit, Failure> {
    let mut answer: HoldsAnswer = client.get(HOLDS)?;
    if let Some(expiring) = wish.expiring {
        let soon = answer.now.plus(expiring.0);
        answer
            .holds
            .retain(|told| told.hold.until.is_some_and(|until| until <= soon));
    }
    if wish.as_patch {
        return lines::of_holds(&answer.holds, &wish.folder, json);
    }
    if json {
        let text = serde_json::to_string_pretty(&answer).expect("views are plain data and always serialise");
        say_json(text)?;
    } else {
        say(render(&answer.holds, answer.now))?;
    }
    Ok(Exit::Done)
}

/// Holds as text: a line each, and one more where its time is over or someone asks why.
pub(crate) fn render(holds: &[HoldTold], now: Timestamp) -> String {
    if holds.is_empty() {
        return "nothing is held\n".to_owned();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["HOLD", "EFFECT", "WHOM", "UNTIL", "BY", "REASON"]);
    for told in holds {
        let hold = &told.hold;
        let ticket = hold.ticket.as_ref();
        let ticket = ticket.map_or_else(String::new, |ticket| format!(" ({ticket})"));
        table.add_row([
            hold.id.clone(),
            hold.effect.to_string(),
            format!("{} ({} machines)", hold.targets_text(), told.machines),
            until(told, now),
            hold.by.clone(),
            format!("{}{ticket}", hold.reason),
        ]);
    }
    format!("{table}\n")
}

/// When its time is over; and if it is, what comes of it.
fn until(told: &HoldTold, now: Timestamp) -> String {
    let Some(until) = told.hold.until else {
        return "it is taken away".to_owned();
    };
    if !told.expired {
        let minutes = until.since(now).as_secs() / 60;
        return format!("{until} (in {} h {:02} min)", minutes / 60, minutes % 60);
    }
    let kept: Vec<&str> = told.kept.iter().map(|name| name.as_str()).collect();
    match kept[..] {
        [] => format!("{until}: EXPIRED, keeps nothing"),
        _ => format!(
            "{until}: EXPIRED, still keeps {}, off or out of sight since before",
            kept.join(" ")
        ),
    }
}
