//! The three forms of one set of diagnostics, and what none of them lets through.

use crate::revision::{file, parse_one};
use miette::GraphicalTheme;
use schema_fleet::{SourceFile, parse, render};

fn two_files() -> Vec<SourceFile> {
    let toml = "[machine.m1]\nnic.p0 = { mac = \"52:54:00:77:00:01\" }\nseriall = \"ä\"\n";
    let kdl = "machine m2 {\n    nic p0 mac=\"52:54:00:77:00:01\"\n}\n";
    vec![file("a.toml", toml), file("b.kdl", kdl)]
}

#[test]
fn graphical() {
    let files = two_files();
    let parsed = parse(&files);
    let theme = GraphicalTheme::unicode_nocolor();
    insta::assert_snapshot!(render::graphical(&parsed.diagnostics, &files, &theme, 100));
}

#[test]
fn json() {
    let parsed = parse(&two_files());
    let value = render::json(&parsed.diagnostics);
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn fifty_are_shown_and_all_are_counted() {
    let text: String = (0..60)
        .map(|n| format!("[machine.m{n}]\nseriall = 1\nserial = \"s{n}\"\n"))
        .collect();
    let parsed = parse_one("a.toml", &text);
    let plain = render::plain(&parsed.diagnostics, &[file("a.toml", &text)]);
    assert_eq!(plain.matches("\n   --> ").count(), 50);
    assert!(
        plain.ends_with("\n61 errors, 0 warnings; the first 50 are shown\n"),
        "{plain}"
    );
    assert_eq!(
        render::json(&parsed.diagnostics)["diagnostics"]
            .as_array()
            .unwrap()
            .len(),
        61
    );
}

#[test]
fn files_do_not_reach_into_the_terminal() {
    let text = "[machine.m1]\n\"a\u{9b}31m\u{202e}\" = 1 # \u{9b}2J \u{2066}\n";
    let files = [file("a.toml", text)];
    let parsed = parse(&files);
    assert!(!parsed.diagnostics.is_empty());
    for out in [
        render::plain(&parsed.diagnostics, &files),
        render::graphical(
            &parsed.diagnostics,
            &files,
            &GraphicalTheme::unicode_nocolor(),
            80,
        ),
    ] {
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
        assert!(!out.contains(['\u{202e}', '\u{2066}']), "{out:?}");
    }
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let padding = "y".repeat(500);
    let long = format!("machine.m1 = {{ x-a = \"{padding}\", seriall = \"x\" }}\n");
    let files = [file("a.toml", &long)];
    let plain = render::plain(&parse(&files).diagnostics, &files);
    let lines: Vec<_> = plain.lines().collect();
    let at = lines.iter().position(|line| line.contains("seriall = ")).unwrap();
    assert!(lines[at].chars().count() < 160);
    let column = |line: &str, what: &str| line[..line.find(what).unwrap()].chars().count();
    assert_eq!(column(lines[at], "seriall"), column(lines[at + 1], "^"));
    assert!(lines[at].contains("| …y"), "{plain}");
}

/// No line of source is wider than the terminal, and its label stays under what it means.
#[test]
fn narrow_terminals_get_narrow_lines() {
    let padding = "y".repeat(60);
    let text = format!("machine.m1 = {{ x-a = \"{padding}\", seriall = \"x\", x-b = \"{padding}\" }}\n");
    let files = [file("a.toml", &text)];
    let parsed = parse(&files);
    let one = parsed
        .diagnostics
        .iter()
        .filter(|one| one.title.contains("seriall"));
    let one: Vec<_> = one.cloned().collect();
    for columns in [0, 30, 60, 80, 200] {
        let out = render::graphical(&one, &files, &GraphicalTheme::unicode_nocolor(), columns);
        let lines: Vec<_> = out.lines().collect();
        let at = lines.iter().position(|line| line.contains("seriall = ")).unwrap();
        let before = |line: &str, what: char| line.chars().position(|c| c == what).unwrap();
        let start = lines[at].find("seriall").unwrap();
        let start = lines[at][..start].chars().count();
        assert_eq!(start, before(lines[at + 1], '─'), "{out}");
        assert!(lines[at].chars().count() <= columns.max(30), "{columns}: {out}");
    }
}

#[test]
fn limits_of_the_reader() {
    let large = SourceFile {
        path: "a.toml".into(),
        bytes: vec![b'#'; (4 << 20) + 1],
    };
    let many = (0..20_001)
        .map(|n| file(&format!("{n:05}.toml"), ""))
        .collect::<Vec<_>>();
    for files in [vec![large], many] {
        let parsed = parse(&files);
        assert!(parsed.diagnostics.iter().any(|one| one.code.as_str() == "M0008"));
    }
    let not_text = SourceFile {
        path: "a.kdl".into(),
        bytes: b"zone a\nzone \xff".to_vec(),
    };
    let parsed = parse(&[not_text]);
    assert_eq!(parsed.diagnostics.len(), 1);
    assert_eq!(parsed.diagnostics[0].primary.span.to_string(), "a.kdl:2:6");
}
