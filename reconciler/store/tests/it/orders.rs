//! Orders and grants: each place is taken once, nothing under an old plan or an old count.

use crate::bed::Bed;
use crate::fleet::{adopt, boot_order, by, job, machine, plan, power_order, sync, uuid};
use rack_api::order::{Action, ByHand, Lane, Order, PowerWanted};
use reconciler_core::admit::{Grant, Leave};
use reconciler_core::facts::WriteStart;
use reconciler_core::next::Need;
use reconciler_store::{GoTakes, Intended, Issuance, Issue, StartRecord, Store};
use schema_ids::{Generation, Incarnation, Timestamp};
use std::time::Duration;

fn plain(order: Order) -> Intended {
    Intended {
        order,
        leave: Leave::Unneeded,
    }
}

fn granted(order: Order) -> Intended {
    let grant = Grant {
        machine: order.machine,
        generation: order.generation,
        need: Need {
            erases: Some("web".parse().unwrap()),
            ..Need::to_boot(None)
        },
        at: Timestamp::from_unix_ms(0),
    };
    Intended {
        order,
        leave: Leave::Take(grant),
    }
}

async fn issue(store: &Store, plan: &str, permits_epoch: u64, orders: &[Intended]) -> Issuance {
    store
        .issue(&Issue {
            plan,
            permits_epoch,
            decided: Timestamp::from_unix_ms(i64::MAX),
            restraints_epoch: 0,
            orders,
            goes: None,
            beyond: None,
            who: "musterd",
        })
        .await
        .unwrap()
}

async fn begin(bed: &Bed) -> Incarnation {
    adopt(bed, &plan("p-1", None, &[(1, 2), (2, 2)])).await;
    bed.identity().await.unwrap().incarnation
}

/// A person's order for the power of machine 1.
fn by_hand(life: Incarnation) -> [Intended; 1] {
    let hand = ByHand {
        who: "ada".to_owned(),
        why: "a burnt smell".to_owned(),
        cycle: false,
    };
    [plain(Order {
        action: Action::Power(PowerWanted::Off),
        by_hand: Some(hand),
        ..power_order(life, 1, 2, 1)
    })]
}

/// Of a person's order and a go that meet, whichever comes second is decided anew.
#[tokio::test]
async fn power_by_hand_and_a_go_do_not_pass_each_other() {
    for go_is_first in [true, false] {
        let bed = Bed::new().await;
        let orders = by_hand(begin(&bed).await);
        let issue = Issue {
            plan: "p-1",
            permits_epoch: 0,
            decided: Timestamp::from_unix_ms(i64::MAX),
            restraints_epoch: 0,
            orders: &orders,
            goes: Some(0),
            beyond: None,
            who: "ada",
        };
        let start = WriteStart {
            job: job(1, 2, 1),
            boot_id: uuid(50),
            nonce: uuid(1),
            at: Timestamp::from_unix_ms(0),
            refused: None,
        };
        // Both stand in line behind this one, in the order wanted.
        let mut gate = bed.raw.begin().await.unwrap();
        let lock = sqlx::query("SELECT FROM machine FOR UPDATE");
        lock.execute(&mut *gate).await.unwrap();
        let started = async {
            bed.waiting(if go_is_first { 0 } else { 1 }).await;
            bed.record_start("p-1", 0, 0, GoTakes::default(), &start)
                .await
                .unwrap()
        };
        let ordered = async {
            bed.waiting(if go_is_first { 1 } else { 0 }).await;
            bed.issue(&issue).await.unwrap()
        };
        let open = async {
            bed.waiting(2).await;
            gate.commit().await.unwrap();
        };
        let (started, ordered, ()) = tokio::join!(started, ordered, open);
        if go_is_first {
            assert!(matches!(started, StartRecord::Recorded(_)), "{started:?}");
            assert_eq!(ordered, Issuance::Begun);
            // Who knows of the go decides for himself.
            let knowing = Issue {
                goes: Some(1),
                beyond: None,
                ..issue
            };
            let written = bed.issue(&knowing).await.unwrap();
            assert!(matches!(written, Issuance::Written { orders, .. } if orders.len() == 1));
        } else {
            assert!(matches!(ordered, Issuance::Written { .. }), "{ordered:?}");
            assert_eq!(started, StartRecord::Superseded);
            let knowing = bed
                .record_start("p-1", 1, 0, GoTakes::default(), &start)
                .await
                .unwrap();
            assert!(matches!(knowing, StartRecord::Recorded(_)), "{knowing:?}");
        }
    }
}

#[tokio::test]
async fn a_place_is_taken_once_and_nothing_old_is_issued() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    let first = plain(power_order(life, 1, 2, 1));
    let written = |orders: Vec<&Intended>| Issuance::Written {
        orders: orders
            .into_iter()
            .map(|intended| intended.order.reference())
            .collect(),
        permits_epoch: 0,
    };
    assert_eq!(
        issue(&bed, "p-1", 0, std::slice::from_ref(&first)).await,
        written(vec![&first])
    );
    assert_eq!(
        issue(&bed, "p-1", 0, std::slice::from_ref(&first)).await,
        written(vec![])
    );
    let rival = plain(boot_order(life, 1, 2, 1));
    let third = plain(boot_order(life, 1, 2, 3));
    assert_eq!(
        issue(&bed, "p-1", 0, &[rival, third.clone()]).await,
        written(vec![&third])
    );
    let late = plain(power_order(life, 1, 2, 2));
    let older = plain(power_order(life, 1, 1, 9));
    let other_machine = plain(power_order(life, 2, 1, 1));
    assert_eq!(
        issue(&bed, "p-1", 0, &[late, older, other_machine.clone()]).await,
        written(vec![&other_machine])
    );

    let current = bed.current_orders().await.unwrap();
    let current: Vec<_> = current.iter().map(|issued| &issued.order).collect();
    assert_eq!(current, [&third.order, &first.order, &other_machine.order]);
    assert_eq!(current[0].lane(), Lane::Boot);
}

#[tokio::test]
async fn orders_of_an_old_plan_life_or_database_are_not_issued() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    let order = [plain(power_order(life, 1, 2, 1))];
    adopt(&bed, &plan("p-2", Some("p-1"), &[(1, 3)])).await;
    assert_eq!(issue(&bed, "p-1", 0, &order).await, Issuance::PlanSuperseded);
    let foreign = Incarnation {
        uuid: crate::fleet::uuid(9),
        ..life
    };
    let foreign = rack_api::sync::SyncRequest {
        incarnation: Some(foreign),
        ..sync("r1", vec![])
    };
    bed.append_facts(&foreign).await.unwrap();
    assert!(matches!(issue(&bed, "p-2", 0, &order).await, Issuance::Refused(why) if why.contains("r1")));
    let raised = bed.recover(&by()).await.unwrap();
    assert!(
        matches!(issue(&bed, "p-2", 0, &order).await, Issuance::Refused(why) if why.contains("incarnation"))
    );
    assert_eq!(bed.current_orders().await.unwrap(), []);
    let anew = [plain(power_order(raised, 1, 2, 1))];
    assert!(
        matches!(issue(&bed, "p-2", 0, &anew).await, Issuance::Written { orders, .. } if orders.len() == 1)
    );
}

#[tokio::test]
async fn grants_are_taken_only_by_who_counted_last() {
    let bed = Bed::new().await;
    let rival = bed.another().await;
    let life = begin(&bed).await;
    let counted = bed.permits().await.unwrap();
    assert!(counted.permits.grants.is_empty());
    let one = [granted(boot_order(life, 1, 2, 1))];
    let two = [granted(boot_order(life, 2, 2, 1))];
    let (ours, theirs) = tokio::join!(
        issue(&bed, "p-1", counted.epoch, &one),
        issue(&rival, "p-1", counted.epoch, &two)
    );
    let (winner, epoch) = match (ours, theirs) {
        (Issuance::Written { permits_epoch, .. }, Issuance::PermitsMoved) => (machine(1), permits_epoch),
        (Issuance::PermitsMoved, Issuance::Written { permits_epoch, .. }) => (machine(2), permits_epoch),
        both => panic!("{both:?}"),
    };
    let held = bed.permits().await.unwrap();
    assert_eq!(held.epoch, epoch);
    assert_eq!(held.permits.grants.keys().copied().collect::<Vec<_>>(), [winner]);
    assert!(
        held.permits.grants[&winner].at > Timestamp::from_unix_ms(0),
        "dated by the database"
    );
    assert_eq!(
        bed.current_orders().await.unwrap().len(),
        1,
        "the loser's order was not written either"
    );

    let taken = held.permits.grants[&winner].at;
    assert!(
        !bed.release_grant("p-1", winner, Generation(1), taken, None, &by())
            .await
            .unwrap(),
        "of another generation"
    );
    let before = taken.minus(Duration::from_millis(1));
    assert!(
        !bed.release_grant("p-1", winner, Generation(2), before, None, &by())
            .await
            .unwrap(),
        "taken anew since, by whoever ordered by it"
    );
    assert!(
        !bed.release_grant("p-1", winner, Generation(2), taken, Some(0), &by())
            .await
            .unwrap(),
        "an order was given by it that whoever gives it back had not seen"
    );
    assert!(
        !bed.release_grant("p-0", winner, Generation(2), taken, None, &by())
            .await
            .unwrap(),
        "by a plan that is not the adopted one"
    );
    assert_eq!(bed.permits().await.unwrap().epoch, epoch, "nothing moved");
    assert!(
        bed.release_grant("p-1", winner, Generation(2), taken, None, &by())
            .await
            .unwrap()
    );
    assert!(
        !bed.release_grant("p-1", winner, Generation(2), taken, None, &by())
            .await
            .unwrap()
    );
    let free = bed.permits().await.unwrap();
    assert!(free.epoch > epoch && free.permits.grants.is_empty());
    let all = [
        granted(boot_order(life, 1, 2, 2)),
        granted(boot_order(life, 2, 2, 2)),
    ];
    assert!(
        matches!(issue(&bed, "p-1", free.epoch, &all).await, Issuance::Written { orders, .. } if orders.len() == 2)
    );
}

#[tokio::test]
async fn an_order_that_is_not_written_takes_no_grant() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    let taken = plain(boot_order(life, 1, 2, 1));
    issue(&bed, "p-1", 0, &[taken]).await;
    let epoch = bed.permits().await.unwrap().epoch;
    let again = [granted(boot_order(life, 1, 2, 1))];
    assert_eq!(
        issue(&bed, "p-1", epoch, &again).await,
        Issuance::Written {
            orders: vec![],
            permits_epoch: epoch,
        }
    );
    assert!(bed.permits().await.unwrap().permits.grants.is_empty());
}

#[tokio::test]
async fn every_order_and_grant_is_in_the_audit() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    issue(&bed, "p-1", 0, &[granted(boot_order(life, 1, 2, 1))]).await;
    let held = bed.permits().await.unwrap();
    let taken = held.permits.grants[&machine(1)].at;
    bed.release_grant("p-1", machine(1), Generation(2), taken, None, &by())
        .await
        .unwrap();
    bed.record_audit("hold", Some(machine(1)), "m1", &by())
        .await
        .unwrap();
    let entries = bed.audit(None).await.unwrap();
    let what: Vec<_> = entries.iter().rev().map(|entry| entry.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "plan-adopted",
            "order-issued",
            "grant-taken",
            "grant-released",
            "hold"
        ]
    );
    assert_eq!(entries[0].by, by());
    let earlier = bed.audit(Some(entries[1].number)).await.unwrap();
    assert_eq!(earlier, entries[2..]);
}
