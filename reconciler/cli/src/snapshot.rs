//! `muster snapshot`: what planning reads of the daemon, signed, for `muster plan --offline`.

use crate::arguments::Snapshot as Wish;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json};
use reconciler_core::people::{self, SnapshotAnswer};

/// Asks for one, and writes it down.
pub(crate) fn run(client: &Client, wish: &Wish, json: bool) -> Result<Exit, Failure> {
    let answer: SnapshotAnswer = client.get(people::SNAPSHOT)?;
    let shown = if wish.key { &answer.allowed } else { &answer.sealed };
    match &wish.out {
        Some(path) => {
            let mut text = shown.clone();
            if !text.ends_with('\n') {
                text.push('\n');
            }
            let folder = path.parent().unwrap_or(path);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(path, text))
                .map_err(|source| Failure::File {
                    what: "write",
                    path: path.clone(),
                    source,
                })?;
        }
        None if json => {
            say_json(serde_json::to_value(&answer).expect("an answer is plain data and always serialises"))?;
        }
        None => say(shown)?,
    }
    Ok(Exit::Done)
}
