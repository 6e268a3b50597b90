//! What this control plane is: made once, and given a new life after a restore.

use crate::column::{count, read};
use crate::store::Fault;
use crate::{By, Store, StoreError, audit};
use schema_ids::{Incarnation, Uuid};
use sqlx::{PgConnection, query, query_scalar};

/// What this control plane is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Random, made once; seeds every minted identity.
    pub fleet_uid: Uuid,
    /// This life of the database.
    pub incarnation: Incarnation,
}

impl Store {
    /// What this control plane is.
    pub async fn identity(&self) -> Result<Identity, StoreError> {
        self.run("reading the fleet's identity", async {
            let mut snapshot = self.pool.acquire().await?;
            let uid = query_scalar!("SELECT uid FROM fleet")
                .fetch_one(&mut *snapshot)
                .await?;
            Ok(Identity {
                fleet_uid: read("fleet", "uid", &uid)?,
                incarnation: incarnation(&mut snapshot).await?,
            })
        })
        .await
    }

    /// The key of the job tokens, 64 hexadecimal digits. A secret: never logged, and never kept, since another
    /// takes its place whenever an agent is revoked.
    pub async fn token_key(&self) -> Result<String, StoreError> {
        self.run("reading the key of the job tokens", async {
            let key = query_scalar!("SELECT token_key FROM fleet");
            Ok(key.fetch_one(&self.pool).await?)
        })
        .await
    }

    /// Why nothing may be ordered: what agents know and this database does not.
    pub async fn restored(&self) -> Result<Option<String>, StoreError> {
        self.run("looking for signs of a restore", async {
            Ok(restored(&mut *self.pool.acquire().await?).await?)
        })
        .await
    }

    /// Raises the incarnation, which lays the evidence of a restore to rest. Agents and markers obey the
    /// new one from their next word on.
    pub async fn recover(&self, by: &By) -> Result<Incarnation, StoreError> {
        let raised = self
            .run("raising the incarnation", async {
                let mut transaction = self.begin().await?;
                // Two people recovering at once make one new life each; the later one counts.
                query!("LOCK TABLE incarnation IN EXCLUSIVE MODE")
                    .execute(&mut *transaction)
                    .await?;
                query!(
                    "INSERT INTO incarnation (number, uuid)
                     SELECT max(number) + 1, gen_random_uuid()::text FROM incarnation"
                )
                .execute(&mut *transaction)
                .await?;
                let raised = incarnation(&mut transaction).await?;
                let subject = raised.number.to_string();
                audit::write(&mut transaction, "recovered", None, &subject, by).await?;
                transaction.commit().await?;
                Ok(raised)
            })
            .await?;
        self.hint();
        Ok(raised)
    }

    /// Makes the fleet's uid, first incarnation and token key where they are missing. Two UUIDs hold
    /// 244 random bits; the digest makes one key of them.
    pub(crate) async fn ensure_identity(&self) -> Result<(), StoreError> {
        self.run("making the fleet's identity", async {
            query!(
                "INSERT INTO fleet (uid, token_key)
                 VALUES (gen_random_uuid()::text,
                         encode(sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea), 'hex'))
                 ON CONFLICT (single) DO NOTHING"
            )
            .execute(&self.pool)
            .await?;
            query!(
                "INSERT INTO incarnation (number, uuid) VALUES (1, gen_random_uuid()::text)
                 ON CONFLICT (number) DO NOTHING"
            )
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }
}

/// Makes another key of the job tokens: whoever knows the former one can neither make nor use a token.
pub(crate) async fn renew_token_key(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    query!(
        "UPDATE fleet SET token_key =
             encode(sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea), 'hex')"
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The current incarnation.
pub(crate) async fn incarnation(connection: &mut PgConnection) -> Result<Incarnation, Fault> {
    let row = query!("SELECT number, uuid FROM incarnation ORDER BY number DESC LIMIT 1")
        .fetch_one(connection)
        .await?;
    Ok(Incarnation {
        number: count("incarnation", "number", row.number)?,
        uuid: read("incarnation", "uuid", &row.uuid)?,
    })
}

/// Signs of a restore in the current incarnation, in words.
pub(crate) async fn restored(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    query_scalar!(
        "SELECT string_agg(evidence, '; ' ORDER BY at_ms, agent) FROM restored
         WHERE incarnation = (SELECT max(number) FROM incarnation)"
    )
    .fetch_one(connection)
    .await
}
