//! Renewal: an agent takes a new authority and lets go of the old one, renews its certificate by itself before it
//! ends, and is obeyed and heard when all that it began with has ended. Its key stays the same throughout.

use crate::error::{Result, RigError, failed};
use crate::trial::bed::Bed;
use crate::trial::fleet::{SECRET, Wanted};
use crate::trial::watch::{self, Goal, disproved};
use schema_ids::{Digest, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::time::Duration;

/// One that is inspected before anything is renewed, and deployed after everything was.
pub(crate) const MACHINES: &[&str] = &["node"];

/// How musterd is started: a certificate ends within the trial, and a loaded host has some seconds between the day to
/// renew it and its end.
pub(crate) const DAEMON: &[&str] = &["--agent-certificate-seconds", "24"];

/// After which such a certificate is renewed: two thirds.
const DUE_AFTER: Duration = Duration::from_secs(16);

/// What the agent says when it has another certificate, on disk too.
const RENEWED: &str = "the certificate is renewed";
/// And why it wanted one, where that is not its age.
const OTHER_AUTHORITIES: &str = "the daemon trusts other authorities";

/// What musterd says of the agent.
#[derive(Debug, Deserialize)]
struct Known {
    /// Of its public key.
    key: Digest,
    heard: Option<Timestamp>,
    newest_authority: bool,
}

/// What the agent has on its disk.
#[derive(Debug, PartialEq)]
struct OnDisk {
    /// Of the private key's file: failures print this.
    key: Digest,
    certificate: String,
    authorities: Vec<String>,
    issued: Timestamp,
    ends: Timestamp,
}

pub(crate) fn run(bed: &Bed) -> Result<()> {
    let (first, enrolled) = (OnDisk::read(bed)?, Known::ask(bed)?);
    let ready = Wanted {
        image: None,
        ..Wanted::default()
    };
    let fleet = bed.fleet().with(bed.spec("node")?, ready);
    fleet.write_secret(SECRET, true)?;
    bed.commit(&fleet, "Inspect one")?;

    let rolled = new_authority(bed, &first)?;
    by_age(bed, &rolled)?;
    let last = first.ends.max(rolled.ends);
    watch::until(bed, "an end of the certificates before", |status| {
        Ok(time(&status["now"]).is_some_and(|now| now > last))
    })?;
    let fleet = bed.fleet().with(bed.spec("node")?, Wanted::default());
    bed.commit(&fleet, "Deploy it")?;
    watch::all(bed, &[("node", Goal::Settled("deployed"))])?;
    let known = Known::ask(bed)?;
    if known.key != enrolled.key || known.heard <= Some(last) {
        return disproved(format!("musterd knew {enrolled:?}, and knows {known:?}"));
    }
    watch::nothing_left(bed)
}

/// A new authority signs, then the old one is trusted no more: the agent follows by itself, both times.
fn new_authority(bed: &Bed, first: &OnDisk) -> Result<OnDisk> {
    println!("{}", bed.programs.muster(&["agent", "roll-ca"])?);
    let both = renewed(bed, first, "a certificate of the new authority", |now| {
        Ok(now.authorities.len() == 2 && Known::ask(bed)?.newest_authority)
    })?;
    println!("{}", bed.programs.muster(&["agent", "roll-ca", "--finish"])?);
    let rolled = renewed(bed, &both, "the new authority alone", |now| {
        Ok(now.authorities.len() == 1 && now.authorities != first.authorities)
    })?;
    match bed.programs.agent.said().contains(OTHER_AUTHORITIES) {
        true => Ok(rolled),
        false => disproved("the agent did not see that the daemon's authorities had changed"),
    }
}

/// Nothing has changed but the time: another certificate, and not before it is due.
fn by_age(bed: &Bed, before: &OnDisk) -> Result<()> {
    let after = renewed(bed, before, "a renewal by age", |_| Ok(true))?;
    let age = after.issued.since(before.issued);
    println!("renewed after {} s", age.as_secs());
    match age >= DUE_AFTER && after.authorities == before.authorities {
        true => Ok(()),
        false => disproved(format!("{after:?} came after {before:?}")),
    }
}

/// Waits for a certificate after this one: another, that ends later, of the same key.
fn renewed(
    bed: &Bed,
    before: &OnDisk,
    awaited: &str,
    mut is_it: impl FnMut(&OnDisk) -> Result<bool>,
) -> Result<OnDisk> {
    let mut now = OnDisk::read(bed)?;
    watch::until(bed, awaited, |_| {
        now = OnDisk::read(bed)?;
        // It says so behind the last of its files; one that reads otherwise then is between two renewals.
        let said = format!("{RENEWED} ends={}", now.ends);
        Ok(now.issued > before.issued && bed.programs.agent.said().contains(&said) && is_it(&now)?)
    })?;
    match now.key == before.key && now.certificate != before.certificate && now.ends > before.ends {
        true => Ok(now),
        false => disproved(format!("{now:?} is no renewal of {before:?}")),
    }
}

impl OnDisk {
    fn read(bed: &Bed) -> Result<Self> {
        let file = |name: &str| {
            let path = bed.rack.run.path("rackd/identity").join(name);
            fs::read_to_string(&path).map_err(failed(format!("read {}", path.display())))
        };
        let standing: Value =
            serde_json::from_str(&file("agent.json")?).map_err(|error| RigError::Answer {
                whom: "muster-rackd".to_owned(),
                found: error.to_string(),
            })?;
        let told = |what: &str| {
            time(&standing[what]).ok_or_else(|| RigError::Answer {
                whom: "muster-rackd".to_owned(),
                found: standing.to_string(),
            })
        };
        Ok(Self {
            key: Digest(Sha256::digest(file("agent.key")?).into()),
            certificate: file("agent.pem")?,
            authorities: file("roots.pem")?
                .split_inclusive("-----END CERTIFICATE-----\n")
                .map(str::to_owned)
                .collect(),
            issued: told("issued")?,
            ends: told("ends")?,
        })
    }
}

impl Known {
    fn ask(bed: &Bed) -> Result<Self> {
        let text = bed.programs.muster(&["--json", "agent", "list"])?;
        let [one]: [Self; 1] = serde_json::from_str(&text).map_err(|_| RigError::Answer {
            whom: "muster agent list".to_owned(),
            found: text,
        })?;
        Ok(one)
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
