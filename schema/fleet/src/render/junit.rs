//! JUnit's XML, for the many that show no other: a test case for each diagnostic, and a passed one for each fleet file
//! without any, so that a clean fleet is a suite that passes and not one that is empty.

use super::{Place, Sources, message, plain::one};
use crate::{
    diagnostic::{Diagnostic, Severity},
    parse::fleet_files,
    source::SourceFile,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

/// One suite. `failing` is the mildest severity that makes a case fail; what is milder passes and says so.
pub fn junit(
    diagnostics: &[Diagnostic],
    files: &[SourceFile],
    place: Place<'_>,
    failing: Severity,
) -> String {
    let mut out = String::new();
    suite(&mut out, diagnostics, files, place, failing).expect("writing to a string does not fail");
    out
}

fn suite(
    out: &mut String,
    diagnostics: &[Diagnostic],
    files: &[SourceFile],
    place: Place<'_>,
    failing: Severity,
) -> fmt::Result {
    let met: BTreeSet<&str> = diagnostics.iter().map(|one| &*one.primary.span.file).collect();
    let by_path: BTreeMap<&str, &[u8]> = files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    let paths = fleet_files(&by_path).map(|(path, _)| path);
    let clean: Vec<&str> = paths.filter(|path| !met.contains(path)).collect();
    let failures = diagnostics.iter().filter(|one| one.severity <= failing).count();
    let counts = format!(
        "name=\"muster check\" tests=\"{}\" failures=\"{failures}\" errors=\"0\"",
        diagnostics.len() + clean.len()
    );
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites {counts}>\n  <testsuite {counts} skipped=\"0\">")?;
    let sources = Sources::of(diagnostics, files);
    for diagnostic in diagnostics {
        case(out, diagnostic, &sources, place, failing)?;
    }
    for path in clean {
        let path = attribute(&place.path(path));
        writeln!(
            out,
            "    <testcase name=\"{path}\" classname=\"{path}\" file=\"{path}\"/>"
        )?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

fn case(
    out: &mut String,
    diagnostic: &Diagnostic,
    sources: &Sources<'_>,
    place: Place<'_>,
    failing: Severity,
) -> fmt::Result {
    let span = &diagnostic.primary.span;
    let path = attribute(&place.path(&span.file));
    let line = span.start.line;
    let mut text = String::new();
    one(&mut text, diagnostic, sources)?;
    writeln!(
        out,
        "    <testcase name=\"{} {path}:{line}\" classname=\"{path}\" file=\"{path}\" line=\"{line}\">",
        diagnostic.code
    )?;
    if diagnostic.severity <= failing {
        writeln!(
            out,
            "      <failure type=\"{}\" message=\"{}\">{}</failure>",
            diagnostic.code,
            attribute(&message(diagnostic, place)),
            escaped(&text)
        )?;
    } else {
        writeln!(out, "      <system-out>{}</system-out>", escaped(&text))?;
    }
    writeln!(out, "    </testcase>")
}

/// The value of an attribute, which would lose its line ends otherwise (XML 1.0 §3.3.3).
fn attribute(text: &str) -> String {
    escaped(text).replace('\n', "&#10;")
}

/// Text for elements (XML 1.0 §2.2, §2.4): what XML has no way to say is replaced, and `]]>` is none.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
