//! `muster check --fix`: writes what can have meant one thing only, or shows it as a diff.
//!
//! A file is written beside itself and put in its place, and only if it still says what was read; nothing is ever
//! written through a link.

use super::report::{Report, counted, prefix};
use crate::arguments::{Check, CheckFormat};
use crate::exit::{Exit, Failure};
use crate::patch::{diff, on_screen};
use crate::say::{say, say_json, tell};
use schema_fleet::{Fixed, SourceFile};
use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

/// Fixes and checks again.
pub(super) fn run(wish: &Check, files: Vec<SourceFile>, format: CheckFormat) -> Result<Exit, Failure> {
    let fixed = schema_fleet::fix(files.clone());
    if wish.diff {
        return show(wish, &files, &fixed, format);
    }
    for (old, new) in changed(&files, &fixed) {
        write(&wish.folder.join(&old.path), &old.bytes, &new.bytes)?;
    }
    refused(&fixed);
    let mut report = Report::new(wish, format, &fixed.parsed, &fixed.files);
    report.after(&fixed.repairs);
    report.say()
}

/// Prints what would change, and ends as a check of the files as they are.
fn show(wish: &Check, files: &[SourceFile], fixed: &Fixed, format: CheckFormat) -> Result<Exit, Failure> {
    let prefix = prefix(&wish.folder);
    let diffs = changed(files, fixed).map(|(old, new)| diff(&prefix, old, new));
    let diff: String = diffs.collect();
    refused(fixed);
    match format {
        CheckFormat::Json => say_json(serde_json::json!({
            "format": "muster.fixes/1.0",
            "fixes": fixed.repairs.len(),
            "diff": diff,
        }))?,
        CheckFormat::Human | CheckFormat::Plain => {
            say(on_screen(diff))?;
            let files = changed(files, fixed).count();
            let (repairs, files) = (counted(fixed.repairs.len(), "repair"), counted(files, "file"));
            tell(format_args!("{repairs} in {files}; nothing is written"));
        }
        CheckFormat::Sarif | CheckFormat::Github | CheckFormat::Gitlab | CheckFormat::Junit => {
            return Err(Failure::Usage(
                "--diff is printed as a diff or with --json; other forms have no place for it".to_owned(),
            ));
        }
    }
    let parsed = schema_fleet::parse(files);
    Ok(match parsed.fleet {
        Some(_) => Exit::Done,
        None => Exit::Failed,
    })
}

/// The files that are other ones, before and after.
fn changed<'f>(
    files: &'f [SourceFile],
    fixed: &'f Fixed,
) -> impl Iterator<Item = (&'f SourceFile, &'f SourceFile)> {
    let pairs = files.iter().zip(&fixed.files);
    pairs.filter(|(old, new)| old.bytes != new.bytes)
}

fn refused(fixed: &Fixed) {
    for path in &fixed.refused {
        tell(format_args!(
            "{} stays as it is: what could be fixed in it would bring about other errors",
            path.escape_debug()
        ));
    }
}

/// Puts a file in the place of the one that was read.
fn write(path: &Path, old: &[u8], new: &[u8]) -> Result<(), Failure> {
    let failed = |source| Failure::File {
        what: "write",
        path: path.to_owned(),
        source,
    };
    let before = path.symlink_metadata().map_err(failed)?;
    if !before.is_file() || fs::read(path).map_err(failed)? != old {
        return Err(Failure::Other(format!(
            "{} changed while it was checked: run it again",
            path.display()
        )));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden, so that no check reads it should it be left behind.
    let beside = path.with_file_name(format!(".{name}.muster-{}", std::process::id()));
    let written = fill(&beside, new, &before).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        // The first error is the one to tell.
        drop(fs::remove_file(&beside));
        failed(error)
    })
}

/// A new file with the owner and the mode of the one whose place it takes.
fn fill(path: &Path, text: &[u8], like: &Metadata) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    file.set_permissions(like.permissions())?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::write;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_changed_meanwhile_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("a.toml"), folder.path().join("link.toml"));
        fs::write(&file, "theirs").expect("write");
        symlink(&file, &link).expect("a link");
        assert!(write(&file, b"read", b"ours").is_err());
        assert!(write(&link, b"theirs", b"ours").is_err());
        assert_eq!(fs::read(&file).expect("the file"), b"theirs");
        assert!(write(&file, b"theirs", b"ours").is_ok());
        assert_eq!(fs::read(&file).expect("the file"), b"ours");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2);
    }
}
