//! What of a repository is read: one set of rules, whether it comes as a tree of git or as a folder of a person.
//!
//! A shell walks the entries and asks for each what to do with it, so that what `check` takes offline musterd takes,
//! and the other way round. Links are never followed, pipes and devices never opened, and what is too much is refused
//! before it is read. Nothing here opens anything.

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    limit::{
        ENTRIES_MAX, FILE_BYTES_MAX, FILES_MAX, FLEET_BYTES_MAX, FOLDER_BYTES_MAX, FOLDERS_WITHIN_MAX,
        OTHER_BYTES_MAX, PATH_BYTES_MAX, REFUSED_MAX,
    },
    span::Span,
    tree::Syntax,
};
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization as _;

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A regular file of so many bytes.
    File {
        /// Its size, before it is read.
        bytes: u64,
    },
    /// A symbolic link.
    Link,
    /// Another repository: its files are not ours.
    Submodule,
    /// A pipe, a socket, a device.
    Special,
}

/// What the shell is to do with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Walk the folder of this path, which ends with `/`.
    Enter(String),
    /// Read the file of this path.
    Read(String),
    /// Leave it.
    Pass,
    /// Walk no further: the revision is refused as a whole.
    Stop,
}

/// What of a revision was not taken, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Why files are not there that something may name: links, and what is too large.
    pub(crate) passed: BTreeMap<String, &'static str>,
    is_whole: bool,
}

impl Refused {
    /// Whether anything was refused that a fleet could need.
    pub fn is_any(&self) -> bool {
        !self.diagnostics.is_empty()
    }

    /// Whether the revision was refused as a whole: it has no files, and nothing else is to be said of it.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }
}

/// The judge of a revision's entries.
#[derive(Debug, Default)]
pub struct Intake {
    entries: usize,
    fleet_files: usize,
    fleet_bytes: u64,
    other_bytes: u64,
    /// Paths as a disk has them that knows neither case nor ways to compose a letter, and as they are.
    met: BTreeMap<String, String>,
    /// Refusals that are counted only.
    more: usize,
    refused: Refused,
}

impl Intake {
    /// How many entries may still come. No shell needs to list more of a folder, and one beyond.
    pub fn room(&self) -> usize {
        ENTRIES_MAX.saturating_sub(self.entries)
    }

    /// How many entries came, whatever became of them.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Whether to walk a folder whose list takes so many bytes. Its path ends with `/`, or is empty.
    pub fn takes_list(&mut self, folder: &str, bytes: u64) -> bool {
        if bytes > FOLDER_BYTES_MAX {
            let title = format!(
                "a folder whose list is larger than {} MiB",
                FOLDER_BYTES_MAX >> 20
            );
            self.stop(if folder.is_empty() { "." } else { folder }, title);
        }
        !self.refused.is_whole
    }

    /// Judges the entry `name` of a folder, whose path ends with `/` or is empty.
    pub fn entry(&mut self, folder: &str, name: &[u8], kind: EntryKind) -> Step {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return self.stop(".", format!("more than {ENTRIES_MAX} files and folders"));
        }
        // Hidden ones belong to other programs: git, editors, forges.
        if name.starts_with(b".") && !matches!(name, b"." | b"..") {
            return Step::Pass;
        }
        let Some(name) = readable(name) else {
            return self.no_path(folder, name, kind);
        };
        let path = format!("{folder}{name}");
        if path.len() > PATH_BYTES_MAX {
            return self.stop(
                &shown(path.as_bytes()),
                format!("a path of more than {PATH_BYTES_MAX} bytes"),
            );
        }
        if kind == EntryKind::Folder && path.matches('/').count() >= FOLDERS_WITHIN_MAX {
            let title = format!("more than {FOLDERS_WITHIN_MAX} folders within each other");
            return self.stop(&path, title);
        }
        if let Some(first) = self.met.insert(folded(&path), path.clone()) {
            return self.clash(&path, &first);
        }
        match (kind, Syntax::of(&path)) {
            (EntryKind::Folder, _) => Step::Enter(format!("{path}/")),
            (EntryKind::File { bytes }, Some(_)) => self.fleet_file(path, bytes),
            (EntryKind::File { bytes }, None) => self.other_file(path, bytes),
            (EntryKind::Link, None) => self.pass(path, "it is a symbolic link, and links are never followed"),
            (EntryKind::Special, None) => self.pass(path, "it is no regular file"),
            (EntryKind::Link, Some(_)) => {
                let title = "a symbolic link where a fleet file is wanted";
                let help = "put the file itself here, or give the link another name";
                self.refuse(Code::M0015, &path, title, "links are never followed", help)
            }
            (EntryKind::Special, Some(_)) => {
                let title = "a pipe, socket or device where a fleet file is wanted";
                self.refuse(Code::M0015, &path, title, "it is never opened", "take it away")
            }
            (EntryKind::Submodule, _) => {
                let title = "another repository within this one";
                let help = "a fleet is one commit: bring the files in, or begin the folder's name with a dot";
                self.refuse(Code::M0015, &path, title, "submodules are not read", help)
            }
        }
    }

    /// What was refused of all that came.
    pub fn end(mut self) -> Refused {
        if self.more > 0 {
            let title = format!("{} more files and folders are refused like these", self.more);
            let place = Span::start_of(".");
            let rest = Diagnostic::error(Code::M0008, title, &place, "put the others right first");
            self.refused.diagnostics.push(rest);
        }
        self.refused
    }

    fn fleet_file(&mut self, path: String, bytes: u64) -> Step {
        if bytes > FILE_BYTES_MAX as u64 {
            let title = format!("larger than {} MiB", FILE_BYTES_MAX >> 20);
            let help = "one file for each rack keeps merges local too";
            return self.refuse(Code::M0008, &path, &title, "split this file", help);
        }
        self.fleet_files += 1;
        self.fleet_bytes += bytes;
        if self.fleet_files > FILES_MAX {
            return self.stop(".", format!("more than {FILES_MAX} fleet files"));
        }
        if self.fleet_bytes > FLEET_BYTES_MAX {
            return self.stop(
                ".",
                format!("more than {} MiB of fleet files", FLEET_BYTES_MAX >> 20),
            );
        }
        Step::Read(path)
    }

    fn other_file(&mut self, path: String, bytes: u64) -> Step {
        if bytes > FILE_BYTES_MAX as u64 {
            return self.pass(path, "it is larger than 4 MiB, and not read");
        }
        self.other_bytes += bytes;
        if self.other_bytes > OTHER_BYTES_MAX {
            let title = format!("more than {} MiB beside the fleet files", OTHER_BYTES_MAX >> 20);
            return self.stop(".", title);
        }
        Step::Read(path)
    }

    fn pass(&mut self, path: String, why: &'static str) -> Step {
        self.refused.passed.insert(path, why);
        Step::Pass
    }

    /// A name that is none. What holds no fleet may be called anything: nothing can name it.
    fn no_path(&mut self, folder: &str, name: &[u8], kind: EntryKind) -> Step {
        let is_fleet = name.ends_with(b".toml") || name.ends_with(b".kdl");
        if !is_fleet && !matches!(kind, EntryKind::Folder | EntryKind::Submodule) {
            return Step::Pass;
        }
        let path = format!("{folder}{}", shown(name));
        let title = "a name that is no name on every system";
        let help = "rename it, in UTF-8 without control characters and `\\`";
        self.refuse(Code::M0017, &path, title, "it is not read", help)
    }

    fn clash(&mut self, path: &str, first: &str) -> Step {
        let (title, help) = if path == first {
            ("one name twice in one folder", "write the tree again with git")
        } else {
            (
                "two names that are one on many disks",
                "rename one: they differ only in case or in how a letter is composed",
            )
        };
        let one = Diagnostic::error(Code::M0016, title, &Span::start_of(path), "the second");
        self.keep(one.also(&Span::start_of(first), "the first").help(help))
    }

    fn refuse(&mut self, code: Code, path: &str, title: &str, label: &str, help: &str) -> Step {
        self.keep(Diagnostic::error(code, title, &Span::start_of(path), label).help(help))
    }

    fn keep(&mut self, diagnostic: Diagnostic) -> Step {
        if self.refused.diagnostics.len() < REFUSED_MAX {
            self.refused.diagnostics.push(diagnostic);
        } else {
            self.more += 1;
        }
        Step::Pass
    }

    /// Refuses the whole, for one reason: the others would be told of a part of it.
    fn stop(&mut self, path: &str, title: String) -> Step {
        self.refused = Refused {
            diagnostics: vec![
                Diagnostic::error(Code::M0008, title, &Span::start_of(path), "nothing is read").help(
                    "keep what is no fleet in another repository, or in a folder whose name begins with a dot",
                ),
            ],
            passed: BTreeMap::new(),
            is_whole: true,
        };
        self.more = 0;
        Step::Stop
    }
}

/// A name that means the same on every system and terminal.
fn readable(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    let is_none = matches!(name, "" | "." | "..") || name.contains(is_odd);
    (!is_none).then_some(name)
}

/// What ends a path or a line, or turns the letters behind it around (Unicode Annex 9).
fn is_odd(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '/' | '\\'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// Characters of a name that is none which are shown.
const SHOWN_CHARS_MAX: usize = 80;

/// A name of any bytes in letters that no terminal takes for more than letters.
fn shown(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '/' => text.push('/'),
                odd if is_odd(odd) => text.extend(odd.escape_default()),
                other => text.push(other),
            }
        }
        text.extend(chunk.invalid().escape_ascii().map(char::from));
        if text.len() > PATH_BYTES_MAX {
            break;
        }
    }
    if text.chars().count() > SHOWN_CHARS_MAX {
        text = text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect();
    }
    text
}

/// The path as a disk has it that knows neither case nor ways to compose a letter.
fn folded(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    // Up and down again: some letters have one capital.
    let upper = path.nfd().flat_map(char::to_uppercase);
    let lower: String = upper.flat_map(char::to_lowercase).collect();
    lower.nfd().collect()
}
