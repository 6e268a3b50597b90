//! `muster status --stuck`: the machines that need somebody, worst first.

use crate::arguments::Past;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json};
use crate::status;
use reconciler_core::people::{self, Status};
use reconciler_core::stuck::{Stuck, stuck};

/// Shows them; ends with 2 if there are any.
pub(crate) fn run(client: &Client, at: Option<Past>, json: bool) -> Result<Exit, Failure> {
    let status: Status = match at {
        Some(at) => status::was(client, at)?,
        None => client.get(people::STATUS)?,
    };
    let stuck = stuck(&status);
    if json {
        let document =
            serde_json::json!({ "format": "muster.stuck/1.0", "now": status.now, "machines": stuck });
        say_json(format_args!("{document:#}"))?;
    } else if stuck.is_empty() {
        say("Nobody is stuck.")?;
    } else {
        let told: Vec<String> = stuck.iter().map(text).collect();
        say(told.join("\n"))?;
    }
    Ok(match stuck.is_empty() {
        true => Exit::Done,
        false => Exit::Changes,
    })
}

fn text(stuck: &Stuck) -> String {
    let Stuck {
        machine,
        why,
        phase,
        code,
        since,
        evidence,
        next_step,
        retry_at,
        origin,
    } = stuck;
    let retry = retry_at.map_or(String::new(), |at| format!("  next try   {at}\n"));
    format!(
        "{machine}  {phase}  {code}  {}, since {since} ({origin})\n  evidence   {evidence}\n{retry}  next step  {next_step}\n",
        why.words()
    )
}
