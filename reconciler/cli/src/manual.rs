//! Completions and manual pages, made from the command line's own definition.

use crate::arguments::Arguments;
use crate::exit::{Exit, Failure};
use crate::say::say;
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::fs;
use std::path::Path;

/// Writes a shell's completions to standard output.
pub(crate) fn completions(shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "muster", &mut script);
    say(String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// Writes a page for each command: `muster.1`, `muster-plan.1` …
pub(crate) fn pages(folder: &Path) -> Result<Exit, Failure> {
    let cannot = |source| Failure::File {
        what: "write manual pages to",
        path: folder.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(cannot)?;
    clap_mangen::generate_to(Arguments::command(), folder).map_err(cannot)?;
    Ok(Exit::Done)
}
