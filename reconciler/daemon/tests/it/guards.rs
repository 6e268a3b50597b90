//! Guards of a plan, each with a real musterd: it is seen to stop a commit, to say why, and to be opened, by people, by git or by
//! time; and what opened it opens nothing later.

use crate::approvals::is_missing;
use crate::bed::Bed;
use crate::budgets::{RUNS, fleet_of, running_in};
use crate::muster::{Muster, is_adopted, second_person, text};
use crate::statuses::head;
use reconciler_core::people::Status;
use serde_json::Value;

/// A word ends after an hour, a day's limit after a day.
const HOUR_MS: i64 = 3_600_000;

/// As the root of this host and the nobody of it, of whom neither wrote anything.
const ROLE: &str = "[role.ops]\nallow = [\"approve\"]\nusers = [\"root <bob@example.org>\", \"uid 65534 <eve@example.org>\"]\n";

fn stops(status: &Status) -> Option<(&str, &str)> {
    let stopped = status.revision.as_ref()?.stopped.as_ref()?;
    Some((&stopped.code, &stopped.message))
}

/// The commit is stopped by this, and why.
async fn is_stopped(bed: &Bed, message: &str, code: &str) -> String {
    let is_so = |status: &Status| {
        let revision = status.revision.as_ref();
        revision.is_some_and(|revision| revision.summary == message)
            && stops(status).is_some_and(|(stop, _)| stop == code)
    };
    let status = bed.until(&format!("{message}: {code}"), is_so).await;
    stops(&status).unwrap().1.to_owned()
}

/// Time passes for what a table has on record.
fn ages(bed: &Bed, table: &str, milliseconds: i64) {
    let query = format!("UPDATE {table} SET at_ms = at_ms - {milliseconds} RETURNING at_ms");
    assert!(!bed.sql(&query).is_empty(), "{table} is empty");
}

/// Somebody else says the same.
fn another_says(bed: &Bed, muster: &Muster, words: &[&str]) -> Value {
    let said = second_person(bed, muster).args(words).output();
    let said = said.expect("setpriv starts");
    let (out, told) = (text(&said.stdout), text(&said.stderr));
    assert!(said.status.success(), "{words:?}: {out}{told}");
    serde_json::from_str(&out).unwrap()
}

/// Two machines, of which a commit erases both: more than the limits allow, so that two must open the guard, and two must agree. That
/// the commit itself would let one do so unseen helps it nothing.
#[tokio::test]
async fn mass_destruction_needs_two_who_open_the_guard_and_two_who_agree_and_no_word_outlives_its_use() {
    let fleet = |reinstall, unreviewed: &str| {
        let rest = format!(
            "{ROLE}[deployment.web]\nmachines = [\"node-01\", \"node-02\"]\n{RUNS}reinstall = {reinstall}\n"
        );
        let asks = "schema = 1\nlimits.max-destroyed = 1\n\
                    approvals = { destructive = 1, mass-destructive = 2, role = \"ops\" }";
        let fleet = fleet_of(2, &rest).replace("unreviewed = \"allow\"", unreviewed);
        fleet.replace("schema = 1", asks)
    };
    let stage = running_in(Bed::new(&fleet(0, ""))).await;
    let (bed, muster) = (&stage.bed, &stage.muster);
    let before = bed.table("destroyed");

    bed.commit(
        &[("fleet.toml", Some(&fleet(1, "unreviewed = \"allow\"")))],
        "again",
    );
    let told = is_stopped(bed, "again", "LIMIT_EXCEEDED").await;
    for words in [
        "2 of 2 machines, node-01, node-02; the limit is 1",
        "muster override --guard limits",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let plan = muster.plan("main", 4);
    let asked = serde_json::json!({ "needed": 2, "given": [], "eligible": ["ops"], "mass": true });
    assert_eq!(plan["approvals"], asked);
    let (id, wipe_set) = (&plan["id"], &plan["wipe-set"]["digest"]);
    let (id, wipe_set) = (id.as_str().unwrap(), wipe_set.as_str().unwrap());
    let open = [
        "override",
        "--guard",
        "limits",
        "--plan",
        id,
        "--reason",
        "CHG-4802: both at once",
    ];
    let agree = ["approve", id, "--wipe-set", wipe_set];

    // One opens it, and agrees: neither is enough.
    muster.document(&open, 0);
    muster.document(&agree, 0);
    let alone = muster.document(&["apply", id], 4);
    assert_eq!(alone["stopped"]["code"], "LIMIT_EXCEEDED");
    let told = alone["stopped"]["message"].as_str().unwrap();
    assert!(told.contains("(1 of 2 people have said so)"), "{told}");
    // Two opened it, one agreed.
    assert_eq!(
        another_says(bed, muster, &open)["people"],
        serde_json::json!(["root", "uid 65534"])
    );
    let told = is_stopped(bed, "again", "APPROVALS_MISSING").await;
    for words in [
        "what 2 machines hold and 2 people must agree",
        "root has, 1 more must",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }

    // An hour later nobody has opened it.
    ages(bed, "guard_opened", HOUR_MS);
    let lapsed = muster.document(&["apply", id], 4);
    let told = lapsed["stopped"]["message"].as_str().unwrap();
    assert!(!told.contains("people have said so"), "{told}");
    another_says(bed, muster, &agree);
    is_stopped(bed, "again", "LIMIT_EXCEEDED").await;
    assert_eq!(bed.table("destroyed"), before, "nothing is begun");
    muster.document(&open, 0);
    another_says(bed, muster, &open);
    bed.until("adopted", |status| is_adopted(status, "again")).await;
    used_up(bed, muster, &fleet(2, ""), wipe_set).await;
}

/// Who vouches for a signature has not said that anybody saw what is erased: the commit that would allow itself that helps nothing.
#[tokio::test]
async fn a_commit_that_is_vouched_for_allows_itself_nothing_unseen() {
    let fleet = |reinstall, unreviewed: &str| {
        let rest = format!("[deployment.web]\nmachines = [\"node-01\"]\n{RUNS}reinstall = {reinstall}\n");
        fleet_of(1, &rest).replace("unreviewed = \"allow\"", unreviewed)
    };
    let mut stage = running_in(Bed::new(&fleet(0, ""))).await;
    let bed = &mut stage.bed;
    bed.stop();
    bed.commit(
        &[("fleet.toml", Some(&fleet(1, "unreviewed = \"allow\"")))],
        "again",
    );
    bed.words = vec!["--trust-commit".to_owned(), head(bed)];
    bed.start(&[]);
    is_stopped(bed, "again", "PLAN_CHANGED_SINCE_SHOWN").await;
    // Once somebody agreed it is carried out, and the one after it may.
    let plan = stage.muster.plan("main", 3);
    let agree = [
        "approve",
        plan["id"].as_str().unwrap(),
        "--wipe-set",
        plan["wipe-set"]["digest"].as_str().unwrap(),
    ];
    stage.muster.document(&agree, 0);
    let bed = &stage.bed;
    bed.until("adopted", |status| is_adopted(status, "again")).await;
    let unseen = fleet(2, "unreviewed = \"allow\"");
    bed.commit(&[("fleet.toml", Some(&unseen))], "and again");
    bed.until("adopted", |status| is_adopted(status, "and again"))
        .await;
}

/// The same machines and disks once more: no word that was said before is one for that.
async fn used_up(bed: &Bed, muster: &Muster, fleet: &str, wipe_set: &str) {
    let first = bed.until("there", |_| true).await.adopted.unwrap().plan;
    bed.commit(&[("fleet.toml", Some(fleet))], "and again");
    let told = is_stopped(bed, "and again", "LIMIT_EXCEEDED").await;
    assert!(!told.contains("people have said so"), "{told}");
    let next = muster.plan("main", 4);
    assert_eq!(
        next["wipe-set"]["digest"], wipe_set,
        "the wipe-set is the one of before"
    );
    assert_eq!(next["approvals"]["given"], serde_json::json!([]));
    let id = next["id"].as_str().unwrap();
    let open = [
        "override", "--guard", "limits", "--plan", id, "--reason", "CHG-4803",
    ];
    muster.document(&open, 0);
    another_says(bed, muster, &open);
    // Nor was what it erases shown to anybody.
    let told = is_stopped(bed, "and again", "PLAN_CHANGED_SINCE_SHOWN").await;
    assert!(told.contains(wipe_set), "{told}");
    muster.document(&["approve", id, "--wipe-set", wipe_set], 0);
    let told = is_stopped(bed, "and again", "APPROVALS_MISSING").await;
    assert!(told.contains("root has, 1 more must"), "{told}");
    let status = bed.until("still stopped", is_missing).await;
    assert_eq!(status.adopted.unwrap().plan, first);
}

/// Each machine is destroyed by a commit of its own: what one may not do, two may not within a day.
#[tokio::test]
async fn limits_of_a_pool_hold_over_a_day_and_a_share_from_a_number_of_machines_on() {
    let fleet = |first, second, settings: &str, limits: &str| {
        let deployment = |name: &str, number, reinstall| {
            let runs = RUNS.replace("web-", &format!("{name}-"));
            format!("[deployment.{name}]\nmachines = [\"node-0{number}\"]\n{runs}reinstall = {reinstall}\n")
        };
        let rest = format!(
            "[pool.slow]\n{limits}\n{}{}",
            deployment("one", 1, first),
            deployment("two", 2, second)
        );
        let fleet = fleet_of(2, &rest).replace("rack = \"r1\"\nboot", "rack = \"r1\"\npool = \"slow\"\nboot");
        fleet.replace("schema = 1", &format!("schema = 1\n{settings}"))
    };
    let one = "limits.max-destroyed = 1";
    let stage = running_in(Bed::new(&fleet(0, 0, "", one))).await;
    let (bed, muster) = (&stage.bed, &stage.muster);
    bed.commit(&[("fleet.toml", Some(&fleet(1, 0, "", one)))], "one");
    bed.until("adopted", |status| is_adopted(status, "one")).await;
    bed.commit(&[("fleet.toml", Some(&fleet(1, 1, "", one)))], "two");
    let told = is_stopped(bed, "two", "LIMIT_EXCEEDED").await;
    let words = "1 of 2 machines of pool slow, node-02; beside 1 within 24 hours, the limit is 1";
    assert!(told.contains(words), "{told}");
    ages(bed, "destroyed", 24 * HOUR_MS);
    bed.apply().await;
    bed.until("adopted", |status| is_adopted(status, "two")).await;
    ages(bed, "destroyed", 24 * HOUR_MS);

    // A commit that takes the limit out is limited by it still; the next one is not.
    bed.commit(
        &[("fleet.toml", Some(&fleet(2, 2, "", "")))],
        "lifts it for itself",
    );
    let told = is_stopped(bed, "lifts it for itself", "LIMIT_EXCEEDED").await;
    assert!(
        told.contains("limits that a commit raises count once it is carried out"),
        "{told}"
    );
    bed.commit(&[("fleet.toml", Some(&fleet(1, 1, "", "")))], "lifted");
    bed.until("adopted", |status| is_adopted(status, "lifted")).await;

    // Half of them may be destroyed, where there are enough for a share to say anything.
    for (machines, code, outcome) in [(2, 4, "blocked"), (3, 3, "destructive")] {
        let share = format!("limits.max-destroyed-percent = 50\nlimits.min-population = {machines}");
        let branch = format!("share-{machines}");
        bed.git(&["checkout", "-q", "-b", &branch, "main"]);
        bed.commit(&[("fleet.toml", Some(&fleet(2, 2, &share, "")))], &branch);
        assert_eq!(muster.plan(&branch, code)["outcome"], outcome);
        bed.git(&["checkout", "-q", "main"]);
    }
}

/// A machine that is called otherwise is known by its hardware; where that is other too, it is another machine, unless an entry
/// says that it is the same one.
#[tokio::test]
async fn a_new_name_touches_nothing_and_is_the_same_machine_by_its_hardware_or_by_an_entry() {
    let fleet = |name: &str, more: &str| {
        let rest = format!("[deployment.web]\nmachines = [\"node-01\"]\n{RUNS}{more}");
        fleet_of(1, &rest).replace("node-01", name)
    };
    let stage = running_in(Bed::new(&fleet("node-01", ""))).await;
    let (bed, muster) = (&stage.bed, &stage.muster);
    let orders = bed.table("order_issued");
    let names = |status: &Status| -> Vec<(String, String)> {
        let machines = status.machines.iter();
        let told = machines.map(|machine| (machine.name.to_string(), machine.wanted.clone()));
        told.collect()
    };
    let runs = |name: &str| (name.to_owned(), "web[1] debian-12".to_owned());
    let merged = async |text: &str, message: &str| {
        bed.commit(&[("fleet.toml", Some(text))], message);
        bed.until("adopted", |status| is_adopted(status, message)).await;
        bed.hear(stage.sequence + 1, Vec::new()).await;
        bed.until("looked at", |status| is_adopted(status, message)).await
    };

    let plan = muster.plan("main", 0);
    assert_eq!(plan["changes"], serde_json::json!([]));
    let renamed = fleet("node-08", "");
    let status = merged(&renamed, "the same hardware").await;
    assert_eq!(names(&status), [runs("node-08")]);

    // Its board was exchanged, and it was renamed: by itself it is a stranger that has no slot, and the old one goes on.
    let exchanged = |name: &str, more: &str| {
        let fleet = fleet(name, more).replace("LAB-0001", "LAB-0009");
        fleet.replace("52:54:00:77:00:01", "52:54:00:77:00:09")
    };
    bed.git(&["checkout", "-q", "-b", "exchanged"]);
    bed.commit(
        &[("fleet.toml", Some(&exchanged("node-09", "")))],
        "another board",
    );
    bed.git(&["checkout", "-q", "main"]);
    let plan = muster.plan("exchanged", 2);
    let actions = |plan: &Value| -> Vec<String> {
        let changes = plan["changes"].as_array().unwrap().iter();
        let told = changes.map(|change| format!("{} {}", change["action"], change["object"]));
        told.map(|told| told.replace('"', "")).collect()
    };
    assert_eq!(
        actions(&plan),
        ["enlist machine.node-09", "orphan machine.node-08"]
    );
    let entry = "[moved.machine.node-08]\nto = \"node-09\"\n";
    // An entry says that it is the same one. What was found in it says otherwise: it is only looked at.
    let status = merged(&exchanged("node-09", entry), "the same machine").await;
    assert_eq!(names(&status), [("node-09".to_owned(), "observe".to_owned())]);
    let why = muster.says(&["why", "node-09"], 0);
    assert!(
        why.contains("IDENTITY_AMBIGUOUS") && why.contains("LAB-0009"),
        "{why}"
    );
    let status = merged(&fleet("node-09", entry), "as it was found").await;
    assert_eq!(names(&status), [runs("node-09")]);
    assert_eq!(bed.table("order_issued"), orders, "nothing is done to it");
}
