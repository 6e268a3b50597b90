//! `muster check`: the fleet files of a folder, offline.

mod fixing;
mod observed;
mod report;
mod since;

use crate::arguments::{Check, CheckFormat};
use crate::exit::{Exit, Failure};
use crate::folder::Folder;
use crate::say::tell;
use report::Report;
pub(crate) use report::prefix;
use std::io::IsTerminal as _;

/// Checks and prints.
pub(crate) fn run(wish: &Check, json: bool) -> Result<Exit, Failure> {
    let folder = Folder::read(&wish.folder)?;
    let format = match wish.format {
        _ if json => CheckFormat::Json,
        Some(format) => format,
        None if std::io::stdout().is_terminal() => CheckFormat::Human,
        None => CheckFormat::Plain,
    };
    // A fix among files of which some are missing could name the wrong one.
    if wish.fix && !folder.refused.is_any() {
        return fixing::run(wish, folder.files, format);
    } else if wish.fix {
        tell("nothing is fixed while files are refused");
    }
    let observed = wish.observed.as_deref().map(observed::read).transpose()?;
    let files = &folder.files;
    let parsed = schema_fleet::parse_observed(files, &folder.refused, &observed.unwrap_or_default());
    let mut report = Report::new(wish, format, &parsed, files);
    // What is too large to be read is not compared either.
    if let Some(name) = wish.changed_since.as_ref().filter(|_| !folder.refused.is_whole()) {
        report.only(since::brought(&wish.folder, name, &parsed, files)?);
    }
    report.say()
}
