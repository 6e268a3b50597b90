//! What happened, in words, for `muster log`: the store's records, each made one line.
//!
//! It keeps nothing. What git says of a commit is asked of the mirror; a commit that is not there any more
//! is told by its number.

use crate::daemon::Daemon;
use reconciler_core::facts::WriteStart;
use reconciler_core::log::{fact, line, story};
use reconciler_core::people::{LogEntry, LogPage, LogPlace, LogRequest};
use reconciler_git::CommitInfo;
use reconciler_store::{By, LogRecord, Logged, Revision, StoreError};
use std::collections::BTreeMap;

/// Who answers "may I write?".
const OURSELVES: &str = "musterd";

/// A page of the log; `None` if no machine is called so.
pub(crate) async fn page(daemon: &Daemon, request: &LogRequest) -> Result<Option<LogPage>, StoreError> {
    let machines = match &request.machine {
        None => None,
        Some(name) => Some(daemon.store.machines_called(name).await?),
    };
    if machines.as_ref().is_some_and(Vec::is_empty) {
        return Ok(None);
    }
    let now = daemon.store.now().await?;
    let before = request.before.clone().unwrap_or_else(LogPlace::end);
    let page = daemon.store.log(machines.as_deref(), &before).await?;
    let commits = commits(daemon, &page.records).await;
    let entries = page.records.into_iter().map(|record| entry(record, &commits));
    Ok(Some(LogPage {
        now,
        entries: entries.collect(),
        before: page.before,
    }))
}

/// What git says of the commits that the records name, as far as it knows them.
async fn commits(daemon: &Daemon, records: &[LogRecord]) -> BTreeMap<String, CommitInfo> {
    let mut commits = BTreeMap::new();
    for record in records {
        let Logged::Revision(revision) = &record.what else {
            continue;
        };
        if commits.contains_key(&revision.commit) {
            continue;
        }
        if let Ok(Some(info)) = daemon.source.resolve(revision.commit.clone()).await {
            commits.insert(revision.commit.clone(), info);
        }
    }
    commits
}

fn entry(record: LogRecord, commits: &BTreeMap<String, CommitInfo>) -> LogEntry {
    let (what, by) = match &record.what {
        Logged::Fact { agent, fact: seen } => (fact(&seen.body), agent.to_string()),
        Logged::Done { what, subject, by } => (done(what, subject, by), by.who.clone()),
        Logged::Start(start) => (answer(start), OURSELVES.to_owned()),
        Logged::Revision(revision) => {
            let info = commits.get(&revision.commit);
            let author = info.map_or(OURSELVES, |info| &info.author);
            (stand(revision, info), author.to_owned())
        }
    };
    let story = match &record.what {
        Logged::Fact { fact, .. } => story(&fact.body),
        _ => None,
    };
    LogEntry {
        key: record.key,
        at: record.at,
        machine: record.name,
        id: record.machine,
        what: line(&what),
        by: line(&by),
        story,
    }
}

/// What someone did.
fn done(what: &str, subject: &str, by: &By) -> String {
    let why = &by.why;
    match what {
        "machine-adopted" => format!("adopted as it runs into {subject}"),
        "adoption-ended" => format!("no longer in {subject} as it was adopted"),
        "plan-adopted" => format!("plan {subject} adopted: {why}"),
        "order-issued" => format!("ordered: {why} ({subject})"),
        "approval" => format!("approved {subject}: {why}"),
        "approval-withdrawn" => format!("took the approval of {subject} back: {why}"),
        "recovered" => format!("incarnation {subject} begins: {why}"),
        "token-minted" => format!("a token that enrols {subject} minted: {why}"),
        "agent-enrolled" => why.clone(),
        "agent-revoked" => format!("{subject} revoked: {why}"),
        "bmcs-handed-over" => format!("the BMCs of {subject}: {why}"),
        "authority-changed" => format!("{why}: {subject}"),
        "hold-made" => format!("hold {subject}: {why}"),
        "hold-ended" if why.is_empty() => format!("hold {subject} ended"),
        "hold-ended" => format!("hold {subject} ended: {why}"),
        "stopped" => format!("{subject} stopped: {why}"),
        "resumed" if why.is_empty() => format!("{subject} resumed"),
        "resumed" => format!("{subject} resumed: {why}"),
        _ => format!("{what} {subject}: {why}"),
    }
}

/// An answer to "may I write?".
fn answer(start: &WriteStart) -> String {
    let (generation, attempt) = (start.job.generation, start.job.attempt);
    let asked = format!("may it write, generation {generation}, try {attempt}?");
    match &start.refused {
        None => format!("{asked} yes"),
        Some((code, reason)) => format!("{asked} no, {code}: {reason}"),
    }
}

/// Where a commit stands.
fn stand(revision: &Revision, info: Option<&CommitInfo>) -> String {
    let commit = &revision.commit[..revision.commit.len().min(12)];
    let summary = info.map_or(String::new(), |info| format!(" \"{}\"", info.summary));
    let stage = revision.stage.as_str();
    match &revision.condition {
        None => format!("commit {commit}{summary} is {stage}"),
        Some((code, reason)) => format!("commit {commit}{summary} stopped after {stage}, {code}: {reason}"),
    }
}
