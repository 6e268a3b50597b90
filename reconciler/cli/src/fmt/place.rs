//! A text in the place of a file: written beside it, then renamed, with its permissions.
//!
//! Whoever reads sees the old file or the new one, whole. A link is never written through, and a new name never taken
//! from another file.

use crate::exit::Failure;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Puts a text where a file is, or under a new name, and takes the old one away.
pub(super) fn put(old: &Path, new: &Path, text: &str) -> Result<(), Failure> {
    write(old, new, text).map_err(|source| Failure::File {
        what: "write",
        path: new.to_owned(),
        source,
    })
}

fn write(old: &Path, new: &Path, text: &str) -> io::Result<()> {
    let is = old.symlink_metadata()?;
    if !is.is_file() {
        return Err(io::Error::other("it is no file any more"));
    }
    let beside = beside(new)?;
    let written = File::create_new(&beside).and_then(|mut file| {
        file.set_permissions(is.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let placed = written.and_then(|()| {
        if old == new {
            return fs::rename(&beside, new);
        }
        renameat_with(CWD, &beside, CWD, new, RenameFlags::NOREPLACE)?;
        fs::remove_file(old)
    });
    if placed.is_err() {
        // What failed is told; that this is left over would be beside the point.
        drop(fs::remove_file(&beside));
    }
    placed
}

/// A hidden name in the same folder, which no fleet reads.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::other("it has no name"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(hidden))
}
