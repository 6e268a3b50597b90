//! What the agent keeps on its disk: the daemon's last word with sealed credentials, the orders, the
//! spool and the leases.
//!
//! All of it is a cache. What cannot be read is set aside with a warning, and the agent goes on as a
//! fresh one: it serves nothing before its next full sync.

use crate::journal::{read_lines, replace};
use rack_api::{config::RackConfig, sync::Spooled};
use rack_proto::{
    dhcp::{LeaseChange, Leases},
    orders::Orders,
    session::{KeptSpool, Session},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// The daemon's last word.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Word {
    /// What to serve; BMC accounts are sealed.
    pub(crate) config: RackConfig,
    pub(crate) orders: Orders,
}

/// A line of the spool.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SpoolLine {
    /// Everything up to this sequence was stored by the daemon.
    Acknowledged(u64),
    Fact(Box<Spooled>),
}

/// Where things are.
#[derive(Debug, Clone)]
pub(crate) struct StateDir(PathBuf);

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {path}")]
pub(crate) struct StateError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl StateDir {
    /// Makes the directory where it is missing, for this user alone.
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        let this = Self(path.to_owned());
        let mut private = DirBuilder::new();
        let made = private.recursive(true).mode(0o700).create(this.artefacts());
        made.map_err(|source| StateError {
            path: this.artefacts(),
            source,
        })?;
        Ok(this)
    }

    pub(crate) fn artefacts(&self) -> PathBuf {
        self.0.join("artefacts")
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.0.join("spool.jsonl")
    }

    pub(crate) fn leases(&self) -> PathBuf {
        self.0.join("leases.jsonl")
    }

    fn word(&self) -> PathBuf {
        self.0.join("desired.json")
    }

    /// The daemon's last word, or none.
    pub(crate) fn read_word(&self) -> Result<Word, StateError> {
        let path = self.word();
        let Some(text) = read(&path)? else {
            return Ok(Word::default());
        };
        Ok(serde_json::from_str(&text).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "what the daemon said last cannot be read");
            Word::default()
        }))
    }

    /// Keeps the daemon's word; accounts are in it as they came, sealed.
    pub(crate) fn write_word(&self, config: &RackConfig, orders: &Orders) -> io::Result<()> {
        let word = Word {
            config: config.clone(),
            orders: orders.clone(),
        };
        let mut text = serde_json::to_vec(&word).map_err(io::Error::other)?;
        // The same end that every state file has, by which a torn one shows.
        text.push(b'\n');
        replace(&self.word(), &text)
    }

    /// The spool; absent for a fresh agent.
    pub(crate) fn read_spool(&self) -> Result<Option<KeptSpool>, StateError> {
        let path = self.spool();
        let Some(text) = read(&path)? else {
            return Ok(None);
        };
        let mut spool = KeptSpool::default();
        let mut is_fresh = true;
        for line in lines::<SpoolLine>(&path, &text) {
            is_fresh = false;
            match line {
                SpoolLine::Acknowledged(sequence) => spool.acknowledged = spool.acknowledged.max(sequence),
                // A rewriting may have overtaken an append of the same facts.
                SpoolLine::Fact(fact)
                    if spool
                        .facts
                        .last()
                        .is_some_and(|last| last.sequence >= fact.sequence) => {}
                SpoolLine::Fact(fact) => spool.facts.push(*fact),
            }
        }
        let acknowledged = spool.acknowledged;
        spool.facts.retain(|fact| fact.sequence > acknowledged);
        Ok((!is_fresh).then_some(spool))
    }

    /// The leases as the journal tells them.
    pub(crate) fn read_leases(&self) -> Result<Leases, StateError> {
        let path = self.leases();
        let mut leases = Leases::default();
        for change in lines::<LeaseChange>(&path, &read(&path)?.unwrap_or_default()) {
            leases.apply(&change);
        }
        Ok(leases)
    }
}

/// The spool's lines for these facts.
pub(crate) fn fact_lines(facts: &[Spooled]) -> Vec<u8> {
    facts
        .iter()
        .flat_map(|fact| line(&SpoolLine::Fact(Box::new(fact.clone()))))
        .collect()
}

/// The spool's line that everything up to a sequence was stored.
pub(crate) fn acknowledged_line(sequence: u64) -> Vec<u8> {
    line(&SpoolLine::Acknowledged(sequence))
}

/// The whole spool.
pub(crate) fn spool_lines(session: &Session) -> Vec<u8> {
    let mut lines = Vec::new();
    // A fresh agent has no line at all, so that it stays one until its first answer.
    if let Some(acknowledged) = session.acknowledged() {
        lines = acknowledged_line(acknowledged);
    }
    lines.extend(
        session
            .facts()
            .flat_map(|fact| fact_lines(std::slice::from_ref(fact))),
    );
    lines
}

/// The journal's line for a change of the leases.
pub(crate) fn lease_line(change: &LeaseChange) -> Vec<u8> {
    line(change)
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).expect("state is plain data with string keys");
    text.push(b'\n');
    text
}

fn read(path: &Path) -> Result<Option<String>, StateError> {
    read_lines(path).map_err(|source| StateError {
        path: path.to_owned(),
        source,
    })
}

/// The lines up to the first that cannot be read.
fn lines<'a, T: Deserialize<'a>>(path: &'a Path, text: &'a str) -> impl Iterator<Item = T> + 'a {
    text.lines().map_while(move |line| {
        serde_json::from_str(line)
            .inspect_err(
                |error| tracing::warn!(path = %path.display(), %error, "the rest of this file is lost"),
            )
            .ok()
    })
}
