//! `muster apply`: carry out the branch now, and stay if asked to.
//!
//! With `--json` it is one document on standard output, however it ends; the question and the progress
//! go to standard error.

use crate::arguments::Apply;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::for_ci;
use crate::say::{ask, say, say_json, tell};
use crate::wait::{self, End, Waited};
use reconciler_core::condition::Condition;
use reconciler_core::form::document::document;
use reconciler_core::form::{Detail, Setting, text};
use reconciler_core::people::{
    self, ApplyAnswer, ApplyRequest, PlanAnswer, PlanRequest, Refusal, Revision, Stage,
};
use reconciler_core::plan::{Change, Plan};
use std::io::{self, IsTerminal as _};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The machines that it changes are as wanted.
    Converged,
    /// It is carried out; nobody waited for its end.
    Accepted,
    /// The person who was asked did not agree.
    Declined,
    /// It erases what nobody was shown and nobody approved.
    Unapproved,
    /// A guard says no.
    Blocked,
    /// It is carried out, and machines are held.
    Held,
    /// It is carried out, and no rack agent sees what becomes of it.
    Unseen,
    /// It is carried out, and machines need a person.
    NeedsPerson,
    /// The revision has errors.
    Rejected,
    /// It could not be asked for, and ended so.
    Failed(Exit),
}

impl Outcome {
    /// As documents say it.
    fn word(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Unapproved => "unapproved",
            Self::Blocked => "blocked",
            Self::Held => "held",
            Self::Unseen => "unseen",
            Self::NeedsPerson => "needs-person",
            Self::Rejected => "rejected",
            Self::Failed(exit) => exit.word(),
        }
    }

    fn exit(self) -> Exit {
        match self {
            Self::Converged | Self::Accepted => Exit::Done,
            Self::Declined | Self::Unapproved => Exit::Destructive,
            Self::Blocked | Self::Held => Exit::Blocked,
            Self::Unseen => Exit::Unreachable,
            Self::NeedsPerson | Self::Rejected => Exit::Failed,
            Self::Failed(exit) => exit,
        }
    }
}

/// What is known of it by its end.
#[derive(Debug, Default)]
struct Report {
    plan: Option<Plan>,
    setting: Setting,
    revision: Option<Revision>,
    stopped: Option<Refusal>,
    waited: Option<Waited>,
}

impl Report {
    /// As the document `muster.apply/1.0`.
    fn document(&self, outcome: Outcome) -> serde_json::Value {
        let waited = self.waited.as_ref();
        serde_json::json!({
            "format": "muster.apply/1.0",
            "outcome": outcome.word(),
            "plan": self.plan.as_ref().map(|plan| document(plan, &self.setting)),
            "commit": self.revision.as_ref().map(|revision| &revision.commit),
            "stage": self.revision.as_ref().map(|revision| revision.stage),
            "stopped": self.stopped,
            "waiting": waited.map_or(&[][..], |waited| &waited.waiting),
            "others": waited.map_or(&[][..], |waited| &waited.others),
        })
    }
}

/// Applies.
pub(crate) fn run(client: Result<Client, Failure>, wish: &Apply, json: bool) -> Result<Exit, Failure> {
    let mut report = Report::default();
    let done = client.and_then(|client| carry_out(&client, wish, json, &mut report));
    let outcome = match &done {
        Ok(outcome) => *outcome,
        Err(failure) => {
            report.stopped = Some(Refusal {
                code: failure.code().to_owned(),
                message: failure.to_string(),
            });
            Outcome::Failed(failure.exit())
        }
    };
    for_ci::write(&wish.ci, outcome.word(), report.plan.as_ref())?;
    if json {
        say_json(format_args!("{:#}", report.document(outcome)))?;
        return Ok(outcome.exit());
    }
    done.map(Outcome::exit)
}

fn carry_out(client: &Client, wish: &Apply, json: bool, report: &mut Report) -> Result<Outcome, Failure> {
    let (plan, setting) = match &wish.plan {
        Some(id) => (client.get(&format!("{}{id}", people::PLANS))?, Setting::default()),
        None => {
            let answer: PlanAnswer = client.post(people::PLAN, &PlanRequest::default())?;
            (answer.plan, answer.setting)
        }
    };
    report.setting = setting;
    let plan: &Plan = report.plan.insert(plan);
    for_ci::fresh(client, &wish.ci, plan)?;
    if wish.plan.is_none() {
        let text = text::render(plan, &report.setting, Detail::Normal);
        if json {
            tell(text);
        } else {
            say(text)?;
        }
        if let Some((code, message)) = plan.guards.iter().find_map(|guard| guard.blocked.clone()) {
            report.stopped = Some(Refusal { code, message });
            return Ok(Outcome::Blocked);
        }
        if !agreed(plan, wish)? {
            return Ok(Outcome::Declined);
        }
    }
    let request = ApplyRequest {
        plan: Some(plan.id.clone()),
    };
    let answer: ApplyAnswer = client.post(people::APPLY, &request)?;
    let revision = report.revision.insert(answer.revision);
    if let Some(refusal) = &revision.stopped {
        report.stopped = Some(refusal.clone());
        if !json {
            say(format_args!("{}: {}", refusal.code, refusal.message))?;
        }
        return Ok(stopped(revision.stage, &refusal.code));
    }
    if !wish.wait {
        if !json {
            say("Accepted; work goes on in musterd. See `muster status`.")?;
        }
        return Ok(Outcome::Accepted);
    }
    let waited = wait::until_settled(client, &revision.commit, json)?;
    let Some(waited) = waited else {
        return Ok(Outcome::Accepted);
    };
    let waited = report.waited.insert(waited);
    for machine in &waited.waiting {
        let name = &machine.name;
        tell(format_args!("{name} is not as wanted: see `muster why {name}`"));
    }
    Ok(match waited.end {
        End::Converged => {
            if !json {
                say("The machines that it changes are as wanted.")?;
            }
            Outcome::Converged
        }
        End::Held => Outcome::Held,
        End::Unseen => Outcome::Unseen,
        End::NeedsPerson => Outcome::NeedsPerson,
    })
}

/// What a revision that goes no further stands for.
fn stopped(stage: Stage, code: &str) -> Outcome {
    if stage < Stage::Planned {
        Outcome::Rejected
    } else if [Condition::PlanChangedSinceShown, Condition::ApprovalsMissing]
        .iter()
        .any(|one| one.code() == code)
    {
        Outcome::Unapproved
    } else {
        Outcome::Blocked
    }
}

/// Whether the person agrees; asks, if need be.
fn agreed(plan: &Plan, wish: &Apply) -> Result<bool, Failure> {
    let destructive = plan.changes.iter().any(Change::destructive);
    if wish.yes && destructive {
        let message = format!(
            "--yes is not for plans that erase something: run `muster apply {}`",
            plan.id
        );
        return Err(Failure::Usage(message));
    }
    if wish.yes || plan.changes.is_empty() {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        let message = format!("nobody is there to ask: run `muster apply {}`", plan.id);
        return Err(Failure::Usage(message));
    }
    ask("\nCarry it out? Type yes: ");
    let mut reply = String::new();
    Ok(io::stdin().read_line(&mut reply).is_ok() && reply.trim() == "yes")
}
