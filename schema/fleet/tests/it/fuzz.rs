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

/// What is said of a file, in titles.
fn titles(path: &str, text: &str) -> Vec<String> {
    let parsed = parse(&[file(path, text)]);
    assert!(
        parsed.fleet.is_none() && parsed.diagnostics.len() < 1100,
        "{path}"
    );
    parsed.diagnostics.into_iter().map(|one| one.title).collect()
}

fn many(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect()
}

type Write = fn(usize) -> String;

const VALUES: &str = "more than 400000 values in one file";
const TABLES: &str = "more than 180000 tables in one file";
const OBJECTS: &str = "more than 20000 objects in one file";
const OPENINGS: &str = "more than 100 of {, /* and /- in one object, or more than 32 KiB";

/// Limits of a file: of what there may be how much, and what is said of more. In a string it costs the parser nothing,
/// and is counted all the same.
const LIMITS: [(&str, Write, usize, &str); 15] = [
    (
        "a.toml",
        |count| format!("a=\"{}\"", "[".repeat(count - 1)),
        400_000,
        VALUES,
    ),
    (
        "a.toml",
        |count| format!("a='{}'", "\\".repeat(count - 1)),
        400_000,
        VALUES,
    ),
    (
        "a.toml",
        |count| format!("a='{}'", ",".repeat(count - 1)),
        400_000,
        VALUES,
    ),
    (
        "a.toml",
        |count| format!("a=\"{}\"", "{".repeat(count)),
        180_000,
        TABLES,
    ),
    (
        "a.toml",
        |count| format!("a=\"\"\"\n{}\"\"\"", "[x.x\n".repeat(count)),
        90_000,
        TABLES,
    ),
    (
        "a.toml",
        |count| format!("a{}=1", ".a".repeat(count)),
        180_000,
        TABLES,
    ),
    (
        "a.toml",
        |count| format!("a{}", ".a".repeat(count)),
        180_000,
        TABLES,
    ),
    (
        "a.toml",
        |count| "\n".repeat(count),
        300_000,
        "more than 300000 lines in one file",
    ),
    (
        "a.toml",
        |count| "\r".repeat(count),
        1000,
        "control characters without end",
    ),
    (
        "a.toml",
        |count| many(count, |at| format!("[zone.z{at}]\n")),
        20_000,
        OBJECTS,
    ),
    (
        "a.kdl",
        |count| format!("zone z {{\n{}}}", "b\n".repeat(count - 1)),
        1000,
        "more than 1000 fields in one table",
    ),
    (
        "a.kdl",
        |count| format!("x-a {}", "/*b*/ ".repeat(count)),
        100,
        OPENINGS,
    ),
    (
        "a.kdl",
        |count| format!("x-a \"{}\"", "b".repeat(count - 6)),
        32 << 10,
        OPENINGS,
    ),
    (
        "a.toml",
        |count| "# muster: allow M0404 x\n".repeat(count),
        1000,
        "more than 1000 comments of one file allow something",
    ),
    // 166 machines and their profile hold its text, of which 64 bytes are one value, and two values each.
    (
        "a.toml",
        |count| {
            let text = "b".repeat((59_876 + count) * 64);
            let machines = many(166, |at| format!("[machine.m{at}]\nprofile=\"p\"\n"));
            format!("[profile.p]\nx-text=\"{text}\"\n{machines}")
        },
        0,
        "more than 10000000 values, when all layers are laid",
    ),
];

#[test]
fn files_that_are_all_of_one_thing() {
    for (path, write, most, title) in LIMITS {
        let is_told = |count| titles(path, &write(count)).iter().any(|one| one == title);
        assert!(!is_told(most), "{most} of {path}: {title}");
        assert!(is_told(most + 1), "{most} and one of {path}: {title}");
    }
    let kdl = many(20_001, |at| format!("zone z{at}\n"));
    assert!(titles("a.kdl", &kdl).contains(&OBJECTS.to_owned()));
}

/// Messages are counted beyond a number, those of a file and those of all, and the number is told.
#[test]
fn messages_beyond_a_number_are_counted() {
    let wrong = |from: usize, count: usize| {
        let machine = |at| format!("[machine.m{at}]\nrack=1\n");
        (from..from + count).map(machine).collect::<String>()
    };
    let more = |files: &[SourceFile]| {
        let parsed = parse(files);
        let more = parsed.diagnostics.iter().find_map(|one| {
            let number = one.title.strip_suffix(" more errors and warnings")?;
            Some(number.parse::<usize>().unwrap())
        });
        (parsed.diagnostics.len(), more)
    };
    // One beside them: there is no fleet.
    assert_eq!(more(&[file("a.toml", &wrong(0, 5000))]), (5001, None));
    assert_eq!(more(&[file("a.toml", &wrong(0, 5003))]), (5002, Some(3)));
    let files: Vec<_> = (0..5)
        .map(|at| file(&format!("{at}.toml"), &wrong(at * 5000, 5000)))
        .collect();
    assert_eq!(more(&files[..4]), (20_001, None));
    assert_eq!(more(&files), (20_002, Some(5000)));
}

/// Each name that is nowhere is looked for in what could not be read, until that is too much.
#[test]
fn names_are_looked_for_to_a_limit() {
    let names = many(1000, |at| format!("\"m{at}\","));
    let text = format!("[deployment.d]\nmachines=[{names}]\n");
    let unread = format!("x\n{}", "#".repeat((1 << 20) - 2));
    let parsed = parse(&[file("a.toml", &text), file("b.toml", &unread)]);
    let told = parsed.diagnostics.iter();
    let told = told.filter(|one| one.title.starts_with("unknown machine"));
    assert_eq!(told.count(), 256);
}

/// Each name that is meant is looked for among all: for the first fifty.
#[test]
fn what_was_meant_is_said_fifty_times() {
    let text = many(60, |at| format!("[machine.m{at}]\nrack=\"nearx{at:02}\"\n"));
    let racks = many(60, |at| format!("[rack.neary{at:02}]\n"));
    let parsed = parse(&[file("a.toml", &text), file("b.toml", &racks)]);
    let helps = parsed.diagnostics.iter().filter_map(|one| one.help.as_ref());
    let meant = helps.filter(|help| help.starts_with("did you mean \"near"));
    assert_eq!(meant.count(), 50);
}

#[test]
fn no_message_quotes_a_file_as_a_whole() {
    let long = format!("[machine.m1]\n{}=1\n", "k".repeat(3 << 20));
    let parsed = parse(&[file("a.toml", &long)]);
    assert!(render::plain(&parsed.diagnostics, &[]).len() < 20_000);
}
