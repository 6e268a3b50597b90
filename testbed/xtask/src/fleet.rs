//! `cargo xtask fleet`: a fleet of any size, as people write them, to read, to test with and to measure on.
//!
//! Halls of up to 25 racks, each a zone with networks of its own; racks of 40 machines, a file each. The same
//! numbers give the same bytes: `examples/thousand` is what 1000 machines give, and a test holds that. The texts
//! stand in `fleet/toml` and `fleet/kdl`, here is only what is counted. It writes into a folder that is empty or
//! not there, and nowhere else.

mod hall;
mod plan;

use plan::Plan;
use std::fs;
use std::path::{Path, PathBuf};

const USAGE: &str = "cargo xtask fleet --machines N [--format toml|kdl|mixed] [--out DIR]";

/// What holds for all halls: files of which none depends on the number of machines.
const SHARED: [(&str, [&str; 2]); 4] = [
    (
        "policy/fleet",
        [
            include_str!("fleet/toml/policy.toml"),
            include_str!("fleet/kdl/policy.kdl"),
        ],
    ),
    (
        "catalog/hardware",
        [
            include_str!("fleet/toml/hardware.toml"),
            include_str!("fleet/kdl/hardware.kdl"),
        ],
    ),
    (
        "catalog/images",
        [
            include_str!("fleet/toml/images.toml"),
            include_str!("fleet/kdl/images.kdl"),
        ],
    ),
    (
        "catalog/layouts",
        [
            include_str!("fleet/toml/layouts.toml"),
            include_str!("fleet/kdl/layouts.kdl"),
        ],
    ),
];

/// The user-data of the web machines.
const USER_DATA: (&str, &str) = ("deployments/userdata/web.yaml", include_str!("fleet/web.yaml"));

/// A syntax of fleet files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    Toml,
    Kdl,
}

impl Syntax {
    fn extension(self) -> &'static str {
        ["toml", "kdl"][self as usize]
    }

    /// The text of this syntax.
    fn of(self, texts: [&'static str; 2]) -> &'static str {
        texts[self as usize]
    }
}

/// In which syntax which files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    /// What is written once: policy, hardware, images, layouts.
    catalog: Syntax,
    /// What grows with the number of machines.
    inventory: Syntax,
}

impl Format {
    fn parse(word: &str) -> Result<Self, String> {
        let (catalog, inventory) = match word {
            "toml" => (Syntax::Toml, Syntax::Toml),
            "kdl" => (Syntax::Kdl, Syntax::Kdl),
            // Nested things read better in KDL; lines of machines are read ten times faster in TOML.
            "mixed" => (Syntax::Kdl, Syntax::Toml),
            _ => return Err(format!("--format is toml, kdl or mixed, not {word}\n\n{USAGE}")),
        };
        Ok(Self { catalog, inventory })
    }
}

/// Writes the fleet that was asked for.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let (mut machines, mut format, mut out) = (None, Format::parse("toml")?, PathBuf::from("fleet"));
    for pair in words.chunks(2) {
        match pair {
            ["--machines", number] => machines = Some(number.parse().map_err(|_| USAGE.to_owned())?),
            ["--format", word] => format = Format::parse(word)?,
            ["--out", folder] => out = PathBuf::from(folder),
            _ => return Err(USAGE.to_owned()),
        }
    }
    let plan = Plan::of(machines.ok_or(USAGE)?)?;
    let files = files(&plan, format);
    write(&out, &files)?;
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    println!(
        "{}: {} machines in {} racks and {} halls, {} files, {} KiB",
        out.display(),
        plan.machines,
        plan.racks(),
        plan.halls.len(),
        files.len(),
        bytes.div_ceil(1024)
    );
    Ok(())
}

/// All files by their paths, in the order in which they are written.
fn files(plan: &Plan, format: Format) -> Vec<(String, String)> {
    let shared = SHARED.iter().map(|(path, texts)| {
        let extension = format.catalog.extension();
        (
            format!("{path}.{extension}"),
            format.catalog.of(*texts).to_owned(),
        )
    });
    let user_data = (USER_DATA.0.to_owned(), USER_DATA.1.to_owned());
    shared
        .chain([user_data])
        .chain(
            plan.halls
                .iter()
                .flat_map(|hall| hall::files(hall, format.inventory)),
        )
        .collect()
}

/// Writes them below the folder, in which nothing may be yet.
fn write(folder: &Path, files: &[(String, String)]) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("cannot write {}: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut there = fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    if there.next().is_some() {
        return Err(format!(
            "{} is not empty: nothing is written over",
            folder.display()
        ));
    }
    for (path, text) in files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
