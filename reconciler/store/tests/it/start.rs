//! "May I write?" is answered once.

use crate::bed::Bed;
use crate::fleet::{adopt, job, machine, plan, sync, uuid};
use reconciler_core::facts::WriteStart;
use reconciler_store::{GoTakes, Scope, StartRecord, StoreError};
use schema_ids::{Generation, Incarnation, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

fn go(nonce: u8) -> WriteStart {
    WriteStart {
        job: job(1, 2, 1),
        boot_id: uuid(50),
        nonce: uuid(nonce),
        at: Timestamp::from_unix_ms(0),
        refused: None,
    }
}

fn refusal(nonce: u8) -> WriteStart {
    WriteStart {
        refused: Some(("UNEXPECTED_CONTENTS".to_owned(), "another \0 disk".to_owned())),
        ..go(nonce)
    }
}

#[tokio::test]
async fn a_yes_whose_answer_was_lost_does_not_outlive_a_no() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 2)])).await;
    bed.record_start("p-1", 0, 0, GoTakes::default(), &go(1))
        .await
        .unwrap();
    let StartRecord::Recorded(again) = bed
        .record_start("p-1", 0, 0, GoTakes::default(), &refusal(1))
        .await
        .unwrap()
    else {
        panic!("not recorded")
    };
    assert!(again.refused.is_some());
}

#[tokio::test]
async fn a_nonce_keeps_its_first_answer() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 2)])).await;
    let rival = bed.another().await;
    let (yes, no) = (go(1), refusal(1));
    let (one, two) = tokio::join!(
        bed.record_start("p-1", 0, 0, GoTakes::default(), &yes),
        rival.record_start("p-1", 0, 0, GoTakes::default(), &no)
    );
    let (StartRecord::Recorded(one), StartRecord::Recorded(two)) = (one.unwrap(), two.unwrap()) else {
        panic!("not recorded")
    };
    assert!(two.refused.is_some(), "a no is never answered with an older yes");
    assert!(
        one.refused.is_none() || one == two,
        "a no that came first is the answer to both"
    );
    for other in [
        WriteStart {
            boot_id: uuid(51),
            ..go(1)
        },
        WriteStart {
            job: job(1, 2, 2),
            ..go(1)
        },
    ] {
        let reused = bed.record_start("p-1", 0, 0, GoTakes::default(), &other).await;
        assert!(matches!(reused, Err(StoreError::NonceReused { nonce }) if nonce == uuid(1)));
    }
    bed.record_start("p-1", 0, 0, GoTakes::default(), &go(2))
        .await
        .unwrap();
    let scope = Scope {
        generation: Generation(2),
        agents: BTreeSet::new(),
    };
    let facts = bed
        .facts_of(&BTreeMap::from([(machine(1), scope)]))
        .await
        .unwrap();
    let nonces: BTreeSet<_> = facts[&machine(1)]
        .starts
        .iter()
        .map(|start| start.nonce)
        .collect();
    assert_eq!(nonces, BTreeSet::from([uuid(1), uuid(2)]));
}

#[tokio::test]
async fn a_go_counts_only_under_the_adopted_plan() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 2)])).await;
    assert!(matches!(
        bed.record_start("p-1", 0, 0, GoTakes::default(), &go(1))
            .await
            .unwrap(),
        StartRecord::Recorded(_)
    ));
    adopt(&bed, &plan("p-2", Some("p-1"), &[(1, 3)])).await;
    assert_eq!(
        bed.record_start("p-1", 0, 0, GoTakes::default(), &go(2))
            .await
            .unwrap(),
        StartRecord::Superseded
    );
    assert_eq!(
        bed.record_start("p-1", 0, 0, GoTakes::default(), &go(1))
            .await
            .unwrap(),
        StartRecord::Superseded,
        "nor is one repeated"
    );
    let StartRecord::Recorded(refused) = bed
        .record_start("p-1", 0, 0, GoTakes::default(), &refusal(3))
        .await
        .unwrap()
    else {
        panic!("a refusal always counts")
    };
    assert_eq!(refused.refused.unwrap().0, "UNEXPECTED_CONTENTS");

    let foreign = Incarnation {
        number: 9,
        uuid: uuid(9),
    };
    let foreign = rack_api::sync::SyncRequest {
        incarnation: Some(foreign),
        ..sync("r1", vec![])
    };
    bed.append_facts(&foreign).await.unwrap();
    assert_eq!(
        bed.record_start("p-2", 0, 0, GoTakes::default(), &go(4))
            .await
            .unwrap(),
        StartRecord::Superseded
    );
    assert_eq!(
        bed.number("SELECT count(*) FROM write_start WHERE code IS NULL")
            .await,
        1
    );
}
