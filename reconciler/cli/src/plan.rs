//! `muster plan` and `muster approve`.

use crate::arguments::Plan as Wish;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::for_ci;
use crate::plan_text;
use crate::say::{say, say_json, tell};
use reconciler_core::people::{self, ApproveRequest, PlanAnswer, PlanRequest};
use reconciler_core::plan::{Change, Plan};

/// Asks for a plan and shows it.
pub(crate) fn run(client: Result<Client, Failure>, wish: &Wish, json: bool) -> Result<Exit, Failure> {
    let made = client.and_then(|client| make(&client, wish));
    let (outcome, plan) = match &made {
        Ok(answer) => (outcome(&answer.plan), Some(&answer.plan)),
        Err(failure) => (failure.exit().word(), None),
    };
    for_ci::write(&wish.ci, outcome, plan)?;
    let answer = made?;
    if json {
        say_json(document(&answer.plan))?;
    } else {
        tell(&answer.warnings);
        say(plan_text::render(&answer.plan))?;
    }
    Ok(exit(&answer.plan, wish.exit_code))
}

fn make(client: &Client, wish: &Wish) -> Result<PlanAnswer, Failure> {
    let head = wish.head.clone();
    let answer: PlanAnswer = client.post(people::PLAN, &PlanRequest { head })?;
    for_ci::fresh(client, &wish.ci, &answer.plan)?;
    Ok(answer)
}

/// The exit code that a plan stands for.
pub(crate) fn exit(plan: &Plan, by_changes: bool) -> Exit {
    if !plan.applicable() {
        Exit::Blocked
    } else if !by_changes {
        Exit::Done
    } else if plan.changes.iter().any(Change::destructive) {
        Exit::Destructive
    } else if plan.changes.iter().all(Change::is_label) {
        Exit::Done
    } else {
        Exit::Changes
    }
}

/// What a plan comes to, in a word.
fn outcome(plan: &Plan) -> &'static str {
    match exit(plan, true) {
        Exit::Blocked => "blocked",
        Exit::Destructive => "destructive",
        Exit::Changes => "changes",
        Exit::Done | Exit::Failed | Exit::Stale | Exit::Unreachable | Exit::Usage => "none",
    }
}

/// The plan as the document `muster.plan/1.0`: the plan itself and what is read off it.
pub(crate) fn document(plan: &Plan) -> String {
    let document = serde_json::json!({
        "format": "muster.plan/1.0",
        "outcome": outcome(plan),
        "applicable": plan.applicable(),
        "plan": plan,
    });
    format!("{document:#}")
}

/// Agrees to what a plan erases.
pub(crate) fn approve(client: &Client, plan: &str, wipe_set: &str, json: bool) -> Result<Exit, Failure> {
    let request = ApproveRequest {
        plan: plan.to_owned(),
        wipe_set: wipe_set.to_owned(),
    };
    let _: serde_json::Value = client.post(people::APPROVE, &request)?;
    if json {
        say_json(serde_json::json!({ "approved": wipe_set, "plan": plan }))?;
    } else {
        say(format_args!("{wipe_set} of {plan} is approved."))?;
    }
    Ok(Exit::Done)
}
