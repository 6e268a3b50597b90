//! `muster check --changed-since`: what git knows of the change, for the language to judge by.

use crate::exit::Failure;
use reconciler_git::{Since, SinceError};
use schema_fleet::{Brought, Change, Parsed, SourceFile};
use std::error::Error as _;
use std::path::Path;

/// Of what was found, what the work tree brought about since it left `name`.
pub(super) fn brought(
    folder: &Path,
    name: &str,
    parsed: &Parsed,
    files: &[SourceFile],
) -> Result<Brought, Failure> {
    let now = files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    let Since {
        before,
        lines,
        renamed,
        base: _,
    } = reconciler_git::since(folder, name, &now).map_err(|error| failure(&error))?;
    let files_before = before.files.into_iter().map(|file| SourceFile {
        path: file.path,
        bytes: file.bytes,
    });
    let change = Change {
        before: files_before.collect(),
        refused: before.refused,
        lines,
        renamed,
    };
    Ok(schema_fleet::brought(parsed, files, &change))
}

/// What was asked for cannot be had: wrong usage; what is there cannot be read: a failure.
fn failure(error: &SinceError) -> Failure {
    let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
    let said = format!("{error}{why}");
    match error {
        SinceError::NoWorkTree { .. } | SinceError::Unknown { .. } | SinceError::NoBase { .. } => {
            Failure::Usage(said)
        }
        SinceError::TooMany { .. } | SinceError::Read { .. } | SinceError::Tree(_) => Failure::Other(said),
    }
}
