//! Failures that budgets count, people's "go on", and what was begun within the hour: written once, and known to whoever
//! decides next.

use crate::bed::Bed;
use crate::fleet::{adopt, boot_order, by, job, machine, name, plan, uuid};
use reconciler_core::admit::{Grant, Leave};
use reconciler_core::facts::WriteStart;
use reconciler_core::next::Need;
use reconciler_store::{By, GoTakes, Intended, Issuance, Issue, StartRecord, Store};
use schema_ids::{Generation, Incarnation, Name, Timestamp};
use std::time::Duration;

/// Machines 1 and 2, each wanted at generation 2.
async fn begin(bed: &Bed) -> Incarnation {
    adopt(bed, &plan("p-1", None, &[(1, 2), (2, 2)])).await;
    bed.identity().await.unwrap().incarnation
}

fn failed(why: &str) -> By {
    By {
        who: "musterd".to_owned(),
        why: why.to_owned(),
    }
}

/// An order for machine `n` with a grant to erase what is in use there.
fn wiping(life: Incarnation, n: u8, number: u32) -> Intended {
    let order = boot_order(life, n, 2, number);
    let grant = Grant {
        machine: order.machine,
        generation: order.generation,
        need: Need {
            erases: Some(name("web")),
            budgets: [name("canary")].into(),
            wipes: true,
            ..Need::to_boot(None)
        },
        at: Timestamp::from_unix_ms(0),
    };
    Intended {
        order,
        leave: Leave::Take(grant),
    }
}

fn granted(intended: &mut Intended) -> &mut Grant {
    match &mut intended.leave {
        Leave::Take(grant) => grant,
        other => panic!("{other:?}"),
    }
}

async fn issue(store: &Store, plan: &str, epoch: u64, decided: Timestamp, order: Intended) -> Issuance {
    let issue = Issue {
        plan,
        permits_epoch: epoch,
        decided,
        restraints_epoch: 0,
        orders: &[order],
        goes: None,
        beyond: None,
        who: "musterd",
    };
    store.issue(&issue).await.unwrap()
}

/// A person's word on what failed under this very name.
async fn resume(store: &Store, budget: &Name, seen: u64, by: &By) -> u64 {
    let names = [budget.clone()].into();
    store.resume_budget(budget, &names, seen, by).await.unwrap()
}

/// Decided just now.
fn just_now() -> Timestamp {
    Timestamp::from_unix_ms(i64::MAX)
}

#[tokio::test]
async fn a_failure_is_on_record_once_for_each_budget_machine_and_intent() {
    let bed = Bed::new().await;
    begin(&bed).await;
    let (canary, all, first) = (name("canary"), name("all"), failed("STEP_FAILED: \0 unpack"));
    let (one, two) = (Generation(2), Generation(3));
    assert!(
        bed.record_failure(&canary, machine(1), one, &first)
            .await
            .unwrap()
            .is_some()
    );
    let recorded = bed.permits().await.unwrap();
    let rival = bed.another().await;
    let again = failed("another word for it");
    assert!(
        rival
            .record_failure(&canary, machine(1), one, &again)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(bed.permits().await.unwrap(), recorded, "nothing moved");
    let [failure] = &recorded.records.failures[..] else {
        panic!("{recorded:?}")
    };
    assert_eq!(
        (&failure.budget, failure.machine, failure.generation),
        (&canary, machine(1), one)
    );
    assert!(
        failure.why.starts_with("STEP_FAILED: ") && failure.resumed.is_none(),
        "{failure:?}"
    );
    assert!(failure.at > Timestamp::from_unix_ms(0), "dated by the database");

    for (budget, of, generation) in [(&all, 1, one), (&canary, 2, one), (&canary, 1, two)] {
        assert!(
            bed.record_failure(budget, machine(of), generation, &again)
                .await
                .unwrap()
                .is_some()
        );
    }
    assert_eq!(bed.permits().await.unwrap().records.failures.len(), 4);
    let audit = bed.audit(None).await.unwrap();
    let told = audit.iter().filter(|entry| entry.what == "budget-failure");
    assert_eq!(told.count(), 4);
}

#[tokio::test]
async fn what_was_decided_before_a_failure_or_a_go_on_is_decided_anew() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    let canary = name("canary");
    let before = bed.permits().await.unwrap().epoch;
    bed.record_failure(&canary, machine(1), Generation(2), &failed("x"))
        .await
        .unwrap();
    let stale = issue(&bed, "p-1", before, just_now(), wiping(life, 2, 1)).await;
    assert_eq!(stale, Issuance::PermitsMoved);
    let knowing = bed.permits().await.unwrap().epoch;
    resume(&bed, &canary, u64::MAX, &by()).await;
    let stale = issue(&bed, "p-1", knowing, just_now(), wiping(life, 2, 1)).await;
    assert_eq!(stale, Issuance::PermitsMoved);
    let nothing = bed.permits().await.unwrap();
    assert!(nothing.permits.grants.is_empty() && nothing.records.wiped.is_empty());
    assert_eq!(bed.current_orders().await.unwrap(), []);
    // Who has read both decides for itself.
    let written = issue(&bed, "p-1", nothing.epoch, just_now(), wiping(life, 2, 1)).await;
    assert!(matches!(written, Issuance::Written { orders, .. } if orders.len() == 1));
}

#[tokio::test]
async fn a_go_on_is_for_every_failure_of_its_budget_and_for_no_other() {
    let bed = Bed::new().await;
    begin(&bed).await;
    let (canary, all, why) = (name("canary"), name("all"), failed("x"));
    // One of an intent that is over, two of today's.
    for (of, generation) in [(1, 1), (1, 2), (2, 2)] {
        let generation = Generation(generation);
        assert!(
            bed.record_failure(&canary, machine(of), generation, &why)
                .await
                .unwrap()
                .is_some()
        );
    }
    bed.record_failure(&all, machine(1), Generation(2), &why)
        .await
        .unwrap();
    assert_eq!(resume(&bed, &canary, u64::MAX, &by()).await, 3);
    let resumed = bed.permits().await.unwrap();
    assert_eq!(resume(&bed, &canary, u64::MAX, &failed("again")).await, 0);
    assert_eq!(resume(&bed, &name("nobody"), u64::MAX, &by()).await, 0);
    assert_eq!(bed.permits().await.unwrap(), resumed, "nothing moved");

    let told: Vec<_> = resumed
        .records
        .failures
        .iter()
        .map(|failure| {
            let who = failure.resumed.as_ref().map(|resumed| resumed.who.as_str());
            (
                failure.budget.as_str(),
                failure.machine,
                failure.generation.0,
                who,
            )
        })
        .collect();
    // Those of today's intents are told, so that nobody records them again; the old one is only history.
    assert_eq!(
        told,
        [
            ("canary", machine(1), 2, Some("ada")),
            ("canary", machine(2), 2, Some("ada")),
            ("all", machine(1), 2, None)
        ]
    );
    let again = bed.record_failure(&canary, machine(1), Generation(2), &why);
    assert!(again.await.unwrap().is_none(), "looked at is looked at");
    let newer = bed.record_failure(&canary, machine(1), Generation(3), &why);
    assert!(newer.await.unwrap().is_some(), "another intent fails anew");
    assert_eq!(resume(&bed, &canary, u64::MAX, &by()).await, 1);
}

#[tokio::test]
async fn a_wipe_is_on_record_with_its_grant_once_for_each_intent_and_counts_for_an_hour() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    let first = issue(&bed, "p-1", 0, just_now(), wiping(life, 1, 1)).await;
    let Issuance::Written { permits_epoch, .. } = first else {
        panic!("{first:?}")
    };
    let begun = bed.permits().await.unwrap();
    let at = begun.permits.grants[&machine(1)].at;
    assert_eq!(begun.records.wiped, [(machine(1), Generation(2), at)]);

    // Half an hour ago, and its grant is taken again for the same intent.
    bed.sql("UPDATE wipe_begun SET at_ms = at_ms - 1800000").await;
    let half = bed.permits().await.unwrap().records.wiped;
    let again = issue(&bed, "p-1", permits_epoch, just_now(), wiping(life, 1, 2)).await;
    assert!(
        matches!(&again, Issuance::Written { orders, .. } if orders.len() == 1),
        "{again:?}"
    );
    assert_eq!(bed.permits().await.unwrap().records.wiped, half, "begun once");

    bed.sql("UPDATE wipe_begun SET at_ms = now_ms() - 3300000").await;
    assert_eq!(
        bed.permits().await.unwrap().records.wiped.len(),
        1,
        "within the hour"
    );
    bed.sql("UPDATE wipe_begun SET at_ms = now_ms() - 3600000").await;
    let over = bed.permits().await.unwrap();
    assert!(over.records.wiped.is_empty());
    assert!(over.permits.grants.contains_key(&machine(1)), "its grant stands");
    assert_eq!(
        bed.number("SELECT count(*) FROM wipe_begun").await,
        1,
        "and so does the row"
    );
    // Its orders stood for so long, and it takes its grant again for the same intent: it is counted anew.
    bed.sql("UPDATE wipe_begun SET at_ms = now_ms() - 3660000").await;
    let late = issue(&bed, "p-1", over.epoch, just_now(), wiping(life, 1, 3)).await;
    let Issuance::Written { permits_epoch, .. } = late else {
        panic!("{late:?}")
    };
    let anew = bed.permits().await.unwrap();
    let at = anew.permits.grants[&machine(1)].at;
    assert_eq!(anew.records.wiped, [(machine(1), Generation(2), at)]);
    bed.sql("UPDATE wipe_begun SET at_ms = now_ms() - 3600000").await;
    // The next intent counts anew.
    adopt(&bed, &plan("p-2", Some("p-1"), &[(1, 3), (2, 2)])).await;
    let mut next = wiping(life, 1, 1);
    next.order.generation = Generation(3);
    granted(&mut next).generation = Generation(3);
    issue(&bed, "p-2", permits_epoch, just_now(), next).await;
    let wiped = bed.permits().await.unwrap().records.wiped;
    assert!(matches!(wiped[..], [(_, Generation(3), _)]), "{wiped:?}");
}

#[tokio::test]
async fn a_grant_that_wipes_nothing_is_not_counted_as_a_wipe() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    let mut gentle = wiping(life, 1, 1);
    granted(&mut gentle).need.wipes = false;
    issue(&bed, "p-1", 0, just_now(), gentle).await;
    let held = bed.permits().await.unwrap();
    assert_eq!((held.permits.grants.len(), held.records.wiped.len()), (1, 0));
}

#[tokio::test]
async fn a_grant_that_was_decided_over_a_minute_ago_is_not_taken() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    let now = Timestamp::from_unix_ms(bed.number("SELECT now_ms()").await);
    let ago = |seconds: i64| Timestamp::from_unix_ms(now.unix_ms() - 1000 * seconds);
    let late = issue(&bed, "p-1", 0, ago(61), wiping(life, 1, 1)).await;
    let Issuance::TooLate { after } = late else {
        panic!("{late:?}")
    };
    assert!(after >= Duration::from_secs(61), "{after:?}");
    let held = bed.permits().await.unwrap();
    assert!(held.permits.grants.is_empty() && held.records.wiped.is_empty() && held.epoch == 0);
    assert_eq!(bed.current_orders().await.unwrap(), []);
    // One that needs no grant disturbs nobody, however old.
    let mut harmless = wiping(life, 2, 1);
    harmless.leave = Leave::Unneeded;
    let written = issue(&bed, "p-1", 0, ago(3600), harmless).await;
    assert!(matches!(written, Issuance::Written { orders, .. } if orders.len() == 1));
    let ahead = now.plus(Duration::from_secs(3600));
    for decided in [now, ahead] {
        let epoch = bed.permits().await.unwrap().epoch;
        let number = u32::try_from(epoch).unwrap() + 1;
        let written = issue(&bed, "p-1", epoch, decided, wiping(life, 1, number)).await;
        assert!(matches!(written, Issuance::Written { orders, .. } if orders.len() == 1));
    }
}

/// What fails while a person looks at what failed before was not seen, and goes on counting; under another name it counts all
/// the same.
#[tokio::test]
async fn a_go_on_is_for_what_was_seen_under_each_of_its_names() {
    let bed = Bed::new().await;
    begin(&bed).await;
    let (old, new, why) = (name("web"), name("site"), failed("x"));
    for (budget, of) in [(&old, 1), (&new, 1), (&new, 2)] {
        let recorded = bed.record_failure(budget, machine(of), Generation(2), &why);
        assert!(recorded.await.unwrap().is_some());
    }
    let numbers = |records: &reconciler_core::admit::Records| -> Vec<(u64, bool)> {
        let told = records.failures.iter();
        told.map(|failure| (failure.number, failure.resumed.is_some()))
            .collect()
    };
    let before = numbers(&bed.permits().await.unwrap().records);
    let [(first, _), (second, _), (third, _)] = before[..] else {
        panic!("{before:?}")
    };
    assert!(first < second && second < third, "{before:?}");
    let names = [old, new.clone()].into();
    let resumed = async || bed.resume_budget(&new, &names, second, &by()).await.unwrap();
    assert_eq!(resumed().await, 2);
    let after = numbers(&bed.permits().await.unwrap().records);
    assert_eq!(after, [(first, true), (second, true), (third, false)]);
    assert_eq!(resumed().await, 0);
}

/// Each word moves the epoch by one, and says to which: a step that carries it on sees whether anybody came between.
#[tokio::test]
async fn each_grant_and_failure_moves_the_epoch_by_one() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    let first = issue(&bed, "p-1", 0, just_now(), wiping(life, 1, 1)).await;
    assert!(
        matches!(first, Issuance::Written { permits_epoch: 1, .. }),
        "{first:?}"
    );
    let second = issue(&bed, "p-1", 1, just_now(), wiping(life, 2, 1)).await;
    assert!(
        matches!(second, Issuance::Written { permits_epoch: 2, .. }),
        "{second:?}"
    );
    let (canary, why) = (name("canary"), failed("x"));
    let recorded = bed.record_failure(&canary, machine(1), Generation(2), &why);
    assert_eq!(recorded.await.unwrap(), Some(3));
    assert_eq!(bed.permits().await.unwrap().epoch, 3);
    // Its place is taken, so its grant is not, and nothing moves.
    let again = issue(&bed, "p-1", 3, just_now(), wiping(life, 2, 1)).await;
    assert!(
        matches!(&again, Issuance::Written { orders, permits_epoch: 3 } if orders.is_empty()),
        "{again:?}"
    );
}

/// An order that was decided while its machine held a grant is not written when that was given back: its places may be
/// another's by now.
#[tokio::test]
async fn an_order_on_a_held_grant_is_written_while_that_stands() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    let held = |number| Intended {
        order: boot_order(life, 1, 2, number),
        leave: Leave::Held,
    };
    issue(&bed, "p-1", 0, just_now(), wiping(life, 1, 1)).await;
    let on = issue(&bed, "p-1", 0, just_now(), held(2)).await;
    assert!(
        matches!(&on, Issuance::Written { orders, .. } if orders.len() == 1),
        "no epoch is asked for: {on:?}"
    );
    let rival = bed.another().await;
    let taken = rival.permits().await.unwrap().permits.grants[&machine(1)].at;
    assert!(
        rival
            .release_grant("p-1", machine(1), Generation(2), taken, None, &by())
            .await
            .unwrap()
    );
    let late = issue(&bed, "p-1", 0, just_now(), held(3)).await;
    assert_eq!(late, Issuance::PermitsMoved);
    assert_eq!(bed.number("SELECT count(*) FROM order_issued").await, 2);
}

/// Asks for machine `n` whether it may write; what is recorded as the reason why not, if so.
async fn ask(store: &Store, n: u8, nonce: u8, takes: GoTakes) -> Option<Option<(String, String)>> {
    let start = WriteStart {
        job: job(n, 2, 1),
        boot_id: uuid(50),
        nonce: uuid(nonce),
        at: Timestamp::from_unix_ms(0),
        refused: None,
    };
    let newest = u32::from(n == 1);
    let recorded = store.record_start("p-1", newest, 0, takes, &start).await;
    match recorded.unwrap() {
        StartRecord::Recorded(start) => Some(start.refused),
        StartRecord::Superseded => None,
    }
}

/// Orders stand for a day: what is erased is counted when it may be, whenever it was ordered.
#[tokio::test]
async fn a_go_counts_as_a_wipe_when_it_is_given() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    issue(&bed, "p-1", 0, just_now(), wiping(life, 1, 1)).await;
    let takes = |most| GoTakes {
        place: false,
        wipes: Some(most),
    };
    let wiped = async || bed.permits().await.unwrap().records.wiped;

    // Within the hour it has the place that it has; it counts from the go on.
    bed.sql("UPDATE wipe_begun SET at_ms = at_ms - 3000000").await;
    let (ordered, epoch) = (wiped().await[0].2, bed.permits().await.unwrap().epoch);
    assert_eq!(ask(&bed, 1, 1, takes(1)).await, Some(None));
    let told = wiped().await;
    assert!(
        matches!(told[..], [(id, _, at)] if id == machine(1) && at > ordered),
        "{told:?}"
    );
    assert!(
        bed.permits().await.unwrap().epoch > epoch,
        "whoever counted before decides anew"
    );

    // The other one's order is older than the hour, which is full.
    let (code, reason) = ask(&bed, 2, 2, takes(1)).await.unwrap().unwrap();
    assert_eq!(code, "RATE_LIMITED");
    assert!(reason.contains("limits.max-wiped-per-hour"), "{reason}");
    assert_eq!(wiped().await, told);
    assert_eq!(ask(&bed, 2, 3, takes(2)).await, Some(None));
    assert_eq!(wiped().await.len(), 2);

    // Whose data is gone loses none by another try.
    bed.sql("UPDATE wipe_begun SET at_ms = at_ms - 3600000").await;
    assert_eq!(ask(&bed, 1, 4, takes(0)).await, Some(None));
    assert!(wiped().await.is_empty());
}

#[tokio::test]
async fn a_go_that_takes_a_machine_away_is_given_while_its_grant_stands() {
    let bed = Bed::new().await;
    let life = begin(&bed).await;
    issue(&bed, "p-1", 0, just_now(), wiping(life, 1, 1)).await;
    let takes = GoTakes {
        place: true,
        wipes: None,
    };
    assert_eq!(ask(&bed, 1, 1, takes).await, Some(None));
    assert_eq!(ask(&bed, 2, 2, takes).await, None, "it never had one");
    let at = bed.permits().await.unwrap().permits.grants[&machine(1)].at;
    let by = by();
    let released = bed.release_grant("p-1", machine(1), Generation(2), at, Some(1), &by);
    assert!(released.await.unwrap());
    assert_eq!(ask(&bed, 1, 3, takes).await, None, "it was given back");
    assert_eq!(ask(&bed, 1, 1, takes).await, None, "nor is an older yes repeated");
}
