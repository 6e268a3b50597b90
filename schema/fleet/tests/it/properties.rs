//! Whatever is written, the reader answers.

use crate::revision::parse_one;
use miette::GraphicalTheme;
use proptest::{collection, prelude::*};
use schema_fleet::{SourceFile, fix, parse, render};

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
