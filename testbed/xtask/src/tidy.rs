//! The borders and house rules that a machine can hold: `cargo xtask tidy`, and a test that runs it.
//!
//! Reads the tree and `cargo metadata`; changes nothing. Each rule is a function of text or JSON, so that it can be
//! shown to bite.

mod borders;
mod commands;
mod docs;
mod guards;
mod sources;
#[cfg(test)]
mod tests;

use crate::cargo;
use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this is reported, not refused: sometimes one long file is the simplest.
const LINES_ADVISED: usize = 600;

/// Directories that hold nothing of ours.
const NOT_OURS: [&str; 2] = ["target", ".git"];

/// Prints what is wrong; anything wrong is an error.
pub(crate) fn run() -> Result<(), String> {
    let root = cargo::root();
    for (path, lines) in long_files(&root) {
        println!("{path}: {lines} lines before its tests; is it still about one thing?");
    }
    let findings = findings(&root)?;
    if findings.is_empty() {
        println!("tidy");
        return Ok(());
    }
    Err(format!("{}\n{} findings", findings.join("\n"), findings.len()))
}

/// Everything wrong in the tree at `root`, as `path:line: what`.
fn findings(root: &Path) -> Result<Vec<String>, String> {
    let mut findings = borders::check(&metadata(root)?);
    let mut for_people = Vec::new();
    for path in files(root) {
        let name = path.display().to_string();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let read =
            || fs::read_to_string(root.join(&path)).map_err(|error| format!("cannot read {name}: {error}"));
        match extension {
            Some("rs") => findings.extend(sources::check(&name, &read()?)),
            Some("md") => {
                let text = read()?;
                findings.extend(docs::check(&name, &text, |named| root.join(named).exists()));
                if commands::is_for_people(&name) {
                    findings.extend(commands::check(&name, &text));
                    for_people.push(text);
                }
            }
            Some(_) | None => {}
        }
    }
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    findings.extend(commands::check_rows(&for_people, read));
    let paths: Vec<String> = files(root)
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    findings.extend(guards::check(paths.iter().map(String::as_str), read));
    Ok(findings)
}

fn metadata(root: &Path) -> Result<serde_json::Value, String> {
    let words = [
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ];
    let output = cargo::cargo(&words).current_dir(root).output();
    let output = output.map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cannot read cargo metadata: {error}"))
}

fn long_files(root: &Path) -> Vec<(String, usize)> {
    let sources = files(root)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let counted = sources
        .filter(|path| !sources::is_test_file(&path.display().to_string()))
        .map(|path| {
            let text = fs::read_to_string(root.join(&path)).unwrap_or_default();
            (path.display().to_string(), sources::shipped_lines(&text).count())
        });
    counted.filter(|(_, lines)| *lines > LINES_ADVISED).collect()
}

/// All files of ours, relative to the root, sorted.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root.join(&directory))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = directory.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !NOT_OURS.iter().any(|name| path.ends_with(name)) => {
                    open.push(path)
                }
                Ok(kind) if kind.is_file() => found.push(path),
                Ok(_) | Err(_) => {}
            }
        }
    }
    found.sort();
    found
}
