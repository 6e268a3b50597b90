//! `muster show KIND NAME`: an object of the fleet files with everything that holds for it, and who says so.
//!
//! It reads a folder and needs neither a daemon nor a sound fleet: what is wrong elsewhere is said beside it.

use crate::arguments::Show;
use crate::exit::{Exit, Failure};
use crate::folder::Folder;
use crate::say::{say, say_json, tell};
use schema_fleet::{Blame, BlameRow, Index, Severity, kinds};
use serde_json::{Value, json};

/// What of the fleet files is asked for.
pub(crate) struct Wanted<'w> {
    kind: &'static str,
    /// `None` for the names there are.
    name: Option<&'w str>,
}

/// Reads the words: a kind and a name, or a kind alone; `None` for what musterd is asked. A kind of two words is
/// written with a blank or a dot.
pub(crate) fn object_of(wish: &Show) -> Result<Option<Wanted<'_>>, Failure> {
    let words = wish.words.as_slice();
    let kind = |words: &[String]| {
        let wanted = words.join(".");
        kinds().iter().find(|row| row.name == wanted).map(|row| row.name)
    };
    if let Some(kind) = kind(words) {
        return Ok(Some(Wanted { kind, name: None }));
    }
    let Some((name, before)) = words.split_last() else {
        return Ok(None);
    };
    match kind(before) {
        None if before.is_empty() && wish.blame => Err(Failure::Usage(format!(
            "--blame is about what fleet files say: name the kind too, as in `muster show machine {name} --blame`"
        ))),
        Some(kind) => Ok(Some(Wanted {
            kind,
            name: Some(name),
        })),
        None if before.is_empty() => Ok(None),
        None => {
            let known: Vec<&str> = kinds().iter().map(|row| row.name).collect();
            let wanted = before.join(".");
            let guess = nearest(&wanted, known.iter().copied());
            Err(Failure::Usage(format!(
                "{wanted:?} is no kind.{guess} The kinds are {}",
                known.join(", ")
            )))
        }
    }
}

/// Prints the object, or the names of a kind.
pub(crate) fn run(wanted: &Wanted<'_>, wish: &Show, json: bool) -> Result<Exit, Failure> {
    let folder = Folder::read(&wish.folder)?;
    let parsed = folder.parse();
    let files = folder.taken()?;
    let index = Index::read(&files);
    let kind = wanted.kind;
    let found = wanted.name.map(|name| {
        index.blame(kind, name).ok_or_else(|| {
            let names = index.names(kind).map(|(name, _)| name);
            let guess = nearest(name, names);
            let folder = wish.folder.display().to_string();
            Failure::Other(format!(
                "there is no {kind} {name:?} below {folder:?}.{guess} `muster show {}` lists what there is",
                kind.replace('.', " ")
            ))
        })
    });
    let errors = parsed
        .diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .count();
    match found.transpose()? {
        Some(blame) if json => say_json(document(&blame, errors))?,
        Some(blame) => say(text(&blame, wish.blame))?,
        None if json => {
            let names = index
                .names(kind)
                .map(|(name, span)| json!({ "name": name, "file": &*span.file, "line": span.start.line }));
            let names: Vec<Value> = names.collect();
            say_json(
                json!({ "format": "muster.names/1.0", "kind": kind, "objects": names, "errors": errors }),
            )?;
        }
        None => {
            let rows = index
                .names(kind)
                .map(|(name, span)| vec![name.to_owned(), format!("{}:{}", span.file, span.start.line)]);
            say(table(rows.collect()))?;
        }
    }
    if errors > 0 && !json {
        let folder = wish.folder.display();
        tell(format_args!(
            "The fleet has {errors} error{}; this is what is written all the same. `muster check {folder}` shows them.",
            if errors == 1 { "" } else { "s" }
        ));
    }
    Ok(Exit::Done)
}

fn text(blame: &Blame, is_blamed: bool) -> String {
    let rows = blame.rows.iter().map(|row| {
        let mut cells = vec![row.path.clone(), written(&row.value)];
        if is_blamed {
            let place = |row: &BlameRow| {
                Some(format!(
                    "{}:{}",
                    row.span.as_ref()?.file,
                    row.span.as_ref()?.start.line
                ))
            };
            cells.extend([
                place(row).unwrap_or_else(|| "-".to_owned()),
                row.layer.to_string(),
            ]);
        }
        cells
    });
    table(rows.collect())
}

/// Always with the blame: a program can leave it out itself.
fn document(blame: &Blame, errors: usize) -> Value {
    let rows = blame.rows.iter().map(|row| {
        json!({
            "path": row.path,
            "value": row.value,
            "layer": row.layer.to_string(),
            "file": row.span.as_ref().map(|span| &*span.file),
            "line": row.span.as_ref().map(|span| span.start.line),
            "effect": row.field.map(|field| field.effect.as_str()),
        })
    });
    json!({
        "format": "muster.object/1.0",
        "kind": blame.kind,
        "name": blame.name,
        "file": &*blame.span.file,
        "line": blame.span.start.line,
        "errors": errors,
        "values": rows.collect::<Vec<_>>(),
    })
}

/// A value as it is written, texts without their quotes where they stand alone.
pub(crate) fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A cell that is longer does not push the others of its column away.
const WIDTH_MAX: usize = 40;

/// Rows with their columns beneath each other. What files say does not reach into the terminal.
pub(crate) fn table(rows: Vec<Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.iter().map(|cell| harmless(cell)).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widths = cells
            .map(|cell| cell.chars().count())
            .filter(|width| *width <= WIDTH_MAX);
        widths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += &format!("{cell:<width$}  ");
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

fn harmless(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            letter if letter.is_control() => letter.escape_default().to_string(),
            letter => letter.to_string(),
        })
        .collect()
}

fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> String {
    names
        .map(|name| (strsim::damerau_levenshtein(name, wanted), name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .map_or(String::new(), |(_, name)| format!(" Did you mean {name:?}?"))
}
