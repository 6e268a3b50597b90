//! `muster plan` and `muster approve`.

use crate::arguments::Plan as Wish;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::plan_text;
use reconciler_core::people::{self, ApproveRequest, PlanAnswer, PlanRequest};
use reconciler_core::plan::{Change, Plan};

/// Asks for a plan and shows it.
pub(crate) fn run(client: &Client, wish: &Wish, json: bool) -> Result<Exit, Failure> {
    let answer: PlanAnswer = client.post(
        people::PLAN,
        &PlanRequest {
            head: wish.head.clone(),
        },
    )?;
    if json {
        println!("{}", document(&answer.plan));
    } else {
        eprint!("{}", answer.warnings);
        print!("{}", plan_text::render(&answer.plan));
    }
    Ok(exit(&answer.plan, wish.exit_code))
}

/// The exit code that a plan stands for.
pub(crate) fn exit(plan: &Plan, by_changes: bool) -> Exit {
    if !plan.applicable() {
        Exit::Blocked
    } else if !by_changes {
        Exit::Done
    } else if plan.changes.iter().any(Change::destructive) {
        Exit::Destructive
    } else if plan.changes.is_empty() {
        Exit::Done
    } else {
        Exit::Changes
    }
}

/// The plan as the document `muster.plan/1.0`: the plan itself and what is read off it.
pub(crate) fn document(plan: &Plan) -> String {
    let outcome = match exit(plan, true) {
        Exit::Blocked => "blocked",
        Exit::Destructive => "destructive",
        Exit::Changes => "changes",
        Exit::Done | Exit::Failed | Exit::Stale | Exit::Unreachable | Exit::Usage => "none",
    };
    let document = serde_json::json!({
        "format": "muster.plan/1.0",
        "outcome": outcome,
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
        println!("{}", serde_json::json!({ "approved": wipe_set, "plan": plan }));
    } else {
        println!("{wipe_set} of {plan} is approved.");
    }
    Ok(Exit::Done)
}
