//! Hints arrive, and their absence hurts nobody.

use crate::bed::Bed;
use reconciler_store::{Wake, Wakeups, WorkItem};
use std::time::{Duration, Instant};

/// Marks again until a hint comes: on a busy host a poll may be due first, and a hint that could not
/// be sent in time is dropped. Polls alone never become hints, so a store that sends none fails here.
async fn hinted(by: &Bed, wakeups: &mut Wakeups) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        by.enqueue(&[WorkItem::Fleet], Duration::ZERO).await.unwrap();
        if wakeups.next().await == Wake::Hint {
            return;
        }
    }
    panic!("no hint in a minute");
}

#[tokio::test]
async fn another_daemons_change_wakes_before_the_poll() {
    let bed = Bed::new().await;
    let other = bed.another().await;
    let mut wakeups = other.listen().await.unwrap();
    hinted(&bed, &mut wakeups).await;
    // What was said is said: the hints end when the changes do.
    let mut hints = 0;
    while wakeups.next().await == Wake::Hint {
        hints += 1;
        assert!(hints < 60, "hints that no change made");
    }
    // A call that is dropped loses nothing: the hint is there at the next one.
    let begun = Instant::now();
    loop {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "every dropped call lost its hint"
        );
        bed.enqueue(&[WorkItem::Fleet], Duration::ZERO).await.unwrap();
        let cut = tokio::time::timeout(Duration::from_millis(1), wakeups.next()).await;
        if cut.is_err() && wakeups.next().await == Wake::Hint {
            break;
        }
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
    hinted(&bed, &mut wakeups).await;
}
