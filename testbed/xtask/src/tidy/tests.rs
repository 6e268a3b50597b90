//! The tree is tidy, and each rule bites.

use super::{borders, docs, findings, sources};
use crate::cargo;
use serde_json::{Value, json};

#[test]
fn the_tree_is_tidy() {
    let findings = findings(&cargo::root()).expect("the tree can be read");
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn source(path: &str, text: &str) -> Vec<String> {
    sources::check(path, text)
}

#[test]
fn a_file_says_what_it_is() {
    assert_eq!(
        source("rack/agent/src/spool.rs", "//! The spool.\n"),
        Vec::<String>::new()
    );
    assert!(source("rack/agent/src/spool.rs", "fn spool() {}\n")[0].contains("begins without"));
}

#[test]
fn a_name_says_something() {
    for path in ["a/src/utils.rs", "a/src/common/lease.rs", "a/src/types.rs"] {
        assert!(source(path, "//! X.\n")[0].contains("names nothing"), "{path}");
    }
}

#[test]
fn nothing_is_hidden() {
    for hidden in [
        concat!("#[", "ignore]"),
        concat!("#[", "allow(dead_code)]"),
        concat!("#![", "allow(unused)]"),
    ] {
        let found = source("a/src/lease.rs", &format!("//! X.\n{hidden}\nfn f() {{}}\n"));
        assert!(
            found.len() == 1 && found[0].starts_with("a/src/lease.rs:2:"),
            "{found:?}"
        );
    }
}

#[test]
fn a_pure_crate_reads_no_clock_but_its_tests_may() {
    let clock = concat!("let now = SystemTime", "::now();");
    let shipped = format!("//! X.\nfn f() {{ {clock} }}\n");
    let tested = format!("//! X.\n#[cfg(test)]\nmod tests {{\n fn f() {{ {clock} }}\n}}\n");
    let commented = format!("//! X.\n// {clock}\n");
    assert_eq!(source("reconciler/core/src/plan.rs", &shipped).len(), 1);
    assert_eq!(source("reconciler/daemon/src/main.rs", &shipped).len(), 0);
    assert_eq!(source("reconciler/core/src/plan/tests.rs", &shipped).len(), 0);
    assert_eq!(source("reconciler/core/src/plan.rs", &tested).len(), 0);
    assert_eq!(source("reconciler/core/src/plan.rs", &commented).len(), 0);
}

#[test]
fn only_the_store_speaks_sql() {
    let text = concat!("//! X.\nlet q = \"SELE", "CT 1\";\n");
    assert_eq!(source("reconciler/daemon/src/api.rs", text).len(), 1);
    assert_eq!(source("reconciler/store/src/facts.rs", text).len(), 0);
}

#[test]
fn paths_in_pages_exist() {
    let page = "See `rack/proto/src/dhcp.rs` and `rack/gone.rs`, [this](../README.md#top), [that](lost.md),\n\
                [elsewhere](https://example.org/x) and `rack/*/src`.\n```\n`rack/in/fence.rs`\n```\n";
    let exists = |path: &str| matches!(path, "rack/proto/src/dhcp.rs" | "README.md");
    let found = docs::check("docs/ARCHITECTURE.md", page, exists);
    assert_eq!(
        found,
        [
            "docs/ARCHITECTURE.md:1: rack/gone.rs does not exist",
            "docs/ARCHITECTURE.md:1: docs/lost.md does not exist",
        ]
    );
}

/// A workspace of these packages (`name: dependencies`); those without a `-` are from elsewhere, and names that end
/// in `!` are programs.
fn workspace(lines: &[&str]) -> Value {
    let mut packages = Vec::new();
    let mut nodes = Vec::new();
    let mut members = Vec::new();
    for line in lines {
        let (name, needs) = line.split_once(':').expect("name: dependencies");
        let kind = if name.ends_with('!') { "bin" } else { "lib" };
        let name = name.trim_end_matches('!');
        let path = format!("/w/{}/Cargo.toml", name.replacen('-', "/", 1));
        packages.push(
            json!({ "id": name, "name": name, "manifest_path": path, "targets": [{ "kind": [kind] }] }),
        );
        let deps = needs
            .split_whitespace()
            .map(|need| match need.strip_prefix("dev:") {
                Some(need) => json!({ "pkg": need, "dep_kinds": [{ "kind": "dev" }] }),
                None => json!({ "pkg": need, "dep_kinds": [{ "kind": null }] }),
            });
        nodes.push(json!({ "id": name, "deps": deps.collect::<Vec<_>>() }));
        if name.contains('-') {
            members.push(name);
        }
    }
    json!({ "workspace_root": "/w", "workspace_members": members, "packages": packages, "resolve": { "nodes": nodes } })
}

#[test]
fn each_border_is_held() {
    let crossings = [
        (
            "a pure crate does no I/O",
            &["schema-ids: toml", "toml: ureq", "ureq:"][..],
        ),
        (
            "a pure crate does no I/O",
            &[
                "rack-proto: rack-api",
                "rack-api: serde",
                "serde: socket2",
                "socket2:",
            ],
        ),
        (
            "a pure crate is made of data",
            &["reconciler-core: rand", "rand:"],
        ),
        (
            "a pure crate is made of data",
            &["schema-fleet: rustix", "rustix:"],
        ),
        (
            "only reconciler-store may",
            &["reconciler-daemon!: sqlx", "sqlx:"],
        ),
        ("only reconciler-git may", &["reconciler-cli!: git2", "git2:"]),
        (
            "what runs inside machines stays small",
            &["rack-inmachine!: rack-bmc", "rack-bmc:"],
        ),
        (
            "nothing is built on a program",
            &["testbed-vrack!: rack-agent", "rack-agent!:"],
        ),
        (
            "nothing that ships is built on the testbed",
            &["rack-bmc: testbed-bmc", "testbed-bmc:"],
        ),
        (
            "meet only in rack-api",
            &["reconciler-daemon!: rack-bmc", "rack-bmc:"],
        ),
        (
            "meet only in rack-api",
            &["rack-agent!: reconciler-core", "reconciler-core:"],
        ),
    ];
    for (why, lines) in crossings {
        let found = borders::check(&workspace(lines));
        assert!(
            found.iter().any(|finding| finding.contains(why)),
            "{lines:?}: {found:?}"
        );
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    let lines = [
        "schema-ids: serde",
        "serde:",
        "schema-fleet: schema-ids miette dev:tempfile dev:testbed-scratch",
        "miette: rustix",
        "rustix:",
        "tempfile:",
        "rack-api: schema-ids",
        "rack-inmachine!: rack-api schema-ids",
        "reconciler-core: schema-ids rack-api dev:tokio",
        "reconciler-store: reconciler-core sqlx",
        "reconciler-daemon!: reconciler-store rack-api",
        "testbed-sim: reconciler-core rack-api",
        "testbed-vrack!: rack-inmachine rack-api",
        "testbed-xtask!: testbed-scratch",
        "testbed-scratch:",
        "sqlx: tokio",
        "tokio:",
    ];
    assert_eq!(borders::check(&workspace(&lines)), Vec::<String>::new());
}

#[test]
fn a_package_is_called_like_its_path() {
    let mut metadata = workspace(&["rack-api:"]);
    metadata["packages"][0]["manifest_path"] = json!("/w/rack/words/Cargo.toml");
    assert!(borders::check(&metadata)[0].contains("its path says rack-words"));
}
