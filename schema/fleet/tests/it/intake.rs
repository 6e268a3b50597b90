//! What of a repository is read, entry by entry.

use crate::revision::file;
use proptest::{collection, prelude::*};
use schema_fleet::{Code, EntryKind, Intake, Parsed, Refused, Step, parse_taken, render};
use std::collections::BTreeSet;

const SMALL: EntryKind = EntryKind::File { bytes: 10 };

/// A folder with everything in it that a person or an enemy may put there.
const ODD: &[(&[u8], EntryKind, Option<Code>)] = &[
    (b"fleet.toml", SMALL, None),
    (b"Fleet.toml", SMALL, Some(Code::M0016)),
    ("caf\u{e9}".as_bytes(), EntryKind::Folder, None),
    ("cafe\u{301}".as_bytes(), EntryKind::Folder, Some(Code::M0016)),
    (b"link.kdl", EntryKind::Link, Some(Code::M0015)),
    (b"link", EntryKind::Link, None),
    (b"pipe.toml", EntryKind::Special, Some(Code::M0015)),
    (b"pipe", EntryKind::Special, None),
    (b"modules", EntryKind::Submodule, Some(Code::M0015)),
    (b".hidden", EntryKind::Submodule, None),
    (b".hidden.toml", EntryKind::Link, None),
    (b"..", EntryKind::Folder, Some(Code::M0017)),
    (b"r\xe4ck.toml", SMALL, Some(Code::M0017)),
    (b"r\xe4ck.jpg", SMALL, None),
    (b"a\\b.toml", SMALL, Some(Code::M0017)),
    (b"a/b.toml", SMALL, Some(Code::M0017)),
    (b"line\n.toml", SMALL, Some(Code::M0017)),
    (b"esc\x1b[2J", EntryKind::Folder, Some(Code::M0017)),
    ("gnp.\u{202e}lmot.toml".as_bytes(), SMALL, Some(Code::M0017)),
    (b"", EntryKind::Folder, Some(Code::M0017)),
    (b"big.toml", EntryKind::File { bytes: 5 << 20 }, Some(Code::M0008)),
    (b"big.img", EntryKind::File { bytes: 5 << 30 }, None),
];

/// What is refused of it.
pub(crate) fn odd() -> Refused {
    let mut intake = Intake::default();
    for (name, kind, _) in ODD {
        intake.entry("", name, *kind);
    }
    intake.end()
}

fn codes(parsed: &Parsed) -> BTreeSet<Code> {
    parsed.diagnostics.iter().map(|one| one.code).collect()
}

#[test]
fn each_entry_is_judged_by_itself() {
    for (name, kind, code) in ODD {
        let mut intake = Intake::default();
        for first in ["fleet.toml", "caf\u{e9}"]
            .iter()
            .filter(|first| first.as_bytes() != *name)
        {
            intake.entry("", first.as_bytes(), SMALL);
        }
        intake.entry("", name, *kind);
        let told: Vec<_> = parse_taken(&[], &intake.end())
            .diagnostics
            .iter()
            .map(|one| one.code)
            .filter(|code| *code != Code::M0106)
            .collect();
        assert_eq!(told, Vec::from_iter(*code), "{}", name.escape_ascii());
    }
}

#[test]
fn what_is_refused_is_told_in_plain_letters() {
    let files = [file("fleet.toml", include_str!("../cases/base.toml"))];
    let parsed = parse_taken(&files, &odd());
    assert!(parsed.fleet.is_none());
    insta::assert_snapshot!(render::plain(&parsed.diagnostics, &files));
}

#[test]
fn what_a_refused_file_may_hold_is_not_missing() {
    let text = "[deployment.web]\nimage = \"debian\"\ncount = 1\n";
    let files = [file("fleet.toml", text)];
    assert!(codes(&parse_taken(&files, &Refused::default())).contains(&Code::M0106));
    let mut intake = Intake::default();
    intake.entry("", b"images.toml", EntryKind::Link);
    let told = codes(&parse_taken(&files, &intake.end()));
    assert!(
        told.contains(&Code::M0015) && !told.contains(&Code::M0106),
        "{told:?}"
    );
}

#[test]
fn user_data_that_is_a_link_is_told_as_one() {
    let base = include_str!("../cases/base.toml");
    let text = "[deployment.linked]\nimage = \"debian-12\"\nhostname = \"a-{slot}\"\nstorage = \"disk\"\nnetwork = \"port\"\n\
                count = 1\nuser-data = \"seed.yaml\"\n";
    let mut intake = Intake::default();
    assert_eq!(intake.entry("", b"seed.yaml", EntryKind::Link), Step::Pass);
    let parsed = parse_taken(&[file("base.toml", base), file("d.toml", text)], &intake.end());
    let missing = parsed
        .diagnostics
        .iter()
        .find(|one| one.code == Code::M0511)
        .unwrap();
    assert!(missing.notes[0].contains("symbolic link"), "{missing:?}");
}

/// Files that are offered until the walk is to end; the number of those before it.
fn until_stop(mut offer: impl FnMut(&mut Intake, usize) -> Step) -> (usize, String) {
    let mut intake = Intake::default();
    for number in 0..1_000_000 {
        if offer(&mut intake, number) == Step::Stop {
            let parsed = parse_taken(&[], &intake.end());
            assert_eq!(codes(&parsed), BTreeSet::from([Code::M0008]));
            assert_eq!(parsed.diagnostics.len(), 1, "the rest would be echoes");
            return (number, parsed.diagnostics[0].title.clone());
        }
    }
    panic!("no limit");
}

#[test]
fn the_whole_is_limited() {
    let file_of = |bytes, end: &'static str| {
        move |intake: &mut Intake, number: usize| {
            intake.entry(
                "",
                format!("{number}.{end}").as_bytes(),
                EntryKind::File { bytes },
            )
        }
    };
    assert_eq!(until_stop(file_of(0, "txt")).0, 100_000);
    assert_eq!(until_stop(file_of(0, "toml")).0, 20_000);
    assert_eq!(
        until_stop(file_of(4 << 20, "kdl")),
        (16, "more than 64 MiB of fleet files".to_owned())
    );
    assert_eq!(until_stop(file_of(4 << 20, "img")).0, 16);
    // Links and hidden files are walked as well.
    let link = |intake: &mut Intake, _| intake.entry("", b".x", EntryKind::Link);
    assert_eq!(until_stop(link).0, 100_000);
    let mut folder = String::new();
    let deeper = |intake: &mut Intake, _| {
        let step = intake.entry(&folder, b"d", EntryKind::Folder);
        folder.push_str("d/");
        step
    };
    assert_eq!(until_stop(deeper).0, 32);
    let longer =
        |intake: &mut Intake, number| intake.entry("", "n".repeat(number).as_bytes(), EntryKind::Link);
    assert_eq!(until_stop(longer).0, 1025);
    let mut intake = Intake::default();
    assert!(intake.takes_list("", 16 << 20) && !intake.takes_list("", (16 << 20) + 1));
}

#[test]
fn refusals_beyond_a_thousand_are_counted() {
    let mut intake = Intake::default();
    for number in 0..50_000 {
        intake.entry("", format!("{number}.toml").as_bytes(), EntryKind::Link);
    }
    let diagnostics = parse_taken(&[], &intake.end()).diagnostics;
    assert_eq!(diagnostics.len(), 1001);
    assert!(
        diagnostics
            .iter()
            .any(|one| one.title.starts_with("49000 more files"))
    );
}

proptest! {
    /// Whatever a name is, what is read is a path of printable UTF-8 below the folder, and what is told is printable.
    #[test]
    fn any_name_is_judged(names in collection::vec(collection::vec(any::<u8>(), 0..20), 1..6)) {
        let mut intake = Intake::default();
        for name in &names {
            for kind in [SMALL, EntryKind::Folder, EntryKind::Link] {
                let mut name = name.clone();
                if kind == EntryKind::Link {
                    name.extend(b".toml");
                }
                if let Step::Read(path) | Step::Enter(path) = intake.entry("a/", &name, kind) {
                    let path = path.trim_end_matches('/').strip_prefix("a/").unwrap();
                    prop_assert!(path.as_bytes() == name && !path.contains(['/', '\\']) && path != "..");
                    prop_assert!(!path.contains(char::is_control));
                }
            }
        }
        for one in parse_taken(&[], &intake.end()).diagnostics {
            prop_assert!(!one.primary.span.file.contains(char::is_control), "{:?}", one);
        }
    }
}
