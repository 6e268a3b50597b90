//! When machines began to lose data in use: rows that the fleet's limit of an hour counts.
//!
//! A machine is counted for an intent with its boot order, which reserves its place, and anew when it is told that it may write: orders
//! stand for a day, and BMCs may be silent for as long. All of it is written under the epoch of the permits.

use crate::column::{count, generation, read, time};
use crate::{StoreError, store::Fault};
use schema_ids::{Generation, MachineId, Timestamp};
use sqlx::{PgConnection, query};

/// Counts a machine for an intent from now on, where it is not counted within the hour.
pub(crate) async fn reserve(
    connection: &mut PgConnection,
    machine: MachineId,
    of: Generation,
    now_ms: i64,
) -> Result<(), Fault> {
    query!(
        "INSERT INTO wipe_begun (machine, generation, at_ms) VALUES ($1, $2, $3)
         ON CONFLICT (machine, generation) DO UPDATE SET at_ms = excluded.at_ms
             WHERE wipe_begun.at_ms <= excluded.at_ms - 3600000",
        machine.to_string(),
        generation(of)?,
        now_ms
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts a machine for an intent from now on, if no more than `most` are counted within the hour then; else how many others are.
/// The caller has locked the permits' epoch.
pub(crate) async fn begin(
    connection: &mut PgConnection,
    machine: MachineId,
    of: Generation,
    most: u32,
) -> Result<Option<i64>, Fault> {
    let (id, of) = (machine.to_string(), generation(of)?);
    let row = query!(
        r#"SELECT count(*) FILTER (WHERE (machine, generation) <> ($1, $2)) AS "others!",
                  count(*) FILTER (WHERE (machine, generation) = ($1, $2)) AS "own!"
           FROM wipe_begun WHERE at_ms > now_ms() - 3600000"#,
        id,
        of
    )
    .fetch_one(&mut *connection)
    .await?;
    // Who has a place within the hour has it still if the limit was lowered meanwhile.
    if row.own == 0 && row.others >= i64::from(most) {
        return Ok(Some(row.others));
    }
    query!(
        "INSERT INTO wipe_begun (machine, generation, at_ms) VALUES ($1, $2, now_ms())
         ON CONFLICT (machine, generation) DO UPDATE SET at_ms = excluded.at_ms",
        id,
        of
    )
    .execute(connection)
    .await?;
    Ok(None)
}

/// Whom the last hour counts, in the order of their beginning.
pub(crate) async fn within_the_hour(
    connection: &mut PgConnection,
) -> Result<Vec<(MachineId, Generation, Timestamp)>, Fault> {
    let rows = query!(
        "SELECT machine, generation, at_ms FROM wipe_begun WHERE at_ms > now_ms() - 3600000 ORDER BY at_ms, machine"
    )
    .fetch_all(connection)
    .await?;
    let wiped = rows.into_iter().map(|row| {
        let machine = read("wipe_begun", "machine", &row.machine)?;
        let generation = Generation(count("wipe_begun", "generation", row.generation)?);
        Ok((machine, generation, time(row.at_ms)))
    });
    Ok(wiped.collect::<Result<_, StoreError>>()?)
}
