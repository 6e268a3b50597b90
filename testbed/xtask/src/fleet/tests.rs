//! The generator: the example is what it gives, its fleets are without a word of `check`, and it writes over nothing.

use super::{Format, files, plan::Plan, run};
use schema_fleet::{SourceFile, parse, render};
use std::fs;
use std::path::Path;

fn generated(machines: usize, format: &str) -> Vec<(String, String)> {
    files(&Plan::of(machines).unwrap(), Format::parse(format).unwrap())
}

/// How many machines and deployments the fleet has, which must be without a word.
fn checked(machines: usize, format: &str) -> (usize, usize) {
    let files = generated(machines, format).into_iter();
    let files: Vec<SourceFile> = files
        .map(|(path, text)| SourceFile {
            path,
            bytes: text.into_bytes(),
        })
        .collect();
    let parsed = parse(&files);
    let said = render::plain(&parsed.diagnostics, &files);
    assert!(said.is_empty(), "{machines} machines in {format}: {said}");
    let fleet = parsed.fleet.unwrap();
    (fleet.machines.len(), fleet.deployments.len())
}

#[test]
fn what_it_writes_is_without_a_word() {
    // A machine; a rack that is not full; two halls of one rack; a hall of every sort of rack, in each syntax.
    for (machines, deployments) in [(1, 1), (10, 2), (45, 4), (401, 8)] {
        for format in ["toml", "kdl", "mixed"] {
            assert_eq!(checked(machines, format), (machines, deployments));
        }
    }
    assert_eq!(checked(10_000, "mixed"), (10_000, 40));
}

#[test]
fn the_most_machines_have_addresses_of_their_own() {
    let addresses = |lines: &str| -> Vec<String> {
        let lines = lines.lines().filter(|line| line.starts_with("bmc.address"));
        lines.map(str::to_owned).collect()
    };
    let files = generated(100_000, "toml");
    let mut all: Vec<String> = files.iter().flat_map(|(_, text)| addresses(text)).collect();
    assert_eq!(all.len(), 100_000);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 100_000);
    assert!(Plan::of(100_001).is_err() && Plan::of(0).is_err());
}

/// `rm -r examples/thousand/SYNTAX && cargo xtask fleet --machines 1000 --format SYNTAX --out examples/thousand/SYNTAX`
/// writes it again.
#[test]
fn the_example_is_what_it_writes() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/thousand");
    for syntax in ["toml", "kdl"] {
        let folder = example.join(syntax);
        let files = generated(1000, syntax);
        for (path, text) in &files {
            let there = fs::read_to_string(folder.join(path)).unwrap_or_default();
            assert!(there == *text, "examples/thousand/{syntax}/{path} is stale");
        }
        assert_eq!(count(&folder), files.len(), "there is more than what it writes");
    }
}

/// Files below a folder.
fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { count(&path) } else { 1 })
        .sum()
}

#[test]
fn nothing_is_written_over() {
    let folder = std::env::temp_dir().join(format!("muster-xtask-fleet-{}", std::process::id()));
    let out = folder.display().to_string();
    let asked = ["--machines", "1", "--out", &out];
    run(&asked).unwrap();
    assert!(folder.join("site/z01/z01-r01.toml").is_file());
    assert!(run(&asked).unwrap_err().contains("is not empty"));
    assert!(
        run(&["--machines", "many"])
            .unwrap_err()
            .starts_with("cargo xtask fleet")
    );
    assert!(
        run(&["--machines", "1", "--format", "yaml"])
            .unwrap_err()
            .contains("not yaml")
    );
    fs::remove_dir_all(&folder).unwrap();
}
