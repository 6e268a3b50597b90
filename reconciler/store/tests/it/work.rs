//! The queue: coalescing, claimed by one, lost with its lease.

use crate::bed::Bed;
use crate::fleet::machine;
use reconciler_store::{DERIVED_TABLES, WorkItem};
use std::collections::BTreeSet;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(600);
const NOW: Duration = Duration::ZERO;

fn items(count: u8) -> Vec<WorkItem> {
    (1..=count).map(|n| WorkItem::Machine(machine(n))).collect()
}

#[tokio::test]
async fn no_two_claimers_get_the_same_item() {
    let bed = Bed::new().await;
    let rival = bed.another().await;
    bed.enqueue(&items(250), NOW).await.unwrap();
    let (mut seen, mut rounds) = (Vec::new(), 0);
    while rounds < 100 {
        rounds += 1;
        let (one, two, three) = tokio::join!(bed.claim(7, LONG), rival.claim(5, LONG), bed.claim(3, LONG));
        let claimed: Vec<_> = [one, two, three].into_iter().flat_map(Result::unwrap).collect();
        if claimed.is_empty() {
            break;
        }
        seen.extend(claimed.into_iter().map(|claimed| claimed.item));
    }
    assert_eq!(seen.len(), 250);
    assert_eq!(
        seen.iter().copied().collect::<BTreeSet<_>>(),
        items(250).into_iter().collect()
    );
}

#[tokio::test]
async fn marking_coalesces_and_waits() {
    let bed = Bed::new().await;
    bed.enqueue(&[WorkItem::Fleet, WorkItem::Fleet], LONG)
        .await
        .unwrap();
    assert_eq!(bed.claim(9, LONG).await.unwrap(), [], "not due yet");
    bed.enqueue(&[WorkItem::Fleet], NOW).await.unwrap();
    bed.enqueue(&[WorkItem::Fleet], LONG).await.unwrap();
    let claimed = bed.claim(9, LONG).await.unwrap();
    assert_eq!(
        claimed.iter().map(|claimed| claimed.item).collect::<Vec<_>>(),
        [WorkItem::Fleet],
        "the earliest holds"
    );
    assert!(bed.finish(&claimed[0], None).await.unwrap());
    assert_eq!(bed.number("SELECT count(*) FROM work").await, 0);
}

#[tokio::test]
async fn a_mark_during_the_work_is_not_lost() {
    let bed = Bed::new().await;
    bed.enqueue(&[WorkItem::Fleet], NOW).await.unwrap();
    let claimed = bed.claim(1, LONG).await.unwrap().remove(0);
    bed.enqueue(&[WorkItem::Fleet], NOW).await.unwrap();
    assert_eq!(bed.claim(1, LONG).await.unwrap(), [], "it is being worked on");
    assert!(bed.finish(&claimed, Some(LONG)).await.unwrap());
    let again = bed.claim(1, LONG).await.unwrap();
    assert_eq!(again.len(), 1, "due at once, though its worker asked for later");
    assert!(bed.finish(&again[0], Some(LONG)).await.unwrap());
    assert_eq!(bed.claim(1, LONG).await.unwrap(), []);
}

#[tokio::test]
async fn who_lost_the_lease_changes_nothing() {
    let bed = Bed::new().await;
    bed.enqueue(&[WorkItem::Fleet], NOW).await.unwrap();
    let slow = bed.claim(1, LONG).await.unwrap().remove(0);
    assert_eq!(
        bed.renew(std::slice::from_ref(&slow), LONG).await.unwrap(),
        [WorkItem::Fleet]
    );
    bed.sql("UPDATE work SET lease_until_ms = now_ms() - 1").await;
    let heir = bed.claim(1, LONG).await.unwrap().remove(0);
    assert_eq!(heir.attempts, 2);
    assert!(!bed.finish(&slow, None).await.unwrap());
    assert_eq!(bed.renew(std::slice::from_ref(&slow), LONG).await.unwrap(), []);
    assert!(bed.finish(&heir, None).await.unwrap());

    // Not even after the row was deleted and made anew.
    bed.enqueue(&[WorkItem::Fleet], NOW).await.unwrap();
    let anew = bed.claim(1, LONG).await.unwrap().remove(0);
    assert!(!bed.finish(&slow, None).await.unwrap());
    assert!(!bed.finish(&heir, None).await.unwrap());
    assert!(bed.finish(&anew, None).await.unwrap());
}

#[tokio::test]
async fn derived_tables_are_emptied() {
    let bed = Bed::new().await;
    bed.enqueue(&items(3), NOW).await.unwrap();
    bed.delete_derived().await.unwrap();
    for table in DERIVED_TABLES {
        assert_eq!(bed.number(&format!("SELECT count(*) FROM {table}")).await, 0);
    }
}
