//! What fuzzing begins with and what it found, read again by each test run: `cargo xtask fuzz` adds to it.
//!
//! A target is a function of bytes that returns, whatever they are.

use crate::{bad::cases, revision::file};
use miette::GraphicalTheme;
use schema_fleet::{SourceFile, Syntax, fix, format, parse, render};

type Target = fn(&[u8]);

/// The targets and their folders in `tests/corpus`.
const TARGETS: [(&str, Target); 4] = [("toml", toml), ("kdl", kdl), ("decoder", decoder), ("fmt", fmt)];

fn one(path: &str, bytes: &[u8]) -> SourceFile {
    SourceFile {
        path: path.into(),
        bytes: bytes.to_vec(),
    }
}

/// All that `check` does with files.
fn checked(files: &[SourceFile]) {
    let parsed = parse(files);
    let _ = render::plain(&parsed.diagnostics, files);
    let _ = render::graphical(&parsed.diagnostics, files, &GraphicalTheme::unicode(), 40);
    let _ = fix(files.to_vec());
}

fn toml(bytes: &[u8]) {
    checked(&[one("a.toml", bytes)]);
}

fn kdl(bytes: &[u8]) {
    checked(&[one("a.kdl", bytes)]);
}

/// Beside a fleet that is right, what is read comes as far as the checks.
fn decoder(bytes: &[u8]) {
    let base = file("base.toml", include_str!("../cases/base.toml"));
    checked(&[base.clone(), one("a.toml", bytes)]);
    checked(&[base, one("a.kdl", bytes)]);
}

/// What is formatted is the same once more, and what is converted says the same.
fn fmt(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for from in [Syntax::Toml, Syntax::Kdl] {
        for to in [Syntax::Toml, Syntax::Kdl] {
            if let Ok(printed) = format("a", text, from, to) {
                assert_eq!(format("a", &printed, to, to).as_ref(), Ok(&printed));
            }
        }
    }
}

#[test]
fn the_corpus_is_answered() {
    for (name, target) in TARGETS {
        let folder = cases().join("../corpus").join(name);
        let mut inputs = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            target(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 1, "{name}");
    }
}

/// What costs much where it is not refused, in the largest file there may be; each says why it is refused.
#[test]
fn files_that_are_all_of_one_thing() {
    let all_of = |piece: &str| piece.repeat((4 << 20) / piece.len());
    let many = |piece: fn(usize) -> String| (0..60_000).map(piece).collect::<String>();
    let list = format!("[{}]", "\"a\",".repeat(50_000));
    let machines = || many(|number| format!("[machine.m{number}]\n"));
    for (path, text) in [
        ("a.toml", all_of("=\n")),
        ("a.toml", all_of("a\n")),
        ("a.toml", all_of("[],")),
        ("a.toml", all_of("\r")),
        ("a.toml", format!("a=\"{}\"", "\\q".repeat(2 << 20).split_off(10))),
        (
            "a.toml",
            many(|number| format!("[profile.p{number}]\nx-a=\"{}\"\n", "b".repeat(20)))
                + &all_of("a=1\n").split_off(3 << 20),
        ),
        (
            "a.toml",
            format!("[defaults.machine]\ntags={list}\n{}", machines()),
        ),
        ("a.kdl", all_of("a;")),
        ("a.kdl", all_of("/- a\n")),
    ] {
        let parsed = parse(&[file(path, &text)]);
        assert!(
            !parsed.diagnostics.is_empty() && parsed.diagnostics.len() < 100,
            "{}",
            &text[..40]
        );
        let codes: Vec<_> = parsed.diagnostics.iter().map(|one| one.code.as_str()).collect();
        assert!(
            codes.contains(&"M0008") || codes.contains(&"M0001"),
            "{}: {codes:?}",
            &text[..40]
        );
    }
    // Messages are counted beyond a number, and the number is told.
    let parsed = parse(&[file("a.toml", &machines())]);
    assert!(parsed.fleet.is_none() && parsed.diagnostics.len() <= 20_002);
    assert!(
        parsed
            .diagnostics
            .iter()
            .any(|one| one.title.ends_with(" more errors and warnings"))
    );
    // No message quotes a file as a whole.
    let long = format!("[machine.m1]\n{}=1\n", "k".repeat(3 << 20));
    let parsed = parse(&[file("a.toml", &long)]);
    assert!(render::plain(&parsed.diagnostics, &[]).len() < 20_000);
}
