//! How far each commit has come: a history that is only appended to.

use crate::column::{clean, time, unreadable};
use crate::{Store, StoreError};
pub use reconciler_core::people::Stage;
use schema_ids::Timestamp;
use sqlx::{query, query_as};

/// Commits listed at most; older ones are found by their id.
const REVISIONS_MAX: i64 = 100;

/// Stands of one commit listed at most, oldest first; a commit normally has about seven.
const HISTORY_MAX: i64 = 1000;

/// Where a commit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The commit, 40 digits.
    pub commit: String,
    /// The last stage that it reached.
    pub stage: Stage,
    /// What it waits on there: a code and the reason.
    pub condition: Option<(String, String)>,
    /// Since when it stands like that.
    pub since: Timestamp,
}

/// A row, as [`crate::log`] reads it too.
pub(crate) struct Row {
    pub(crate) commit_id: String,
    pub(crate) stage: String,
    pub(crate) code: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) since_ms: i64,
}

impl Row {
    pub(crate) fn revision(self) -> Result<Revision, StoreError> {
        let stages = [
            Stage::Fetched,
            Stage::Verified,
            Stage::Checked,
            Stage::Planned,
            Stage::Guarded,
            Stage::Adopted,
        ];
        let stage = stages.into_iter().find(|stage| stage.as_str() == self.stage);
        Ok(Revision {
            commit: self.commit_id,
            stage: stage.ok_or_else(|| unreadable("revision", "stage", &self.stage))?,
            condition: self.code.zip(self.reason),
            since: time(self.since_ms),
        })
    }
}

impl Store {
    /// Records that a commit was seen on the branch that is followed, unless it was before. What people look
    /// at later, they did not see before it arrived.
    pub async fn record_arrival(&self, commit: &str) -> Result<(), StoreError> {
        self.run("recording a commit's arrival", async {
            query!(
                "INSERT INTO revision (commit_id, stage) SELECT $1, $2
                 WHERE NOT EXISTS (SELECT FROM revision WHERE commit_id = $1)",
                commit,
                Stage::Fetched.as_str()
            )
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Records where a commit stands; writes nothing if it stands so already, so that `since` holds.
    pub async fn record_revision(
        &self,
        commit: &str,
        stage: Stage,
        condition: Option<(&str, &str)>,
    ) -> Result<(), StoreError> {
        let (code, reason) = condition
            .map(|(code, reason)| (clean(code), clean(reason)))
            .unzip();
        let written = self
            .run("recording a revision", async {
                Ok(query!(
                    "INSERT INTO revision (commit_id, stage, code, reason)
                     SELECT $1, $2, $3, $4
                     WHERE (SELECT (stage, code, reason) IS NOT DISTINCT FROM ($2, $3, $4)
                            FROM revision_now WHERE commit_id = $1) IS NOT TRUE",
                    commit,
                    stage.as_str(),
                    code,
                    reason
                )
                .execute(&self.pool)
                .await?
                .rows_affected())
            })
            .await?;
        if written > 0 {
            self.hint();
        }
        Ok(())
    }

    /// Where each of the newest 100 commits stands, the one that moved last first.
    pub async fn revisions(&self) -> Result<Vec<Revision>, StoreError> {
        self.run("reading revisions", async {
            let rows = query_as!(
                Row,
                r#"SELECT commit_id AS "commit_id!", stage AS "stage!", code, reason, since_ms AS "since_ms!"
                   FROM revision_now ORDER BY position DESC LIMIT $1"#,
                REVISIONS_MAX
            )
            .fetch_all(&self.pool)
            .await?;
            rows.into_iter().map(|row| Ok(row.revision()?)).collect()
        })
        .await
    }

    /// Where one commit stands.
    pub async fn revision(&self, commit: &str) -> Result<Option<Revision>, StoreError> {
        self.run("reading a revision", async {
            let row = query_as!(
                Row,
                r#"SELECT commit_id AS "commit_id!", stage AS "stage!", code, reason, since_ms AS "since_ms!"
                   FROM revision_now WHERE commit_id = $1"#,
                commit
            )
            .fetch_optional(&self.pool)
            .await?;
            Ok(row.map(Row::revision).transpose()?)
        })
        .await
    }

    /// Every stand of one commit, oldest first.
    pub async fn revision_history(&self, commit: &str) -> Result<Vec<Revision>, StoreError> {
        self.run("reading a revision's history", async {
            let rows = query_as!(
                Row,
                "SELECT commit_id, stage, code, reason, since_ms FROM revision
                 WHERE commit_id = $1 ORDER BY position LIMIT $2",
                commit,
                HISTORY_MAX
            )
            .fetch_all(&self.pool)
            .await?;
            rows.into_iter().map(|row| Ok(row.revision()?)).collect()
        })
        .await
    }
}
