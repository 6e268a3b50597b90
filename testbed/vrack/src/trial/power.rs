//! Power: what a person orders stands, what someone switches is shown, and switched back where git says so; a
//! machine in the middle of a boot is not cut. Through `ipmi_sim` and through a BMC with cipher suite 17 alone.

use crate::error::Result;
use crate::scripted::Behaviour;
use crate::trial::bed::Bed;
use crate::trial::fleet::{SECRET, Wanted};
use crate::trial::watch::{self, Goal, disproved};
use serde_json::Value;

/// One that is left as people switch it; one that git wants on; one that never boots.
pub(crate) const MACHINES: &[&str] = &["left", "kept", "dark"];

/// Those with the double; `left` has `ipmi_sim`.
pub(crate) const DOUBLES: &[&str] = &["kept"];

pub(crate) fn run(bed: &Bed) -> Result<()> {
    let silent = Behaviour {
        boots: false,
        ..Behaviour::default()
    };
    bed.behave("dark", &silent)?;
    let kept = Wanted {
        lines: "power = \"on\"\n",
        ..Wanted::default()
    };
    let idle = Wanted {
        image: None,
        ..Wanted::default()
    };
    let fleet = bed
        .fleet()
        .with(bed.spec("left")?, Wanted::default())
        .with(bed.spec("kept")?, kept)
        .with(bed.spec("dark")?, idle);
    fleet.write_secret(SECRET, true)?;
    bed.commit(&fleet, "Deploy two, one of them wanted on, and inspect one")?;
    watch::all(
        bed,
        &[
            ("left", Goal::Settled("deployed")),
            ("kept", Goal::Settled("deployed")),
            ("dark", Goal::Waits("NO_BOOT", "no DHCP request")),
        ],
    )?;
    nothing_under_way_is_cut(bed)?;
    drift(bed)?;
    by_hand(bed)?;
    watch::nothing_left(bed)
}

fn nothing_under_way_is_cut(bed: &Bed) -> Result<()> {
    let orders = bed.orders("dark")?;
    let said = bed.programs.ask(&["--json", "machine", "power", "dark", "off"])?;
    if said.status.code() != Some(1) || !said.output.contains("\"BUSY\"") {
        return disproved(format!(
            "a machine that boots was cut ({}): {}",
            said.status, said.output
        ));
    }
    match bed.orders("dark")? == orders {
        true => Ok(()),
        false => disproved("what was refused was ordered"),
    }
}

/// Both are switched off at the front: one is shown, the other comes back.
fn drift(bed: &Bed) -> Result<()> {
    // What is ordered is carried out against whoever meddles: until it is seen done, that is no drift.
    watch::until(bed, "both seen on", |status| {
        let is_on = |name| {
            let machine = super::bed::find(status, name);
            machine["power"][0] == "on" && machine["power_order"]["end"] == "done"
        };
        Ok(is_on("left") && is_on("kept"))
    })?;
    let (left, kept) = (bed.orders("left")?, bed.starts("kept")?);
    bed.switch("left", "power 0")?;
    bed.switch("kept", "power 0")?;
    watch::all(bed, &[("left", Goal::Waits("POWER_DRIFT", "off since"))])?;
    watch::until(bed, "the machine that git wants on", |status| {
        let machine = super::bed::find(status, "kept");
        Ok(bed.starts("kept")? > kept && machine["wait"].is_null() && machine["power"][0] == "on")
    })?;
    if bed.orders("left")? != left {
        return disproved("drift was fought although git does not say so");
    }
    let said = bed.programs.muster(&["log", "kept"])?;
    match said.contains("git says power = \"on\"") {
        true => Ok(()),
        false => disproved(format!("the log does not say why it was switched on:\n{said}")),
    }
}

/// `left` is off by someone's hand.
fn by_hand(bed: &Bed) -> Result<()> {
    let starts = bed.starts("left")?;
    power(bed, &["left", "on", "--wait", "--reason", "back to work"])?;
    watch::all(bed, &[("left", Goal::Settled("deployed"))])?;
    power(bed, &["left", "soft-off", "--wait", "--reason", "a new fan"])?;
    watch::all(bed, &[("left", Goal::Waits("POWER_ORDERED", "ordered by"))])?;
    // The agent has read it again, and nothing was done against it.
    bed.agent_heard()?;
    if bed.starts("left")? != starts + 1 {
        return disproved("a machine that a person switched off was switched on");
    }
    let state: Value = said(&power(bed, &["left", "status"])?);
    if state["power"] != "off" || state["wait"]["condition"] != "POWER_ORDERED" || state["as-of"].is_null() {
        return disproved(format!("its power is not told: {state:#}"));
    }
    let log = bed.programs.muster(&["log", "left"])?;
    if !log.contains("ordered by") || !log.contains("a new fan") {
        return disproved(format!("the log does not say who and why:\n{log}"));
    }
    // One that is off is switched on by a cycle; then it is off, seen off, and on.
    for expected in [starts + 2, starts + 3] {
        power(bed, &["left", "cycle", "--wait"])?;
        if bed.starts("left")? != expected {
            return disproved("a cycle did not start it once");
        }
    }
    watch::all(bed, &[("left", Goal::Settled("deployed"))])?;
    // The same by cipher suite 17, against what git wants: it stands.
    power(
        bed,
        &["kept", "off", "--wait", "--reason", "moved to another rack"],
    )?;
    watch::all(
        bed,
        &[("kept", Goal::Waits("POWER_ORDERED", "moved to another rack"))],
    )?;
    power(bed, &["kept", "on", "--wait"])?;
    watch::all(bed, &[("kept", Goal::Settled("deployed"))])
}

fn power(bed: &Bed, words: &[&str]) -> Result<String> {
    println!("muster machine power {}", words.join(" "));
    bed.programs
        .muster(&[&["--json", "machine", "power"], words].concat())
}

fn said(document: &str) -> Value {
    serde_json::from_str(document).unwrap_or_default()
}
