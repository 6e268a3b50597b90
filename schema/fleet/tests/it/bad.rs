//! Each bad fleet gets exactly the messages of its snapshot, at their lines and columns.
//!
//! Cases in `bad/` build on `base.toml`, which is right in itself; those in `alone/` stand alone.

use crate::revision::{file, read_case};
use schema_fleet::{Code, Severity, SourceFile, parse, parse_taken, render};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

const BASE: &str = include_str!("../cases/base.toml");

pub(crate) fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

pub(crate) fn with_base(path: &Path) -> Vec<SourceFile> {
    let mut files = read_case(path);
    files.push(file("base.toml", BASE));
    files
}

fn told(files: &[SourceFile]) -> String {
    let parsed = parse(files);
    let errors = parsed
        .diagnostics
        .iter()
        .any(|one| one.severity == Severity::Error);
    assert_eq!(parsed.fleet.is_none(), errors);
    assert!(!parsed.diagnostics.is_empty());
    render::plain(&parsed.diagnostics, files)
}

#[test]
fn the_base_is_right() {
    let parsed = parse(&[file("base.toml", BASE)]);
    assert_eq!(parsed.diagnostics, []);
    assert!(parsed.fleet.is_some());
}

#[test]
fn bad_fleets_are_told_why() {
    insta::glob!("../cases/bad", "*.*", |path| insta::assert_snapshot!(told(
        &with_base(path)
    )));
}

#[test]
fn bad_fleets_alone_are_told_why() {
    insta::glob!("../cases/alone", "*.*", |path| insta::assert_snapshot!(told(
        &read_case(path)
    )));
}

/// A code that no case provokes could say anything, anywhere.
#[test]
fn every_code_has_a_case() {
    let mut met = BTreeSet::new();
    for (directory, read) in [
        ("bad", with_base as fn(&Path) -> _),
        ("alone", |path: &Path| read_case(path)),
    ] {
        for entry in std::fs::read_dir(cases().join(directory)).unwrap() {
            met.extend(
                parse(&read(&entry.unwrap().path()))
                    .diagnostics
                    .iter()
                    .map(|one| one.code),
            );
        }
    }
    met.extend(
        parse_taken(&[], &crate::intake::odd())
            .diagnostics
            .iter()
            .map(|one| one.code),
    );
    // Said by musterd of a branch and of a plan, and by the formatter, whose cases are in `fmt/`: no file brings them
    // about here.
    met.extend([Code::M0104, Code::M0427, Code::M0604, Code::M0802]);
    met.extend([
        Code::M0020,
        Code::M0820,
        Code::M0821,
        Code::M0822,
        Code::M0823,
        Code::M0901,
    ]);
    let silent: Vec<_> = Code::ALL.iter().filter(|code| !met.contains(code)).collect();
    assert!(silent.is_empty(), "{silent:?}");
}
