//! A deployment that counts: two of four machines, then three; new names; fewer again. Whoever runs is left alone.

use crate::error::Result;
use crate::trial::bed::Bed;
use crate::trial::fleet::{Fleet, IMAGES, LAYOUTS, SECRET, Wanted};
use crate::trial::traces::Traces;
use crate::trial::watch::{self, Goal, disproved};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// All alike, so that the rack's order of names decides.
pub(crate) const MACHINES: &[&str] = &["alpha", "beta", "gamma", "delta"];

/// What the machine in the first slot is called later.
const RENAMED: &str = "front";

pub(crate) fn run(bed: &Bed) -> Result<()> {
    let ready = fleet(bed, None)?;
    ready.write_secret(SECRET, true)?;
    bed.commit(&ready, "Declare four machines")?;
    let idle: Vec<_> = MACHINES
        .iter()
        .map(|name| (*name, Goal::Settled("ready")))
        .collect();
    watch::all(bed, &idle)?;

    bed.commit(&fleet(bed, None)?.and(&web("web", 2, "")), "Count two")?;
    let slots = deployed(bed, "web", 2)?;
    let first = Traces::of(bed, &of(&slots)?)?;

    bed.commit(&fleet(bed, None)?.and(&web("web", 3, "")), "Count three")?;
    let slots = deployed(bed, "web", 3)?;
    first.left_alone(bed)?;
    let all = Traces::of(bed, &of(&slots)?)?;
    let orders = bed.count("order_issued")?;

    let old = slots[&1].as_str();
    let moved = format!("[moved.machine.{old}]\nto = \"{RENAMED}\"\n[moved.deployment.web]\nto = \"site\"");
    let renamed = || fleet(bed, Some(old));
    let shown = bed.propose(&renamed()?.and(&web("site", 3, "")).and(&moved), "Rename")?;
    says(
        &shown,
        &[
            "rename deployment.site",
            "rename machine.front",
            "nothing is done",
        ],
    )?;
    followed(bed, old)?;
    watch::nothing_left(bed)?;

    let picky = web("site", 4, "").replace("arch =", "tags = [\"none\"], arch =");
    bed.commit(&renamed()?.and(&picky).and(&moved), "Count more than there are")?;
    let why = bed.why("deployment.site")?;
    says(
        &why,
        &[
            "TOO_FEW_MACHINES",
            "it counts 4 and lacks 1",
            "1 without the tag none",
        ],
    )?;
    says(&bed.why(RENAMED)?, &["NO_LONGER_FITS"])?;
    println!("{why}");

    bed.commit(
        &renamed()?.and(&web("site", 2, "")).and(&moved),
        "Count two again",
    )?;
    let third = slots[&3].as_str();
    watch::all(bed, &[(third, Goal::Waits("ORPHANED", third))])?;
    says(
        &bed.why(third)?,
        &["site counts 2, and site[3] is one too many", "release = {"],
    )?;
    // The idle one too was left alone through all of this.
    bed.agent_heard()?;
    if bed.count("order_issued")? != orders {
        return disproved("something was ordered for a new name, a wish that nobody meets, or a lower count");
    }
    let release = format!("release = {{ machines = [\"{third}\"], disks = \"retain\", reason = \"over\" }}");
    let released = renamed()?.and(&web("site", 2, &release)).and(&moved);
    bed.commit(&released, "Take the third slot back")?;
    watch::all(
        bed,
        &[
            (third, Goal::Settled("ready")),
            (RENAMED, Goal::Settled("deployed")),
        ],
    )?;
    all.no_write(bed)?;
    watch::nothing_left(bed)
}

/// The machines; the one of this name has another now.
fn fleet<'a>(bed: &'a Bed, renamed: Option<&str>) -> Result<Fleet<'a>> {
    let mut fleet = bed.fleet();
    for name in MACHINES {
        let mut spec = bed.spec(name)?.clone();
        if renamed == Some(*name) {
            RENAMED.clone_into(&mut spec.name);
        }
        let idle = Wanted {
            image: None,
            ..Wanted::default()
        };
        fleet = fleet.with(&spec, idle);
    }
    Ok(fleet)
}

fn web(name: &str, count: u32, more: &str) -> String {
    format!(
        "[deployment.{name}]\ncount = {count}\nrequire = {{ rack = \"r1\", arch = \"amd64\" }}\n\
         hostname = \"web-{{slot}}\"\nimage = \"{}\"\nstorage = \"{}\"\nnetwork = \"one-port\"\n{more}",
        IMAGES[0], LAYOUTS[0].0
    )
}

/// The machine in each slot, by the status document.
fn slots_of(status: &Value, deployment: &str) -> BTreeMap<u32, String> {
    let deployments = status["deployments"].as_array();
    let found = deployments.and_then(|all| all.iter().find(|one| one["name"] == deployment));
    let slots = found
        .and_then(|found| found["slots"].as_object())
        .into_iter()
        .flatten();
    slots
        .filter_map(|(slot, name)| Some((slot.parse().ok()?, name.as_str()?.to_owned())))
        .collect()
}

/// Waits until so many are deployed; the others are ready.
fn deployed(bed: &Bed, deployment: &str, count: usize) -> Result<BTreeMap<u32, String>> {
    let mut slots = BTreeMap::new();
    watch::until(bed, "the slots", |status| {
        slots = slots_of(status, deployment);
        Ok(slots.len() == count)
    })?;
    let goals: Vec<_> = MACHINES
        .iter()
        .map(|name| match slots.values().any(|slot| slot == name) {
            true => (*name, Goal::Settled("deployed")),
            false => (*name, Goal::Settled("ready")),
        })
        .collect();
    watch::all(bed, &goals)?;
    println!("{deployment}: {slots:?}");
    Ok(slots)
}

fn of(slots: &BTreeMap<u32, String>) -> Result<Vec<&'static str>> {
    let known = |slot: &String| MACHINES.iter().copied().find(|name| name == slot);
    let names: Vec<_> = slots.values().filter_map(known).collect();
    match names.len() == slots.len() {
        true => Ok(names),
        false => disproved(format!("slots of unknown machines: {slots:?}")),
    }
}

/// People, the database and the rack agent know the new names, and not the old ones.
fn followed(bed: &Bed, old: &str) -> Result<()> {
    watch::all(bed, &[(RENAMED, Goal::Settled("deployed"))])?;
    let machine = bed.machine(RENAMED)?;
    let is_in_slot = machine["wanted"]
        .as_str()
        .is_some_and(|wanted| wanted.starts_with("site[1] "));
    if !is_in_slot || !bed.machine(old)?.is_null() {
        return disproved(format!(
            "{old} is not called {RENAMED} in slot 1 of site: {machine}"
        ));
    }
    says(&bed.why(RENAMED)?, &["front is deployed, wanted site[1]"])?;
    let sql = |of: &str| bed.count(of);
    let (named, bound) = (
        sql("machine WHERE name = 'front'")?,
        sql("binding WHERE deployment = 'site' AND state = 'active'")?,
    );
    if (named, bound) != (1, 3) {
        return disproved(format!("{named} machines called front, {bound} bindings of site"));
    }
    watch::until(bed, "the rack agent's copy to have the new name", |_| {
        let kept = fs::read_to_string(bed.rack.run.path(AGENTS_COPY)).unwrap_or_default();
        Ok(kept.contains("\"name\":\"front\"") && !kept.contains(&format!("\"name\":\"{old}\"")))
    })
}

/// What the rack agent keeps of what it was told.
const AGENTS_COPY: &str = "rackd/desired.json";

fn says(text: &str, wanted: &[&str]) -> Result<()> {
    match wanted.iter().find(|wanted| !text.contains(**wanted)) {
        None => Ok(()),
        Some(lacking) => disproved(format!("{lacking:?} is not said:\n{text}")),
    }
}
