//! Facts come in: once each, in order, and never from an agent that counts anew.

use crate::bed::Bed;
use crate::fleet::{adopt, binding, binding_id, by, disk, inventory, job, machine, name, plan, sync, uuid};
use rack_api::fact::{FactBody, PowerSeen};
use rack_api::sync::SyncRequest;
use reconciler_core::facts::AgentSeen;
use reconciler_store::{StoreError, WorkItem};
use schema_ids::{Generation, Incarnation};
use std::time::Duration;

fn power(n: u8, power: PowerSeen) -> FactBody {
    FactBody::Power {
        machine: machine(n),
        power,
    }
}

#[tokio::test]
async fn sending_twice_changes_nothing() {
    let bed = Bed::new().await;
    let first = sync(
        "r1",
        vec![(1, power(1, PowerSeen::On)), (2, power(1, PowerSeen::Off))],
    );
    let receipt = bed.append_facts(&first).await.unwrap();
    assert_eq!((receipt.acknowledged, receipt.stored), (2, 2));
    let again = bed.append_facts(&first).await.unwrap();
    assert_eq!((again.acknowledged, again.stored), (2, 0));
    // The answer was lost; more has come since.
    let more = sync(
        "r1",
        vec![(2, power(1, PowerSeen::Off)), (3, power(1, PowerSeen::On))],
    );
    let receipt = bed.append_facts(&more).await.unwrap();
    assert_eq!((receipt.acknowledged, receipt.stored), (3, 1));
    assert_eq!(bed.number("SELECT count(*) FROM fact").await, 3);
}

#[tokio::test]
async fn two_deliveries_of_one_spool_at_once_store_it_once() {
    let bed = Bed::new().await;
    let rival = bed.another().await;
    let spool = sync("r1", (1..=200).map(|n| (n, power(1, PowerSeen::On))).collect());
    let (one, two) = tokio::join!(bed.append_facts(&spool), rival.append_facts(&spool));
    assert_eq!(one.unwrap().stored + two.unwrap().stored, 200);
    assert_eq!(bed.number("SELECT count(*) FROM fact").await, 200);
    let disorder =
        "SELECT count(*) FROM fact a JOIN fact b ON a.sequence < b.sequence AND a.position > b.position";
    assert_eq!(bed.number(disorder).await, 0);
}

#[tokio::test]
async fn an_agent_that_counts_anew_is_told_where_to_go_on() {
    let bed = Bed::new().await;
    let taken = sync(
        "r1",
        vec![(1, power(1, PowerSeen::On)), (2, power(1, PowerSeen::Off))],
    );
    bed.append_facts(&taken).await.unwrap();
    let lost_its_disk = sync("r1", vec![(1, power(2, PowerSeen::On))]);
    match bed.append_facts(&lost_its_disk).await {
        Err(StoreError::SequenceReused {
            sequence: 1,
            acknowledged: 2,
            agent,
        }) => assert_eq!(agent, name("r1")),
        other => panic!("{other:?}"),
    }
    let empty = bed.append_facts(&sync("r1", vec![])).await.unwrap();
    assert_eq!(empty.acknowledged, 2, "its first sync tells it without facts");
    bed.append_facts(&sync("r2", vec![(1, power(2, PowerSeen::On))]))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_lowest_number_that_is_taken_is_told() {
    let bed = Bed::new().await;
    let on = |sequence| (sequence, power(1, PowerSeen::On));
    // Nothing is stored under 3, as after a restored database: the agent was acknowledged more than this.
    bed.append_facts(&sync("r1", vec![on(1), on(2), on(4), on(5)]))
        .await
        .unwrap();
    for (facts, lowest) in [
        (
            vec![
                on(1),
                on(2),
                (4, power(2, PowerSeen::On)),
                (5, power(2, PowerSeen::On)),
            ],
            4,
        ),
        (
            vec![(5, power(2, PowerSeen::On)), (4, power(2, PowerSeen::On))],
            4,
        ),
        (vec![on(2), on(3), on(6)], 3),
    ] {
        match bed.append_facts(&sync("r1", facts)).await {
            Err(StoreError::SequenceReused {
                sequence,
                acknowledged: 5,
                ..
            }) => assert_eq!(sequence, lowest),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        bed.number("SELECT count(*) FROM fact").await,
        4,
        "nothing came of these"
    );
    // What is refused arrives under other numbers.
    let anew = sync(
        "r1",
        vec![(6, power(2, PowerSeen::On)), (7, power(2, PowerSeen::On))],
    );
    let receipt = bed.append_facts(&anew).await.unwrap();
    assert_eq!((receipt.acknowledged, receipt.stored), (7, 2));
}

#[tokio::test]
async fn a_batch_is_stored_whole_or_not_at_all() {
    let bed = Bed::new().await;
    bed.append_facts(&sync("r1", vec![(1, power(1, PowerSeen::On))]))
        .await
        .unwrap();
    let reused = sync(
        "r1",
        vec![(1, power(9, PowerSeen::On)), (2, power(1, PowerSeen::On))],
    );
    bed.append_facts(&reused).await.unwrap_err();
    assert_eq!(bed.number("SELECT count(*) FROM fact").await, 1);
    let beyond = sync(
        "r1",
        vec![(2, power(1, PowerSeen::On)), (u64::MAX, power(1, PowerSeen::On))],
    );
    assert!(matches!(
        bed.append_facts(&beyond).await,
        Err(StoreError::OutOfRange { .. })
    ));
    let many = sync("r1", (2..=600).map(|n| (n, power(1, PowerSeen::On))).collect());
    assert!(matches!(
        bed.append_facts(&many).await,
        Err(StoreError::OutOfRange { value: 599, .. })
    ));
}

#[tokio::test]
async fn hostile_text_and_numbers_are_stored() {
    let bed = Bed::new().await;
    let step = FactBody::Step {
        job: job(1, u64::MAX, u32::MAX),
        boot_id: uuid(9),
        step: format!("nul \0 {}", "x".repeat(20_000)),
        state: rack_api::fact::StepState::Started,
    };
    let receipt = bed.append_facts(&sync("r1", vec![(1, step)])).await.unwrap();
    assert_eq!(receipt.stored, 1);
}

#[tokio::test]
async fn new_facts_mark_what_they_touch() {
    let bed = Bed::new().await;
    let facts = vec![
        (1, power(1, PowerSeen::On)),
        (2, power(1, PowerSeen::Off)),
        (
            3,
            FactBody::Inventory {
                job: job(2, 1, 1),
                inventory: Box::new(inventory(1)),
            },
        ),
    ];
    let spool = sync("r1", facts);
    bed.append_facts(&spool).await.unwrap();
    let mut items: Vec<_> = bed
        .claim(9, Duration::from_secs(60))
        .await
        .unwrap()
        .into_iter()
        .map(|claimed| claimed.item)
        .collect();
    items.sort();
    assert_eq!(
        items,
        [
            WorkItem::Fleet,
            WorkItem::Machine(machine(1)),
            WorkItem::Machine(machine(2))
        ]
    );
    bed.delete_derived().await.unwrap();
    bed.append_facts(&spool).await.unwrap();
    assert_eq!(
        bed.claim(9, Duration::from_secs(60)).await.unwrap(),
        [],
        "a repetition is no news"
    );
}

#[tokio::test]
async fn the_watermark_stands_still_while_facts_are_missing() {
    let bed = Bed::new().await;
    let all = bed
        .append_facts(&sync("r1", vec![(1, power(1, PowerSeen::On))]))
        .await
        .unwrap();
    let behind = rack_api::sync::SyncRequest {
        watermark: 9,
        ..sync("r1", vec![(2, power(1, PowerSeen::Off))])
    };
    let later = bed.append_facts(&behind).await.unwrap();
    let seen = &bed.agents().await.unwrap()[&name("r1")];
    assert_eq!(
        *seen,
        AgentSeen {
            heard: later.now,
            watermark: all.now,
            steady: all.now
        }
    );
}

#[tokio::test]
async fn an_agent_that_knows_more_shows_a_restore() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 3)])).await;
    let ours = bed.identity().await.unwrap().incarnation;
    let quiet = |life, agent: &str| SyncRequest {
        incarnation: Some(life),
        ..sync(agent, vec![])
    };
    let knows = |life, agent: &str, n: u8, generation: u64| SyncRequest {
        generations: [(machine(n), Generation(generation))].into(),
        ..quiet(life, agent)
    };
    let level = knows(ours, "level", 1, 3);
    assert_eq!(bed.append_facts(&level).await.unwrap().restored, None);

    let mut life = ours;
    for round in 0..4 {
        let sign = match round {
            0 => knows(life, "ahead", 1, 4),
            1 => knows(life, "stranger", 7, 1),
            2 => SyncRequest {
                acknowledged: 12,
                watermark: 12,
                ..quiet(ours, "heard")
            },
            _ => quiet(
                Incarnation {
                    uuid: uuid(77),
                    ..ours
                },
                "foreign",
            ),
        };
        let evidence = bed.append_facts(&sign).await.unwrap().restored.unwrap();
        assert!(evidence.contains(sign.agent.as_str()), "{evidence}");
        assert_eq!(bed.observed().await.unwrap().restored.as_ref(), Some(&evidence));
        // Told again, it is still one sign; and a person's word lays it to rest.
        assert_eq!(
            bed.append_facts(&sign).await.unwrap().restored,
            Some(evidence.clone())
        );
        assert_eq!(bed.restored().await.unwrap(), Some(evidence));
        let raised = bed.recover(&by()).await.unwrap();
        assert!(raised.number == life.number + 1 && raised.uuid != life.uuid);
        assert_eq!(bed.identity().await.unwrap().incarnation, raised);
        assert_eq!(bed.restored().await.unwrap(), None);
        life = raised;
        // Agents still count in the old life until they are told of the new one.
        assert_eq!(
            bed.append_facts(&knows(ours, "level", 1, 9))
                .await
                .unwrap()
                .restored,
            None
        );
    }
}

#[tokio::test]
async fn a_marker_ahead_of_the_database_shows_a_restore() {
    let bed = Bed::new().await;
    let mut adopted = plan("p-1", None, &[(1, 3)]);
    adopted.bindings.insert(binding_id(1), binding(1, 1, 1));
    adopt(&bed, &adopted).await;
    let mut told = 0;
    let mut seen = |holds: String| {
        told += 1;
        let mut found = inventory(1);
        found.disks.push(disk("serial:disk1", &holds));
        let inventory = Box::new(found);
        sync(
            "r1",
            vec![(
                told,
                FactBody::Inventory {
                    job: job(1, 3, 1),
                    inventory,
                },
            )],
        )
    };
    let ours = binding_id(1);
    let known = [
        format!("muster:installed:1:{ours}:3"),
        "blank".to_owned(),
        format!("muster:installed:9:{}:99", binding_id(2)),
    ];
    for holds in known {
        let receipt = bed.append_facts(&seen(holds.clone())).await.unwrap();
        assert_eq!(receipt.restored, None, "{holds}");
    }
    let mut life = 1;
    for holds in [
        format!("muster:installed:{life}:{ours}:4"),
        format!("muster:writing:3:{ours}:1"),
    ] {
        let receipt = bed.append_facts(&seen(holds.clone())).await.unwrap();
        let evidence = receipt.restored.unwrap_or_default();
        assert!(evidence.contains("serial:disk1"), "{holds}: {evidence}");
        life += 1;
        assert_eq!(bed.recover(&by()).await.unwrap().number, life);
    }
    let receipt = bed
        .append_facts(&seen(format!("muster:installed:1:{ours}:4")))
        .await
        .unwrap();
    assert_eq!(receipt.restored, None, "a recovery has laid that life to rest");
}
