//! musterd's door for rack agents, knocked at with an enrolled certificate.

use crate::bed::{Bed, example};
use rack_api::daemon_path;
use rack_api::fact::{Fact, FactBody};
use rack_api::sync::{NumbersTaken, Spooled, SyncRequest, SyncResponse};
use schema_ids::{Timestamp, Uuid};
use std::collections::BTreeMap;

/// A sync with facts that say when they were seen, each under its number.
fn sync(facts: &[(u64, i64)]) -> SyncRequest {
    SyncRequest {
        agent: "rackd-1".parse().unwrap(),
        boot: Uuid::from_bytes([1; 16]),
        incarnation: None,
        generations: BTreeMap::new(),
        have: None,
        acknowledged: 0,
        watermark: facts.iter().map(|(sequence, _)| *sequence).max().unwrap_or(0),
        facts: facts
            .iter()
            .map(|(sequence, at)| Spooled {
                sequence: *sequence,
                fact: Fact {
                    at: Timestamp::from_unix_ms(*at),
                    body: FactBody::AddressSeen {
                        address: "10.77.0.9".parse().unwrap(),
                        mac: None,
                    },
                },
            })
            .collect(),
        wait_ms: 0,
    }
}

#[tokio::test]
async fn an_agent_with_an_older_spool_is_told_which_numbers_are_taken() {
    let mut bed = Bed::new(&example());
    bed.start(&[]);
    bed.until("adopted", |status| status.adopted.is_some()).await;
    let client = bed.enrol("rackd-1").await.client();
    let send = async |facts: &[(u64, i64)]| {
        let request = client.post(bed.door(daemon_path::SYNC));
        request.json(&sync(facts)).send().await.unwrap()
    };
    let acknowledged =
        async |response: reqwest::Response| response.json::<SyncResponse>().await.unwrap().acknowledged;
    assert_eq!(acknowledged(send(&[(1, 1), (2, 2), (3, 3)]).await).await, 3);

    // Once more the second, and another third.
    let refused = send(&[(2, 2), (3, 30), (4, 40)]).await;
    assert_eq!(refused.status(), 409);
    let taken: NumbersTaken = refused.json().await.unwrap();
    assert_eq!((taken.from, taken.acknowledged), (3, 3));
    assert!(
        taken.reason.contains("rackd-1 sends another fact as number 3"),
        "{}",
        taken.reason
    );

    assert_eq!(acknowledged(send(&[(5, 30), (6, 40)]).await).await, 6);
    assert_eq!(
        acknowledged(send(&[(5, 30), (6, 40)]).await).await,
        6,
        "twice changes nothing"
    );
}
