//! Hints arrive, and their absence hurts nobody.

use crate::bed::Bed;
use crate::fleet::{adopt, plan};
use reconciler_store::{Wake, WorkItem};
use std::time::{Duration, Instant};

#[tokio::test]
async fn another_daemons_change_wakes_before_the_poll() {
    let bed = Bed::new().await;
    let other = bed.another().await;
    let mut wakeups = other.listen().await.unwrap();
    adopt(&bed, &plan("p-1", None, &[(1, 1)])).await;
    assert_eq!(wakeups.next().await, Wake::Hint);
    assert_eq!(wakeups.next().await, Wake::Poll, "one change, one hint");
    // A call that is dropped loses nothing.
    bed.enqueue(&[WorkItem::Fleet], Duration::ZERO).await.unwrap();
    let cut = tokio::time::timeout(Duration::from_millis(1), wakeups.next()).await;
    if cut.is_err() {
        assert_eq!(wakeups.next().await, Wake::Hint);
    }
}

#[tokio::test]
async fn a_lost_listener_is_replaced() {
    let bed = Bed::new().await;
    let mut wakeups = bed.listen().await.unwrap();
    bed.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        .await;
    assert_eq!(
        wakeups.next().await,
        Wake::Poll,
        "what was said meanwhile is lost, so look"
    );
    let begun = Instant::now();
    let mut woken = Wake::Poll;
    // Each round marks again, since a hint sent while nobody listened is lost.
    while woken == Wake::Poll && begun.elapsed() < Duration::from_secs(60) {
        bed.enqueue(&[WorkItem::Fleet], Duration::ZERO).await.unwrap();
        woken = wakeups.next().await;
    }
    assert_eq!(woken, Wake::Hint);
}
