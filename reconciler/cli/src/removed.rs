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
    let reason = wish.reason.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "[removed.{}.\"{}\"]\ndisks = \"{disks}\"\nreason = \"{reason}\"\n",
        kind(wish),
        wish.name
    )
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
            reason: r#"RMA "8841" \ scrapped"#.to_owned(),
        };
        insta::assert_snapshot!(super::lines(&wish), @r#"
        [removed.machine."r1.u12"]
        disks = "quick"
        reason = "RMA \"8841\" \\ scrapped"
        "#);
    }
}
