//! Every code that a program says can be explained.
//!
//! Codes are made by enums that bring their pages. What this holds is that nobody writes one by hand: each
//! string in the sources that looks like a code must be one that `muster explain` knows.

use super::{document, says};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where codes are said: the daemon's side and the agents'.
const SOURCES: [&str; 3] = ["schema", "reconciler", "rack"];

/// Functions and fields that take a code as text; a string right behind one is a code.
const TAKERS: [&str; 4] = ["code: \"", "code = \"", "refused(", "=> \""];

/// The codes that `muster explain` knows.
pub(crate) fn listed() -> BTreeSet<String> {
    let list = document(&says(&["--json", "explain", "--list"], 0));
    let codes = list.as_array().expect("a list").iter().map(|page| {
        let text = page["page"].as_str().expect("a page");
        let code = page["code"].as_str().expect("a code");
        assert!(text.starts_with(&format!("# {code}")), "{code}: {text}");
        code.to_owned()
    });
    codes.collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// `M0101`, in any string.
fn is_diagnostic(text: &str) -> bool {
    text.len() == 5 && text.starts_with('M') && text[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// `NO_BOOT`, behind something that takes a code.
fn is_word(text: &str) -> bool {
    text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// The strings of a line that are codes, and the code of a console within one.
fn codes(line: &str) -> Vec<&str> {
    let takes = TAKERS.iter().any(|taker| line.contains(taker));
    let consoles = line.match_indices("BOOT-").filter_map(|(at, prefix)| {
        let digits = line[at + prefix.len()..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        (digits > 0).then(|| &line[at..at + prefix.len() + digits])
    });
    line.split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| is_diagnostic(text) || (takes && is_word(text)))
        .chain(consoles)
        .collect()
}

#[test]
fn a_code_that_is_said_can_be_explained() {
    let known = listed();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for folder in SOURCES {
        sources(&root.join(folder), &mut files);
    }
    let mut said = BTreeSet::new();
    for file in &files {
        let text = fs::read_to_string(file).expect("a source");
        let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in shipped
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for code in codes(line) {
                assert!(
                    known.contains(code),
                    "{}: {code} has no page: {line}",
                    file.display()
                );
                said.insert(code.to_owned());
            }
        }
    }
    // The rack's side knows no enum of the daemon's and writes its codes by hand.
    for code in ["DISK_MISSING", "STEP_FAILED", "BOOT-1"] {
        assert!(said.contains(code), "the search no longer finds {code}");
    }
}
