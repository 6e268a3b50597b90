//! `muster drift`: where reality is otherwise than the commit that is carried out wants it, and what git can accept of it.

use crate::arguments::Drift as Wish;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::patch::Patch;
use crate::say::{say, say_json, tell};
use reconciler_core::drift::Drift;
use reconciler_core::people::{self, DriftAnswer};
use schema_fleet::revise;
use schema_ids::Name;

/// Shows it, and ends with 2 if there is any; or prints the patch by which git accepts what it can.
pub(crate) fn run(client: &Client, wish: &Wish, json: bool) -> Result<Exit, Failure> {
    let answer: DriftAnswer = client.get(people::DRIFT)?;
    if wish.accept {
        return accept(&answer, wish, json);
    }
    if json {
        let document = serde_json::json!({
            "format": "muster.drift/1.0",
            "now": answer.now,
            "commit": answer.commit,
            "drift": answer.drift,
            "silent": answer.silent,
        });
        say_json(format_args!("{document:#}"))?;
    } else {
        let mut told: Vec<String> = answer.drift.iter().map(text).collect();
        told.extend(answer.silent.iter().map(unheard));
        if told.is_empty() {
            told.push("Nothing drifted.".to_owned());
        }
        say(told.join("\n"))?;
    }
    Ok(match (answer.drift.is_empty(), answer.silent.is_empty()) {
        (false, _) => Exit::Changes,
        // Of whom nobody hears, nobody can say that they did not drift.
        (true, false) => Exit::Unreachable,
        (true, true) => Exit::Done,
    })
}

/// Of a machine of which nobody hears.
fn unheard(name: &Name) -> String {
    format!("{name}  nobody hears of it: whether it drifted is not known")
}

fn text(drift: &Drift) -> String {
    let kind = serde_json::json!(drift.kind);
    let kind = kind.as_str().unwrap_or_default();
    let since = drift
        .since
        .map_or(String::new(), |since| format!(", since {since}"));
    let code = drift
        .code
        .as_ref()
        .map_or(String::new(), |code| format!("  {code}"));
    let accept = match &drift.accept {
        Some(accept) => format!(
            "  accept     machine.{}: {} = {:?} (`muster drift --accept`)\n",
            drift.machine, accept.field, accept.value
        ),
        None => "  accept     git cannot accept it\n".to_owned(),
    };
    format!(
        "{}  {kind}{code}{since}\n  evidence   {}\n{accept}  otherwise  {}\n",
        drift.machine, drift.evidence, drift.instead
    )
}

/// What git can accept, as a patch of the folder; the rest is told.
fn accept(answer: &DriftAnswer, wish: &Wish, json: bool) -> Result<Exit, Failure> {
    let mut patch = Patch::of(&wish.folder)?;
    let mut is_whole = true;
    for drift in &answer.drift {
        let machine = &drift.machine;
        let Some(accept) = &drift.accept else {
            is_whole = false;
            tell(format_args!(
                "{machine}: git cannot accept that {}: {}",
                drift.evidence, drift.instead
            ));
            continue;
        };
        let done = revise::set(
            patch.files(),
            "machine",
            machine.as_str(),
            &accept.field,
            &accept.value,
        );
        match done {
            Ok(file) => patch.take(file),
            Err(why) => {
                is_whole = false;
                tell(format_args!("{machine}: {why}"));
            }
        }
    }
    patch.say(&wish.folder, json)?;
    for name in &answer.silent {
        tell(unheard(name));
    }
    if answer.drift.is_empty() && answer.silent.is_empty() {
        tell("Nothing drifted.");
    }
    Ok(accepted(is_whole, answer))
}

/// How it ends once git accepts what it can.
fn accepted(is_whole: bool, answer: &DriftAnswer) -> Exit {
    match (is_whole, answer.drift.is_empty() && !answer.silent.is_empty()) {
        (false, _) => Exit::Changes,
        // As without `--accept`: nobody can say that they did not drift.
        (true, true) => Exit::Unreachable,
        (true, false) => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::accepted;
    use crate::exit::Exit;
    use reconciler_core::people::DriftAnswer;
    use schema_ids::Timestamp;

    #[test]
    fn of_whom_nobody_hears_nothing_is_accepted() {
        let mut answer = DriftAnswer {
            now: Timestamp::from_unix_ms(0),
            commit: None,
            drift: Vec::new(),
            silent: Vec::new(),
        };
        assert_eq!(accepted(true, &answer), Exit::Done);
        answer.silent.push("node-01".parse().unwrap());
        assert_eq!(accepted(true, &answer), Exit::Unreachable);
        assert_eq!(accepted(false, &answer), Exit::Changes);
    }
}
