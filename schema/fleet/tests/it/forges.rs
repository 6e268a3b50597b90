//! The forms that forges read: valid whatever a fleet holds, and the same mistake known again after it moved.

use crate::{
    bad::{cases, with_base},
    revision::{file, parse_one, read_case},
};
use schema_fleet::{
    Diagnostic, Severity, SourceFile, parse,
    render::{self, Place},
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::OnceLock};

const PLACE: Place<'_> = Place {
    prefix: "fleets/lab/",
};

/// Two files that share a mistake, one with a warning alone, one with a fix, and one without a word.
fn several() -> Vec<SourceFile> {
    vec![
        file(
            "machines/a.toml",
            "[machine.m1]\nnic.p0 = { mac = \"52:54:00:77:00:01\" }\nserail = \"ä\"\n",
        ),
        file(
            "machines/b c.kdl",
            "machine m2 {\n    nic p0 mac=\"52:54:00:77:00:01\"\n}\n",
        ),
        file("storage.toml", include_str!("../cases/storage-with-spare.toml")),
        file("zones.kdl", "zone z1\n"),
    ]
}

/// A name, a value and a path that would end whatever they stand in.
fn hostile() -> Vec<SourceFile> {
    let evil = "]]>\"'<!--&amp;\u{1b}[2J\u{9b}%0A,::error::x\\u0085 ##[add-mask] [x](http://e)";
    let text = format!(
        "[machine.m1]\nserial = {}\n{} = 1\n",
        serde_json::to_string(evil).unwrap().replace('\u{9b}', "\\u009b"),
        serde_json::to_string(&format!("{evil}\n::error file=x::y"))
            .unwrap()
            .replace('\u{9b}', "\\u009b"),
    );
    let path = format!("a\n::error::x,file=b%\r\"<]]>\u{1b}\u{0}{evil}.toml");
    vec![file(&path, &text), file("x\n<testcase/>.kdl", "")]
}

fn validator() -> &'static jsonschema::Validator {
    static VALIDATOR: OnceLock<jsonschema::Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        let mut schema: Value = serde_json::from_str(include_str!("../schemas/sarif-2.1.0.json")).unwrap();
        // A bracket in these is closed that was never opened; we write neither key.
        for kind in ["run", "toolComponent"] {
            let language = schema["definitions"][kind]["properties"]["language"].as_object_mut();
            assert_eq!(
                language.unwrap().remove("pattern").unwrap(),
                "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$"
            );
        }
        jsonschema::validator_for(&schema).unwrap()
    })
}

/// The workflow commands of a text: properties and message of each, as the runner reads them.
fn commands(text: &str) -> Vec<(String, String, String)> {
    let undo = |text: &str| {
        let text = text.replace("%3A", ":").replace("%2C", ",");
        text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    };
    let read = |line: &str| {
        assert!(!line.contains(['\r', '\u{1b}', '\u{9b}']), "{line:?}");
        let rest = line.strip_prefix("::").expect(line);
        let (head, message) = rest.split_once("::").expect(line);
        let (word, properties) = head.split_once(' ').expect(line);
        for property in properties.split(',') {
            let (key, value) = property.split_once('=').expect(line);
            assert!(["file", "line", "col", "endLine", "endColumn", "title"].contains(&key));
            assert!(!value.is_empty(), "{line}");
        }
        (word.to_owned(), undo(properties), undo(message))
    };
    text.lines().map(read).collect()
}

/// Every form, read back by what is not ours.
pub(crate) fn are_read_back(diagnostics: &[Diagnostic], files: &[SourceFile]) {
    let sarif = render::sarif(diagnostics, PLACE);
    if let Err(error) = validator().validate(&sarif) {
        panic!("{}: {error}", error.instance_path());
    }
    assert_eq!(
        sarif["runs"][0]["results"].as_array().unwrap().len(),
        diagnostics.len()
    );
    for value in [
        sarif,
        render::gitlab(diagnostics, PLACE),
        render::json(diagnostics),
    ] {
        let text = value.to_string();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
    let gitlab = render::gitlab(diagnostics, PLACE);
    let issues = gitlab.as_array().unwrap();
    let fingerprints: BTreeSet<_> = issues.iter().map(|one| one["fingerprint"].to_string()).collect();
    assert_eq!(fingerprints.len(), diagnostics.len());
    for failing in [Severity::Error, Severity::Warning] {
        let junit = render::junit(diagnostics, files, PLACE, failing);
        let document = roxmltree::Document::parse(&junit).unwrap();
        let of = |name: &str| {
            let nodes = document.descendants().filter(|node| node.has_tag_name(name));
            nodes.count()
        };
        let failed = diagnostics.iter().filter(|one| one.severity <= failing).count();
        assert_eq!(of("failure"), failed);
        let suite = document.root_element().first_element_child().unwrap();
        assert_eq!(suite.attribute("failures"), Some(failed.to_string().as_str()));
        assert_eq!(
            suite.attribute("tests"),
            Some(of("testcase").to_string().as_str())
        );
    }
    let shown = commands(&render::github(diagnostics, PLACE)).len();
    assert!(shown <= 20 && (shown > 0) != diagnostics.is_empty(), "{shown}");
}

/// A copy whose fingerprints can be compared.
fn fingerprints(text: &str) -> Vec<String> {
    let sarif = render::sarif(&parse_one("a.toml", text).diagnostics, Place::default());
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let one = |result: &Value| result["partialFingerprints"]["musterDiagnostic/v1"].to_string();
    results.iter().map(one).collect()
}

#[test]
fn sarif() {
    let value = render::sarif(&parse(&several()).diagnostics, PLACE);
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn github() {
    insta::assert_snapshot!(render::github(&parse(&several()).diagnostics, PLACE));
}

#[test]
fn gitlab() {
    let value = render::gitlab(&parse(&several()).diagnostics, PLACE);
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn junit() {
    let files = several();
    let parsed = parse(&files);
    insta::assert_snapshot!(render::junit(&parsed.diagnostics, &files, PLACE, Severity::Error));
}

#[test]
fn every_bad_case_is_read_back() {
    let mut tried = 0;
    for folder in ["bad", "alone"] {
        for entry in std::fs::read_dir(cases().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let files = if folder == "bad" {
                with_base(&path)
            } else {
                read_case(&path)
            };
            are_read_back(&parse(&files).diagnostics, &files);
            tried += 1;
        }
    }
    assert!(tried >= 50, "{tried}");
}

#[test]
fn the_schema_of_sarif_is_looked_at() {
    let mut value = render::sarif(&parse(&several()).diagnostics, PLACE);
    assert!(validator().is_valid(&value));
    value["runs"][0]["results"][0]["level"] = "bad".into();
    assert!(!validator().is_valid(&value));
}

#[test]
fn nothing_of_a_file_breaks_out() {
    let files = hostile();
    let parsed = parse(&files);
    assert!(parsed.diagnostics.len() > 1);
    are_read_back(&parsed.diagnostics, &files);
    for (word, properties, _) in commands(&render::github(&parsed.diagnostics, PLACE)) {
        assert_eq!(word, "error");
        assert!(
            properties.starts_with("file=fleets/lab/a\n::error::x,file=b%"),
            "{properties}"
        );
    }
    let junit = render::junit(&parsed.diagnostics, &files, PLACE, Severity::Error);
    let document = roxmltree::Document::parse(&junit).unwrap();
    let cases = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"));
    let names: Vec<_> = cases.filter_map(|case| case.attribute("name")).collect();
    assert_eq!(names.len(), parsed.diagnostics.len() + 1, "{names:?}");
    let sarif = render::sarif(&parsed.diagnostics, PLACE).to_string();
    assert!(!sarif.contains("[x]("), "{sarif}");
}

/// What is only warned of passes, unless warnings are denied; a clean fleet is a suite that passes.
#[test]
fn a_suite_passes_or_fails_as_check_does() {
    let base = include_str!("../cases/base.toml");
    let unused = include_str!("../cases/storage-with-spare.toml");
    let files = [file("base.toml", base), file("s.toml", unused)];
    let parsed = parse(&files);
    let count = |text: &str, what: &str| text.matches(what).count();
    let mild = render::junit(&parsed.diagnostics, &files, PLACE, Severity::Error);
    let strict = render::junit(&parsed.diagnostics, &files, PLACE, Severity::Warning);
    let warnings = |text: &str| count(text, "<system-out>");
    let errors = parsed
        .diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .count();
    assert_eq!(count(&mild, "<failure"), errors);
    assert_eq!(warnings(&mild), parsed.diagnostics.len() - errors);
    assert!(warnings(&mild) > 0);
    assert_eq!(
        (count(&strict, "<failure"), warnings(&strict)),
        (parsed.diagnostics.len(), 0)
    );
    // Of the files that are read, and of no others.
    let unread = "[muster]\nschema = 1\ninclude = [\"base.toml\"]\n";
    let files = [&files[..], &[file("muster.toml", unread), file("README.md", "")]].concat();
    let clean = render::junit(&[], &files, PLACE, Severity::Error);
    assert_eq!(
        (count(&clean, "<testcase"), count(&clean, "<failure")),
        (2, 0),
        "{clean}"
    );
}

#[test]
fn a_mistake_is_known_again_after_it_moved() {
    let one = "[machine.m1]\nserail = \"a\"\n";
    let moved = format!("# why\n\n[zone.z]\n\n{one}");
    let known = fingerprints(one);
    assert!(!known.is_empty());
    let after = fingerprints(&moved);
    assert!(known.iter().all(|fingerprint| after.contains(fingerprint)));
    let other = fingerprints(&one.replace("m1", "m2"));
    assert!(other.iter().filter(|one| known.contains(one)).count() < known.len());
}

#[test]
fn github_is_told_of_ten_and_how_many_more() {
    let text: String = (0..60).map(|n| format!("[zone.z{n}]\nx = 1\n")).collect();
    let out = render::github(&parse_one("a.toml", &text).diagnostics, PLACE);
    assert_eq!(out.lines().count(), 10);
    assert!(
        out.ends_with("::error title=muster check::52 more errors: run muster check to see them\n"),
        "{out}"
    );
}
