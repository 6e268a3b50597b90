//! Changes of a folder's files as a patch: printed and never written, so that a commit carries them out.

use crate::check::prefix;
use crate::exit::{Exit, Failure};
use crate::folder::Folder;
use crate::say::{say, say_json};
use schema_fleet::SourceFile;
use similar::TextDiff;
use std::io::{self, IsTerminal as _};
use std::path::Path;

/// The files of a folder, as they are and as they shall be.
pub(crate) struct Patch {
    before: Vec<SourceFile>,
    after: Vec<SourceFile>,
}

impl Patch {
    /// Of a folder, with nothing changed yet.
    pub(crate) fn of(folder: &Path) -> Result<Self, Failure> {
        let before = Folder::read(folder)?.taken()?;
        let after = before.clone();
        Ok(Self { before, after })
    }

    /// The files as they shall be.
    pub(crate) fn files(&self) -> &[SourceFile] {
        &self.after
    }

    /// One file shall be so.
    pub(crate) fn take(&mut self, changed: SourceFile) {
        for file in self.after.iter_mut().filter(|file| file.path == changed.path) {
            file.clone_from(&changed);
        }
    }

    /// As `git apply` takes it.
    pub(crate) fn text(&self, folder: &Path) -> String {
        let prefix = prefix(folder);
        let pairs = self.before.iter().zip(&self.after);
        let changed = pairs.filter(|(old, new)| old.bytes != new.bytes);
        changed.map(|(old, new)| diff(&prefix, old, new)).collect()
    }

    /// Prints it.
    pub(crate) fn say(&self, folder: &Path, json: bool) -> Result<Exit, Failure> {
        let text = self.text(folder);
        if json {
            say_json(serde_json::json!({ "format": "muster.patch/1.0", "diff": text }))?;
        } else if !text.is_empty() {
            say(on_screen(text))?;
        }
        Ok(Exit::Done)
    }
}

/// As `git apply` takes it, from the repository's root.
pub(crate) fn diff(prefix: &str, old: &SourceFile, new: &SourceFile) -> String {
    let (before, after) = (
        String::from_utf8_lossy(&old.bytes),
        String::from_utf8_lossy(&new.bytes),
    );
    let path = format!("{prefix}{}", old.path);
    TextDiff::from_lines(before.as_ref(), after.as_ref())
        .unified_diff()
        .header(&quoted(&format!("a/{path}")), &quoted(&format!("b/{path}")))
        .to_string()
}

/// A path as git writes it in a diff: in quotes if anything in it would end its line or mean something else.
fn quoted(path: &str) -> String {
    let is_odd = |c: char| c.is_control() || matches!(c, '"' | '\\');
    if !path.contains(is_odd) {
        return path.to_owned();
    }
    let mut out = String::from("\"");
    for character in path.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            odd if is_odd(odd) => {
                for byte in odd.encode_utf8(&mut [0; 4]).bytes() {
                    out.push_str(&format!("\\{byte:03o}"));
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A terminal gets no control characters of a file; whoever reads on gets what the file holds.
pub(crate) fn on_screen(text: String) -> String {
    if !io::stdout().is_terminal() {
        return text;
    }
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "\u{fffd}")
}
