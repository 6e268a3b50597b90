//! What the tutorial shows of a plan is the one of the fleet that its reader has by then.

use crate::lesson::{Step, change, steps};
use reconciler_core::form::{Detail, Setting, text};
use reconciler_core::observed::Observed;
use reconciler_core::plan::{Desired, Plan, plan};
use schema_fleet::SourceFile;
use schema_ids::{Incarnation, Timestamp, Uuid};
use std::fs;
use std::path::Path;

/// The fleet's first plan: nothing was observed yet. The text has a name for its id, which is a digest of everything
/// in it.
fn first_plan_of(files: &[SourceFile]) -> String {
    let fleet = schema_fleet::parse(files).fleet.expect("the fleet is sound");
    let at = Timestamp::from_unix_ms(1_795_000_000_000);
    let uuid = Uuid::from_bytes([7; 16]);
    let observed = Observed::empty(at, uuid, Incarnation { number: 1, uuid });
    let desired = Desired {
        fleet: &fleet,
        commit: "0123456789abcdef0123456789abcdef01234567",
        base: None,
    };
    let plan = plan(&desired, &observed, &Plan::empty(fleet.name.clone()), at);
    text::render(&plan, &Setting::default(), Detail::Normal).replace(&plan.id, "p-ID")
}

#[test]
fn the_plan_of_the_tutorial() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/tutorial.md");
    let page = fs::read_to_string(&path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let begun = include_str!("../../src/init/fleet.toml").replace("FLEET", "lab");
    fs::write(folder.path().join("fleet.toml"), begun).unwrap();
    let (mut is_planned, mut shown) = (false, None);
    for step in steps(&page) {
        change(&step, folder.path());
        match step {
            // What it put right there.
            Step::Run(line) if line == "muster check --fix" => {
                let file = folder.path().join("machines.toml");
                let right = fs::read_to_string(&file).unwrap().replace("seral", "serial");
                fs::write(&file, right).unwrap();
            }
            Step::Run(line) => is_planned = line.starts_with("muster plan"),
            Step::Said { at, .. } if is_planned => shown = Some(at),
            _ => {}
        }
    }
    let files = fs::read_dir(folder.path()).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        SourceFile {
            path: path.file_name().unwrap().to_str().unwrap().to_owned(),
            bytes: fs::read(&path).unwrap(),
        }
    });
    let plan = first_plan_of(&files.collect::<Vec<_>>());
    let mut now = page.clone();
    now.replace_range(shown.expect("the tutorial shows a plan"), &plan);
    if std::env::var_os("MUSTER_UPDATE_PAGES").is_some() {
        fs::write(&path, &now).unwrap();
    }
    assert!(page == now, "the tutorial shows another plan than:\n{plan}");
}
