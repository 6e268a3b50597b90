//! `muster schema`: the JSON Schema of fleet files of plans or of events, and the language's own defaults. Needs no daemon: what
//! is said of files is made of the table that this program decodes by.

use crate::arguments::{Schema, SchemaOf};
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json};
use crate::show::table;
use schema_fleet::{built_in, schema::json_schema};
use std::fs;
use std::path::Path;

/// Where the schema of a fleet repository stands, from its root: hidden, so that `check` passes it by.
pub(crate) const PLACE: &str = ".muster/schema.json";

/// Prints or writes.
pub(crate) fn run(wish: &Schema, json: bool) -> Result<Exit, Failure> {
    if wish.defaults {
        return defaults(json);
    }
    let of = match wish.of {
        SchemaOf::Fleet => None,
        SchemaOf::Plan => Some(reconciler_core::form::document::SCHEMA),
        SchemaOf::Events => Some(reconciler_core::event::SCHEMA),
    };
    if let Some(schema) = of {
        say_json(schema)?;
        return Ok(Exit::Done);
    }
    let schema = format!("{:#}\n", json_schema());
    match &wish.write {
        None => say_json(schema)?,
        Some(path) => {
            write(path, &schema)?;
            let path = path.display().to_string();
            if json {
                say_json(serde_json::json!({ "format": "muster.schema/1.0", "written": [path] }))?;
            } else {
                say(format_args!("Wrote {path}."))?;
            }
        }
    }
    Ok(Exit::Done)
}

/// Writes the schema over an older one; its folder is made if need be.
pub(crate) fn write(path: &Path, schema: &str) -> Result<(), Failure> {
    let failed = |what, path: &Path, source| Failure::File {
        what,
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| failed("make the folder", folder, source))?;
    }
    fs::write(path, schema).map_err(|source| failed("write", path, source))
}

fn defaults(json: bool) -> Result<Exit, Failure> {
    let all = built_in();
    if json {
        let all: Vec<_> = all
            .into_iter()
            .map(|(path, value)| serde_json::json!({ "path": path, "value": value }))
            .collect();
        say_json(serde_json::json!({ "format": "muster.defaults/1.0", "defaults": all }))?;
    } else {
        let rows = all
            .into_iter()
            .map(|(path, value)| vec![path, crate::show::written(&value)]);
        say(table(rows.collect()))?;
    }
    Ok(Exit::Done)
}
