//! `muster init`: the beginning of a fleet, one commented file that passes `muster check` as it is.
//!
//! It asks nothing and writes over nothing: a folder that already holds a fleet file is left alone.

use crate::arguments::{Init, Syntax};
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// The beginning in each syntax; a test holds that both say the same.
const TOML: &str = include_str!("init/fleet.toml");
const KDL: &str = include_str!("init/fleet.kdl");

/// Stands for the fleet's name.
const NAME: &str = "FLEET";

/// Writes the fleet and says what to do next.
pub(crate) fn run(wish: &Init, json: bool) -> Result<Exit, Failure> {
    let folder = &wish.folder;
    let (file, text, syntax) = match wish.format {
        Syntax::Toml => ("fleet.toml", TOML, schema_fleet::Syntax::Toml),
        Syntax::Kdl => ("fleet.kdl", KDL, schema_fleet::Syntax::Kdl),
    };
    // A name may begin with a digit or hold a dot, which either syntax takes in quotes only; the formatter takes
    // them away where they need not be.
    let text = text.replacen(NAME, &format!("\"{}\"", wish.name), 1);
    let text = schema_fleet::format(file, &text, syntax, syntax).map_err(|told| {
        Failure::Other(format!(
            "this program's own beginning of a fleet is wrong: {told:?}"
        ))
    })?;
    let path = folder.join(file);
    let failed = |source| Failure::File {
        what: "write",
        path: path.clone(),
        source,
    };
    fs::create_dir_all(folder).map_err(|source| Failure::File {
        what: "make the folder",
        path: folder.clone(),
        source,
    })?;
    // The other syntax is in the way as well: two fleets in one folder are one mistake.
    for name in ["fleet.toml", "fleet.kdl"] {
        if folder.join(name).symlink_metadata().is_ok() {
            return Err(in_the_way(&folder.join(name)));
        }
    }
    let mut fleet = match File::create_new(&path) {
        Ok(fleet) => fleet,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(in_the_way(&path)),
        Err(error) => return Err(failed(error)),
    };
    fleet
        .write_all(text.as_bytes())
        .and_then(|()| fleet.sync_all())
        .map_err(failed)?;
    if json {
        let written = path.display().to_string();
        say_json(
            serde_json::json!({ "format": "muster.init/1.0", "fleet": wish.name, "written": [written] }),
        )?;
    } else {
        say(next_steps(&path, folder))?;
    }
    Ok(Exit::Done)
}

fn in_the_way(path: &Path) -> Failure {
    Failure::Other(format!(
        "{} is in the way, and nothing is written over: name another folder, or take it away first",
        path.display()
    ))
}

fn next_steps(path: &Path, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "Wrote {path}.\n\n\
         Next:\n\
         \x20 1. Put your own names and addresses into it, then    muster check {folder}\n\
         \x20 2. Keep it in git:                                    git -C {folder} init -b main\n\
         \x20 3. Build the system that machines boot, and put the lines that it prints into the fleet:\n\
         \x20                                                       muster image build ephemeral --out images\n\
         \x20 4. Commit, and let musterd follow the repository:     musterd run --repository {folder}\n\
         \x20 5. Boot a machine from the network; its fleet lines:  muster machine discovered --patch\n",
        path = path.display()
    )
}
