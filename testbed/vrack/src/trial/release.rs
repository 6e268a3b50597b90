//! A machine leaves its deployment: the plan says what is erased, that is erased and nothing else, and it is on
//! record; a machine that is removed is switched off and never ordered about again.

use crate::error::{Result, failed};
use crate::scripted::Behaviour;
use crate::trial::bed::Bed;
use crate::trial::fleet::{Fleet, OTHER_SECRET, SECRET, Wanted};
use crate::trial::quarantined;
use crate::trial::traces::Traces;
use crate::trial::watch::{self, Goal, disproved};
use schema_ids::ContentId;

/// One is released and retired, one has a broken disk, one has nothing to do with it, one is kept for a while.
pub(crate) const MACHINES: &[&str] = &["leaver", "broken", "stayer", quarantined::MACHINE];

pub(crate) fn run(bed: &Bed) -> Result<()> {
    let whole = MACHINES.iter().try_fold(bed.fleet(), |fleet, name| {
        Ok(fleet.with(bed.spec(name)?, Wanted::default()))
    })?;
    whole.write_secret(SECRET, true)?;
    whole.write_secret(OTHER_SECRET, false)?;
    bed.commit(&whole, "Deploy all")?;
    let deployed: Vec<_> = MACHINES
        .iter()
        .map(|name| (*name, Goal::Settled("deployed")))
        .collect();
    watch::all(bed, &deployed)?;

    let stayer = Traces::of(bed, &["stayer"])?;
    let bad = Behaviour {
        bad_disk: true,
        ..Behaviour::default()
    };
    bed.behave("broken", &bad)?;
    let kept = bed.disk_digest(quarantined::MACHINE)?;
    let leaving = [("leaver", "quick"), ("broken", "quick")];
    let keeping = |fate: Option<&str>| match fate {
        Some(fate) => without(bed, &[leaving[0], leaving[1], (quarantined::MACHINE, fate)]),
        None => without(bed, &leaving),
    };
    let quick = keeping(Some(quarantined::LONG))?;
    let shown = bed.propose(&quick, "Release two, erased")?;
    for word in [
        "release",
        "erased (quick)",
        "disk-of-leaver",
        "disk-of-broken",
        "off with its data for 7 d",
        "[WIPE ",
    ] {
        if !shown.contains(word) {
            return disproved(format!("the plan does not say {word:?}:\n{shown}"));
        }
    }
    if shown.contains("disk-of-stayer") {
        return disproved(format!("the plan names a disk of a machine that stays:\n{shown}"));
    }
    let goals = [
        ("leaver", Goal::Settled("ready")),
        ("broken", Goal::TriesAgain("ERASE_FAILED", "disk-of-broken")),
        (quarantined::MACHINE, quarantined::IN_QUARANTINE),
    ];
    watch::all(bed, &goals)?;
    is_blank(bed, "leaver")?;
    on_record(bed, "leaver")?;
    if bed.count("binding WHERE state = 'leaving'")? != 2 {
        return disproved(
            "the machine with the broken disk, or the one that is kept, does not keep its binding",
        );
    }
    quarantined::run(bed, &kept, &keeping)?;
    is_blank(bed, quarantined::MACHINE)?;

    let retained = without(
        bed,
        &[
            ("leaver", "quick"),
            ("broken", "retain"),
            (quarantined::MACHINE, "quick"),
        ],
    )?;
    bed.commit(&retained, "Let the broken disk go as it is")?;
    vouch(bed, &retained)?;
    retire(bed)?;
    stayer.left_alone(bed)?;
    watch::nothing_left(bed)
}

/// Nobody can see the machine off that leaves with its disks as they are, since its BMC has another password by now:
/// it keeps its slot until a person vouches for it.
fn vouch(bed: &Bed, fleet: &Fleet<'_>) -> Result<()> {
    let fenced = |name: &str| {
        bed.programs
            .ask(&["machine", "fenced", name, "--reason", "it is on my desk"])
    };
    let waits = Goal::TriesAgain("BMC_CREDENTIALS", "muster machine fenced broken");
    watch::all(bed, &[("broken", waits)])?;
    let stays = fenced("stayer")?;
    if stays.status.success() || !stays.errors.contains("NOT_LEAVING") {
        return disproved(format!(
            "a word for a machine that stays is heeded:\n{}",
            stays.errors
        ));
    }
    let leaving = || bed.count("binding WHERE state = 'leaving'");
    if leaving()? != 1 {
        return disproved("a machine that nobody saw off has left its slot");
    }
    let said = fenced("broken")?;
    if !said.status.success() {
        return disproved(format!("a person's word is not taken:\n{}", said.errors));
    }
    watch::until(bed, "the slot to be free", |_| Ok(leaving()? == 0))?;
    println!("broken: left its slot on a person's word");
    fleet.write_secret(OTHER_SECRET, true)?;
    watch::all(bed, &[("broken", Goal::Settled("ready"))])
}

/// The fleet in which the deployments of these machines are removed.
fn without<'a>(bed: &'a Bed, removed: &[(&str, &str)]) -> Result<Fleet<'a>> {
    let mut fleet = bed.fleet();
    for name in MACHINES {
        let disks = removed.iter().find(|(of, _)| of == name).map(|(_, disks)| disks);
        let image = Wanted::default().image.filter(|_| disks.is_none());
        let secret = match disks {
            Some(&"retain") => OTHER_SECRET,
            _ => SECRET,
        };
        let wanted = Wanted {
            image,
            secret,
            ..Wanted::default()
        };
        fleet = fleet.with(bed.spec(name)?, wanted);
        if let Some(fate) = disks {
            fleet = fleet.removing(&format!("deployment.on-{name}"), fate);
        }
    }
    Ok(fleet)
}

/// What was deployed is gone, to the places that an inspection looks at.
fn is_blank(bed: &Bed, name: &str) -> Result<()> {
    let content = bed.disk(name)?.content().map_err(failed("look at a disk"))?;
    if content == ContentId::Blank {
        println!("{name}: its disk is blank");
        return Ok(());
    }
    disproved(format!(
        "{name} is said to be ready, and its disk holds {content}"
    ))
}

/// A record of the disk for people, in the log and for programs.
fn on_record(bed: &Bed, name: &str) -> Result<()> {
    let disk = format!("serial:disk-of-{name}");
    let shown = bed.programs.muster(&["show", name])?;
    let log = bed.programs.muster(&["log", name])?;
    for (text, words) in [
        (&shown, format!("erased     {disk}")),
        (&log, format!("disk {disk} erased (quick)")),
    ] {
        if !text.contains(&words) {
            return disproved(format!("there is no {words:?} in\n{text}"));
        }
    }
    let json = bed.programs.muster(&["show", name, "--json"])?;
    let read: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
    if read["erased"][&disk]["value"]["method"] == "quick" {
        println!("{name}: its erasure is on record");
        return Ok(());
    }
    disproved(format!("there is no record of {disk} in\n{json}"))
}

/// The machine is removed: off, and left alone, whatever happens to it.
fn retire(bed: &Bed) -> Result<()> {
    let mut fleet = bed.fleet();
    for name in ["broken", "stayer", quarantined::MACHINE] {
        let image = Wanted::default().image.filter(|_| name == "stayer");
        let wanted = Wanted {
            image,
            ..Wanted::default()
        };
        fleet = fleet.with(bed.spec(name)?, wanted);
    }
    let fleet = fleet
        .removing("deployment.on-broken", "retain")
        .removing("machine.leaver", "quick");
    bed.commit(&fleet, "Scrap a machine")?;
    watch::all(bed, &[("leaver", Goal::Settled("retired"))])?;
    let orders = bed.orders("leaver")?;
    bed.switch("leaver", "power 1")?;
    bed.agent_heard()?;
    bed.agent_heard()?;
    if bed.orders("leaver")? != orders {
        return disproved("a retired machine was ordered about");
    }
    println!("leaver: retired, and left alone when somebody switched it on");
    is_blank(bed, "leaver")
}
