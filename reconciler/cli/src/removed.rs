//! `muster removed`: the fleet lines that remove something on purpose. It prints them; a commit carries
//! them out.

use crate::arguments::{Disks, Removed, RemovedKind};
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json};

/// Prints the lines.
pub(crate) fn run(wish: &Removed, json: bool) -> Result<Exit, Failure> {
    if wish.reason.trim().is_empty() || wish.reason.chars().any(char::is_control) {
        return Err(Failure::Usage("--reason is one line of text".to_owned()));
    }
    let toml = lines(wish);
    if json {
        let object = format!("removed.{}.{}", kind(wish), wish.name);
        say_json(serde_json::json!({ "format": "muster.removed/1.0", "object": object, "toml": toml }))?;
    } else {
        say(toml)?;
    }
    Ok(Exit::Done)
}

fn kind(wish: &Removed) -> &'static str {
    match wish.kind {
        RemovedKind::Machine => "machine",
        RemovedKind::Deployment => "deployment",
    }
}

fn lines(wish: &Removed) -> String {
    let disks = match wish.disks {
        Disks::Retain => "retain",
        Disks::Quick => "quick",
    };
    let keep: Vec<String> = wish.keep.iter().map(|disk| quoted(disk.as_str())).collect();
    let keep = match keep.is_empty() {
        true => String::new(),
        false => format!("keep = [{}]\n", keep.join(", ")),
    };
    let quarantine = wish.quarantine.as_ref();
    let quarantine = quarantine.map(|length| format!("quarantine = \"{length}\"\n"));
    let quarantine = quarantine.unwrap_or_default();
    format!(
        "[removed.{}.\"{}\"]\ndisks = \"{disks}\"\n{keep}{quarantine}reason = {}\n",
        kind(wish),
        wish.name,
        quoted(&wish.reason)
    )
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use crate::arguments::{Disks, Removed, RemovedKind};

    #[test]
    fn the_lines_are_toml_and_keep_the_reason() {
        let wish = Removed {
            kind: RemovedKind::Machine,
            name: "r1.u12".parse().unwrap(),
            disks: Disks::Quick,
            keep: vec![
                "serial:S3".parse().unwrap(),
                "nguid:0025388b710116a1".parse().unwrap(),
            ],
            quarantine: "14d".parse().ok(),
            reason: r#"RMA "8841" \ scrapped"#.to_owned(),
        };
        insta::assert_snapshot!(super::lines(&wish), @r#"
        [removed.machine."r1.u12"]
        disks = "quick"
        keep = ["serial:S3", "nguid:0025388b710116a1"]
        quarantine = "14d"
        reason = "RMA \"8841\" \\ scrapped"
        "#);
    }
}
