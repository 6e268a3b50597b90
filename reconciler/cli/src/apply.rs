//! `muster apply`: carry out the branch now, and watch it if asked to.

use crate::arguments::Apply;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::plan_text;
use crate::watch;
use reconciler_core::people::{self, ApplyAnswer, ApplyRequest, PlanAnswer, PlanRequest, Stage};
use reconciler_core::phase::Mark;
use reconciler_core::plan::Change;
use std::io::{IsTerminal as _, Write as _};

/// Applies.
pub(crate) fn run(client: &Client, wish: &Apply, json: bool) -> Result<Exit, Failure> {
    let plan = match &wish.plan {
        Some(plan) => plan.clone(),
        None => {
            let answer: PlanAnswer = client.post(people::PLAN, &PlanRequest::default())?;
            if !json {
                print!("{}", plan_text::render(&answer.plan));
            }
            if let Some(exit) = agreed(&answer, wish)? {
                return Ok(exit);
            }
            answer.plan.id
        }
    };
    let answer: ApplyAnswer = client.post(people::APPLY, &ApplyRequest { plan: Some(plan) })?;
    if let Some(refusal) = answer.revision.stopped {
        let exit = if answer.revision.stage < Stage::Planned {
            Exit::Failed
        } else if refusal.code == "PLAN_CHANGED_SINCE_SHOWN" {
            Exit::Destructive
        } else {
            Exit::Blocked
        };
        report(
            json,
            &serde_json::json!({ "stopped": &refusal }),
            &format!("{}: {}", refusal.code, refusal.message),
        );
        return Ok(exit);
    }
    if wish.wait {
        return wait(client, json);
    }
    let text = "Accepted; work goes on in musterd. See `muster status`.";
    report(
        json,
        &serde_json::json!({ "accepted": answer.revision.commit }),
        text,
    );
    Ok(Exit::Done)
}

fn report(json: bool, document: &serde_json::Value, text: &str) {
    if json {
        println!("{document}")
    } else {
        println!("{text}")
    }
}

/// Asks the person, if need be; an exit code if they do not agree.
fn agreed(answer: &PlanAnswer, wish: &Apply) -> Result<Option<Exit>, Failure> {
    if !answer.plan.applicable() {
        return Ok(Some(Exit::Blocked));
    }
    let destructive = answer.plan.changes.iter().any(Change::destructive);
    if wish.yes && destructive {
        let message = format!(
            "--yes is not for plans that erase something: run `muster apply {}`",
            answer.plan.id
        );
        return Err(Failure::Usage(message));
    }
    if wish.yes || answer.plan.changes.is_empty() {
        return Ok(None);
    }
    if !std::io::stdin().is_terminal() {
        let message = format!("nobody is there to ask: run `muster apply {}`", answer.plan.id);
        return Err(Failure::Usage(message));
    }
    print!("\nCarry it out? Type yes: ");
    let mut reply = String::new();
    let read = std::io::stdout()
        .flush()
        .and_then(|()| std::io::stdin().read_line(&mut reply));
    let agreed = read.is_ok() && reply.trim() == "yes";
    Ok((!agreed).then_some(Exit::Destructive))
}

/// Watches until every machine is as wanted (0) or only a person can go on (1).
fn wait(client: &Client, json: bool) -> Result<Exit, Failure> {
    watch::until(client, json, |status| {
        let waiting: Vec<_> = status
            .machines
            .iter()
            .filter(|machine| !people::converged(machine))
            .collect();
        if waiting.is_empty() {
            if !json {
                println!("All {} machines are as wanted.", status.machines.len());
            }
            return Some(Exit::Done);
        }
        if !waiting
            .iter()
            .all(|machine| machine.marks.contains(&Mark::Stalled))
        {
            return None;
        }
        for machine in waiting {
            eprintln!(
                "{} waits for a person: see `muster why {}`",
                machine.name, machine.name
            );
        }
        Some(Exit::Failed)
    })
}
