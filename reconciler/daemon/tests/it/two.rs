//! Two musterds on one Postgres, one of which is killed now and then: one line of plans, one begun at a time.

use crate::bed::Bed;
use crate::budgets::{Stage, fleet, kill, running_in, waits_on};
use crate::cluster::Cluster;
use crate::muster::is_adopted;
use reconciler_core::condition::Condition;
use reconciler_core::people::Status;
use std::collections::BTreeSet;

/// The number of the machine that is begun, as soon as the other one waits for its place.
async fn begun(stage: &Stage) -> u8 {
    let is_begun =
        |status: &Status| waits_on(status, Condition::Budget).is_some() && status.budgets[0].out.len() == 1;
    let status = stage.bed.until("one is begun", is_begun).await;
    match waits_on(&status, Condition::Budget).as_deref() {
        Some("node-01") => 2,
        _ => 1,
    }
}

/// Both daemons tell why a commit goes no further.
async fn stopped(beds: [&Bed; 2], code: &str) {
    for bed in beds {
        let is_stopped = |status: &Status| {
            let stopped = status.revision.as_ref().and_then(|it| it.stopped.as_ref());
            stopped.is_some_and(|stopped| stopped.code == code)
        };
        bed.until(code, is_stopped).await;
    }
}

#[tokio::test]
async fn two_daemons_make_one_line_of_plans_whoever_is_killed() {
    let cluster = Cluster::start().await;
    let mut bed = Bed::new(&fleet(0));
    bed.database = Some(cluster.url("muster"));
    let mut stage = running_in(bed).await;
    let mut other = Bed::new(&fleet(0));
    other.repository = Some(stage.bed.path("fleet").display().to_string());
    other.database = stage.bed.database.clone();
    other.start(&[]);
    other.until("up", |status| status.machines.len() == 2).await;

    // A bad revision is nobody's.
    let broken = fleet(0).replace("storage = \"single-disk\"", "storage = \"singel-disk\"");
    stage.bed.commit(&[("fleet.toml", Some(&broken))], "break it");
    stopped([&stage.bed, &other], "M0101").await;

    // One at a time; each of the two is killed while a machine is out.
    stage.bed.commit(&[("fleet.toml", Some(&fleet(1)))], "again");
    stage
        .bed
        .until("adopted", |status| is_adopted(status, "again"))
        .await;
    stage.hear(Vec::new()).await;
    let first = begun(&stage).await;
    kill(&mut other);
    kill(&mut stage.bed);
    stage.bed.start(&[]);
    stage.bed.until("back", |status| status.machines.len() == 2).await;
    other.start(&[]);
    stage.runs(first).await;
    let second = 3 - first;
    let name = format!("node-0{second}");
    let is_next = |status: &Status| {
        let mut out = status.budgets[0].out.iter();
        out.any(|out| out.contains(&name))
    };
    stage.bed.until("the other is begun", is_next).await;
    kill(&mut stage.bed);
    stage.bed.start(&[]);
    stage.bed.until("back", |status| status.machines.len() == 2).await;
    stage.runs(second).await;
    let is_over = |status: &Status| status.budgets[0].out.is_empty();
    stage.bed.until("both run", is_over).await;

    // Guarded: two machines would be given up at once where none may.
    let few = fleet(2).replace("schema = 1\n", "schema = 1\nlimits.max-destroyed = 1\n");
    stage.bed.commit(&[("fleet.toml", Some(&few))], "too many");
    stopped([&stage.bed, &other], "LIMIT_EXCEEDED").await;

    // Rewritten, and brought back.
    stage.bed.git(&["branch", "-q", "kept", "HEAD~1"]);
    stage.bed.git(&["checkout", "-q", "--orphan", "rewritten"]);
    stage
        .bed
        .commit(&[("fleet.toml", Some(&fleet(3)))], "history anew");
    stage.bed.git(&["branch", "-q", "-M", "rewritten", "main"]);
    stopped([&stage.bed, &other], "M0822").await;
    stage.bed.git(&["reset", "-q", "--hard", "kept"]);
    stage.bed.commit(&[("README.md", Some("a fleet\n"))], "last");
    for bed in [&stage.bed, &other] {
        bed.until("adopted", |status| is_adopted(status, "last")).await;
    }
    stage.hear(Vec::new()).await;
    stage.bed.until("both run", is_over).await;
    one_line(&stage.bed);
    one_at_a_time(&stage.bed);
}

/// One is held up between its plan and the adoption, while another adopts the next commit: its plan is none any more.
#[tokio::test]
async fn who_was_held_up_adopts_nothing_over_another() {
    let cluster = Cluster::start().await;
    let mut bed = Bed::new(&fleet(0));
    bed.database = Some(cluster.url("muster"));
    let mut stage = running_in(bed).await;
    kill(&mut stage.bed);
    let mut slow = Bed::new(&fleet(0));
    slow.repository = Some(stage.bed.path("fleet").display().to_string());
    slow.database = stage.bed.database.clone();
    slow.start(&[("MUSTER_FAILPOINT", "adopt"), ("MUSTER_FAILPOINT_PAUSES", "1")]);
    stage.bed.commit(&[("fleet.toml", Some(&fleet(1)))], "again");
    let is_held_up = || slow.log().contains("failpoint adopt reached");
    slow.until_true("it is held up", is_held_up).await;
    stage.bed.commit(&[("fleet.toml", Some(&fleet(2)))], "and again");
    stage.bed.start(&[]);
    let is_over = |status: &Status| is_adopted(status, "and again");
    stage.bed.until("adopted", is_over).await;
    let pid = rustix::process::Pid::from_raw(slow.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    slow.until_true("it sees that the branch went on", || {
        slow.log().contains("was overtaken")
    })
    .await;
    slow.until("it goes on from there", is_over).await;
    let rewritten = stage
        .bed
        .sql("SELECT commit_id FROM revision WHERE code = 'M0822'");
    assert!(rewritten.is_empty(), "nobody rewrote the branch: {rewritten:?}");
    let adopted = stage.bed.until("adopted", is_over).await.adopted;
    assert_eq!(slow.until("adopted", is_over).await.adopted, adopted);
    let rows = stage.bed.sql(
        "SELECT plan.id, document ->> 'parent' FROM audit JOIN plan ON plan.id = subject
         WHERE what = 'plan-adopted' ORDER BY audit.number",
    );
    let plans: Vec<Vec<&str>> = rows.iter().map(|row| row.split('|').collect()).collect();
    assert!(plans.windows(2).all(|pair| pair[1][1] == pair[0][0]), "{rows:#?}");
}

/// Each plan that was adopted is its predecessor's child, and none is adopted twice; what was stopped never is.
fn one_line(bed: &Bed) {
    let adopted = "SELECT plan.id, coalesce(document ->> 'parent', ''), commit_id FROM audit
                   JOIN plan ON plan.id = subject WHERE what = 'plan-adopted' ORDER BY audit.number";
    let rows = bed.sql(adopted);
    let plans: Vec<Vec<&str>> = rows.iter().map(|row| row.split('|').collect()).collect();
    for pair in plans.windows(2) {
        assert_eq!(pair[1][1], pair[0][0], "{rows:#?}");
    }
    let ids: BTreeSet<&str> = plans.iter().map(|plan| plan[0]).collect();
    assert_eq!(ids.len(), plans.len(), "{rows:#?}");
    assert_eq!(
        bed.sql("SELECT plan_id FROM target"),
        [plans.last().unwrap()[0]],
        "{rows:#?}"
    );
    let log = std::process::Command::new("git")
        .args([
            "log",
            "--format=%H",
            "--grep=first",
            "--grep=again",
            "--grep=last",
            "main",
        ])
        .current_dir(bed.path("fleet"))
        .output();
    let good = String::from_utf8(log.unwrap().stdout).unwrap();
    let good: BTreeSet<&str> = good.lines().collect();
    let commits: BTreeSet<&str> = plans.iter().map(|plan| plan[2]).collect();
    assert_eq!(commits, good, "{rows:#?}");
}

/// Grants in the order in which they were taken and given back: never two at once that take a machine out of service.
fn one_at_a_time(bed: &Bed) {
    let words = "SELECT what, machine FROM audit
                 WHERE what IN ('grant-taken', 'grant-released') AND number > (
                     SELECT min(audit.number) FROM audit JOIN plan ON plan.id = subject
                     WHERE what = 'plan-adopted' AND json_array_length(document -> 'destroys') > 0)
                 ORDER BY number";
    let mut held = BTreeSet::new();
    let mut taken = 0;
    for row in bed.sql(words) {
        let (what, machine) = row.split_once('|').unwrap();
        match what {
            "grant-taken" => {
                taken += 1;
                held.insert(machine.to_owned());
            }
            _ => {
                held.remove(machine);
            }
        }
        assert!(held.len() <= 1, "{held:?} at once");
    }
    assert!(taken >= 2, "both were begun");
    assert!(held.is_empty(), "{held:?} is held still");
    let twice = "SELECT count(*) FROM (SELECT FROM order_issued GROUP BY machine, generation, number HAVING count(*) > 1) t";
    assert_eq!(bed.sql(twice), ["0"]);
    let (said, issued) = (
        "SELECT count(*) FROM audit WHERE what = 'order-issued'",
        "SELECT count(*) FROM order_issued",
    );
    assert_eq!(bed.sql(said), bed.sql(issued));
}
