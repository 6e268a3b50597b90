//! What happened, page by page: nothing left out, nothing twice, whatever is written meanwhile.

use crate::bed::Bed;
use crate::fleet::{adopt, boot_order, by, inventory, job, machine, plan, sync, uuid};
use rack_api::fact::{BmcFaultKind, FactBody, PowerSeen, StepState};
use reconciler_core::admit::{Grant, Leave};
use reconciler_core::facts::WriteStart;
use reconciler_core::next::Need;
use reconciler_core::people::{LogPlace, Stage};
use reconciler_store::{GoTakes, Intended, Issue, LogRecord, Logged};
use schema_ids::{Generation, MachineId, Timestamp};
use std::collections::BTreeSet;

fn power(n: u8) -> FactBody {
    FactBody::Power {
        machine: machine(n),
        power: PowerSeen::On,
    }
}

fn step(state: StepState) -> FactBody {
    FactBody::Step {
        job: job(1, 2, 1),
        boot_id: uuid(50),
        step: "unpack".to_owned(),
        state,
    }
}

fn start(nonce: u8) -> WriteStart {
    WriteStart {
        job: job(1, 2, 1),
        boot_id: uuid(50),
        nonce: uuid(nonce),
        at: Timestamp::from_unix_ms(0),
        refused: None,
    }
}

/// Every page from here on, newest first.
async fn all(bed: &Bed, machines: Option<&[MachineId]>, from: LogPlace) -> Vec<LogRecord> {
    let (mut records, mut before) = (Vec::new(), Some(from));
    while let Some(place) = before {
        let page = bed.log(machines, &place).await.unwrap();
        assert!(page.records.len() <= 500);
        records.extend(page.records);
        before = page.before;
    }
    records
}

/// What is told, oldest first.
fn told(records: &[LogRecord]) -> Vec<String> {
    let what = |record: &LogRecord| match &record.what {
        Logged::Fact { agent, fact } => {
            let kind = serde_json::to_value(&fact.body).unwrap();
            format!("{agent} {}", kind["kind"].as_str().unwrap())
        }
        Logged::Done { what, subject, by } => format!("{} {what} {subject}", by.who),
        Logged::Start(start) => format!("start {}", start.refused.is_none()),
        Logged::Revision(revision) => format!("revision {}", revision.stage.as_str()),
    };
    records.iter().rev().map(what).collect()
}

/// Orders machine 1, with a grant.
async fn order(bed: &Bed) {
    let life = bed.identity().await.unwrap().incarnation;
    let grant = Grant {
        machine: machine(1),
        generation: Generation(2),
        need: Need::to_boot(None),
        at: Timestamp::from_unix_ms(0),
    };
    let orders = [Intended {
        order: boot_order(life, 1, 2, 1),
        leave: Leave::Take(grant),
    }];
    let issue = Issue {
        plan: "p-1",
        permits_epoch: 0,
        decided: Timestamp::from_unix_ms(i64::MAX),
        restraints_epoch: 0,
        orders: &orders,
        goes: None,
        beyond: None,
        who: "musterd",
    };
    bed.issue(&issue).await.unwrap();
}

#[tokio::test]
async fn every_source_is_told_in_order() {
    let bed = Bed::new().await;
    let commit = "c".repeat(40);
    bed.record_revision(&commit, Stage::Planned, None).await.unwrap();
    adopt(&bed, &plan("p-1", None, &[(1, 2), (2, 2)])).await;
    bed.approve("p-1", "w-1", &by()).await.unwrap();
    order(&bed).await;
    let facts = vec![
        // What broken firmware says is read too.
        (
            1,
            FactBody::BmcFault {
                machine: machine(1),
                fault: BmcFaultKind::Garbled,
                detail: "nul \0".to_owned(),
            },
        ),
        (2, step(StepState::Started)),
        (3, step(StepState::Progress { done: 1, total: 2 })),
        (4, step(StepState::Done)),
        (
            5,
            FactBody::Enlisted {
                mac: "52:54:00:00:00:01".parse().unwrap(),
                link: "lab/pxe".to_owned(),
                inventory: Box::new(inventory(1)),
            },
        ),
    ];
    bed.append_facts(&sync("r1", facts)).await.unwrap();
    bed.record_start("p-1", 1, 0, GoTakes::default(), &start(1))
        .await
        .unwrap();
    bed.append_facts(&sync("r2", vec![(1, power(2))])).await.unwrap();
    // Written in one millisecond or in ten: each a little later.
    bed.sql(
        "UPDATE revision SET since_ms = 1; UPDATE audit SET at_ms = 1 + number;
         UPDATE fact SET received_ms = 100 + position; UPDATE write_start SET at_ms = 150;
         UPDATE fact SET received_ms = 200 WHERE agent = 'r2'",
    )
    .await;
    let records = all(&bed, None, LogPlace::end()).await;
    let ours = [
        "ada plan-adopted p-1",
        "ada approval p-1 w-1",
        "musterd order-issued generation 2 order 1",
        "r1 bmc-fault",
        "r1 step",
        "r1 step",
        "start true",
    ];
    let mut whole = vec!["revision planned"];
    whole.extend(&ours[..6]);
    whole.extend(["r1 enlisted", "start true", "r2 power"]);
    assert_eq!(told(&records), whole);
    let keys: BTreeSet<_> = records.iter().map(|record| &record.key).collect();
    assert_eq!(keys.len(), records.len());

    // One machine: its own, and the plan that its orders come from.
    assert_eq!(told(&all(&bed, Some(&[machine(1)]), LogPlace::end()).await), ours);
    assert_eq!(
        told(&all(&bed, Some(&[machine(2)]), LogPlace::end()).await),
        ["r2 power"]
    );
    let named = bed.machines_called("m1").await.unwrap();
    assert_eq!(named, [machine(1)]);
    assert_eq!(bed.machines_called(&machine(1).to_string()).await.unwrap(), named);
    assert_eq!(bed.machines_called("m9").await.unwrap(), []);
    assert!(
        records
            .iter()
            .all(|record| record.machine.is_some() == record.name.is_some())
    );
}

#[tokio::test]
async fn a_reader_misses_nothing_while_more_is_written() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 2)])).await;
    for batch in 0..3 {
        let facts = (1..=400).map(|n| (batch * 400 + n, power(1))).collect();
        bed.append_facts(&sync("r1", facts)).await.unwrap();
    }
    for nonce in 0..=255 {
        bed.record_start("p-1", 0, 0, GoTakes::default(), &start(nonce))
            .await
            .unwrap();
    }
    // All in one millisecond: pages end at keys, not at times.
    bed.sql("UPDATE fact SET received_ms = 5; UPDATE write_start SET at_ms = 5; UPDATE audit SET at_ms = 5")
        .await;
    let first = bed.log(None, &LogPlace::end()).await.unwrap();
    assert_eq!(first.records.len(), 500);
    bed.append_facts(&sync("r2", vec![(1, power(1))])).await.unwrap();
    let rest = all(&bed, None, first.before.unwrap()).await;
    let keys: BTreeSet<_> = first
        .records
        .iter()
        .chain(&rest)
        .map(|record| &record.key)
        .collect();
    assert_eq!(keys.len(), first.records.len() + rest.len());
    assert_eq!(keys.len(), 1200 + 256 + 1);
    assert_eq!(all(&bed, None, LogPlace::end()).await.len(), 1200 + 256 + 2);
}
