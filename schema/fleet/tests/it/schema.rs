//! The JSON Schema of a fleet file, against an independent validator: it is one, it takes every right file, and it
//! rejects what a schema can know to be wrong.

use crate::revision::{file, read_case, read_directory};
use jsonschema::Validator;
use schema_fleet::{Code, Diagnostic, Index, SourceFile, kinds, parse, schema::json_schema};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&json_schema()).unwrap()
}

/// A TOML file as JSON; `None` where it is none.
fn document(file: &SourceFile) -> Option<Value> {
    toml::from_str(std::str::from_utf8(&file.bytes).ok()?).ok()
}

/// What the validator says of a file: the place of each mistake, and what is wrong there.
fn rejected(validator: &Validator, document: &Value) -> Vec<String> {
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn it_is_a_schema_of_2020_12() {
    let schema = json_schema();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    // Each `$ref` leads somewhere: only then it compiles.
    validator();
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema["$defs"]["rack"]).unwrap());
}

#[test]
fn every_example_is_right() {
    let (validator, mut seen) = (validator(), 0);
    for example in std::fs::read_dir(root().join("examples")).unwrap() {
        let example = example.unwrap().path();
        if !example.is_dir() {
            continue;
        }
        for file in read_directory(&example) {
            if file.path.ends_with(".toml") {
                let wrong = rejected(&validator, &document(&file).unwrap());
                assert!(
                    wrong.is_empty(),
                    "{}/{}: {wrong:#?}",
                    example.display(),
                    file.path
                );
                seen += 1;
            }
        }
    }
    for text in [
        include_str!("../cases/base.toml").to_owned(),
        // What `muster init` writes, once the name is put in.
        include_str!("../../../../reconciler/cli/src/init/fleet.toml").replace("FLEET", "lab"),
    ] {
        assert_eq!(rejected(&validator, &toml::from_str(&text).unwrap()), [""; 0]);
    }
    assert!(seen > 5, "only {seen} files");
}

/// Codes of mistakes that lie in one value, and that a schema can know.
const KNOWABLE: [Code; 6] = [
    Code::M0002,
    Code::M0003,
    Code::M0004,
    Code::M0005,
    Code::M0009,
    Code::M0705,
];

/// The place of a diagnostic as one in the document: of a value, or of the table in which a key is missing. What
/// stands in no object is at the root.
fn pointer(index: &Index, diagnostic: &Diagnostic) -> String {
    let span = &diagnostic.primary.span;
    let Some(at) = index.at(&span.file, span.start.line, span.start.column) else {
        return String::new();
    };
    let mut pointer = format!("/{}", at.kind.name.replace('.', "/"));
    for step in at
        .name
        .into_iter()
        .chain(at.path.split('.').filter(|step| !step.is_empty()))
    {
        let (key, number) = step
            .strip_suffix(']')
            .and_then(|step| step.split_once('['))
            .unzip();
        pointer += &format!("/{}", key.unwrap_or(step));
        if let Some(number) = number {
            pointer += &format!("/{}", number.parse::<usize>().unwrap() - 1);
        }
    }
    pointer
}

/// Whether the validator found a mistake: at its place, or, of a key, at the table that has it or lacks it.
fn is_seen(index: &Index, diagnostic: &Diagnostic, wrong: &[String]) -> bool {
    if diagnostic.code == Code::M0005 {
        let object = diagnostic.object.as_deref().unwrap_or_default().replace('.', "/");
        let key = diagnostic.primary.text.split('`').nth(1).unwrap_or_default();
        let missing = format!("\"{key}\" is a required property");
        return wrong
            .iter()
            .any(|one| one.starts_with(&format!("/{object}")) && one.ends_with(&missing));
    }
    let pointer = pointer(index, diagnostic);
    let table = pointer.rsplit_once('/').map(|(table, _)| table);
    wrong.iter().any(|one| {
        let place = match one.split(": ").next().unwrap_or_default() {
            "/removed" | "/defaults" => "",
            place => place,
        };
        place == pointer || Some(place) == table
    })
}

/// The mistakes in the bad cases that only `muster check` sees, of those that a schema could know by their kind:
/// a change of this list is a change of what editors tell.
#[test]
fn bad_files_are_rejected() {
    let validator = validator();
    let base = file("base.toml", include_str!("../cases/base.toml"));
    let (mut seen, mut unseen) = (BTreeMap::new(), String::new());
    let mut cases: Vec<_> = std::fs::read_dir(root().join("schema/fleet/tests/cases/bad"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    for path in cases {
        let case = read_case(&path);
        let mut files = case.clone();
        files.push(base.clone());
        let (diagnostics, index) = (parse(&files).diagnostics, Index::read(&files));
        for file in &case {
            let Some(document) = document(file) else { continue };
            let wrong = rejected(&validator, &document);
            let known = diagnostics
                .iter()
                .filter(|one| *one.primary.span.file == *file.path && KNOWABLE.contains(&one.code));
            for diagnostic in known {
                if is_seen(&index, diagnostic, &wrong) {
                    *seen.entry(diagnostic.code).or_insert(0) += 1;
                } else {
                    let (code, span, title) = (diagnostic.code, &diagnostic.primary.span, &diagnostic.title);
                    writeln!(unseen, "{code} {span} {title}").unwrap();
                }
            }
            // The other way round: what is rejected is wrong for `muster check` too, if it reads the file.
            let told = diagnostics.iter().any(|one| *one.primary.span.file == *file.path);
            let is_read = kinds()
                .iter()
                .any(|kind| index.names(kind.name).any(|(_, span)| *span.file == *file.path));
            assert!(
                wrong.is_empty() || told || !is_read,
                "{}: {wrong:#?}",
                path.display()
            );
        }
    }
    assert!(KNOWABLE.iter().all(|code| seen.contains_key(code)), "{seen:?}");
    insta::assert_snapshot!(unseen);
}

/// A key that a layer beneath gives is not missing; one that none can give is.
#[test]
fn layers_complete_objects() {
    let validator = validator();
    let wrong = |text: &str| rejected(&validator, &toml::from_str(text).unwrap());
    let subnet = "[subnet.s]\nvlan = \"lab/pxe\"\n";
    assert_eq!(wrong(subnet), ["/subnet/s: \"cidr\" is a required property"]);
    assert_eq!(
        wrong(&format!("[defaults.subnet]\ncidr = \"10.0.0.0/8\"\n{subnet}")),
        [""; 0]
    );
    // Of another kind they complete nothing.
    assert_eq!(wrong(&format!("[defaults.rack]\nunits = 42\n{subnet}")).len(), 1);
    let machine = "[machine.m]\nbmc = { address = \"10.0.0.1\" }\n";
    assert_eq!(
        wrong(machine),
        ["/machine/m/bmc: \"driver\" is a required property"]
    );
    assert_eq!(wrong(&format!("{machine}profile = \"p\"\n")), [""; 0]);
    // No profile gives interfaces, and nothing completes what stands in a list.
    let nic = "[machine.m]\nprofile = \"p\"\nnic.p0 = {}\nconsent = [{ contents = \"blank\" }]\n";
    assert_eq!(
        wrong(nic),
        [
            "/machine/m/consent/0: \"disk\" is a required property",
            "/machine/m/nic/p0: \"mac\" is a required property",
        ]
    );
    let nic = format!("[defaults.machine]\nnic.p0 = {{ mac = \"52:54:00:77:00:01\" }}\n{nic}");
    assert_eq!(wrong(&nic).len(), 1);
    let tombstone = "[removed.machine.m]\ndisks = \"retain\"\n";
    assert_eq!(
        wrong(tombstone),
        ["/removed/machine/m: \"reason\" is a required property"]
    );
}

/// Everybody's own keys are left alone where `muster check` leaves them alone, and nowhere else.
#[test]
fn own_keys_are_free() {
    let validator = validator();
    for (text, free) in [
        ("x-a = 1\nannotations.b = [1]", true),
        ("rack.r1.x-a = 1\nrack.r1.annotations = \"b\"", true),
        ("machine.m.bmc = { driver = \"manual\", x-a = {} }", true),
        ("removed.x-a = {}", false),
        ("defaults.x-a = {}", false),
        ("rack.r1.y-a = 1", false),
        ("machine.m.nic.x-a = 1", false),
        ("muster = { schema = 1, x-a = 1 }", true),
    ] {
        let rejected = !rejected(&validator, &toml::from_str(text).unwrap()).is_empty();
        let diagnostics = parse(&[file("muster.toml", text)]).diagnostics;
        let is_error = |one: &schema_fleet::Diagnostic| one.severity == schema_fleet::Severity::Error;
        let told = diagnostics
            .iter()
            .any(|one| is_error(one) && one.code != Code::M0106);
        assert_eq!((!rejected, !told), (free, free), "{text}");
    }
}
