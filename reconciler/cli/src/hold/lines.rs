//! A hold as fleet lines, in the syntax of the repository: a commit that has them declares it.

use crate::arguments::{HoldAdd, Syntax};
use crate::exit::{Exit, Failure};
use crate::folder::Folder;
use crate::say::{say, say_json};
use reconciler_core::hold::HoldTold;
use schema_fleet::Selector;
use schema_ids::Timestamp;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is written of one hold.
struct Written<'a> {
    name: String,
    targets: Vec<String>,
    effect: &'a str,
    until: Option<Timestamp>,
    reason: &'a str,
    ticket: Option<&'a str>,
}

/// Prints what would be made at run time.
pub(super) fn of_wish(wish: &HoldAdd, json: bool) -> Result<Exit, Failure> {
    for target in &wish.targets {
        if target.parse::<Selector>().is_err() {
            let why = format!("{target:?} is no selector, such as rack:ams1-r07 or machine:web-*");
            return Err(Failure::Usage(why));
        }
    }
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_unix_ms(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX));
    let until = wish.until.at(now);
    if until <= now {
        return Err(Failure::Usage(format!("{until} is over already: --until")));
    }
    for (what, text) in [
        ("a reason", Some(&wish.reason)),
        ("a ticket", wish.ticket.as_ref()),
    ] {
        if text.is_some_and(|text| text.chars().any(char::is_control)) {
            return Err(Failure::Usage(format!(
                "{what} is one line, without control characters"
            )));
        }
    }
    let written = Written {
        name: name(&wish.targets, wish.effect.as_str()),
        targets: wish.targets.clone(),
        effect: wish.effect.as_str(),
        until: Some(until),
        reason: &wish.reason,
        ticket: wish.ticket.as_deref(),
    };
    print(&[written], &wish.folder, json)
}

/// Prints the holds of run time whose time is not over.
pub(super) fn of_holds(holds: &[HoldTold], folder: &Path, json: bool) -> Result<Exit, Failure> {
    let made = holds.iter().filter(|told| !told.hold.declared() && !told.expired);
    let written: Vec<Written<'_>> = made
        .map(|told| {
            let hold = &told.hold;
            let targets: Vec<String> = hold.targets.iter().map(ToString::to_string).collect();
            Written {
                name: format!("{}-{}", name(&targets, hold.effect.as_str()), hold.id),
                targets,
                effect: hold.effect.as_str(),
                until: hold.until,
                reason: &hold.reason,
                ticket: hold.ticket.as_deref(),
            }
        })
        .collect();
    print(&written, folder, json)
}

fn print(holds: &[Written<'_>], folder: &Path, json: bool) -> Result<Exit, Failure> {
    let syntax = syntax_of(folder)?;
    let toml: String = holds.iter().map(toml).collect();
    let (word, to) = match syntax {
        Syntax::Toml => ("toml", schema_fleet::Syntax::Toml),
        Syntax::Kdl => ("kdl", schema_fleet::Syntax::Kdl),
    };
    let text = schema_fleet::format("holds.toml", &toml, schema_fleet::Syntax::Toml, to).map_err(|told| {
        let why: Vec<String> = told.iter().map(|one| one.title.clone()).collect();
        Failure::Usage(format!("this cannot be written as a hold: {}", why.join("; ")))
    })?;
    if json {
        let objects: Vec<String> = holds.iter().map(|hold| format!("hold.{}", hold.name)).collect();
        say_json(serde_json::json!({ "format": "muster.hold/1.0", "objects": objects, word: text }))?;
    } else {
        say(text)?;
    }
    Ok(Exit::Done)
}

/// KDL where the repository has fleet files of KDL and none of TOML; muster's own settings are always TOML.
fn syntax_of(folder: &Path) -> Result<Syntax, Failure> {
    let files = Folder::read(folder)?.taken()?;
    let mut fleet = files.iter().filter(|file| file.path != "muster.toml");
    let any = |end: &str| files.iter().any(|file| file.path.ends_with(end));
    let is_toml = fleet.any(|file| file.path.ends_with(".toml"));
    Ok(if any(".kdl") && !is_toml {
        Syntax::Kdl
    } else {
        Syntax::Toml
    })
}

/// The name of a hold on these: letters, digits and dashes of the first target, and what it keeps.
fn name(targets: &[String], effect: &str) -> String {
    let first = targets.first().map_or("", String::as_str);
    let (_, of) = first.split_once(':').unwrap_or(("", first));
    let kept: String = of
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '-'
            }
        })
        .collect();
    let kept: String = kept.trim_matches('-').chars().take(32).collect();
    match kept.trim_matches('-') {
        "" => effect.to_owned(),
        kept => format!("{kept}-{effect}"),
    }
}

fn toml(hold: &Written<'_>) -> String {
    let targets: Vec<String> = hold.targets.iter().map(|target| quoted(target)).collect();
    let until = hold.until.map_or_else(String::new, |until| {
        format!("until = {}\n", quoted(&until.to_string()))
    });
    let ticket = hold
        .ticket
        .map_or_else(String::new, |ticket| format!("ticket = {}\n", quoted(ticket)));
    format!(
        "[hold.\"{}\"]\ntargets = [{}]\neffect = \"{}\"\n{until}reason = {}\n{ticket}\n",
        hold.name,
        targets.join(", "),
        hold.effect,
        quoted(hold.reason)
    )
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::{Written, name, toml};
    use schema_fleet::Syntax;

    #[test]
    fn the_lines_are_a_hold_in_either_syntax() {
        let targets = vec!["rack:ams1-r07".to_owned(), "machine:web-*".to_owned()];
        let hold = Written {
            name: name(&targets, "no-disruption"),
            targets,
            effect: "no-disruption",
            until: Some("2026-12-01T18:00:00Z".parse().unwrap()),
            reason: r#"PDU "A" \ swap"#,
            ticket: Some("CHG-4711"),
        };
        let written = |to| schema_fleet::format("h.toml", &toml(&hold), Syntax::Toml, to).unwrap();
        insta::assert_snapshot!(written(Syntax::Toml));
        insta::assert_snapshot!(written(Syntax::Kdl));
    }

    #[test]
    fn a_name_is_one_whatever_is_selected() {
        for (target, wanted) in [
            ("rack:ams1-r07", "ams1-r07-freeze"),
            ("machine:*", "freeze"),
            ("deployment:k8s-*", "k8s-freeze"),
        ] {
            assert_eq!(name(&[target.to_owned()], "freeze"), wanted);
            wanted.parse::<schema_ids::Name>().unwrap();
        }
    }
}
