//! `release-order = "unhealthy-first"` with a real musterd: who is out of service is what it heard, and goes first.

use crate::budgets::{Stage, fleet, running};
use crate::muster::text;
use rack_api::fact::{FactBody, PowerSeen};
use reconciler_core::condition::Condition;
use reconciler_core::people::Status;
use serde_json::Value;

/// The one machine that a branch's plan releases, with what was read of it.
fn released(stage: &Stage, order: &str) -> Value {
    let plan = stage.muster.document(&["plan", "--head", order], 0);
    let changes = plan["changes"].as_array().unwrap().iter();
    let mut releases = changes.filter(|change| change["action"] == "release");
    let mut released = releases.next().expect("one goes").clone();
    assert_eq!(releases.next(), None, "{plan:#}");
    let mut reads = plan["reads"].as_object().unwrap().values();
    let read = reads.find(|read| read["name"] == released["machine"]).unwrap();
    released["read"] = read.clone();
    released
}

#[tokio::test]
async fn who_is_out_of_service_goes_before_the_highest_slot() {
    let mut stage = running().await;
    let counted = |order: &str| {
        let by_count = format!("count = 1\nrelease-order = \"{order}\"\n");
        fleet(0).replace("machines = [\"node-01\", \"node-02\"]\n", &by_count)
    };
    for order in ["newest", "unhealthy-first"] {
        stage.bed.git(&["checkout", "-q", "-b", order, "main"]);
        stage.bed.commit(&[("fleet.toml", Some(&counted(order)))], order);
        stage.bed.git(&["checkout", "-q", "main"]);
    }
    // Both are well: the highest slot goes, under either order.
    for order in ["newest", "unhealthy-first"] {
        let change = released(&stage, order);
        assert_eq!(change["machine"], "node-02", "{change:#}");
        assert_eq!(change["read"].get("unhealthy"), None, "{change:#}");
    }
    let before = stage.muster.document(&["plan", "--head", "unhealthy-first"], 0);

    // The first one goes off, and nobody ordered that.
    let status = stage
        .bed
        .until("both are there", |status| status.machines.len() == 2)
        .await;
    let machine = status.machines[0].id;
    let power = PowerSeen::Off;
    stage.hear(vec![FactBody::Power { machine, power }]).await;
    let is_drift = |status: &Status| {
        let wait = status.machines[0].wait.as_ref();
        wait.is_some_and(|wait| wait.condition == Condition::PowerDrift)
    };
    stage.bed.until("off", is_drift).await;
    assert_eq!(released(&stage, "newest")["machine"], "node-02");
    let change = released(&stage, "unhealthy-first");
    assert_eq!(change["machine"], "node-01", "{change:#}");
    let why = change["why"].as_str().unwrap();
    assert!(
        why.starts_with("web counts 1, and this one is off since "),
        "{why}"
    );

    // What was shown before is another plan, and says since when.
    let old = before["id"].as_str().unwrap();
    let told = stage
        .muster
        .command(&["plan", "--replace", old])
        .output()
        .unwrap();
    let stale = text(&told.stderr);
    assert!(
        stale.contains("machine.node-01: it would be changed now"),
        "{stale}"
    );
}
