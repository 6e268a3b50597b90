//! The verbs of the day after, against a real musterd: who is stuck, what drifted and what git accepts of it, why a machine was
//! chosen, and deployments that are pinned and count again. Patches are applied by git.

use crate::bed::Bed;
use crate::events::{machine, obey};
use crate::muster::{Muster, fleet, installed, is_adopted, seen};
use rack_api::fact::{FactBody, PowerSeen};
use reconciler_core::people::{STATUS, Status};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// The example's deployment, which counts one machine.
fn counted() -> String {
    let (_, deployment) = fleet();
    deployment.replace(
        "machines = [\"node-01\"]",
        "count = 1 # enough for a lab\nrequire = { disks = [{ count = \">= 1\" }], memory = \">= 512 MiB\" }",
    )
}

/// A fleet in which node-01 runs its deployment, which is written in this file.
async fn running(path: &str, deployment: &str) -> (Bed, Muster, Status) {
    let mut bed = Bed::new(&machine());
    let muster = Muster::of(&bed);
    bed.start(&[]);
    let status = bed.until("adopted", |status| is_adopted(status, "first")).await;
    bed.hear(1, seen(&status)).await;
    bed.commit(&[(path, Some(deployment))], "deploy");
    let is_stopped = |status: &Status| status.revision.as_ref().is_some_and(|it| it.stopped.is_some());
    bed.until("stopped", is_stopped).await;
    let plan = muster.plan("main", 3);
    let (id, wipe_set) = (&plan["id"], &plan["wipe-set"]["digest"]);
    let words = [
        "approve",
        id.as_str().unwrap(),
        "--wipe-set",
        wipe_set.as_str().unwrap(),
    ];
    muster.document(&words, 0);
    bed.until("adopted", |status| is_adopted(status, "deploy")).await;
    let status = steady(&bed).await;
    bed.hear(3, installed(&muster)).await;
    obey(&bed, &status, 5).await;
    (bed, muster, status)
}

/// A status after whose reading nothing happened before its time was taken: the next one says the same.
async fn steady(bed: &Bed) -> Status {
    let mut status: Status = bed.get(STATUS).await;
    loop {
        let next: Status = bed.get(STATUS).await;
        if stand(&next) == stand(&status) {
            return status;
        }
        status = next;
    }
}

/// Applies a patch as a person does.
fn apply(bed: &Bed, patch: &str) {
    let mut git = Command::new("git");
    git.args(["apply", "-"])
        .current_dir(bed.path("fleet"))
        .stdin(Stdio::piped());
    let mut git = git.spawn().expect("git starts");
    git.stdin.take().unwrap().write_all(patch.as_bytes()).unwrap();
    assert!(git.wait().unwrap().success(), "{patch}");
}

#[tokio::test]
async fn a_deployment_is_pinned_and_counts_again_and_nothing_changes() {
    let toml = counted();
    let kdl = "deployment first hostname=\"{name}\" image=debian-12 storage=single-disk network=one-port count=1 {\n    \
               require memory=\">= 512 MiB\" // enough\n    \
               ssh-keys \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna@lab\"\n}\n";
    for (path, deployment) in [("deploy.toml", toml.as_str()), ("deploy.kdl", kdl)] {
        let (bed, muster, _) = running(path, deployment).await;
        let why = muster.says(&["why", "deployment.first"], 0);
        let words: Vec<&str> = why.split_whitespace().collect();
        let words = words.join(" ");
        for part in ["has its 1 machine ", " machines 1 ", " memory 1 at least 512MiB "] {
            assert!(words.contains(part), "{part:?} is not in\n{why}");
        }
        assert_eq!(muster.says(&["show", "deployment.first"], 0), why);
        let told = muster.document(&["why", "deployment.first"], 0);
        assert_eq!(
            (&told["name"], &told["funnel"]["wanted"]),
            (&"first".into(), &1.into())
        );
        let machine = muster.document(&["why", "node-01"], 0);
        let by_slot = muster.document(&["why", "deployment.first[1]"], 0);
        assert_eq!(by_slot["name"], machine["name"]);
        muster.says(&["show", "machine.node-01"], 0);
        muster.says(&["why", "deployment.first[2]"], 1);
        muster.says(&["why", "deployment.nobody"], 1);
        muster.says(&["why", "deployment.first[one"], 64);
        let folder = bed.path("fleet").display().to_string();
        let pinned = muster.says(&["pin", "deployment.first", "--folder", &folder], 0);
        assert!(pinned.contains("+") && pinned.contains("node-01"), "{pinned}");
        apply(&bed, &pinned);
        bed.commit(&[], "pin it");
        bed.until("pinned", |status| is_adopted(status, "pin it")).await;
        let plan = muster.plan("main", 0);
        assert_eq!(plan["outcome"], "none", "{plan:#}");
        let against = ["why", "node-01", "--against", "deployment.first"];
        assert!(muster.says(&against, 0).contains("it has first[1]"));

        let back = muster.says(&["unpin", "deployment.first", "--folder", &folder], 0);
        apply(&bed, &back);
        bed.commit(&[], "count again");
        bed.until("unpinned", |status| is_adopted(status, "count again"))
            .await;
        assert_eq!(muster.plan("main", 0)["outcome"], "none");
        muster.says(&["unpin", "deployment.first", "--folder", &folder], 1);
        muster.says(&["pin", "first", "--folder", &folder], 64);
        muster.says(&["pin", "deployment.nobody", "--folder", &folder], 64);
    }
}

#[tokio::test]
async fn what_drifted_is_told_and_accepted_in_git() {
    let (bed, muster, status) = running("deploy.toml", &fleet().1).await;
    assert!(muster.says(&["drift"], 0).contains("Nothing drifted."));
    let node = status.machines[0].id;
    let off = FactBody::Power {
        machine: node,
        power: PowerSeen::Off,
    };
    bed.hear(1000, vec![off]).await;
    let is_off = |status: &Status| !status.machines[0].marks.is_empty();
    bed.until("off", is_off).await;
    let told = muster.says(&["drift"], 2);
    assert!(told.starts_with("node-01  power  POWER_DRIFT, since "), "{told}");
    let drift = muster.document(&["drift"], 2);
    assert_eq!(drift["drift"][0]["accept"]["field"], "power", "{drift:#}");
    let plan = muster.document(&["plan"], 0);
    assert_eq!(plan["drift"][0]["code"], "POWER_DRIFT", "{plan:#}");

    let folder = bed.path("fleet").display().to_string();
    let patch = muster.says(&["drift", "--accept", "--folder", &folder], 0);
    apply(&bed, &patch);
    bed.commit(&[], "it may be off");
    bed.until("accepted", |status| is_adopted(status, "it may be off"))
        .await;
    assert!(muster.says(&["drift"], 0).contains("Nothing drifted."));
    let plan = muster.document(&["plan"], 0);
    assert_eq!(
        (&plan["drift"], &plan["outcome"]),
        (&serde_json::json!([]), &"none".into())
    );
    assert_eq!(muster.says(&["drift", "--accept", "--folder", &folder], 0), "");
}

#[tokio::test]
async fn who_is_stuck_is_told_with_what_to_do_and_why_a_machine_was_not_chosen() {
    let large = counted().replace("512 MiB", "1 TiB");
    let mut bed = Bed::new(&machine());
    let muster = Muster::of(&bed);
    bed.start(&[]);
    let status = bed.until("adopted", |status| is_adopted(status, "first")).await;
    bed.hear(1, seen(&status)).await;
    assert!(
        muster
            .says(&["status", "--stuck"], 0)
            .contains("Nobody is stuck.")
    );
    bed.commit(&[("deploy.toml", Some(&large))], "too much");
    bed.until("adopted", |status| is_adopted(status, "too much"))
        .await;
    let lacks = |status: &Status| status.deployments.iter().any(|one| one.lacks.is_some());
    bed.until("short", lacks).await;
    let why = muster.says(&["why", "deployment.first"], 0);
    assert!(why.contains("memory 0"), "{why}");
    let against = muster.says(&["why", "machine.node-01", "--against", "deployment.first"], 0);
    assert!(
        against.contains("it has no slot: `memory` is not met"),
        "{against}"
    );
    assert!(
        against.contains("NO  memory") && against.contains("at least 1TiB"),
        "{against}"
    );
    let document = muster.document(&["why", "node-01", "--against", "deployment.first"], 0);
    let rows = document["rows"].as_array().unwrap();
    let first = rows.iter().find(|row| row["met"] == false).unwrap();
    assert_eq!(
        (&first["what"], &first["found"]),
        (&"memory".into(), &"1.0 GB".into())
    );
    muster.document(&["why", "node-01", "--against", "deployment.nobody"], 1);
    muster.says(&["why", "node-01", "--against", "nobody"], 64);

    // It is to be inspected again, and there is nothing to inspect it with: only a person can go on.
    let again = fleet()
        .0
        .replace("serial = \"LAB-0001\"", "serial = \"LAB-0001\"\ninspect = 1");
    bed.commit(&[("fleet.toml", Some(&again))], "look again");
    bed.until("adopted", |status| is_adopted(status, "look again"))
        .await;
    let is_stuck = |status: &Status| !reconciler_core::stuck::stuck(status).is_empty();
    let status = bed.until("stuck", is_stuck).await;
    let told = muster.says(&["status", "--stuck"], 2);
    assert!(
        told.starts_with("node-01  ") && told.contains("NO_IMAGE_FOR_JOBS"),
        "{told}"
    );
    assert!(
        told.contains("  evidence   ") && told.contains("  next step  "),
        "{told}"
    );
    let document = muster.document(&["status", "--stuck"], 2);
    assert_eq!(document["format"], "muster.stuck/1.0");
    assert_eq!(document["machines"][0]["machine"], "node-01", "{status:#?}");
    assert!(document["machines"][0]["since"].is_string());
}

/// What is told of machines and deployments, of which times tell nothing.
fn stand(status: &Status) -> String {
    let machines = status.machines.iter().map(|machine| {
        let (wanted, generation) = (&machine.wanted, machine.generation);
        format!(
            "{} {} {wanted} {generation} {:?}",
            machine.name, machine.phase, machine.marks
        )
    });
    let machines: Vec<String> = machines.collect();
    let adopted = status.adopted.as_ref().map(|adopted| &adopted.plan);
    format!("{adopted:?} {machines:?} {:?}", status.deployments)
}

#[tokio::test]
async fn what_was_is_shown_as_it_was() {
    let (bed, muster, before) = running("deploy.toml", &fleet().1).await;
    let now = steady(&bed).await;
    assert_ne!(stand(&before), stand(&now), "it was deployed meanwhile");
    let at = |words: &[&str], status: &Status| -> Status {
        let said = muster.document(&[words, &["--at", &status.now.to_string()]].concat(), 0);
        serde_json::from_value(said).unwrap()
    };
    for then in [&before, &now] {
        let was = at(&["status"], then);
        assert_eq!(stand(&was), stand(then));
        assert_eq!(was.now, then.now);
        assert_eq!(
            was.revision.map(|it| it.commit),
            then.revision.as_ref().map(|it| it.commit.clone())
        );
        assert_eq!(stand(&at(&["log"], then)), stand(then));
    }
    let told = muster.says(&["status", "--at", &before.now.to_string()], 0);
    assert!(told.contains("first[1] debian-12"), "{told}");
    muster.says(&["status", "--stuck", "--at", &now.now.to_string()], 0);
    assert_eq!(
        muster.document(&["status", "--at", "1970-01-01T00:00:00Z"], 1)["error"]["code"],
        "NOT_FOUND"
    );
    assert_eq!(
        muster.document(&["status", "--at", "2999-01-01T00:00:00Z"], 1)["error"]["code"],
        "BAD_REQUEST"
    );
    muster.says(&["status", "--at", "yesterday"], 64);
    let until = muster.says(&["log", "--since", "1h", "--until", &before.now.to_string()], 0);
    assert!(
        until.contains("\"deploy\" is adopted") && !until.contains("installed on"),
        "{until}"
    );
    // From the machine to the commit: what, by whom, why.
    let log = muster.says(&["log", "node-01"], 0);
    let adopted = log
        .lines()
        .find(|line| line.contains("adopted: commit") && line.contains("deploy"));
    assert!(
        adopted.is_some_and(|line| line.ends_with("[Ada <ada@example.org>]")),
        "{log}"
    );
}
