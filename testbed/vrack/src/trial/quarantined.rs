//! A machine that leaves is off with its data for its quarantine: through a start of musterd and a hand on its button; it
//! runs again where the entry is taken back in time, and is erased when the time is over, not before.

use crate::error::{Result, RigError};
use crate::trial::bed::Bed;
use crate::trial::fleet::Fleet;
use crate::trial::watch::{self, Goal, disproved};
use schema_ids::Timestamp;
use std::time::Duration;

/// The machine.
pub(crate) const MACHINE: &str = "kept";

/// Far above what a trial lasts.
pub(crate) const LONG: &str = "quick 7d";

/// So long that musterd has some to wait for.
const SHORT: (&str, Duration) = ("quick 40s", Duration::from_secs(40));

/// The goal of a machine in its long quarantine.
pub(crate) const IN_QUARANTINE: Goal<'_> = Goal::TriesAgain("QUARANTINED", "its data kept for 7 d");

/// From its first quarantine on; `fleet` is the one in which its deployment leaves so, or stays.
pub(crate) fn run<'a>(
    bed: &'a Bed,
    before: &str,
    fleet: &dyn Fn(Option<&str>) -> Result<Fleet<'a>>,
) -> Result<()> {
    let first = is_off(bed)?;
    no_write(bed, before, "in its quarantine")?;

    bed.programs.daemon.kill()?;
    bed.programs.start_daemon(&bed.rack)?;
    watch::all(bed, &[(MACHINE, IN_QUARANTINE)])?;
    if is_off(bed)? != first {
        return disproved("its quarantine began anew with musterd");
    }

    bed.switch(MACHINE, "power 1")?;
    watch::until(bed, "its quarantine to begin anew", |_| {
        Ok(off_since(bed)?.is_some_and(|since| since > first))
    })?;
    is_off(bed)?;
    println!("{MACHINE}: switched on by hand, off again");

    let (starts, orders) = (bed.starts(MACHINE)?, bed.orders(MACHINE)?);
    bed.agent_heard()?;
    if (bed.starts(MACHINE)?, bed.orders(MACHINE)?) != (starts, orders) {
        return disproved("a machine that is off in its quarantine is ordered about");
    }
    bed.commit(&fleet(None)?, "Take it back in time")?;
    watch::all(bed, &[(MACHINE, Goal::Settled("deployed"))])?;
    watch::until(bed, "its system to run", |_| {
        Ok(bed.rack.number(MACHINE, "power")? == 1 && bed.starts(MACHINE)? == starts + 1)
    })?;
    no_write(bed, before, "taken back")?;

    bed.commit(&fleet(Some(LONG))?, "Release it after all")?;
    watch::all(bed, &[(MACHINE, IN_QUARANTINE)])?;
    let since = is_off(bed)?;
    no_write(bed, before, "in its quarantine again")?;
    let (fate, length) = SHORT;
    bed.commit(&fleet(Some(fate))?, "Wait no longer than needed")?;
    watch::all(bed, &[(MACHINE, Goal::Settled("ready"))])?;
    let erased = erased(bed)?;
    if erased < since.plus(length) {
        return disproved(format!("off since {since}, it was erased at {erased}"));
    }
    println!("{MACHINE}: off since {since}, erased at {erased}");
    Ok(())
}

/// Since when it is off by musterd's word; by its BMC's it is too.
fn is_off(bed: &Bed) -> Result<Timestamp> {
    let power = bed.rack.number(MACHINE, "power")?;
    match off_since(bed)? {
        Some(since) if power == 0 => Ok(since),
        since => disproved(format!("off since {since:?}, and its BMC says power {power}")),
    }
}

/// Since when its quarantine runs.
fn off_since(bed: &Bed) -> Result<Option<Timestamp>> {
    let machine = bed.machine(MACHINE)?;
    let wait = &machine["wait"];
    match wait["condition"] == "QUARANTINED" {
        true => time(&wait["since"]).map(Some),
        false => Ok(None),
    }
}

/// When the record of its disk was made.
fn erased(bed: &Bed) -> Result<Timestamp> {
    let json = bed.programs.muster(&["show", MACHINE, "--json"])?;
    let read: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
    time(&read["erased"][format!("serial:disk-of-{MACHINE}")]["since"])
}

fn time(value: &serde_json::Value) -> Result<Timestamp> {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_err(|_| RigError::Answer {
        whom: "muster".to_owned(),
        found: format!("{value} is no time"),
    })
}

fn no_write(bed: &Bed, before: &str, when: &str) -> Result<()> {
    if bed.disk_digest(MACHINE)? == before {
        println!("{MACHINE}: no byte was written, {when}");
        return Ok(());
    }
    disproved(format!("{MACHINE}: its disk was written, {when}"))
}
