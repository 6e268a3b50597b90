//! `muster moved`: the fleet lines that give an object another name. It prints them; a commit that also renames the object
//! carries them out.

use crate::arguments::{Moved, RemovedKind, Syntax};
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json};

/// Prints the lines.
pub(crate) fn run(wish: &Moved, json: bool) -> Result<Exit, Failure> {
    if wish.from == wish.to {
        return Err(Failure::Usage(
            "the old name and the new one are the same".to_owned(),
        ));
    }
    let lines = lines(wish);
    if json {
        let object = format!("moved.{}.{}", kind(wish), wish.from);
        say_json(serde_json::json!({ "format": "muster.moved/1.0", "object": object, "lines": lines }))?;
    } else {
        say(lines)?;
    }
    Ok(Exit::Done)
}

fn kind(wish: &Moved) -> &'static str {
    match wish.kind {
        RemovedKind::Machine => "machine",
        RemovedKind::Deployment => "deployment",
    }
}

fn lines(wish: &Moved) -> String {
    let (kind, from, to) = (kind(wish), &wish.from, &wish.to);
    match wish.format {
        Syntax::Toml => format!("[moved.{kind}.\"{from}\"]\nto = \"{to}\"\n"),
        Syntax::Kdl => format!("moved {kind} \"{from}\" to=\"{to}\"\n"),
    }
}

#[cfg(test)]
mod tests {
    use crate::arguments::{Moved, RemovedKind, Syntax};

    #[test]
    fn the_lines_are_read_as_the_entry() {
        let fleet = include_str!("../../../examples/one-machine/toml/fleet.toml");
        for (format, path) in [(Syntax::Toml, "moved.toml"), (Syntax::Kdl, "moved.kdl")] {
            let wish = Moved {
                kind: RemovedKind::Machine,
                from: "r1.u12".parse().unwrap(),
                to: "node-01".parse().unwrap(),
                format,
            };
            let file = |path: &str, text: &str| schema_fleet::SourceFile {
                path: path.to_owned(),
                bytes: text.as_bytes().to_vec(),
            };
            let files = [file("fleet.toml", fleet), file(path, &super::lines(&wish))];
            let parsed = schema_fleet::parse(&files);
            let fleet = parsed
                .fleet
                .unwrap_or_else(|| panic!("{:#?}", parsed.diagnostics));
            assert_eq!(fleet.moved_machines[&wish.from].to.value, wish.to);
        }
    }
}
