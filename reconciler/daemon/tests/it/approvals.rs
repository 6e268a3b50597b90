//! What a fleet asks for before it destroys something: so many people, other than who wrote it, by the roles that hold.

use crate::bed::Bed;
use crate::muster::{Muster, fleet, is_adopted, second_person, seen, text};
use reconciler_core::people::{Stage, Status};

pub(crate) fn is_missing(status: &Status) -> bool {
    let stopped = status
        .revision
        .as_ref()
        .and_then(|revision| revision.stopped.as_ref());
    stopped.is_some_and(|told| told.code == "APPROVALS_MISSING")
}

#[tokio::test]
async fn one_who_did_not_write_it_must_agree() {
    let (machine, deployment) = fleet();
    let role = "[role.ops]\nallow = [\"approve\"]\nusers = [\"root <ada@example.org>\", \"uid 65534 <bob@example.org>\"]\n\n";
    let asks = "schema = 1\napprovals = { destructive = 1, mass-destructive = 2, role = \"ops\" }";
    let with = machine
        .replace("schema = 1", asks)
        .replace("[rack.r1]", &format!("{role}[rack.r1]"));
    let mut bed = Bed::new(&with);
    let muster = Muster::of(&bed);
    bed.start(&[]);
    let status = bed.until("adopted", |status| is_adopted(status, "first")).await;
    bed.hear(1, seen(&status)).await;
    bed.until("inspected", |now| now.adopted != status.adopted).await;

    // The commit asks for nobody any more: what counts is what was asked for before it.
    bed.git(&["checkout", "-q", "-b", "change"]);
    bed.commit(
        &[("deploy.toml", Some(&deployment)), ("fleet.toml", Some(&machine))],
        "deploy",
    );
    bed.git(&["checkout", "-q", "main"]);
    let plan = muster.plan("change", 3);
    let asked = serde_json::json!({ "needed": 1, "given": [], "eligible": ["ops"], "mass": false });
    assert_eq!(plan["approvals"], asked);
    let shown = muster.says(&["plan", "--head", "change"], 0);
    leads_on(&muster, &plan, &shown);
    let line = "    needs    approval     1 (destructive), by ops, not the author; nobody has yet\n";
    assert!(shown.contains(line), "{shown}");
    without_the_daemon(&bed, &muster);
    let (id, wipe_set) = (&plan["id"], &plan["wipe-set"]["digest"]);
    let (id, wipe_set) = (id.as_str().unwrap(), wipe_set.as_str().unwrap());
    bed.git(&["merge", "-q", "--ff-only", "change"]);
    let stopped = bed.until("stopped", is_missing).await.revision.unwrap();
    assert_eq!(stopped.stage, Stage::Guarded);
    let told = stopped.stopped.unwrap().message;
    for part in [
        "it destroys what 1 machine holds and 1 person must agree to wipe-set w-",
        "nobody has, 1 more must",
        "Of role ops may: uid 65534",
        &format!("muster approve {id} --wipe-set {wipe_set}"),
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }

    // Ada, who is root here, wrote it.
    does_not_count(&muster, id, wipe_set);
    let refused = muster.document(&["apply", id], 3);
    let told = refused["stopped"]["message"].as_str().unwrap();
    assert!(
        told.contains("root does not count: they wrote a part of it"),
        "{told}"
    );
    assert!(!is_adopted(
        &bed.until("still stopped", is_missing).await,
        "deploy"
    ));

    // Their word is not counted, and another's is, once it is said.
    let given = |head: &str| muster.plan(head, 3)["approvals"]["given"].clone();
    assert_eq!(given("main"), serde_json::json!([]));
    let words = ["approve", id, "--wipe-set", wipe_set];
    let said = second_person(&bed, &muster).args(words).output();
    let said = said.expect("setpriv starts");
    assert!(said.status.success(), "{}", text(&said.stderr));
    let told: serde_json::Value = serde_json::from_slice(&said.stdout).expect("a document");
    assert_eq!(
        (&told["counts"], &told["missing"]),
        (&true.into(), &serde_json::Value::Null)
    );
    bed.until("adopted", |status| is_adopted(status, "deploy")).await;
    let over = muster.says(&["show", id], 0);
    assert!(!over.contains("Next: "), "{over}");
    assert!(
        over.contains("This plan is carried out") || over.contains("Over: "),
        "{over}"
    );
}

/// Whoever wrote it is told so when they agree to it.
fn does_not_count(muster: &Muster, id: &str, wipe_set: &str) {
    let said = muster.document(&["approve", id, "--wipe-set", wipe_set], 0);
    assert_eq!(
        (&said["counts"], &said["approved"]),
        (&false.into(), &wipe_set.into()),
        "{said:#}"
    );
    let said = muster.says(&["approve", id, "--wipe-set", wipe_set], 0);
    for part in [
        "Your word does not count: ",
        " is not approved, 0 of 1: ",
        "they wrote a part of it",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// What is not merged says what is next, and that leads on.
fn leads_on(muster: &Muster, plan: &serde_json::Value, shown: &str) {
    let (id, wipe_set) = (
        plan["id"].as_str().unwrap(),
        plan["wipe-set"]["digest"].as_str().unwrap(),
    );
    let next = format!("Next: muster approve {id} --wipe-set {wipe_set}\nThen merge it.");
    assert!(shown.contains(&next), "{shown}");
    assert!(muster.says(&["show", id], 0).contains(&next));
    let early = muster.document(&["apply", id], 1);
    assert_eq!(early["stopped"]["code"], "NOT_MERGED", "{early:#}");
}

/// A plan from a snapshot says who must agree, and nothing of who has.
fn without_the_daemon(bed: &Bed, muster: &Muster) {
    let file = bed.path("snapshot").display().to_string();
    let trust = bed.path("trust").display().to_string();
    muster.says(&["snapshot", "--out", &file], 0);
    muster.says(&["snapshot", "--key", "--out", &trust], 0);
    let words = ["plan", "--offline", &file, "--trust", &trust, "--head", "change"];
    let shown = muster
        .command(&words)
        .current_dir(bed.path("fleet"))
        .output()
        .expect("muster starts");
    let (shown, told) = (text(&shown.stdout), text(&shown.stderr));
    let line = "    needs    approval     1 (destructive), by ops, not the author\n";
    assert!(shown.contains(line), "{shown}{told}");
}
