//! `muster apply`: carry out the branch now, and watch it if asked to.

use crate::arguments::Apply;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::plan_text;
use crate::status::line;
use reconciler_core::people::{self, ApplyAnswer, ApplyRequest, PlanAnswer, PlanRequest, Stage, Status};
use reconciler_core::phase::Mark;
use reconciler_core::plan::Change;
use schema_ids::Name;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// Between two looks while waiting: progress of a step comes every two seconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks in a row that may fail before waiting ends: the daemon may be restarting.
const FAILED_LOOKS_MAX: u32 = 120;

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

/// Watches until every machine is as wanted (0) or only a person can go on (1). A line for each change.
fn wait(client: &Client, json: bool) -> Result<Exit, Failure> {
    let mut shown: BTreeMap<Name, String> = BTreeMap::new();
    let mut failed = 0;
    loop {
        let status: Status = match client.get(people::STATUS) {
            Ok(status) => status,
            Err(failure) => {
                failed += 1;
                if failed == FAILED_LOOKS_MAX {
                    return Err(failure);
                }
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
        };
        failed = 0;
        for machine in &status.machines {
            let text = line(machine);
            if shown.get(&machine.name) != Some(&text) {
                if json {
                    println!("{}", serde_json::json!({ "at": status.now, "machine": machine }));
                } else {
                    println!("{text}");
                }
                shown.insert(machine.name.clone(), text);
            }
        }
        if status.machines.iter().all(people::converged) {
            if !json {
                println!("All {} machines are as wanted.", status.machines.len());
            }
            return Ok(Exit::Done);
        }
        let stuck = |machine: &reconciler_core::status::MachineStatus| machine.marks.contains(&Mark::Stalled);
        if status
            .machines
            .iter()
            .all(|machine| people::converged(machine) || stuck(machine))
        {
            for machine in status.machines.iter().filter(|machine| stuck(machine)) {
                eprintln!(
                    "{} waits for a person: see `muster why {}`",
                    machine.name, machine.name
                );
            }
            return Ok(Exit::Failed);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
