//! `muster check`: the fleet files of a folder, offline.

use crate::arguments::{Check, CheckFormat, Deny};
use crate::exit::{Exit, Failure};
use schema_fleet::{Severity, SourceFile, render};
use std::io::IsTerminal as _;
use std::path::Path;

/// Folders deeper than this are not entered; the same limit holds for what the daemon reads from git.
const DEPTH_MAX: usize = 32;

/// Checks and prints.
pub(crate) fn run(wish: &Check, json: bool) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    read(&wish.folder, "", 0, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let parsed = schema_fleet::parse(&files);
    let format = match wish.format {
        _ if json => CheckFormat::Json,
        Some(format) => format,
        None if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() => {
            CheckFormat::Human
        }
        None => CheckFormat::Plain,
    };
    match format {
        CheckFormat::Human => {
            print!(
                "{}",
                render::graphical(&parsed.diagnostics, &files, &miette::GraphicalTheme::unicode())
            );
        }
        CheckFormat::Plain => print!("{}", render::plain(&parsed.diagnostics, &files)),
        CheckFormat::Json => println!("{}", render::json(&parsed.diagnostics)),
    }
    let count = |severity| {
        parsed
            .diagnostics
            .iter()
            .filter(|found| found.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if format != CheckFormat::Json {
        match &parsed.fleet {
            Some(fleet) => println!(
                "fleet {}: {} machines, {} deployments, {warnings} warnings",
                fleet.name,
                fleet.machines.len(),
                fleet.deployments.len()
            ),
            None => println!("{errors} errors, {warnings} warnings"),
        }
    }
    Ok(match (parsed.fleet.is_some(), wish.deny) {
        (false, _) => Exit::Failed,
        (true, Some(Deny::Warnings)) if warnings > 0 => Exit::Changes,
        (true, _) => Exit::Done,
    })
}

/// Reads every regular file below a folder, hidden ones apart.
fn read(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<SourceFile>) -> Result<(), Failure> {
    let fail = |path: &Path, source| Failure::File {
        what: "read",
        path: path.to_owned(),
        source,
    };
    if depth > DEPTH_MAX {
        return Err(Failure::Other(format!(
            "{} is nested deeper than {DEPTH_MAX} folders",
            folder.display()
        )));
    }
    for entry in std::fs::read_dir(folder).map_err(|error| fail(folder, error))? {
        let entry = entry.map_err(|error| fail(folder, error))?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| fail(&path, error))?;
        if kind.is_dir() {
            read(&path, &format!("{prefix}{name}/"), depth + 1, files)?;
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).map_err(|error| fail(&path, error))?;
            files.push(SourceFile {
                path: format!("{prefix}{name}"),
                bytes,
            });
        }
    }
    Ok(())
}
