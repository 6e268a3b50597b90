//! How long the newest installations took: from the order of the job to the first word of the system that it installed.
//!
//! Both ends are by the database's clock. An installation that nobody heard of again, or that another one followed first, is
//! of no length.

use crate::column::{read, time};
use crate::stored::whole;
use crate::{Store, StoreError};
use rack_api::fact::FactBody;
use schema_ids::{MachineId, Name};
use sqlx::query;
use std::time::Duration;

/// So many are enough for every percentile that is told, and few enough to be read with each plan.
const NEWEST_MAX: i64 = 1000;

/// Hardware, images and networks of longer ago say little of today's.
const COUNTS: Duration = Duration::from_secs(90 * 24 * 3600);

/// One installation that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Of which machine.
    pub machine: MachineId,
    /// With which image, by its name then.
    pub image: Name,
    /// How long it took, to the second.
    pub seconds: u64,
}

impl Store {
    /// The newest installations that are over, newest first: no more than 1000, none of more than 90 days ago.
    pub async fn installations(&self) -> Result<Vec<Installation>, StoreError> {
        self.run("reading how long installations took", async {
            let mut snapshot = self.begin_reading().await?;
            // Text of git may hold a NUL, on which Postgres gives up when it is asked for any part of the document.
            let rows = query!(
                r#"SELECT installed.machine AS "machine!", installed.body AS "installed!", home.body AS "home!",
                       ordered.at_ms AS "ordered_ms!", home.received_ms AS "home_ms!",
                       CASE WHEN strpos(ordered.body::text, '\u0000') = 0
                            THEN ordered.body #>> '{action,boot,job,kind,deploy,image,name}' END AS image
                   FROM (SELECT position, machine, generation, received_ms, body FROM fact
                         WHERE kind = 'installed' AND received_ms > now_ms() - $1
                         ORDER BY received_ms DESC, position DESC LIMIT $2) AS installed
                   CROSS JOIN LATERAL (
                       SELECT at_ms, body FROM order_issued
                       WHERE machine = installed.machine AND lane = 'boot'
                         AND generation = installed.generation AND at_ms <= installed.received_ms
                       ORDER BY incarnation DESC, number DESC LIMIT 1) AS ordered
                   CROSS JOIN LATERAL (
                       SELECT position, received_ms, body FROM fact
                       WHERE machine = installed.machine AND kind = 'phoned-home' AND position > installed.position
                       ORDER BY position LIMIT 1) AS home
                   WHERE NOT EXISTS (
                       SELECT FROM fact
                       WHERE machine = installed.machine AND kind = 'installed'
                         AND position > installed.position AND position < home.position)
                   ORDER BY installed.received_ms DESC, installed.position DESC"#,
                i64::try_from(COUNTS.as_millis()).unwrap_or(i64::MAX),
                NEWEST_MAX
            )
            .fetch_all(&mut *snapshot)
            .await?;
            snapshot.commit().await?;
            let mut all = Vec::new();
            for row in rows {
                let Some(image) = row.image else { continue };
                let (installed, home) = (whole(row.installed, None)?, whole(row.home, None)?);
                if !is_its_word(&installed.body, &home.body) {
                    continue;
                }
                all.push(Installation {
                    machine: read("fact", "machine", &row.machine)?,
                    image: read("order_issued", "body", &image)?,
                    seconds: time(row.home_ms).since(time(row.ordered_ms)).as_secs(),
                });
            }
            Ok(all)
        })
        .await
    }
}

/// Whether it was the system installed that phoned home.
fn is_its_word(installed: &FactBody, home: &FactBody) -> bool {
    match (installed, home) {
        (FactBody::Installed { binding, .. }, FactBody::PhonedHome { binding: of, .. }) => binding == of,
        _ => false,
    }
}
