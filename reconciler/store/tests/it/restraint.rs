//! Holds and stops: appended, ended once, with who and why; and nothing decided before one is written after it.

use crate::bed::Bed;
use crate::fleet::{adopt, boot_order, job, plan, uuid};
use reconciler_core::admit::Leave;
use reconciler_core::facts::WriteStart;
use reconciler_core::hold::Effect;
use reconciler_store::{By, GoTakes, Intended, Issuance, Issue, NewHold, StartRecord};
use schema_ids::Timestamp;

fn by_whom(who: &str) -> By {
    By {
        who: who.to_owned(),
        why: "PDU swap".to_owned(),
    }
}

fn new() -> NewHold {
    NewHold {
        targets: vec!["rack:r1".parse().unwrap(), "machine:web-*".parse().unwrap()],
        effect: Effect::NoDisruption,
        until: Timestamp::from_unix_ms(4_000_000_000_000),
        ticket: Some("CHG-1".to_owned()),
    }
}

#[tokio::test]
async fn what_is_made_stands_until_it_is_ended_once() {
    let bed = Bed::new().await;
    let begun = bed.restraints().await.unwrap();
    assert!(begun.restraints.is_empty());
    let hold = bed.add_hold(&new(), &by_whom("ada")).await.unwrap();
    let stop = bed
        .stop(&"zone:z1".parse().unwrap(), &by_whom("ada"))
        .await
        .unwrap();
    let stands = bed.restraints().await.unwrap();
    assert!(stands.epoch > begun.epoch);
    assert_eq!(stands.restraints.holds, std::slice::from_ref(&hold));
    assert_eq!(stands.restraints.stops, std::slice::from_ref(&stop));
    assert_eq!(bed.observed().await.unwrap().restraints, stands.restraints);

    assert!(
        !bed.resume(&"fleet".parse().unwrap(), &by_whom("ben"))
            .await
            .unwrap()
    );
    assert!(bed.resume(&stop.scope, &by_whom("ben")).await.unwrap());
    assert!(
        !bed.resume(&stop.scope, &by_whom("ben")).await.unwrap(),
        "ended once is ended"
    );
    for nobody in ["h-99", "h-x", "hold.power", ""] {
        assert!(
            !bed.end_hold(nobody, &by_whom("ben")).await.unwrap(),
            "{nobody:?} stood"
        );
    }
    assert!(bed.end_hold(&hold.id, &by_whom("ben")).await.unwrap());
    assert!(
        !bed.end_hold(&hold.id, &by_whom("ben")).await.unwrap(),
        "ended once is ended"
    );
    assert!(bed.restraints().await.unwrap().restraints.is_empty());
    let audit = bed.audit(None).await.unwrap();
    let told: Vec<(&str, &str)> = audit
        .iter()
        .map(|entry| (entry.what.as_str(), entry.by.who.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("hold-ended", "ben"),
            ("resumed", "ben"),
            ("stopped", "ada"),
            ("hold-made", "ada")
        ]
    );
}

#[tokio::test]
async fn what_was_decided_before_a_stop_is_not_written_after_it() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 2)])).await;
    let life = bed.identity().await.unwrap().incarnation;
    let before = bed.restraints().await.unwrap().epoch;
    bed.stop(&"fleet".parse().unwrap(), &by_whom("ada"))
        .await
        .unwrap();
    let after = bed.restraints().await.unwrap().epoch;
    let orders = [Intended {
        order: boot_order(life, 1, 2, 1),
        leave: Leave::Unneeded,
    }];
    let issue = |restraints_epoch| Issue {
        plan: "p-1",
        permits_epoch: 0,
        decided: Timestamp::from_unix_ms(i64::MAX),
        restraints_epoch,
        orders: &orders,
        goes: None,
        beyond: None,
        who: "musterd",
    };
    assert_eq!(bed.issue(&issue(before)).await.unwrap(), Issuance::PermitsMoved);
    let go = WriteStart {
        job: job(1, 2, 1),
        boot_id: uuid(50),
        nonce: uuid(1),
        at: Timestamp::from_unix_ms(0),
        refused: None,
    };
    let answer = bed
        .record_start("p-1", 0, before, GoTakes::default(), &go)
        .await
        .unwrap();
    assert_eq!(answer, StartRecord::Superseded);
    // Who has heard of it decides for itself.
    let answer = bed
        .record_start("p-1", 0, after, GoTakes::default(), &go)
        .await
        .unwrap();
    assert!(matches!(answer, StartRecord::Recorded(_)), "{answer:?}");
    let written = bed.issue(&issue(after)).await.unwrap();
    assert!(matches!(written, Issuance::Written { .. }), "{written:?}");
}
