//! `muster apply`: carry out the branch now, and stay if asked to.
//!
//! With `--json` it is one document on standard output, however it ends; with `--events` a document for each event. The
//! question and the progress go to standard error.

use crate::arguments::Apply;
use crate::client::Client;
use crate::events::Events;
use crate::exit::{Exit, Failure};
use crate::for_ci;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::say::{ask, say, say_json, tell};
use crate::wait::{self, End, Left, Waited};
use reconciler_core::condition::Condition;
use reconciler_core::form::document::document;
use reconciler_core::form::{Detail, Setting, text};
use reconciler_core::people::{
    self, ApplyAnswer, ApplyRequest, PlanAnswer, PlanRequest, Refusal, Revision, Stage,
};
use reconciler_core::plan::{Change, Plan};
use std::cell::OnceCell;
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
    /// Another commit is carried out since.
    Superseded,
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
            Self::Superseded => "superseded",
            Self::Rejected => "rejected",
            Self::Failed(exit) => exit.word(),
        }
    }

    fn exit(self) -> Exit {
        match self {
            Self::Converged | Self::Accepted => Exit::Done,
            Self::Declined | Self::Unapproved => Exit::Destructive,
            Self::Blocked | Self::Held => Exit::Blocked,
            Self::Superseded => Exit::Stale,
            Self::Unseen => Exit::Unreachable,
            Self::NeedsPerson | Self::Rejected => Exit::Failed,
            Self::Failed(exit) => exit,
        }
    }
}

/// What is known of it by its end.
#[derive(Default)]
struct Report {
    plan: Option<Plan>,
    setting: Setting,
    revision: Option<Revision>,
    stopped: Option<Refusal>,
    waited: Option<Waited>,
    /// Whether nobody waited to the end.
    detached: bool,
    /// How far its events were read.
    events: Option<Events>,
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
    if json && wish.events {
        let message = "--events prints documents on lines, --json one in the end: choose one";
        return Err(Failure::Usage(message.to_owned()));
    }
    let mut report = Report::default();
    let asked = Asked {
        wish,
        json,
        interrupt: OnceCell::new(),
    };
    let done = client.and_then(|client| {
        let outcome = carry_out(&client, &asked, &mut report)?;
        finish(&client, &asked, &mut report, outcome)?;
        Ok(outcome)
    });
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

/// What a person asked for, and whether that person listens.
struct Asked<'a> {
    wish: &'a Apply,
    json: bool,
    /// Made when it begins to stay: until then Ctrl-C ends the program.
    interrupt: OnceCell<Interrupt>,
}

impl Asked<'_> {
    /// Whether it stays until the end.
    fn stays(&self) -> bool {
        self.wish.wait || self.wish.events
    }

    /// Hears Ctrl-C from the first time on that this is asked for.
    fn interrupt(&self) -> &Interrupt {
        self.interrupt.get_or_init(Interrupt::listen)
    }

    /// For people: on standard output, unless that is for programs.
    fn say(&self, text: impl std::fmt::Display) -> Result<(), Failure> {
        if self.json || self.wish.events {
            tell(text);
            return Ok(());
        }
        say(text)
    }
}

fn carry_out(client: &Client, asked: &Asked<'_>, report: &mut Report) -> Result<Outcome, Failure> {
    let wish = asked.wish;
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
        asked.say(text::render(plan, &report.setting, Detail::Normal))?;
        if let Some((code, message)) = plan.guards.iter().find_map(|guard| guard.blocked.clone()) {
            report.stopped = Some(Refusal { code, message });
            return Ok(Outcome::Blocked);
        }
        if wish.detach {
            tell("Detached: once it is accepted, work goes on in musterd and nobody waits for it.");
        }
        if !agreed(plan, wish)? {
            return Ok(Outcome::Declined);
        }
    }
    // What was carried out once can be read to its end, also when another commit is carried out since.
    let mut events = Events::of(&plan.id, wish.after.unwrap_or(0), false);
    if wish.plan.is_some() && asked.stays() && events.read(client)?.is_some_and(|page| page.superseded) {
        return stay(client, asked, report);
    }
    let request = ApplyRequest {
        plan: Some(plan.id.clone()),
    };
    let answer: ApplyAnswer = client.post(people::APPLY, &request)?;
    let revision = report.revision.insert(answer.revision);
    if let Some(refusal) = &revision.stopped {
        report.stopped = Some(refusal.clone());
        if !asked.json {
            asked.say(format_args!("{}: {}", refusal.code, refusal.message))?;
        }
        return Ok(stopped(revision.stage, &refusal.code));
    }
    if !asked.stays() {
        if !asked.json {
            say(format_args!(
                "Accepted; work goes on in musterd. See `muster status`, or stay with it: `muster apply {} --wait`.",
                plan.id
            ))?;
        }
        return Ok(Outcome::Accepted);
    }
    stay(client, asked, report)
}

/// Stays until the machines are as wanted, or cannot be without a person, or that person goes.
fn stay(client: &Client, asked: &Asked<'_>, report: &mut Report) -> Result<Outcome, Failure> {
    let id = report.plan.as_ref().map_or("", |plan| plan.id.as_str());
    let mut events = Events::of(id, asked.wish.after.unwrap_or(0), asked.wish.events);
    let progress = match (asked.json, asked.wish.events) {
        (_, true) => None,
        (true, false) => Some(Progress::told()),
        (false, false) => Some(Progress::shown()),
    };
    let left = wait::until_settled(client, &mut events, progress, asked.interrupt())?;
    let last = events.last();
    report.events = Some(events);
    let waited = match left {
        Left::Over(waited) => report.waited.insert(waited),
        Left::Unheard => {
            report.detached = true;
            return Ok(Outcome::Accepted);
        }
        Left::Detached => {
            report.detached = true;
            tell("\nDetached. Work continues; `muster status` shows it.");
            tell(match asked.wish.events {
                true => format!("Go on reading with `muster apply {id} --events --after {last}`."),
                false => format!("Stay with it again with `muster apply {id} --wait`."),
            });
            return Ok(Outcome::Accepted);
        }
    };
    for machine in &waited.waiting {
        let name = &machine.name;
        tell(format_args!("{name} is not as wanted: see `muster why {name}`"));
    }
    Ok(match waited.end {
        End::Converged => {
            if !asked.json {
                asked.say("The machines that it changes are as wanted.")?;
            }
            Outcome::Converged
        }
        End::Held => Outcome::Held,
        End::Unseen => Outcome::Unseen,
        End::NeedsPerson => Outcome::NeedsPerson,
        End::Superseded => {
            tell("Another commit is carried out since; see `muster status`.");
            Outcome::Superseded
        }
    })
}

/// Ends the events, if they were asked for: what is stored by now, and that it is over.
fn finish(client: &Client, asked: &Asked<'_>, report: &mut Report, outcome: Outcome) -> Result<(), Failure> {
    let (Some(plan), true, false) = (&report.plan, asked.stays(), report.detached) else {
        return Ok(());
    };
    if !asked.wish.events {
        return Ok(());
    }
    let after = asked.wish.after.unwrap_or(0);
    let mut events = report
        .events
        .take()
        .unwrap_or_else(|| Events::of(&plan.id, after, true));
    let commit = plan.commit.as_deref().unwrap_or_default();
    events.finish(
        client,
        commit,
        outcome.word(),
        report.waited.as_ref(),
        asked.interrupt(),
    )
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
