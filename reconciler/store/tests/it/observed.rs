//! The snapshot for planning, beside machines and bindings: addresses, discovered machines, identity.

use crate::bed::Bed;
use crate::fleet::{adopt, inventory, job, machine, plan, sync, uuid};
use rack_api::fact::{Fact, FactBody};
use reconciler_core::facts::WriteStart;
use reconciler_store::{GoTakes, Stage};
use schema_ids::{Mac, Timestamp};
use std::net::IpAddr;

fn mac(n: u8) -> Mac {
    Mac::new([0x52, 0x54, 0, 0, 0, n]).unwrap()
}

fn address(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

#[tokio::test]
async fn live_leases_and_addresses_seen_are_in_use() {
    let bed = Bed::new().await;
    // The agent's clock is years off; the lease's length counts.
    let leased = |n: u8, until_ms: i64| FactBody::Leased {
        mac: mac(n),
        address: address(n),
        until: Timestamp::from_unix_ms(until_ms),
    };
    let mut spool = sync(
        "r1",
        vec![
            (1, leased(1, 3_600_000)),
            (2, leased(2, 0)),
            (
                3,
                FactBody::AddressSeen {
                    address: address(3),
                    mac: None,
                },
            ),
            (4, leased(4, 3_600_000)),
            (5, leased(4, 0)),
        ],
    );
    spool.facts[4].fact = Fact {
        at: Timestamp::from_unix_ms(0),
        ..spool.facts[4].fact.clone()
    };
    bed.append_facts(&spool).await.unwrap();
    let in_use = bed.observed().await.unwrap().addresses_in_use;
    assert_eq!(in_use, [(address(1), Some(mac(1))), (address(3), None)].into());
    bed.sql("UPDATE fact SET received_ms = received_ms - 86400000")
        .await;
    assert!(
        bed.observed().await.unwrap().addresses_in_use.is_empty(),
        "a day later all are free"
    );
}

#[tokio::test]
async fn discovered_machines_are_the_newest_of_each_mac() {
    let bed = Bed::new().await;
    let enlisted = |n: u8, memory: u64| FactBody::Enlisted {
        mac: mac(n),
        link: "lab/boot".to_owned(),
        inventory: Box::new(inventory(memory)),
    };
    let spool = sync(
        "r1",
        vec![(1, enlisted(1, 1)), (2, enlisted(2, 2)), (3, enlisted(1, 3))],
    );
    let receipt = bed.append_facts(&spool).await.unwrap();
    let discovered = bed.discovered().await.unwrap();
    assert_eq!(discovered.keys().copied().collect::<Vec<_>>(), [mac(1), mac(2)]);
    assert_eq!(discovered[&mac(1)].inventory, inventory(3));
    assert_eq!(discovered[&mac(1)].seen, receipt.now);
    assert_eq!(bed.observed().await.unwrap().discovered, discovered);
}

#[tokio::test]
async fn a_machine_was_written_once_a_go_is_on_record() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 1)])).await;
    let written = async || bed.observed().await.unwrap().machines[&machine(1)].ever_written;
    let mut start = WriteStart {
        job: job(1, 1, 1),
        boot_id: uuid(1),
        nonce: uuid(2),
        at: Timestamp::from_unix_ms(0),
        refused: Some(("HELD".to_owned(), "held".to_owned())),
    };
    bed.record_start("p-1", 0, 0, GoTakes::default(), &start)
        .await
        .unwrap();
    assert!(!written().await);
    start.nonce = uuid(3);
    start.refused = None;
    bed.record_start("p-1", 0, 0, GoTakes::default(), &start)
        .await
        .unwrap();
    assert!(written().await);
}

#[tokio::test]
async fn an_erasure_is_on_record_and_ends_what_was_installed() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 1)])).await;
    let disk: schema_ids::DiskId = "serial:d1".parse().unwrap();
    let binding = schema_ids::BindingId(uuid(7));
    let installed = FactBody::Installed {
        job: job(1, 1, 1),
        binding,
        spec: schema_ids::Digest([0; 32]),
        disks: vec![disk.clone()],
    };
    let erased = |sample: &str| FactBody::Erased {
        job: job(1, 1, 2),
        binding,
        disk: disk.clone(),
        method: "quick".to_owned(),
        sample: sample.to_owned(),
    };
    bed.append_facts(&sync("r1", vec![(1, installed)])).await.unwrap();
    let seen = async || bed.observed().await.unwrap().machines[&machine(1)].clone();
    assert!(seen().await.installed.is_some());
    bed.append_facts(&sync("r1", vec![(2, erased("some"))]))
        .await
        .unwrap();
    bed.append_facts(&sync("r1", vec![(3, erased("all"))]))
        .await
        .unwrap();
    let known = seen().await;
    assert_eq!(known.installed, None);
    let record = &known.erased[&disk].value;
    assert_eq!((record.binding, record.sample.as_str()), (binding, "all"));
    let told = bed
        .number("SELECT count(*) FROM fact WHERE kind = 'erased'")
        .await;
    assert_eq!(told, 2, "every record is kept");
}

#[tokio::test]
async fn what_is_found_again_after_disks_were_written_is_news() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 1)])).await;
    let disks = vec!["serial:d1".parse().unwrap()];
    let inspected = || FactBody::Inventory {
        job: job(1, 1, 1),
        inventory: Box::new(inventory(1)),
    };
    let installed = FactBody::Installed {
        job: job(1, 1, 1),
        binding: schema_ids::BindingId(uuid(7)),
        spec: schema_ids::Digest([0; 32]),
        disks,
    };
    let mut sequence = 0;
    let mut say = async |body| {
        sequence += 1;
        bed.sql("SELECT pg_sleep(0.002)").await;
        bed.append_facts(&sync("r1", vec![(sequence, body)]))
            .await
            .unwrap();
        bed.observed().await.unwrap().machines[&machine(1)].clone()
    };
    let first = say(inspected()).await;
    assert_eq!(
        say(inspected()).await.inspected,
        first.inspected,
        "the same again"
    );
    let written = say(installed).await;
    assert_eq!(written.inspected, first.inspected);
    // Blanked by hand: they hold again what they held before.
    let again = say(inspected()).await;
    assert!(again.inspected.unwrap() > written.installed.unwrap().at);
    assert_eq!(
        say(inspected()).await.inspected,
        again.inspected,
        "the same again"
    );
}

#[tokio::test]
async fn the_latest_generation_that_may_write_is_known() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 3)])).await;
    let written = async || bed.observed().await.unwrap().machines[&machine(1)].written_in;
    assert_eq!(written().await, None);
    for (n, generation) in [(1, 3), (2, 2)] {
        let start = WriteStart {
            job: job(1, generation, 1),
            boot_id: uuid(1),
            nonce: uuid(n),
            at: Timestamp::from_unix_ms(0),
            refused: None,
        };
        bed.record_start("p-1", 0, 0, GoTakes::default(), &start)
            .await
            .unwrap();
        assert_eq!(written().await, Some(schema_ids::Generation(3)));
    }
}

#[tokio::test]
async fn the_identity_is_made_once() {
    let bed = Bed::new().await;
    let identity = bed.identity().await.unwrap();
    let (again, third) = tokio::join!(bed.another(), bed.another());
    assert_eq!(again.identity().await.unwrap(), identity);
    assert_eq!(third.identity().await.unwrap(), identity);
    assert_eq!(identity.incarnation.number, 1);
    assert_eq!(bed.token_key().await.unwrap().len(), 64);
    let before = bed.now().await.unwrap();
    assert!(bed.observed().await.unwrap().at >= before);
}

#[tokio::test]
async fn a_revision_stands_since_its_last_change() {
    let bed = Bed::new().await;
    let stopped = Some(("M0801", "no budget"));
    for (commit, stage, condition) in [
        ("a", Stage::Fetched, None),
        ("b", Stage::Fetched, None),
        ("a", Stage::Planned, stopped),
        ("a", Stage::Planned, stopped),
        ("b", Stage::Fetched, None),
    ] {
        bed.record_revision(commit, stage, condition).await.unwrap();
    }
    let now = bed.revisions().await.unwrap();
    let commits: Vec<_> = now.iter().map(|revision| revision.commit.as_str()).collect();
    assert_eq!(commits, ["a", "b"]);
    let history = bed.revision_history("a").await.unwrap();
    assert_eq!(
        history.len(),
        2,
        "a stand that is told again is not written again"
    );
    assert_eq!(history.last(), now.first());
    let condition = now[0]
        .condition
        .as_ref()
        .map(|(code, reason)| (code.as_str(), reason.as_str()));
    assert_eq!((now[0].stage, condition), (Stage::Planned, stopped));
}
