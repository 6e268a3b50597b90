//! Callers give up half-way: an agent hangs up, a deadline passes.

use crate::bed::Bed;
use reconciler_store::WorkItem;
use std::time::{Duration, Instant};

/// A rollback that is under way ends in a moment.
const SETTLED: Duration = Duration::from_secs(60);

#[tokio::test]
async fn whoever_gives_up_leaves_no_transaction_behind() {
    let bed = Bed::new().await;
    let mut given_up = 0;
    // From before the first packet to after the last answer, on a fast machine and on a slow one.
    for patience in (0..3000).step_by(60).map(Duration::from_micros) {
        let marking = bed.enqueue(&[WorkItem::Fleet], Duration::ZERO);
        if tokio::time::timeout(patience, marking).await.is_err() {
            given_up += 1;
        }
        let began = Instant::now();
        while bed
            .number(
                "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
            )
            .await
            > 0
        {
            assert!(
                began.elapsed() < SETTLED,
                "given up after {patience:?}, and its transaction is still open"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(given_up > 0, "nobody gave up");
    bed.enqueue(&[WorkItem::Fleet], Duration::ZERO).await.unwrap();
    assert_eq!(bed.claim(9, Duration::from_secs(60)).await.unwrap().len(), 1);
}
