//! `muster stop` and `resume`: everything in a scope, at once.

use crate::arguments::{Resume, Stop};
use crate::client::{ANSWER_MAX, Client};
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json};
use reconciler_core::hold;
use reconciler_core::people::restraints::{END, ResumeAnswer, ResumeRequest, STOPS, StopRequest};
use reconciler_core::refusal::RefusalCode;

/// Where a stop needs neither musterd nor its database.
const ON_THE_HOST: &str = "Nothing is stopped by this. On musterd's host, as root, `musterd stop --reason ...` stops it without \
     its database; on a rack agent's host `muster-rackd stop --reason ...` stops that agent alone.";

/// Stops.
pub(crate) fn stop(client: Result<Client, Failure>, wish: &Stop, json: bool) -> Result<Exit, Failure> {
    let request = StopRequest {
        scope: wish.scope.clone(),
        reason: wish.reason.clone(),
    };
    let stopped: Result<hold::Stop, Failure> = client.and_then(|client| {
        client.answer_within(ANSWER_MAX);
        client.post(STOPS, &request)
    });
    let stop = stopped.map_err(with_the_other_way)?;
    if json {
        let text = serde_json::to_string(&stop).expect("views are plain data and always serialise");
        say_json(text)?;
    } else {
        say(format_args!(
            "{} is stopped: nothing is ordered there, and nothing begins to be written. {} ends it.",
            stop.scope,
            stop.how_to_end()
        ))?;
    }
    Ok(Exit::Done)
}

/// Whoever stops is in a hurry: a way that works is said with the failure.
fn with_the_other_way(failure: Failure) -> Failure {
    match failure {
        Failure::Unreachable { socket, why } => Failure::Unreachable {
            socket,
            why: format!("{why}. {ON_THE_HOST}"),
        },
        Failure::Refused(mut refusal) if refusal.code == RefusalCode::Database.code() => {
            refusal.message = format!("{}. {ON_THE_HOST}", refusal.message);
            Failure::Refused(refusal)
        }
        other => other,
    }
}

/// Ends a stop, or lets a budget go on.
pub(crate) fn resume(client: &Client, wish: &Resume, json: bool) -> Result<Exit, Failure> {
    client.answer_within(ANSWER_MAX);
    let request = ResumeRequest {
        scope: wish.scope.clone(),
        reason: wish.reason.clone(),
        seen: wish.seen,
    };
    let answer: ResumeAnswer = client.post(&format!("{STOPS}{END}"), &request)?;
    if json {
        say_json(serde_json::json!({ "resumed": answer.scope, "left": answer.left }))?;
    } else if answer.left.is_empty() {
        say(format_args!("{} goes on.", answer.scope))?;
    } else {
        let (scope, left) = (&answer.scope, answer.left.join("; "));
        say(format_args!(
            "What you have looked at of {scope} counts no more. This failed since, and does: {left}"
        ))?;
    }
    Ok(Exit::Done)
}
