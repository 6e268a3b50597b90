//! `muster check`: the fleet files of a folder, offline.

mod fixing;
mod observed;
mod report;
mod since;

use crate::arguments::{Check, CheckFormat};
use crate::exit::{Exit, Failure};
use report::Report;
use schema_fleet::SourceFile;
use std::io::IsTerminal as _;
use std::path::Path;

/// Folders deeper than this are not entered; the same limit holds for what the daemon reads from git.
const DEPTH_MAX: usize = 32;

/// Checks and prints.
pub(crate) fn run(wish: &Check, json: bool) -> Result<Exit, Failure> {
    let files = files_of(&wish.folder)?;
    let format = match wish.format {
        _ if json => CheckFormat::Json,
        Some(format) => format,
        None if std::io::stdout().is_terminal() => CheckFormat::Human,
        None => CheckFormat::Plain,
    };
    if wish.fix {
        return fixing::run(wish, files, format);
    }
    let observed = wish.observed.as_deref().map(observed::read).transpose()?;
    let parsed = schema_fleet::parse_observed(&files, &observed.unwrap_or_default());
    let mut report = Report::new(wish, format, &parsed, &files);
    if let Some(name) = &wish.changed_since {
        report.only(since::brought(&wish.folder, name, &parsed, &files)?);
    }
    report.say()
}

/// Every regular file below a folder, hidden ones apart, in the order of their paths.
pub(crate) fn files_of(folder: &Path) -> Result<Vec<SourceFile>, Failure> {
    let mut files = Vec::new();
    read(folder, "", 0, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Reads what is below a folder.
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
