//! `muster log`: what happened, a line each, newest last.
//!
//! musterd gives pages that begin with the newest. They are read back as far as was asked for and then
//! printed in the order in which things happened.

use crate::arguments::Log;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::say::{stream, stream_json, tell};
use reconciler_core::people::{self, LogEntry, LogPage, LogPlace, LogRequest};
use schema_ids::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Looks in a row that may fail before it gives up: musterd may be restarting.
const FAILED_LOOKS_MAX: u32 = 120;

/// Pages read back at most, of 500 entries each: an hour of a fleet of ten thousand that is all installed at
/// once. Who wants more asks machine by machine.
const PAGES_MAX: usize = 200;

/// How often `--follow` looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A record is stamped when its writing begins and seen when it is written, for which musterd takes at most
/// 60 s: so far back a look may still find something new.
const LATE_MAX: Duration = Duration::from_secs(60);

/// How far back is read.
#[derive(Clone, Copy)]
enum Back {
    /// The newest page.
    Page,
    /// To this time.
    To(Timestamp),
    /// So long before now.
    Past(Duration),
}

/// Prints; with `--follow` until Ctrl-C.
pub(crate) fn run(client: &Client, wish: &Log, json: bool) -> Result<Exit, Failure> {
    let back = wish.since.map_or(Back::Page, |since| Back::Past(since.0));
    let (mut entries, now) = read(client, wish, back)?;
    if let Some(until) = wish.until {
        let until = until.at(now);
        entries.retain(|entry| entry.at <= until);
    }
    let mut goes_on = print(&entries, json)? && wish.follow;
    let mut shown: BTreeMap<String, Timestamp> = keys(&entries);
    let mut newest = entries.last().map_or(now, |entry| entry.at);
    let mut failed = 0;
    while goes_on {
        std::thread::sleep(LOOK_EVERY);
        let since = earlier(newest, LATE_MAX);
        let mut entries = match read(client, wish, Back::To(since)) {
            Ok((entries, _)) => entries,
            Err(failure) => {
                failed += 1;
                if failed == FAILED_LOOKS_MAX {
                    return Err(failure);
                }
                continue;
            }
        };
        failed = 0;
        entries.retain(|entry| !shown.contains_key(&entry.key));
        goes_on = print(&entries, json)?;
        shown.extend(keys(&entries));
        shown.retain(|_, at| *at >= since);
        newest = entries.iter().map(|entry| entry.at).fold(newest, Timestamp::max);
    }
    Ok(Exit::Done)
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(at.unix_ms().saturating_sub(by))
}

fn keys(entries: &[LogEntry]) -> BTreeMap<String, Timestamp> {
    entries
        .iter()
        .map(|entry| (entry.key.clone(), entry.at))
        .collect()
}

/// Entries so far back, newest last, and the daemon's clock.
fn read(client: &Client, wish: &Log, back: Back) -> Result<(Vec<LogEntry>, Timestamp), Failure> {
    let mut entries: Vec<LogEntry> = Vec::new();
    let (mut now, mut before): (_, Option<LogPlace>) = (None, None);
    for pages in 1.. {
        let request = LogRequest {
            machine: wish.machine.clone(),
            before,
        };
        let page: LogPage = client.post(people::LOG, &request)?;
        let now = *now.get_or_insert(page.now);
        let since = match back {
            Back::Page => None,
            Back::To(since) => Some(since),
            Back::Past(past) => Some(earlier(now, past)),
        };
        let reached = page.entries.last().map(|entry| entry.at) < since;
        entries.extend(page.entries);
        before = page.before;
        if since.is_none() || reached || before.is_none() {
            entries.retain(|entry| Some(entry.at) >= since);
            break;
        }
        if pages == PAGES_MAX {
            tell(format_args!(
                "more than {} entries: the older ones are left out",
                entries.len()
            ));
            break;
        }
    }
    // Within one source the order is that of writing, which a clock that was set back does not follow.
    entries.reverse();
    entries.sort_by_key(|entry| entry.at);
    let now = now.unwrap_or(Timestamp::from_unix_ms(0));
    Ok((entries, now))
}

/// Prints; gives whether anybody still reads.
fn print(entries: &[LogEntry], json: bool) -> Result<bool, Failure> {
    if json {
        let lines = entries
            .iter()
            .map(|entry| serde_json::json!(entry).to_string() + "\n");
        return stream_json(lines.collect::<String>());
    }
    let entries = without_repeats(entries);
    let width = entries.iter().map(|entry| name(entry).len()).max().unwrap_or(0);
    let lines = entries.iter().map(|entry| {
        let LogEntry { at, what, by, .. } = entry;
        format!("{at}  {:<width$}  {what}  [{by}]\n", name(entry))
    });
    stream(lines.collect::<String>())
}

/// Leaves out what the machine's next entry tells again and further.
fn without_repeats(entries: &[LogEntry]) -> Vec<&LogEntry> {
    let mut next: BTreeMap<_, &Option<String>> = BTreeMap::new();
    let mut kept: Vec<_> = entries
        .iter()
        .rev()
        .filter(|entry| {
            let told_further = next.insert(&entry.id, &entry.story) == Some(&entry.story);
            !(told_further && entry.story.is_some())
        })
        .collect();
    kept.reverse();
    kept
}

/// The machine concerned; a dash for the fleet.
fn name(entry: &LogEntry) -> &str {
    entry.machine.as_ref().map_or("-", |name| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::without_repeats;
    use reconciler_core::people::LogEntry;
    use schema_ids::{MachineId, Timestamp, Uuid};

    fn entry(machine: u8, what: &str, story: Option<&str>) -> LogEntry {
        LogEntry {
            key: what.to_owned(),
            at: Timestamp::from_unix_ms(0),
            machine: None,
            id: Some(MachineId(Uuid::from_bytes([machine; 16]))),
            what: what.to_owned(),
            by: "rackd-1".to_owned(),
            story: story.map(str::to_owned),
        }
    }

    #[test]
    fn a_boot_is_one_line_until_something_else_happens() {
        let boot = Some("boot");
        let entries = [
            entry(1, "asked", boot),
            entry(2, "other machine", boot),
            entry(1, "initrd", boot),
            entry(1, "job begun", None),
            entry(1, "fence", None),
            entry(1, "image 1", boot),
            entry(1, "image 2", boot),
            entry(1, "next boot", Some("second boot")),
        ];
        let kept: Vec<_> = without_repeats(&entries)
            .iter()
            .map(|entry| entry.what.as_str())
            .collect();
        assert_eq!(
            kept,
            [
                "other machine",
                "initrd",
                "job begun",
                "fence",
                "image 2",
                "next boot"
            ]
        );
    }
}
