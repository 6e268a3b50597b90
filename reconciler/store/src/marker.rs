//! Ownership markers in arriving inventories: one that is ahead of this database shows a restored backup.
//!
//! A marker names its binding. One whose binding is not known here may be another fleet's and shows
//! nothing; planning asks a person before such a disk is erased.

use crate::column::held;
use crate::store::Fault;
use rack_api::fact::FactBody;
use rack_api::sync::SyncRequest;
use schema_ids::{ContentId, DiskId};
use sqlx::{PgConnection, query};

/// The marker that this sync tells of and this database does not know, in words: of a later incarnation, or
/// in this one of a later generation than was ever adopted for its machine. Markers of earlier
/// incarnations are what a recovery has laid to rest.
pub(crate) async fn ahead(
    connection: &mut PgConnection,
    sync: &SyncRequest,
) -> Result<Option<String>, Fault> {
    let (mut disks, mut bindings) = (Vec::new(), Vec::new());
    let (mut incarnations, mut generations) = (Vec::new(), Vec::new());
    for (disk, content) in sync.facts.iter().flat_map(|spooled| contents(&spooled.fact.body)) {
        if let ContentId::Marker {
            incarnation,
            binding,
            generation,
            ..
        } = content
        {
            disks.push(disk.to_string());
            bindings.push(binding.to_string());
            incarnations.push(held(*incarnation));
            generations.push(held(generation.0));
        }
    }
    if disks.is_empty() {
        return Ok(None);
    }
    let ahead = query!(
        r#"SELECT told.disk AS "disk!", told.incarnation AS "incarnation!", told.generation AS "generation!",
               machine.id AS machine, machine.generation AS known, life.number AS "life!"
           FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
                    AS told (disk, binding, incarnation, generation)
               JOIN binding ON binding.id = told.binding
               JOIN machine ON machine.id = binding.machine
               CROSS JOIN (SELECT max(number) AS number FROM incarnation) AS life
           WHERE told.incarnation > life.number
               OR told.incarnation = life.number AND told.generation > machine.generation
           ORDER BY told.disk LIMIT 1"#,
        &disks,
        &bindings,
        &incarnations,
        &generations
    )
    .fetch_optional(connection)
    .await?;
    Ok(ahead.map(|row| {
        format!(
            "{} saw a marker of {} on {}, of incarnation {} and generation {}; this database has {} and {}",
            sync.agent, row.machine, row.disk, row.incarnation, row.generation, row.life, row.known
        )
    }))
}

/// The identified disks of an inventory, with what they hold.
fn contents(body: &FactBody) -> impl Iterator<Item = (&DiskId, &ContentId)> {
    let inventory = match body {
        FactBody::Inventory { inventory, .. } | FactBody::Enlisted { inventory, .. } => Some(inventory),
        _ => None,
    };
    let disks = inventory.into_iter().flat_map(|inventory| &inventory.disks);
    disks.filter_map(|disk| Some((disk.id.as_ref()?, &disk.content)))
}
