//! `muster plan`, `muster approve` and `muster override`.

use crate::arguments::{Plan as Wish, PlanDetail, PlanFormat};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::for_ci;
use crate::offline;
use crate::say::{say, say_json, tell};
use reconciler_core::form::document::{Outcome, document};
use reconciler_core::form::{Detail, Setting, markdown, text};
use reconciler_core::people::{
    self, ApproveAnswer, ApproveRequest, OverrideAnswer, OverrideRequest, PlanAnswer, PlanRequest,
    WithdrawAnswer, WithdrawRequest,
};
use reconciler_core::plan::Plan;
use std::collections::BTreeSet;
use std::path::Path;

/// Asks for a plan and shows it; a comment that was asked for is written also if there is no plan.
pub(crate) fn run(
    online: impl FnOnce() -> Result<Client, Failure>,
    wish: &Wish,
    json: bool,
) -> Result<Exit, Failure> {
    let done = show(online, wish, json);
    if let (Err(why), Some(path), PlanFormat::Md, false) = (&done, &wish.out, wish.format, json) {
        let commit = match &wish.offline {
            Some(_) => offline::head(wish),
            None => wish.head.clone(),
        };
        // If the file cannot be written, that is why there is no plan.
        drop(write(
            path,
            &markdown::no_plan(commit.as_deref(), &why.to_string()),
        ));
    }
    done
}

fn show(online: impl FnOnce() -> Result<Client, Failure>, wish: &Wish, json: bool) -> Result<Exit, Failure> {
    if let (Some(only), true) = (&wish.only, wish.expect_empty) {
        return Err(Failure::Usage(format!(
            "--expect-empty is about the whole fleet, and --only {only} shows a part of it, which may be empty while the rest \
             is not. Leave one of them out"
        )));
    }
    let made = match &wish.offline {
        Some(snapshot) => offline::make(wish, snapshot),
        None => online().and_then(|client| make(&client, wish)),
    };
    let (outcome, plan) = match &made {
        Ok(answer) => (Outcome::of(&answer.plan).word(), Some(&answer.plan)),
        Err(failure) => (failure.exit().word(), None),
    };
    for_ci::write(&wish.ci, outcome, plan)?;
    let answer = made?;
    let (plan, setting) = (&answer.plan, &answer.setting);
    if let Some(path) = &wish.json_out {
        write(path, &json_text(plan, setting))?;
    }
    let format = if json { PlanFormat::Json } else { wish.format };
    let shown = match format {
        PlanFormat::Json => json_text(plan, setting),
        PlanFormat::Md => {
            let shown = markdown::render(plan, setting);
            shown.map_err(|too_much| Failure::Other(too_much.to_string()))?
        }
        PlanFormat::Text => {
            tell(&answer.warnings);
            if let Some(old) = &wish.replace {
                tell(replaced(old, &answer));
            }
            text::render(plan, setting, wish.detail.into())
        }
    };
    match &wish.out {
        Some(path) => write(path, &shown)?,
        None if format == PlanFormat::Json => say_json(shown)?,
        None => say(shown)?,
    }
    Ok(exit(plan, wish.exit_code || wish.expect_empty))
}

fn make(client: &Client, wish: &Wish) -> Result<PlanAnswer, Failure> {
    let request = PlanRequest {
        head: wish.head.clone(),
        base: wish.base.clone(),
        only: wish.only.clone(),
        replace: wish.replace.clone(),
    };
    let answer: PlanAnswer = client.post(people::PLAN, &request)?;
    for_ci::fresh(client, &wish.ci, &answer.plan)?;
    Ok(answer)
}

/// What made a plan stale, for the person who replaces it.
fn replaced(old: &str, answer: &PlanAnswer) -> String {
    if answer.plan.id == old {
        return format!("Plan {old} is not stale: this is it.");
    }
    let mut text = format!("Plan {old} is replaced by {}.", answer.plan.id);
    for line in &answer.stale {
        text.push_str("\n    ");
        text.push_str(line);
    }
    text
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut text = text.to_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    std::fs::write(path, text).map_err(|source| Failure::File {
        what: "write",
        path: path.to_owned(),
        source,
    })
}

impl From<PlanDetail> for Detail {
    fn from(detail: PlanDetail) -> Self {
        match detail {
            PlanDetail::Summary => Self::Summary,
            PlanDetail::Normal => Self::Normal,
            PlanDetail::Full => Self::Full,
        }
    }
}

/// The exit code that a plan stands for.
pub(crate) fn exit(plan: &Plan, by_changes: bool) -> Exit {
    match Outcome::of(plan) {
        Outcome::Blocked => Exit::Blocked,
        _ if !by_changes => Exit::Done,
        Outcome::Destructive => Exit::Destructive,
        Outcome::Changes => Exit::Changes,
        Outcome::None => Exit::Done,
    }
}

/// The plan as the document `muster.plan/1.0`.
pub(crate) fn json_text(plan: &Plan, setting: &Setting) -> String {
    let document = document(plan, setting);
    serde_json::to_string_pretty(&document).expect("a document is plain data and always serialises")
}

/// Agrees to what a plan erases.
pub(crate) fn approve(client: &Client, plan: &str, wipe_set: &str, json: bool) -> Result<Exit, Failure> {
    let request = ApproveRequest {
        plan: plan.to_owned(),
        wipe_set: wipe_set.to_owned(),
    };
    let answer: ApproveAnswer = client.post(people::APPROVE, &request)?;
    if json {
        let mut said = serde_json::to_value(&answer).expect("an answer is plain data and always serialises");
        said["approved"] = wipe_set.into();
        said["plan"] = plan.into();
        say_json(said)?;
    } else {
        say(approved(plan, wipe_set, &answer))?;
    }
    Ok(Exit::Done)
}

/// Takes a word for what a plan erases back.
pub(crate) fn withdraw(
    client: &Client,
    plan: &str,
    wipe_set: &str,
    reason: &str,
    json: bool,
) -> Result<Exit, Failure> {
    let request = WithdrawRequest {
        plan: plan.to_owned(),
        wipe_set: wipe_set.to_owned(),
        reason: reason.to_owned(),
    };
    let answer: WithdrawAnswer = client.post(people::WITHDRAW, &request)?;
    if json {
        say_json(serde_json::to_value(&answer).expect("an answer is plain data and always serialises"))?;
        return Ok(Exit::Done);
    }
    match answer.withdrawn {
        true => say(format_args!("Your approval of {wipe_set} counts no more."))?,
        false => say(format_args!("You had not approved {wipe_set}."))?,
    }
    if answer.carried_out {
        tell(
            "What is carried out erases that all the same: it was adopted before. `muster stop` keeps it from going on.",
        );
    }
    Ok(Exit::Done)
}

/// What a word comes to.
fn approved(plan: &str, wipe_set: &str, answer: &ApproveAnswer) -> String {
    let so_far = answer.agreement.as_ref().map(|agreement| {
        let given = agreement.given.as_ref().map_or(0, BTreeSet::len);
        format!("{given} of {}", agreement.needed)
    });
    let mut text = match (&so_far, answer.counts, &answer.missing) {
        (None, _, _) => format!("{wipe_set} of {plan} is approved; nobody must agree to it."),
        (Some(so_far), true, None) => format!("{wipe_set} of {plan} is approved: {so_far}."),
        (Some(so_far), true, Some(missing)) => {
            format!("Your word counts: {so_far}. {wipe_set} of {plan} is not approved yet: {missing}.")
        }
        (Some(so_far), false, None) => {
            format!("Your word does not count, and need not: {wipe_set} of {plan} is approved, {so_far}.")
        }
        (Some(so_far), false, Some(missing)) => {
            format!("Your word does not count: {wipe_set} of {plan} is not approved, {so_far}: {missing}.")
        }
    };
    if let Some(blocked) = &answer.blocked {
        text.push_str(&format!("\nA guard stops the plan all the same: {blocked}"));
    }
    text
}

/// Lets one plan pass one guard.
pub(crate) fn open_guard(
    client: &Client,
    guard: &str,
    plan: &str,
    reason: &str,
    json: bool,
) -> Result<Exit, Failure> {
    let request = OverrideRequest {
        plan: plan.to_owned(),
        guard: guard.to_owned(),
        reason: reason.to_owned(),
    };
    let answer: OverrideAnswer = client.post(people::OVERRIDE, &request)?;
    if json {
        say_json(serde_json::to_value(&answer).expect("an answer is plain data and always serialises"))?;
        return Ok(Exit::Done);
    }
    let people: Vec<&str> = answer.people.iter().map(String::as_str).collect();
    let (said, needed) = (people.len(), answer.needed);
    if said >= needed {
        let until = answer.until;
        say(format_args!(
            "{guard} is open for {plan} until {until}, by {}.",
            people.join(", ")
        ))?;
    } else {
        say(format_args!(
            "{said} of {needed} people have said it ({}): {guard} is not open for {plan} yet.",
            people.join(", ")
        ))?;
    }
    Ok(Exit::Done)
}
