//! Copies of files and folders with everything in them, holes of sparse files and owners included.

use crate::error::{Result, failed};
use crate::program;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A gigabyte of disk image on a slow host.
const COPY_MAX: Duration = Duration::from_secs(300);

/// Makes `to` what `from` is, and nothing else.
pub(crate) fn any(from: &Path, to: &Path) -> Result<()> {
    if to.is_dir() {
        fs::remove_dir_all(to).map_err(failed(format!("remove {}", to.display())))?;
    }
    let mut command = Command::new("cp");
    command.args(["--archive", "--sparse=always", "--no-target-directory"]);
    program::run(command.arg(from).arg(to), COPY_MAX).map(drop)
}
