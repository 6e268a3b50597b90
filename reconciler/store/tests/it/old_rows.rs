//! Rows as earlier versions wrote them are still read. A file of rows is never edited; a version that
//! writes them otherwise adds one.

use crate::bed::Bed;
use crate::fleet::{machine, name};
use reconciler_core::observed::BindingState;
use reconciler_store::{Scope, Stage};
use schema_ids::Generation;
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test]
async fn rows_of_the_first_version_are_read() {
    let bed = Bed::new().await;
    bed.sql(include_str!("rows/0001.sql")).await;

    let observed = bed.observed().await.unwrap();
    let first = &observed.machines[&machine(1)];
    assert_eq!((first.name.clone(), first.ever_written), (name("m1"), true));
    assert_eq!(first.inventory.as_ref().unwrap().memory_bytes, 1024);
    assert_eq!(
        observed.bindings.values().next().unwrap().state,
        BindingState::Leaving
    );
    assert_eq!(observed.restored.as_deref(), Some("r1 knows more"));

    let scope = Scope {
        generation: Generation(2),
        agents: BTreeSet::from([name("r1")]),
    };
    let facts = bed
        .facts_of(&BTreeMap::from([(machine(1), scope)]))
        .await
        .unwrap()
        .remove(&machine(1))
        .unwrap();
    assert_eq!(facts.orders.len(), 1);
    assert_eq!(facts.starts.len(), 1);
    assert_eq!(facts.job.unwrap().steps.len(), 1);
    assert_eq!(facts.agents.len(), 1);

    assert_eq!(bed.adopted_id().await.unwrap().as_deref(), Some("p-1"));
    assert_eq!(bed.revisions().await.unwrap()[0].stage, Stage::Guarded);
    assert_eq!(bed.permits().await.unwrap().permits.grants.len(), 1);
    assert_eq!(bed.current_orders().await.unwrap().len(), 1);
    assert_eq!(bed.approvals("p-1").await.unwrap().len(), 1);
    assert_eq!(bed.audit(None).await.unwrap().len(), 1);
}
