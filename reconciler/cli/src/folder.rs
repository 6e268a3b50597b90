//! The files of a fleet in a folder of a person, by the rules that hold for a commit as well.
//!
//! Everything is judged before anything is read. A link is never followed, and what is no regular file is never opened:
//! a pipe would wait for a writer for ever.

use crate::exit::Failure;
use rustix::fs::OFlags;
use schema_fleet::render::plain;
use schema_fleet::{EntryKind, FILE_BYTES_MAX, Intake, Parsed, Refused, SourceFile, Step};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What a folder holds.
pub(crate) struct Folder {
    /// Its files that are not hidden, in the order of their paths.
    pub(crate) files: Vec<SourceFile>,
    /// What was not read, and why.
    pub(crate) refused: Refused,
}

impl Folder {
    /// Reads what the rules let through.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let mut walk = Walk {
            root: folder,
            submodules: None,
            intake: Intake::default(),
            found: Vec::new(),
        };
        walk.visit(folder, "")?;
        let refused = walk.intake.end();
        let mut files = Vec::new();
        if !refused.is_whole() {
            for (path, place, size) in walk.found {
                let bytes = contents(&place, size).map_err(|error| unreadable(&place, error))?;
                files.push(SourceFile { path, bytes });
            }
            files.sort_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(Self { files, refused })
    }

    /// The files, unless the folder is refused as a whole.
    pub(crate) fn taken(self) -> Result<Vec<SourceFile>, Failure> {
        if self.refused.is_whole() {
            let diagnostics = self.parse().diagnostics;
            return Err(Failure::Other(plain(&diagnostics, &[]).trim_end().to_owned()));
        }
        Ok(self.files)
    }

    /// The fleet, and all that is wrong with it.
    pub(crate) fn parse(&self) -> Parsed {
        schema_fleet::parse_taken(&self.files, &self.refused)
    }
}

/// A file that a person named, no larger than a fleet file may be.
pub(crate) fn read(place: &Path) -> Result<Vec<u8>, Failure> {
    let fail = |error| unreadable(place, error);
    let size = place.symlink_metadata().map_err(fail)?.len();
    if size > FILE_BYTES_MAX as u64 {
        return Err(fail(io::Error::other(format!(
            "it is larger than {} MiB",
            FILE_BYTES_MAX >> 20
        ))));
    }
    contents(place, size).map_err(fail)
}

/// The way through a folder: what is to be read, by its path in the fleet, its place and its size.
struct Walk<'f> {
    root: &'f Path,
    /// Where the repository around the folder has others, once it was asked.
    submodules: Option<BTreeSet<Vec<u8>>>,
    intake: Intake,
    found: Vec<(String, PathBuf, u64)>,
}

impl Walk<'_> {
    /// Walks what is below a folder, in the order of names. Says whether to go on.
    fn visit(&mut self, folder: &Path, prefix: &str) -> Result<bool, Failure> {
        let fail = |error| unreadable(folder, error);
        let listed = fs::read_dir(folder).map_err(fail)?;
        // One beyond what is left is enough to be refused.
        let entries: io::Result<Vec<(OsString, FileType)>> = listed
            .take(self.intake.room() + 1)
            .map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))))
            .collect();
        let mut entries = entries.map_err(fail)?;
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, kind) in entries {
            let place = folder.join(&name);
            let mut kind = self::kind(&place, kind).map_err(|error| unreadable(&place, error))?;
            let is_hidden = name.as_bytes().starts_with(b".");
            if kind == EntryKind::Folder && !is_hidden && self.is_unfetched(&place)? {
                kind = EntryKind::Submodule;
            }
            let size = match kind {
                EntryKind::File { bytes } => bytes,
                EntryKind::Folder | EntryKind::Link | EntryKind::Submodule | EntryKind::Special => 0,
            };
            match self.intake.entry(prefix, name.as_bytes(), kind) {
                Step::Enter(path) if !self.visit(&place, &path)? => return Ok(false),
                Step::Read(path) => self.found.push((path, place, size)),
                Step::Enter(_) | Step::Pass => {}
                Step::Stop => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether a folder is another repository that was never fetched. Git makes no other empty folders, so that it is
    /// seldom asked.
    fn is_unfetched(&mut self, place: &Path) -> Result<bool, Failure> {
        let mut listed = fs::read_dir(place).map_err(|error| unreadable(place, error))?;
        if listed.next().is_some() {
            return Ok(false);
        }
        let known = match self.submodules.take() {
            Some(known) => known,
            None => reconciler_git::submodules(self.root)
                .map_err(|error| unreadable(place, io::Error::other(error)))?,
        };
        let path = place
            .strip_prefix(self.root)
            .map_err(|error| unreadable(place, io::Error::other(error)))?;
        let is_one = known.contains(path.as_os_str().as_bytes());
        self.submodules = Some(known);
        Ok(is_one)
    }
}

fn kind(place: &Path, kind: FileType) -> io::Result<EntryKind> {
    Ok(if kind.is_symlink() {
        EntryKind::Link
    } else if kind.is_file() {
        EntryKind::File {
            bytes: place.symlink_metadata()?.len(),
        }
    } else if !kind.is_dir() {
        EntryKind::Special
    } else if place.join(".git").symlink_metadata().is_ok() {
        EntryKind::Submodule
    } else {
        EntryKind::Folder
    })
}

/// The bytes of a file that was this large when it was judged.
fn contents(place: &Path, size: u64) -> io::Result<Vec<u8>> {
    // What it is may have changed since: neither a link nor a writer is waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(place)?;
    let mut bytes = Vec::new();
    file.take(size + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > size {
        return Err(io::Error::other("it grew while it was read; run it again"));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, source: io::Error) -> Failure {
    Failure::File {
        what: "read",
        path: path.to_owned(),
        source,
    }
}
