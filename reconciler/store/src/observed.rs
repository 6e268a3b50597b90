//! The snapshot that planning reads.

use crate::column::{count, read, time, unreadable};
use crate::store::Fault;
use crate::stored::{FactRow, by_machine, whole};
use crate::{Store, StoreError, discovered, fenced, identity, restraint};
use rack_api::fact::FactBody;
use reconciler_core::facts::{MachineFacts, StoredFact};
use reconciler_core::observed::{
    Binding, BindingState, Destroyed, InstalledBinding, Observed, ObservedMachine,
};
use schema_ids::{BindingId, Generation, Mac, MachineId, Name, Timestamp};
use sqlx::{PgConnection, query, query_as, query_scalar};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// An address that answered someone counts as in use for so long after it was last seen: a machine that
/// is off over night still owns it.
const SEEN_COUNTS: Duration = Duration::from_secs(24 * 3600);

/// What plans destroyed counts against the limits of others for so long: a day, so that what happened over night
/// is seen by somebody before it can go on.
const DESTROYED_COUNTS: Duration = Duration::from_secs(24 * 3600);

impl Store {
    /// The world as the store knows it, from one snapshot; `at` is the database's clock.
    pub async fn observed(&self) -> Result<Observed, StoreError> {
        self.run("reading the world for planning", async {
            let mut snapshot = self.begin_reading().await?;
            let now_ms = query_scalar!(r#"SELECT now_ms() AS "now!""#)
                .fetch_one(&mut *snapshot)
                .await?;
            let uid = query_scalar!("SELECT uid FROM fleet")
                .fetch_one(&mut *snapshot)
                .await?;
            let observed = Observed {
                at: time(now_ms),
                fleet_uid: read("fleet", "uid", &uid)?,
                incarnation: identity::incarnation(&mut snapshot).await?,
                machines: machines(&mut snapshot).await?,
                bindings: bindings(&mut snapshot).await?,
                discovered: discovered::discovered(&mut snapshot).await?,
                addresses_in_use: addresses(&mut snapshot, time(now_ms)).await?,
                restored: identity::restored(&mut snapshot).await?,
                destroyed: destroyed(&mut snapshot, time(now_ms)).await?,
                restraints: restraint::standing(&mut snapshot, None).await?,
                // Decided from all facts, which whoever decides has.
                unhealthy: BTreeMap::new(),
            };
            snapshot.commit().await?;
            Ok(observed)
        })
        .await
    }
}

/// Machines that adopted plans have lately released or erased.
async fn destroyed(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<BTreeMap<MachineId, Destroyed>, Fault> {
    let rows = query!(
        r#"SELECT machine, max(at_ms) AS "at_ms!",
                  coalesce(array_agg(DISTINCT deployment) FILTER (WHERE deployment IS NOT NULL), '{}')
                      AS "deployments!",
                  coalesce(array_agg(DISTINCT zone) FILTER (WHERE zone IS NOT NULL), '{}') AS "zones!",
                  coalesce(array_agg(DISTINCT pool) FILTER (WHERE pool IS NOT NULL), '{}') AS "pools!"
           FROM destroyed LEFT JOIN unnest(zones) AS zone ON true LEFT JOIN unnest(pools) AS pool ON true
           WHERE at_ms > $1 GROUP BY machine"#,
        now.minus(DESTROYED_COUNTS).unix_ms()
    )
    .fetch_all(connection)
    .await?;
    let mut all = BTreeMap::new();
    for row in rows {
        let names = |column: &'static str, names: &[String]| {
            let names = names.iter().map(|name| read("destroyed", column, name));
            names.collect::<Result<BTreeSet<Name>, _>>()
        };
        let destroyed = Destroyed {
            at: time(row.at_ms),
            deployments: names("deployment", &row.deployments)?,
            zones: names("zones", &row.zones)?,
            pools: names("pools", &row.pools)?,
        };
        all.insert(read("destroyed", "machine", &row.machine)?, destroyed);
    }
    Ok(all)
}

/// Machines ever claimed. Inventory and installation are folded by the core, so that their ages are
/// those that `next` sees.
async fn machines(connection: &mut PgConnection) -> Result<BTreeMap<MachineId, ObservedMachine>, Fault> {
    let mut facts = standing_facts(connection).await?;
    let mut gone = fenced::gone(connection).await?;
    let rows = query!(
        r#"SELECT id, name, generation, (
               SELECT max(write_start.generation) FROM write_start
               WHERE write_start.machine = machine.id AND code IS NULL) AS "written_in?"
           FROM machine"#
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let id: MachineId = read("machine", "id", &row.id)?;
            let generation = Generation(count("machine", "generation", row.generation)?);
            let facts = facts.remove(&id).unwrap_or_default();
            let left = gone.remove(&id);
            let folded = MachineFacts::fold(generation, Vec::new(), Vec::new(), &facts, BTreeMap::new());
            let machine = ObservedMachine {
                name: read("machine", "name", &row.name)?,
                inspected: folded.inventory.as_ref().map(|seen| seen.since),
                inventory: folded.inventory.map(|seen| seen.value),
                ever_written: row.written_in.is_some(),
                written_in: row
                    .written_in
                    .map(|number| count("write_start", "generation", number).map(Generation))
                    .transpose()?,
                gone_in: left.map(|left| left.0),
                gone_at: left.map(|left| left.1),
                erased: folded.erased,
                installed: folded.installed.map(|seen| InstalledBinding {
                    binding: seen.value.binding,
                    spec: seen.value.spec,
                    generation: seen.value.job.generation,
                    disks: seen.value.disks.into_iter().collect(),
                    at: seen.since,
                }),
            };
            Ok((id, machine))
        })
        .collect()
}

/// The inventory and installation that stand, each with the fact since which it does, and the newest
/// erasure of each disk.
async fn standing_facts(
    connection: &mut PgConnection,
) -> Result<BTreeMap<MachineId, Vec<StoredFact>>, Fault> {
    let rows = query_as!(
        FactRow,
        r#"WITH standing AS (
            SELECT began.position AS first, newest.position AS last
            FROM machine CROSS JOIN unnest('{inventory,installed}'::text[]) AS kinds (kind)
            CROSS JOIN LATERAL (
                SELECT position, slot FROM fact WHERE machine = machine.id AND kind = kinds.kind
                ORDER BY position DESC LIMIT 1) AS newest
            CROSS JOIN LATERAL (
                SELECT position FROM fact
                WHERE machine = machine.id AND kind = kinds.kind AND position > greatest(
                    (SELECT position FROM fact
                     WHERE machine = machine.id AND kind = kinds.kind AND slot <> newest.slot
                     ORDER BY position DESC LIMIT 1),
                    -- What is found again after disks were written is news.
                    (SELECT position FROM fact
                     WHERE machine = machine.id AND kind IN ('installed', 'erased')
                       AND kinds.kind = 'inventory' AND position < newest.position
                     ORDER BY position DESC LIMIT 1), 0)
                ORDER BY position LIMIT 1) AS began)
        SELECT fact.machine AS "machine!", agent, sequence, received_ms, fact.body, inventory.body AS "inventory?"
        FROM fact LEFT JOIN inventory ON inventory.digest = fact.inventory
        WHERE position IN (SELECT first FROM standing UNION SELECT last FROM standing
            UNION SELECT max(position) FROM fact WHERE kind = 'erased' GROUP BY machine, slot)
        ORDER BY position"#
    )
    .fetch_all(connection)
    .await?;
    Ok(by_machine(rows)?)
}

/// Bindings that have not ended, with what they own.
async fn bindings(connection: &mut PgConnection) -> Result<BTreeMap<BindingId, Binding>, Fault> {
    let rows = query!(
        r#"SELECT id, deployment, slot, machine, state,
               ARRAY(SELECT disk FROM binding_disk WHERE binding = id) AS "disks!",
               ARRAY(SELECT address FROM binding_address WHERE binding = id) AS "addresses!"
           FROM binding WHERE state <> 'ended'"#
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let state = match row.state.as_str() {
                "active" => BindingState::Active,
                "leaving" => BindingState::Leaving,
                other => return Err(unreadable("binding", "state", &other).into()),
            };
            let disks = row.disks.iter().map(|disk| read("binding_disk", "disk", disk));
            let addresses = row
                .addresses
                .iter()
                .map(|address| read("binding_address", "address", address));
            let binding = Binding {
                deployment: read("binding", "deployment", &row.deployment)?,
                slot: count("binding", "slot", row.slot)?,
                machine: read("binding", "machine", &row.machine)?,
                disks: disks.collect::<Result<BTreeSet<_>, _>>()?,
                addresses: addresses.collect::<Result<BTreeSet<_>, _>>()?,
                state,
            };
            Ok((read("binding", "id", &row.id)?, binding))
        })
        .collect()
}

/// Addresses that may not be given out now, with their user where known.
async fn addresses(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<BTreeMap<IpAddr, Option<Mac>>, Fault> {
    let rows = query!(
        "SELECT received_ms, body FROM fact WHERE position IN (
             SELECT max(position) FROM fact
             WHERE machine IS NULL AND kind IN ('leased', 'address-seen') GROUP BY kind, slot)
         ORDER BY position"
    )
    .fetch_all(connection)
    .await?;
    let mut in_use = BTreeMap::new();
    for row in rows {
        let fact = whole(row.body, None)?;
        let received = time(row.received_ms);
        match fact.body {
            // Both ends are by the agent's clock, so its length is right even where the clock is not.
            FactBody::Leased { mac, address, until } if received.plus(until.since(fact.at)) > now => {
                in_use.insert(address, Some(mac));
            }
            FactBody::AddressSeen { address, mac } if received.plus(SEEN_COUNTS) > now => {
                in_use.insert(address, mac);
            }
            _ => {}
        }
    }
    Ok(in_use)
}
