//! Events are read in an order that only grows at its end, also where transactions end in another order than they began.

use crate::bed::Bed;
use crate::fleet::{adopt, machine, plan, sync};
use rack_api::fact::{FactBody, StepState};
use rack_api::job::JobRef;
use reconciler_core::event::{Happenings, What};
use reconciler_store::{Asked, Stage};
use schema_ids::{Generation, Uuid};
use std::collections::BTreeMap;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Each time with the adoptions of now: no more is told than was over when those were read.
async fn happenings(bed: &Bed, from: u64) -> Happenings {
    let adoptions = &bed.adoptions(COMMIT).await.unwrap();
    let since = adoptions.plans.first().map_or(0, |adopted| adopted.transaction);
    let asked = Asked {
        commit: COMMIT,
        adoptions,
        machines: &BTreeMap::from([(machine(1), since)]),
        from,
    };
    bed.happenings(&asked).await.unwrap()
}

/// What is told once everything that was begun by now is over: other tests write into other databases of the cluster, whose
/// transactions are numbered with ours.
async fn settled(bed: &Bed, from: u64) -> Happenings {
    let begun = happenings(bed, from).await.begun;
    past(bed, from, begun).await
}

/// What is told once everything below this transaction is over.
async fn past(bed: &Bed, from: u64, below: u64) -> Happenings {
    loop {
        let now = happenings(bed, from).await;
        if now.settled >= below {
            return now;
        }
        tokio::task::yield_now().await;
    }
}

fn begun(step: &str) -> FactBody {
    FactBody::Step {
        job: JobRef {
            machine: machine(1),
            generation: Generation(1),
            attempt: 1,
        },
        boot_id: Uuid::from_bytes([9; 16]),
        step: step.to_owned(),
        state: StepState::Started,
    }
}

/// What is told, in a word each.
fn words(happenings: &Happenings) -> Vec<String> {
    let word = |what: &What| match what {
        What::Stand(stage, _) => stage.as_str().to_owned(),
        What::Adopted(plan) => plan.clone(),
        What::Seen(_, body) => match &**body {
            FactBody::Step { step, .. } => step.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    happenings
        .records
        .iter()
        .map(|record| word(&record.what))
        .collect()
}

#[tokio::test]
async fn what_begins_first_and_ends_last_is_neither_lost_nor_told_late() {
    let bed = Bed::new().await;
    bed.append_facts(&sync("r1", vec![(1, begun("before"))]))
        .await
        .unwrap();
    let mut first = plan("p-1", None, &[(1, 1)]);
    first.commit = Some(COMMIT.to_owned());
    adopt(&bed, &first).await;
    let adoptions = bed.adoptions(COMMIT).await.unwrap();
    assert_eq!(adoptions.plans.len(), 1);
    assert_eq!(adoptions.superseded, None);

    // One writer has its number and is not done; another one begins and ends meanwhile.
    let mut slow = bed.raw.begin().await.unwrap();
    let written = format!("INSERT INTO revision (commit_id, stage) VALUES ('{COMMIT}', 'adopted')");
    sqlx::raw_sql(sqlx::AssertSqlSafe(written))
        .execute(&mut *slow)
        .await
        .unwrap();
    bed.append_facts(&sync("r1", vec![(2, begun("layout")), (3, begun("image"))]))
        .await
        .unwrap();
    let slow_one: i64 = sqlx::query_scalar("SELECT pg_current_xact_id()::text::bigint")
        .fetch_one(&mut *slow)
        .await
        .unwrap();
    let now = past(&bed, 0, slow_one.cast_unsigned()).await;
    assert_eq!(words(&now), ["p-1"], "what is behind the slow one waits for it");
    assert_eq!(now.settled, slow_one.cast_unsigned());

    slow.commit().await.unwrap();
    let rest = settled(&bed, now.settled).await;
    assert_eq!(words(&rest), [Stage::Adopted.as_str(), "layout", "image"]);
    let all = settled(&bed, 0).await;
    assert_eq!(all.records, [now.records, rest.records].concat());

    // Another commit: what machines do for that one is not of this one.
    let mut second = plan("p-2", Some("p-1"), &[(1, 2)]);
    second.commit = Some("f".repeat(40));
    adopt(&bed, &second).await;
    bed.append_facts(&sync("r1", vec![(4, begun("reboot"))]))
        .await
        .unwrap();
    let adoptions = bed.adoptions(COMMIT).await.unwrap();
    assert!(adoptions.superseded.is_some());
    assert_eq!(settled(&bed, 0).await.records, all.records);
}

/// A dump is restored into a cluster that has not come as far: what is written from then on is behind what is kept.
#[tokio::test]
async fn in_another_cluster_numbers_go_on_behind_those_that_are_kept() {
    let bed = Bed::new().await;
    let mut first = plan("p-1", None, &[(1, 1)]);
    first.commit = Some(COMMIT.to_owned());
    adopt(&bed, &first).await;
    let far = 1_i64 << 32;
    for table in ["audit", "fact", "revision", "order_issued", "write_start"] {
        bed.sql(&format!("UPDATE {table} SET xact = xact + {far}")).await;
    }
    let kept = bed.adoptions(COMMIT).await.unwrap().plans[0].transaction;

    let restarted = bed.another().await;
    let mut second = plan("p-2", Some("p-1"), &[(1, 2)]);
    second.commit = Some("f".repeat(40));
    adopt(&bed, &second).await;
    let later = restarted.adoptions(&"f".repeat(40)).await.unwrap();
    assert!(later.plans[0].transaction > kept, "{later:?} behind {kept}");
    assert_eq!(later.superseded, None, "what was adopted before comes before");
    let earlier = restarted.adoptions(COMMIT).await.unwrap();
    assert_eq!(earlier.superseded, Some(later.plans[0].transaction));
    assert_eq!(words(&settled(&bed, 0).await), ["p-1"]);
    // Started again, nothing is raised again.
    let base = "SELECT base FROM transaction_base";
    let raised = bed.number(base).await;
    assert!(raised > 0);
    bed.another().await;
    assert_eq!(bed.number(base).await, raised);
}
