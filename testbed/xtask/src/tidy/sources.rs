//! House rules on the text of one source file.

/// Names that say nothing about what is in a file or folder.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "common", "helper", "helpers", "misc", "types", "shared",
];

/// Crates whose shipped code is a function of its arguments.
const PURE: [&str; 5] = [
    "schema/ids/",
    "schema/fleet/",
    "reconciler/core/",
    "rack/api/",
    "rack/proto/",
];

/// What a pure crate must not touch. Written in halves, so that this file does not find itself.
const IMPURE: [&str; 10] = [
    concat!("SystemTime", "::now"),
    concat!("Instant", "::now"),
    concat!("thread", "::sleep"),
    concat!("std", "::fs"),
    concat!("std", "::env"),
    concat!("std", "::process"),
    concat!("Udp", "Socket"),
    concat!("Tcp", "Stream"),
    concat!("Tcp", "Listener"),
    concat!("Unix", "Stream"),
];

/// Their order differs from run to run, so what decides must not iterate over one.
const UNORDERED: [&str; 2] = [concat!("Hash", "Map"), concat!("Hash", "Set")];
const ORDERED_CRATES: [&str; 2] = ["reconciler/core/", "rack/proto/"];

/// The one crate that talks to the database.
const STORE: &str = "reconciler/store/";
/// The virtual rack, and the tests that kill musterd, ask `psql` from outside, as a witness that is not ours; those of guards that
/// open with time have it pass in what is on record.
const WITNESSES: [&str; 5] = [
    "testbed/vrack/",
    "reconciler/daemon/tests/it/crash.rs",
    "reconciler/daemon/tests/it/guards.rs",
    "reconciler/daemon/tests/it/pace.rs",
    "reconciler/daemon/tests/it/two.rs",
];
const SQL: [&str; 6] = [
    concat!("sqlx", "::"),
    concat!("\"SELE", "CT "),
    concat!("\"INSERT", " INTO "),
    concat!("\"DELETE", " FROM "),
    concat!("\"CREATE", " TABLE "),
    concat!("\"ALTER", " TABLE "),
];

/// Attributes that hide what should be mended.
const HIDING: [(&str, &str); 3] = [
    (concat!("#[", "ignore"), "a test that is not run proves nothing"),
    (concat!("#[", "allow("), "write #[expect(…, reason = \"…\")]"),
    (concat!("#![", "allow("), "write #[expect(…, reason = \"…\")]"),
];

/// Everything wrong with the file, as `path:line: what`.
pub(crate) fn check(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push(format!(
            "{path}:1: begins without `//!`: what is this file, why, and what does it never do?"
        ));
    }
    let parts = path.trim_end_matches(".rs").split('/');
    for part in parts.filter(|part| EMPTY_NAMES.contains(part)) {
        findings.push(format!("{path}:1: `{part}` names nothing; name the concept"));
    }
    for (number, line) in code(text.lines()) {
        for (attribute, instead) in HIDING.iter().filter(|(attribute, _)| line.contains(attribute)) {
            findings.push(format!("{path}:{number}: {attribute}: {instead}"));
        }
        let is_witness = WITNESSES.iter().any(|witness| path.starts_with(witness));
        let may = path.starts_with(STORE) || is_witness;
        for word in SQL.iter().filter(|word| line.contains(**word) && !may) {
            findings.push(format!("{path}:{number}: {word} outside {STORE}"));
        }
    }
    if !is_test_file(path) {
        let is_within = |crates: &[&str]| crates.iter().any(|one| path.starts_with(one));
        for (number, line) in code(shipped_lines(text)) {
            for word in IMPURE
                .iter()
                .filter(|word| is_within(&PURE) && line.contains(**word))
            {
                findings.push(format!(
                    "{path}:{number}: {word} in a pure crate; take it as an argument"
                ));
            }
            for word in UNORDERED
                .iter()
                .filter(|word| is_within(&ORDERED_CRATES) && line.contains(**word))
            {
                findings.push(format!("{path}:{number}: {word} has no order; use the BTree one"));
            }
        }
    }
    findings
}

/// Whether all of the file is test code.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The lines before the file's own tests, which stand last.
pub(crate) fn shipped_lines(text: &str) -> impl Iterator<Item = &str> {
    let has_inline_tests = text.contains("mod tests {");
    text.lines()
        .take_while(move |line| !(has_inline_tests && line.trim() == "#[cfg(test)]"))
}

/// Lines with their numbers, comment lines left out.
fn code<'t>(lines: impl Iterator<Item = &'t str>) -> impl Iterator<Item = (usize, &'t str)> {
    lines
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}
