//! The forms of each case's plans: as text, as a comment, and as a document that fits its schema.

use super::told::brief;
use reconciler_core::form::document::{Document, SCHEMA, document};
use reconciler_core::form::{Detail, Setting, markdown, text};
use reconciler_core::plan::Plan;
use reconciler_core::plan::approvals::Agreement;
use reconciler_core::times::Estimate;
use schema_ids::{ContentId, MachineId};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    jsonschema::draft202012::new(&schema).expect("the schema is one")
});

/// Of all steps of a case, one after the other.
#[derive(Default)]
pub(super) struct Forms {
    pub(super) text: String,
    pub(super) markdown: String,
}

impl Forms {
    pub(super) fn add(&mut self, say: &str, plan: &Plan, times: BTreeMap<MachineId, Estimate>) {
        let setting = Setting {
            times,
            ..Setting::default()
        };
        let shown = text::render(plan, &setting, Detail::Normal);
        writeln!(self.text, "== {say}\n\n{}", constant(plan, &shown)).unwrap();
        let shown = markdown::render(plan, &setting).expect("it is short");
        // What is folded is the text, which stands in its own snapshot.
        let (before, after) = shown.split_once("<details>").expect("something is folded");
        let (summary, after) = after.split_once("\n\n").expect("a summary");
        let (_, after) = after.split_once("</details>\n").expect("it ends");
        let shown = format!("{before}<details>{summary}…</details>\n{after}");
        writeln!(self.markdown, "== {say}\n\n{}", constant(plan, &shown)).unwrap();
        let told = document(plan, &setting);
        fits(&told);
        for change in &told.changes {
            let markers = change
                .erases
                .iter()
                .filter(|erased| is_installed(&erased.content));
            for known in markers.filter_map(|erased| change.disks.get(&erased.disk)) {
                assert_eq!(known.holds, "installed by muster", "{}", change.object);
            }
        }
        // What is said to take some time has it in numbers; what takes for ever has none.
        assert_eq!(
            shown.contains("akes about "),
            told.estimate_seconds.is_some(),
            "{shown}"
        );
        assert_eq!(
            shown.contains("at least "),
            told.release_seconds.is_some(),
            "{shown}"
        );
        let asked = Agreement {
            needed: 2,
            given: Some(["uid 1000".to_owned()].into()),
            eligible: ["ops".to_owned()].into(),
            mass: true,
        };
        let line = "2 (mass-destructive), by ops, not the author; given by uid 1000";
        let setting = Setting {
            approvals: Some(asked),
            ..setting
        };
        fits(&document(plan, &setting));
        let shown = text::render(plan, &setting, Detail::Normal);
        assert!(
            shown.contains(&format!("    needs    approval     {line}\n")),
            "{shown}"
        );
        let shown = markdown::render(plan, &setting).expect("it is short");
        assert!(
            shown.contains(&format!("**Needs approvals**: {line}.\n")),
            "{shown}"
        );
    }
}

fn is_installed(content: &ContentId) -> bool {
    matches!(content, ContentId::Marker { installed: true, .. })
}

/// Ids are digests of everything in a plan, and mean nothing to a reader of the snapshot.
fn constant(plan: &Plan, text: &str) -> String {
    let text = text
        .replace(&plan.id, "p-ID")
        .replace(&plan.wipe_set.digest, "w-ID");
    let lines: Vec<String> = text.lines().map(brief).collect();
    lines.join("\n") + "\n"
}

fn fits(document: &Document) {
    let value = serde_json::to_value(document).unwrap();
    let errors: Vec<String> = VALIDATOR
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let again: Document = serde_json::from_value(value).unwrap();
    assert_eq!(again, *document, "it is read back as it was written");
}
