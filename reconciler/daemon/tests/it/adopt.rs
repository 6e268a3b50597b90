//! `muster adopt` against a real musterd: a machine that runs something is observed, then adopted, by patches that git applies.
//! Nothing is ordered of it, and its binding is active.

use crate::bed::Bed;
use crate::events::machine;
use crate::muster::{Muster, fleet, is_adopted, seen};
use rack_api::fact::FactBody;
use rack_api::ownership::{MarkFound, MarkSeen, OwnershipMark};
use reconciler_core::people::Status;
use reconciler_core::phase::{Mark, Phase};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// The example's deployment, which counts one machine, in both syntaxes.
fn deployments() -> [(&'static str, String); 2] {
    let toml = fleet()
        .1
        .replace("machines = [\"node-01\"]", "count = 1 # one of all");
    let kdl = "// The first.\ndeployment first count=1 hostname=\"{name}\" image=debian-12 storage=single-disk network=one-port\n";
    [("deploy.toml", toml), ("deploy.kdl", kdl.to_owned())]
}

/// Applies a patch as a person does, and commits it.
fn apply(bed: &Bed, patch: &str, message: &str) {
    let mut git = Command::new("git");
    git.args(["apply", "-"])
        .current_dir(bed.path("fleet"))
        .stdin(Stdio::piped());
    let mut git = git.spawn().expect("git starts");
    git.stdin.take().unwrap().write_all(patch.as_bytes()).unwrap();
    assert!(git.wait().unwrap().success(), "{patch}");
    bed.commit(&[], message);
}

/// What the rack agent saw, with this control plane's mark on node-01.
fn marked(status: &Status, plane: Option<&str>) -> Vec<FactBody> {
    let mut facts = seen(status);
    if let FactBody::Inventory { inventory, .. } = &mut facts[0] {
        let found = match plane {
            Some(plane) => MarkFound::Mark(OwnershipMark {
                plane: plane.parse().unwrap(),
                fleet: "theirs".parse().unwrap(),
                machine: status.machines[0].id,
            }),
            None => MarkFound::Absent,
        };
        inventory.mark = Some(MarkSeen::of(found));
    }
    facts
}

/// Another control plane has marked it, and lets go of it in the end.
async fn refused_while_marked(bed: &Bed, muster: &Muster, folder: &str, status: &Status) {
    let theirs = "7d3a1f60-5c2e-4b19-8a44-0f6e9d21c7b3";
    let is = |what: fn(&serde_json::Value) -> bool| {
        move |_: &Status| {
            let shown = muster.document(&["show", "node-01"], 0);
            what(&shown["plan"]["mark"])
        }
    };
    bed.hear(1, marked(status, Some(theirs))).await;
    bed.until("another's", is(|mark| mark["foreign"].is_object()))
        .await;
    let words = ["adopt", "node-01", "--folder", folder, "--deployment", "first"];
    let refused = muster.document(&words, 64).to_string();
    for word in [theirs, "taken-from", "cannot be adopted"] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    let why = muster.says(&["why", "node-01"], 0);
    let mark = format!("mark       control plane {theirs}'s, fleet theirs");
    assert!(why.contains(&mark), "{why}");
    bed.hear(3, marked(status, None)).await;
    bed.until("nobody's", is(serde_json::Value::is_null)).await;
}

#[tokio::test]
async fn a_machine_is_observed_then_adopted_and_nothing_is_ordered_of_it() {
    for (path, deployment) in deployments() {
        let mut bed = Bed::new(&machine());
        let muster = Muster::of(&bed);
        let folder = bed.path("fleet").display().to_string();
        let verb = |words: &[&str], code| {
            muster.says(
                &[&["adopt", "node-01", "--folder", &folder], words].concat(),
                code,
            )
        };
        verb(&[], 64);
        muster.says(&["adopt", "nobody", "--observe-only", "--folder", &folder], 64);
        let observed = verb(&["--observe-only"], 0);
        assert!(observed.contains("+manage = \"observe\""), "{observed}");
        apply(&bed, &observed, "observe it");
        assert_eq!(verb(&["--observe-only"], 0), "", "it is so already");

        bed.start(&[]);
        let status = bed
            .until("adopted", |status| is_adopted(status, "observe it"))
            .await;
        assert_eq!(status.machines[0].phase, Phase::Observed, "{status:#?}");
        let adopt = ["--deployment", "first"];
        verb(&adopt, 64);
        bed.commit(&[(path, Some(&deployment))], "count one");
        bed.until("counted", |status| is_adopted(status, "count one"))
            .await;
        let refused = muster.document(
            &["adopt", "node-01", "--folder", &folder, "--deployment", "first"],
            64,
        );
        assert!(refused.to_string().contains("inspect = 1"), "{refused}");

        refused_while_marked(&bed, &muster, &folder, &status).await;
        let is_seen = |_: &Status| {
            let shown = muster.document(&["show", "node-01"], 0);
            shown["inventory"].is_object()
        };
        bed.until("seen", is_seen).await;
        verb(&["--deployment", "first", "--slot", "0"], 64);
        let adopted = verb(&["--deployment", "first", "--slot", "1"], 0);
        let entry = match path.ends_with("kdl") {
            true => "adopt machine=\"node-01\" slot=1",
            false => "adopt = [{ machine = \"node-01\", slot = 1 }]",
        };
        for line in [entry, "+protect = \"wipe\"", "+manage = \"full\""] {
            assert!(adopted.contains(line), "{line}: {adopted}");
        }
        apply(&bed, &adopted, "adopt it");
        let status = bed
            .until("adopted", |status| is_adopted(status, "adopt it"))
            .await;
        let node = &status.machines[0];
        assert_eq!(
            (&node.phase, node.wanted.as_str()),
            (&Phase::Deployed, "first[1] as it is")
        );
        assert!(node.marks.contains(&Mark::Adopted), "{node:#?}");
        assert_eq!(muster.plan("main", 0)["outcome"], "none");
        assert_eq!(bed.table("order_issued"), Vec::<String>::new());
        let bindings = bed.table("binding");
        assert!(
            bindings.len() == 1 && bindings[0].contains("|first|1|"),
            "{bindings:?}"
        );
        let log = muster.says(&["log", "node-01"], 0);
        assert!(log.contains("adopted as it runs into first[1]: "), "{log}");
        verb(&adopt, 64);
    }
}
