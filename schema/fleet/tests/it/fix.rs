//! Safe fixes, applied: what becomes of a fleet, what is left, and that nothing more is to be done.

use crate::{
    bad::{cases, with_base},
    revision::{file, parse_one},
};
use schema_fleet::{Applicability, Severity, SourceFile, fix, parse, render};
use std::fmt::Write as _;

fn told(files: Vec<SourceFile>) -> String {
    let before = files.clone();
    let fixed = fix(files);
    let mut out = String::new();
    for repair in &fixed.repairs {
        writeln!(out, "{} {}: {}", repair.span, repair.code, repair.title).unwrap();
    }
    for path in &fixed.refused {
        writeln!(out, "refused: {path}").unwrap();
    }
    for (old, new) in before.iter().zip(&fixed.files) {
        assert_eq!(old.path, new.path);
        if old.bytes != new.bytes {
            let text = std::str::from_utf8(&new.bytes).unwrap();
            write!(out, "\n--- {}\n{text}", new.path).unwrap();
        }
    }
    writeln!(
        out,
        "\n{}",
        render::plain(&fixed.parsed.diagnostics, &fixed.files)
    )
    .unwrap();
    // What is said of the files is so, and all that could be done is done.
    assert_eq!(parse(&fixed.files).diagnostics, fixed.parsed.diagnostics);
    let again = fix(fixed.files.clone());
    assert_eq!((again.files, again.repairs), (fixed.files, Vec::new()));
    out
}

#[test]
fn what_is_safe_is_put_right() {
    insta::glob!("../cases/fix", "*.*", |path| insta::assert_snapshot!(told(
        with_base(path)
    )));
}

/// Every bad case: fixing makes none worse, and ends.
#[test]
fn no_case_gets_worse() {
    let mut repaired = 0;
    for entry in std::fs::read_dir(cases().join("bad")).unwrap() {
        let files = with_base(&entry.unwrap().path());
        let unreadable = |files: &[SourceFile]| {
            let all = parse(files).diagnostics;
            let syntax = all
                .iter()
                .filter(|one| matches!(one.code.as_str(), "M0001" | "M0006" | "M0008"));
            let errors = all.iter().filter(|one| one.severity == Severity::Error);
            (syntax.count(), errors.count())
        };
        let before = unreadable(&files);
        let fixed = fix(files);
        assert!(unreadable(&fixed.files) <= before);
        repaired += fixed.repairs.len();
        let safe = fixed.parsed.diagnostics.iter().filter(|one| {
            let is_safe = one
                .fixes
                .iter()
                .any(|fix| fix.applicability == Applicability::Safe);
            is_safe && !fixed.refused.contains(&*one.primary.span.file)
        });
        assert_eq!(safe.count(), 0);
    }
    assert!(repaired > 15, "{repaired}");
}

/// Files that would get worse are left, however many; the others are put right all the same.
#[test]
fn one_file_stops_no_other() {
    let worse = |n: u32| {
        let text = format!("[zone.a{n}]\ndescription = \"one\"\ndescriptio = \"two\"\n");
        file(&format!("z{n}.toml"), &text)
    };
    let well = |n: u32| {
        let text = format!("[zone.b{n}]\ndescriptio = \"x\"\n");
        file(&format!("z{n}-well.toml"), &text)
    };
    let mut files: Vec<_> = (0..40).flat_map(|n| [well(n), worse(n)]).collect();
    files.push(file("base.toml", include_str!("../cases/base.toml")));
    let fixed = fix(files);
    assert_eq!((fixed.refused.len(), fixed.repairs.len()), (40, 40));
    for n in 0..40 {
        assert!(fixed.files.contains(&worse(n)) && !fixed.files.contains(&well(n)));
    }
}

#[test]
fn edits_keep_what_stands_around_them() {
    let text = "[zone.z1] # ä\r\ndescriptio = \"ö\" # ü\r\n";
    let fixed = fix(vec![file("a.toml", text)]);
    let is = String::from_utf8(fixed.files[0].bytes.clone()).unwrap();
    assert_eq!(is, text.replace("descriptio", "description"));
    assert!(
        parse_one("a.toml", &is)
            .diagnostics
            .iter()
            .all(|one| one.fixes.is_empty())
    );
}
