//! What a fleet asks for before it destroys something: so many people, other than who wrote it, by the roles that hold.

use crate::bed::Bed;
use crate::events::{machine, obey_until};
use crate::muster::{Muster, fleet, is_adopted, second_person, seen, text};
use crate::signed::{SIGNERS, key, sign, signed};
use rack_api::fact::PowerSeen;
use reconciler_core::condition::Condition;
use reconciler_core::people::{self, Stage, Status};
use reconciler_core::plan::Plan;
use reconciler_core::status::MachineStatus;
use serde_json::{Value, json};

pub(crate) fn is_missing(status: &Status) -> bool {
    let stopped = status
        .revision
        .as_ref()
        .and_then(|revision| revision.stopped.as_ref());
    stopped.is_some_and(|told| told.code == "APPROVALS_MISSING")
}

/// The fleet, that asks for somebody other than the author to agree.
fn asking(fleet: &str) -> String {
    let role = "[role.ops]\nallow = [\"approve\"]\nusers = [\"root <ada@example.org>\", \"uid 65534 <bob@example.org>\"]\n\n";
    let asks = "schema = 1\napprovals = { destructive = 1, mass-destructive = 2, role = \"ops\" }";
    fleet
        .replace("schema = 1", asks)
        .replace("[rack.r1]", &format!("{role}[rack.r1]"))
}

/// What Bob says of a plan's wipe-set, with these words behind it.
fn bob_says(bed: &Bed, muster: &Muster, plan: &Value, words: &[&str]) -> String {
    let (id, wipe_set) = (&plan["id"], &plan["wipe-set"]["digest"]);
    let approve = [
        "approve",
        id.as_str().unwrap(),
        "--wipe-set",
        wipe_set.as_str().unwrap(),
    ];
    let said = second_person(bed, muster).args(approve).args(words).output();
    let said = said.expect("setpriv starts");
    assert!(said.status.success(), "{}", text(&said.stderr));
    text(&said.stdout)
}

#[tokio::test]
async fn one_who_did_not_write_it_must_agree() {
    let (machine, deployment) = fleet();
    let mut bed = Bed::new(&asking(&machine));
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
    takes_it_back(&bed, &muster, &plan);
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
    let told = bob_says(&bed, &muster, &plan, &[]);
    let told: Value = serde_json::from_str(&told).expect("a document");
    assert_eq!((&told["counts"], &told["missing"]), (&true.into(), &Value::Null));
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

/// Bob agrees, and thinks better of it.
fn takes_it_back(bed: &Bed, muster: &Muster, plan: &Value) {
    let given = || muster.plan("change", 3)["approvals"]["given"].clone();
    bob_says(bed, muster, plan, &[]);
    assert_eq!(given(), json!(["uid 65534"]));
    let words = ["--withdraw", "--reason", "the disk is not copied yet"];
    let answer = bob_says(bed, muster, plan, &words);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer, json!({ "withdrawn": true, "carried-out": false }));
    assert_eq!(given(), json!([]));
    let told = muster.says(&["log"], 0);
    let (id, wipe_set) = (&plan["id"], &plan["wipe-set"]["digest"]);
    let (id, wipe_set) = (id.as_str().unwrap(), wipe_set.as_str().unwrap());
    let line = format!("took the approval of {id} {wipe_set} back: the disk is not copied yet");
    assert!(told.contains(&line), "{told}");

    // Root has not agreed; and nobody takes anything back without saying why.
    let mut words = vec![
        "approve",
        id,
        "--wipe-set",
        wipe_set,
        "--withdraw",
        "--reason",
        "never",
    ];
    let said = muster.says(&words, 0);
    assert_eq!(said, format!("You had not approved {wipe_set}.\n"));
    words.truncate(5);
    muster.says(&words, 64);
    words.extend(["--reason", " "]);
    assert_eq!(muster.document(&words, 1)["error"]["code"], "BAD_REQUEST");
}

/// A consent that was committed before anybody had looked agrees to nothing on behalf of those who must agree.
#[tokio::test]
async fn a_consent_to_what_nobody_has_seen_waits_for_those_who_must_agree() {
    let (_, deployment) = fleet();
    let whole = asking(&machine());
    let (before, rest) = whole.split_once("[machine.node-01]").expect("a machine");
    let (_, after) = rest.split_once("[image.").expect("images");
    let mut bed = Bed::new(&format!("{before}[image.{after}"));
    let muster = Muster::of(&bed);
    bed.start(&[]);
    bed.until("adopted", |status| is_adopted(status, "first")).await;

    // Ada alone commits it all, and nobody has to agree: nobody knows what is on the disk.
    bed.commit(
        &[("deploy.toml", Some(&deployment)), ("fleet.toml", Some(&whole))],
        "deploy",
    );
    let status = bed.until("adopted", |status| is_adopted(status, "deploy")).await;
    bed.hear(1, seen(&status)).await;
    let waits = |now: &MachineStatus| {
        let wait = now.wait.as_ref();
        let wait = wait.filter(|wait| wait.condition == Condition::ApprovalsMissing);
        wait.is_some_and(|wait| {
            wait.evidence
                .contains("push another commit, an empty one will do")
        })
    };
    let next = obey_until(&bed, &status, (3, PowerSeen::Off), waits).await;
    let deploys = || {
        let orders = bed.table("order_issued");
        orders
            .iter()
            .filter(|order| order.contains("serial:disk-0"))
            .count()
    };
    assert_eq!(deploys(), 0);
    let now: Status = bed.get(people::STATUS).await;
    let adopted = now.adopted.unwrap().plan;
    let adopted: Plan = bed.get(&format!("{}{adopted}", people::PLANS)).await;
    assert!(adopted.wipe_set.entries.is_empty(), "{:?}", adopted.wipe_set);

    // The way out: a commit of nothing, whose plan shows it, and Bob's word for that.
    bed.git(&["checkout", "-q", "-b", "again"]);
    bed.commit(&[], "look again");
    bed.git(&["checkout", "-q", "main"]);
    let plan = muster.plan("again", 3);
    assert_eq!(plan["approvals"]["needed"], 1);
    bed.git(&["merge", "-q", "--ff-only", "again"]);
    bed.until("stopped", is_missing).await;
    assert_eq!(deploys(), 0);
    bob_says(&bed, &muster, &plan, &[]);
    bed.until("adopted", |status| is_adopted(status, "look again"))
        .await;
    obey_until(&bed, &status, (next, PowerSeen::Off), |_| deploys() > 0).await;
    let said = bob_says(&bed, &muster, &plan, &["--withdraw", "--reason", "too late"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said, json!({ "withdrawn": true, "carried-out": true }));
}

/// A repository by which Ada and Bob sign, Ada under other addresses too, and of whom Ada may agree; and a deployment for it.
fn signed_bed() -> (Bed, String) {
    let (machine, deployment) = fleet();
    let role = "[role.ops]\nallow = [\"approve\"]\nusers = [\"root <ada@example.org>\", \"uid 65534 <eve@example.org>\"]\n\n";
    let asks = format!(
        "schema = 1\napprovals = {{ destructive = 1, mass-destructive = 1, role = \"ops\" }}\n\
         git = {{ verify = \"signed-first-parent\", allowed-signers = \"{SIGNERS}\" }}"
    );
    let with = machine
        .replace("schema = 1", &asks)
        .replace("[rack.r1]", &format!("{role}[rack.r1]"));
    let bed = Bed::new(&with);
    std::fs::create_dir(bed.path("fleet/policy")).unwrap();
    let lines = format!("{}{}", key(&bed, "ada"), key(&bed, "bob"));
    let lines = lines.replace("ada@example.org", "ada@example.org,*@robots.example");
    sign(&bed, "ada", (SIGNERS, &lines), "begin");
    (bed, deployment)
}

/// Ada, who may sign and agree, has her own change stand there as another's; then she merges Bob's.
#[tokio::test]
async fn who_signs_what_nobody_answers_for_wrote_it() {
    let (mut bed, deployment) = signed_bed();
    let muster = Muster::of(&bed);
    bed.start(&[]);
    let status = bed.until("adopted", |status| is_adopted(status, "begin")).await;
    bed.hear(1, seen(&status)).await;
    bed.until("inspected", |now| now.adopted != status.adopted).await;
    bed.git(&["tag", "begin"]);
    let deploy = |who| {
        bed.git(&["reset", "-q", "--hard", "begin"]);
        bed.git(&["checkout", "-q", "-B", "change"]);
        match who {
            "nobody" => {
                std::fs::write(bed.path("fleet/deploy.toml"), &deployment).unwrap();
                bed.git(&["add", "-A"]);
                let words = ["commit", "-q", "-m", "deploy"];
                bed.git(&[&["-c", "user.email=nobody@x"], &words[..]].concat());
            }
            who => sign(&bed, who, ("deploy.toml", &deployment), "deploy"),
        }
        bed.git(&["checkout", "-q", "main"]);
        signed(
            &bed,
            "ada",
            &["merge", "-q", "--no-ff", "-S", "-m", who, "change"],
        );
    };
    let stopped_at = async |summary: &str| {
        let is_it = |status: &Status| {
            let revision = status.revision.as_ref();
            revision.is_some_and(|revision| revision.summary == summary) && is_missing(status)
        };
        let status = bed.until("stopped", is_it).await;
        status.revision.unwrap().stopped.unwrap().message
    };
    let not_hers = "root does not count: they wrote a part of it";

    deploy("nobody");
    let is_known = |status: &Status| {
        let revision = status.revision.as_ref();
        revision.is_some_and(|revision| revision.summary == "nobody" && revision.stopped.is_some())
    };
    bed.until("stopped", is_known).await;
    let plan = muster.plan("main", 3);
    let (id, wipe_set) = (&plan["id"], &plan["wipe-set"]["digest"]);
    let words = [
        "approve",
        id.as_str().unwrap(),
        "--wipe-set",
        wipe_set.as_str().unwrap(),
    ];
    muster.document(&words, 0);
    let refused = muster.document(&["apply", id.as_str().unwrap()], 3);
    let told = refused["stopped"]["message"].as_str().unwrap();
    assert!(told.contains(not_hers), "{told}");
    assert!(told.contains("Of role ops may: uid 65534"), "{told}");

    // Nor is it another's under another address of her key.
    bed.git(&["reset", "-q", "--hard", "begin"]);
    std::fs::write(bed.path("fleet/deploy.toml"), &deployment).unwrap();
    bed.git(&["add", "-A"]);
    let robot = [
        "-c",
        "user.email=r2@robots.example",
        "commit",
        "-S",
        "-q",
        "-m",
        "robot",
    ];
    signed(&bed, "ada", &robot);
    let told = stopped_at("robot").await;
    assert!(told.contains(not_hers), "{told}");

    // What Bob signed is his, whoever merges it: her word, which she gave, counts.
    deploy("bob");
    bed.until("adopted", |status| is_adopted(status, "bob")).await;
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
