//! Facts as rows, read back as the facts that were sent.

use crate::StoreError;
use crate::column::{count, read, read_document, time};
use rack_api::fact::Fact;
use reconciler_core::facts::StoredFact;
use schema_ids::MachineId;
use serde_json::Value;
use std::collections::BTreeMap;

/// A machine's fact.
pub(crate) struct FactRow {
    pub(crate) machine: String,
    pub(crate) agent: String,
    pub(crate) sequence: i64,
    pub(crate) received_ms: i64,
    pub(crate) body: Value,
    pub(crate) inventory: Option<Value>,
}

/// Facts by machine, in the order of the rows.
pub(crate) fn by_machine(rows: Vec<FactRow>) -> Result<BTreeMap<MachineId, Vec<StoredFact>>, StoreError> {
    let mut facts: BTreeMap<MachineId, Vec<StoredFact>> = BTreeMap::new();
    for row in rows {
        let fact = StoredFact {
            agent: read("fact", "agent", &row.agent)?,
            sequence: count("fact", "sequence", row.sequence)?,
            received: time(row.received_ms),
            fact: whole(row.body, row.inventory)?,
        };
        facts
            .entry(read("fact", "machine", &row.machine)?)
            .or_default()
            .push(fact);
    }
    Ok(facts)
}

/// A fact with its inventory, which is stored apart, put back.
pub(crate) fn whole(mut body: Value, inventory: Option<Value>) -> Result<Fact, StoreError> {
    if let (Some(place), Some(inventory)) = (body.pointer_mut("/body/inventory"), inventory) {
        *place = inventory;
    }
    read_document("fact", "body", body)
}
