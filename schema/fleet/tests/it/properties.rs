//! Whatever is written, the reader answers; and what is written in both syntaxes is one model.

use crate::revision::{file, parse_one};
use miette::GraphicalTheme;
use proptest::{collection, option, prelude::*};
use schema_fleet::{SourceFile, fix, parse, render};
use std::fmt::Write;

/// Pieces of both languages: random runs of them come further than random bytes.
const PIECES: [&str; 46] = [
    "machine",
    "profile",
    "storage",
    "fleet",
    "defaults",
    "removed",
    "nic",
    "select",
    " ",
    "\n",
    "\n",
    "\t",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    "=",
    "\"",
    "\"\"\"",
    "'",
    "#",
    "#\"",
    "\"#",
    "/*",
    "*/",
    "//",
    "/-",
    "\\",
    ";",
    ",",
    ".",
    "(",
    ")",
    "1",
    "0x",
    "-",
    "true",
    "#true",
    "é",
    "\u{feff}",
    "10.0.0.1/24",
    "tags",
    "# muster: allow M0404,",
    "// muster: allow M0101 x",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    collection::vec(prop::sample::select(PIECES.to_vec()), 0..60)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

/// Parses as both syntaxes, and draws whatever comes of it.
fn survives(bytes: &[u8]) {
    let files = ["a.toml", "b.kdl"].map(|path| SourceFile {
        path: path.into(),
        bytes: bytes.to_vec(),
    });
    let parsed = parse(&files);
    for diagnostic in &parsed.diagnostics {
        let span = &diagnostic.primary.span;
        assert!(
            span.start <= span.end && span.end.byte as usize <= bytes.len(),
            "{diagnostic:?}"
        );
    }
    let _ = render::plain(&parsed.diagnostics, &files);
    let _ = render::graphical(&parsed.diagnostics, &files, &GraphicalTheme::unicode(), 30);
    crate::forges::are_read_back(&parsed.diagnostics, &files);
    let _ = fix(files.to_vec());
}

/// A machine, small enough to print by hand in both syntaxes.
#[derive(Debug, Clone)]
struct Sketch {
    serial: Option<String>,
    position: Option<u8>,
    tags: Vec<String>,
    ports: Vec<(String, [u8; 5])>,
    consents: Vec<String>,
    power: Option<bool>,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    (
        option::of("[^\\pC\u{2028}\u{2029}]{0,12}"),
        option::of(any::<u8>()),
        collection::vec("[a-z][a-z0-9]{0,5}", 0..3),
        collection::btree_map("p[0-9]", any::<[u8; 5]>(), 0..3),
        collection::vec("wwn:0x5[0-9a-f]{6}", 0..3),
        option::of(any::<bool>()),
    )
        .prop_map(|(serial, position, tags, ports, consents, power)| Sketch {
            serial,
            position,
            tags,
            ports: ports.into_iter().collect(),
            consents,
            power,
        })
}

fn mac(octets: &[u8; 5]) -> String {
    octets
        .iter()
        .fold("52".to_owned(), |text, octet| format!("{text}:{octet:02x}"))
}

/// A string in both syntaxes: both know `\"` and `\\`; what else may need escaping is left out above.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn as_toml(machines: &[Sketch]) -> String {
    let mut out = String::new();
    for (number, machine) in machines.iter().enumerate() {
        writeln!(out, "[machine.m{number}]").unwrap();
        if let Some(serial) = &machine.serial {
            writeln!(out, "serial = {}", quoted(&format!("{number}{serial}"))).unwrap();
        }
        if let Some(position) = machine.position {
            writeln!(out, "position = {position}").unwrap();
        }
        writeln!(out, "tags = {:?}", machine.tags).unwrap();
        for (port, octets) in &machine.ports {
            writeln!(out, "nic.{port} = {{ mac = \"{}\" }}", mac(octets)).unwrap();
        }
        if let Some(on) = machine.power {
            writeln!(out, "power = \"{}\"", if on { "on" } else { "off" }).unwrap();
        }
        for disk in &machine.consents {
            writeln!(
                out,
                "[[machine.m{number}.consent]]\ndisk = \"{disk}\"\ncontents = \"blank\""
            )
            .unwrap();
        }
    }
    out
}

fn as_kdl(machines: &[Sketch]) -> String {
    let mut out = String::new();
    for (number, machine) in machines.iter().enumerate() {
        write!(out, "machine m{number}").unwrap();
        if let Some(position) = machine.position {
            write!(out, " position={position}").unwrap();
        }
        writeln!(out, " {{").unwrap();
        if let Some(serial) = &machine.serial {
            writeln!(out, "serial {}", quoted(&format!("{number}{serial}"))).unwrap();
        }
        let tags: Vec<_> = machine.tags.iter().map(|tag| quoted(tag)).collect();
        writeln!(out, "tags {}", tags.join(" ")).unwrap();
        for (port, octets) in &machine.ports {
            writeln!(out, "nic {port} mac=\"{}\"", mac(octets)).unwrap();
        }
        if let Some(on) = machine.power {
            writeln!(out, "power {}", if on { "on" } else { "off" }).unwrap();
        }
        for disk in &machine.consents {
            writeln!(out, "consent disk=\"{disk}\" {{ contents blank; }}").unwrap();
        }
        writeln!(out, "}}").unwrap();
    }
    out
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        survives(text.as_bytes());
    }

    #[test]
    fn any_run_of_pieces_is_answered(bytes in soup()) {
        survives(&bytes);
    }

    #[test]
    fn both_syntaxes_are_one_model(machines in collection::vec(sketch(), 0..4)) {
        let base = file("base.toml", include_str!("../cases/base.toml"));
        let (toml, kdl) = (as_toml(&machines), as_kdl(&machines));
        let one = parse(&[base.clone(), file("m.toml", &toml)]);
        let other = parse(&[base, file("m.kdl", &kdl)]);
        let titles = |parsed: &schema_fleet::Parsed| {
            let mut titles: Vec<_> =
                parsed.diagnostics.iter().map(|one| (one.code, one.title.clone())).collect();
            titles.sort();
            titles
        };
        prop_assert_eq!(titles(&one), titles(&other), "{}\n{}", toml, kdl);
        prop_assert_eq!(one.fleet, other.fleet, "{}\n{}", toml, kdl);
    }
}

/// What would overflow the stack of a parser that trusts its input: openings without end, and as many
/// errors as fit into one object.
#[test]
fn depth_is_answered() {
    let texts = [
        "{",
        "a {\n",
        "/*",
        "/-",
        "[",
        "a = [",
        "a = {b = ",
        "a.",
        "[[a]]\n[a.",
        "\"{ \"}\n",
        "\"",
        "#",
        "=",
        "}",
        ")",
        "(",
        ";=",
        "=\\",
        "a=",
        "{}=",
    ];
    for text in texts {
        // Larger objects of KDL are not given to its parser.
        for (path, length) in [("a.toml", 100_000), ("a.kdl", 30_000)] {
            let text = text.repeat(length / text.len());
            assert!(!parse_one(path, &text).diagnostics.is_empty());
        }
    }
}
