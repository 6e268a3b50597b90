//! musterd through its real doors: git in, people's API out, Postgres between.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adopt;
mod agent;
mod approvals;
mod bed;
mod bmc_role;
mod budgets;
mod ci;
mod cluster;
mod crash;
mod day_two;
mod downloads;
mod enrolment;
mod events;
mod forge;
mod frozen;
mod guards;
mod health;
mod holds;
mod killed;
mod log;
mod muster;
mod offline;
mod pace;
mod rack_agent;
mod secrets;
mod shown;
mod signed;
mod statuses;
mod times;
mod two;
mod webhook;
mod yaml;

use bed::{Bed, example, leftovers};
use reconciler_core::people::Stage;

#[tokio::test]
async fn a_bad_revision_is_told_with_its_place_and_the_last_good_one_stays() {
    let mut bed = Bed::new(&example());
    bed.start(&[]);
    let good = bed.until("adopted", |status| status.adopted.is_some()).await;
    let commit = good.adopted.and_then(|adopted| adopted.commit);
    let broken = example().replace("storage = \"single-disk\"", "storage = \"singel-disk\"");
    bed.commit(&[("fleet.toml", Some(&broken))], "break it");
    let status = bed
        .until("stopped", |status| {
            status
                .revision
                .as_ref()
                .is_some_and(|revision| revision.stopped.is_some())
        })
        .await;
    let revision = status.revision.expect("there is a revision");
    let told = revision.stopped.expect("it is stopped");
    assert_eq!((revision.stage, told.code.as_str()), (Stage::Verified, "M0101"));
    assert!(told.message.contains("fleet.toml:"), "{}", told.message);
    assert!(
        told.message.contains("did you mean") || told.message.contains("single-disk"),
        "{}",
        told.message
    );
    assert_eq!(
        status.adopted.and_then(|adopted| adopted.commit),
        commit,
        "the last good one stays in force"
    );

    bed.commit(&[("fleet.toml", Some(&example()))], "mend it");
    bed.until("mended", |status| {
        status
            .revision
            .as_ref()
            .is_some_and(|revision| revision.stopped.is_none())
    })
    .await;
    assert_eq!(
        bed.plan().await.expect("a plan").plan.changes,
        [],
        "plan again: nothing"
    );
}

#[tokio::test]
async fn what_vanishes_from_git_is_kept_and_said() {
    let whole = example();
    let (machine, deployment) = whole
        .split_once("[deployment.")
        .expect("the example has a deployment");
    let mut bed = Bed::new(machine);
    bed.commit(
        &[("deployment.toml", Some(&format!("[deployment.{deployment}")))],
        "deploy",
    );
    bed.start(&[]);
    bed.until("one machine", |status| status.machines.len() == 1)
        .await;

    bed.commit(
        &[
            ("fleet.toml", None),
            ("deployment.toml", None),
            ("README", Some("gone")),
        ],
        "empty it",
    );
    let answer = bed.apply().await;
    let told = answer
        .revision
        .stopped
        .expect("an emptied repository is no fleet");
    assert!(!told.message.is_empty());
    let status = bed
        .until("still one machine", |status| status.machines.len() == 1)
        .await;
    assert_eq!(status.machines[0].name.as_str(), "node-01");

    let start = machine.find("[machine.").expect("the example has a machine");
    let end = start + machine[start..].find("\n# ---").expect("and then something else");
    let without = format!("{}{}", &machine[..start], &machine[end..]);
    bed.commit(&[("fleet.toml", Some(&without))], "lose the machine");
    let plan = bed
        .plan()
        .await
        .expect("a fleet without machines is a fleet")
        .plan;
    let blocked: Vec<_> = plan
        .guards
        .iter()
        .filter(|guard| guard.blocked.is_some())
        .collect();
    assert!(
        !blocked.is_empty() || plan.notes.iter().any(|note| note.object == "machine.node-01"),
        "{plan:#?}"
    );
    assert!(plan.wipe_set.entries.is_empty(), "nothing is erased");
    assert!(plan.ended.is_empty(), "no binding ends");
}

#[tokio::test]
async fn a_rewritten_branch_is_not_followed() {
    let mut bed = Bed::new(&example());
    bed.start(&[]);
    let before = bed.until("adopted", |status| status.adopted.is_some()).await;
    bed.git(&["branch", "-q", "old"]);
    bed.git(&["checkout", "-q", "--orphan", "other"]);
    bed.commit(&[], "history anew");
    bed.git(&["branch", "-q", "-M", "other", "main"]);
    let answer = bed.apply().await;
    assert_eq!(
        answer.revision.stopped.map(|told| told.code).as_deref(),
        Some("M0822")
    );
    let after = bed.until("adopted", |status| status.adopted.is_some()).await;
    assert_eq!(after.adopted, before.adopted);

    // It goes on when what was carried out is a part of it again.
    let words = [
        "merge",
        "-q",
        "--allow-unrelated-histories",
        "-s",
        "ours",
        "-m",
        "both",
        "old",
    ];
    bed.git(&words);
    let answer = bed.apply().await;
    assert_eq!(answer.revision.stopped, None);
    let status = bed
        .until("adopted", |status| status.adopted != before.adopted)
        .await;
    let adopted = status.adopted.and_then(|adopted| adopted.commit);
    assert_eq!(adopted, Some(answer.revision.commit));
}

/// Killed before the plan is adopted and killed right after: the same plan is in force in the end.
#[tokio::test]
async fn killed_around_adoption_it_ends_in_the_same_place() {
    let mut plans = Vec::new();
    for failpoint in ["adopt", "adopted"] {
        let mut bed = Bed::new(&example());
        bed.start(&[("MUSTER_FAILPOINT", failpoint)]);
        let status = bed.ended();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9),
            "{}",
            bed.log()
        );
        assert!(
            bed.log().contains(&format!("failpoint {failpoint} reached")),
            "{}",
            bed.log()
        );
        bed.start(&[]);
        let status = bed
            .until("one machine", |status| status.machines.len() == 1)
            .await;
        let machine = &status.machines[0];
        assert_eq!((machine.name.as_str(), machine.generation.0), ("node-01", 1));
        assert_eq!(
            bed.plan().await.expect("a plan").plan.changes,
            [],
            "plan again: nothing"
        );
        plans.push(status.adopted.is_some());
        let folder = bed.path("");
        drop(bed);
        assert_eq!(leftovers(&folder), Vec::<String>::new(), "nothing of it runs on");
    }
    assert_eq!(plans, [true, true]);
}
