//! The pages that are printed from tables say what the tables say.
//!
//! With `MUSTER_UPDATE_PAGES=1` they are written instead.

use reconciler_core::condition::Condition;
use reconciler_core::phase;
use reconciler_core::refusal::RefusalCode;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn check(path: &Path, text: &str) {
    if std::env::var_os("MUSTER_UPDATE_PAGES").is_some() {
        std::fs::write(path, text).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        found,
        text,
        "{} is stale: run with MUSTER_UPDATE_PAGES=1",
        path.display()
    );
}

/// A folder holds a page for each code, and no other.
fn check_folder(name: &str, pages: Vec<(&str, String)>) {
    let folder = docs().join(name);
    for (code, page) in &pages {
        check(&folder.join(format!("{code}.md")), page);
    }
    let known: BTreeSet<String> = pages.iter().map(|(code, _)| format!("{code}.md")).collect();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&file), "{file} is the page of no code");
    }
}

#[test]
fn each_condition_has_its_page() {
    let pages = Condition::ALL.iter().map(|one| (one.code(), one.page()));
    check_folder("conditions", pages.collect());
}

#[test]
fn each_condition_is_in_the_guide_once() {
    let page = std::fs::read_to_string(docs().join("guide/troubleshooting.md")).unwrap();
    for condition in Condition::ALL {
        let code = condition.code();
        let entry = format!("\n- **[{code}](../conditions/{code}.md)**: ");
        assert_eq!(page.matches(&entry).count(), 1, "{code}");
    }
    assert_eq!(page.matches("](../conditions/").count(), Condition::ALL.len());
}

#[test]
fn each_refusal_has_its_page() {
    let pages = RefusalCode::ALL.iter().map(|one| (one.code(), one.page()));
    check_folder("refusals", pages.collect());
}

#[test]
fn the_states_page_is_the_table() {
    check(&docs().join("states.md"), &phase::page());
}

#[test]
fn codes_are_read_back() {
    for condition in Condition::ALL {
        assert_eq!(condition.code().parse(), Ok(*condition));
        let json = serde_json::to_string(condition).unwrap();
        assert_eq!(serde_json::from_str::<Condition>(&json).unwrap(), *condition);
        let row = condition.row();
        assert!(!row.meaning.is_empty() && !row.person.is_empty() && !row.by_itself.is_empty());
    }
    assert!("BMC_SILEN".parse::<Condition>().is_err());
}
