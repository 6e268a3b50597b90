//! musterd stopped: a deployed machine boots its own disk, and its word arrives later, once. And who shows a
//! token that is none, or speaks for another machine, is not heard at all.

use crate::error::Result;
use crate::scripted::Behaviour;
use crate::trial::bed::Bed;
use crate::trial::fleet::{SECRET, Wanted};
use crate::trial::watch::{self, Goal, disproved};

/// One that is deployed; one that says what it may not.
pub(crate) const MACHINES: &[&str] = &["node", "liar"];

/// Looks like a boot's token; nobody sealed it.
const NO_TOKEN: &str = "enlist:52-54-00-77-00-02:lab/pxe:11111111-2222-3333-4444-555555555555:00";

pub(crate) fn run(bed: &Bed) -> Result<()> {
    let unsealed = Behaviour {
        token: Some(NO_TOKEN.to_owned()),
        ..Behaviour::default()
    };
    bed.behave("liar", &unsealed)?;
    let ready = Wanted {
        image: None,
        ..Wanted::default()
    };
    let fleet = bed
        .fleet()
        .with(bed.spec("node")?, Wanted::default())
        .with(bed.spec("liar")?, ready);
    fleet.write_secret(SECRET, true)?;
    bed.commit(&fleet, "Deploy one, inspect the other")?;
    watch::all(bed, &[("node", Goal::Settled("deployed"))])?;
    without_daemon(bed)?;
    liar(bed)?;
    watch::nothing_left(bed)
}

fn without_daemon(bed: &Bed) -> Result<()> {
    let heard = words(bed)?;
    bed.programs.daemon.kill()?;
    println!("musterd is killed");
    let before = bed.console("node").len();
    bed.switch("node", "reset 1")?;
    on_console(bed, "node", before, "muster: phoned home")?;
    let boot = bed.console("node").split_off(before);
    let own_disk =
        boot.contains("muster: local boot") && boot.contains("starting the system on serial:disk-of-node");
    if !own_disk || boot.contains("kernel") {
        return disproved(format!("the machine did not boot its own disk:\n{boot}"));
    }
    println!("{boot}");
    bed.programs.start_daemon(&bed.rack)?;
    watch::until(bed, "the word of the machine", |_| Ok(words(bed)? > heard))?;
    // An agent that starts again sends what it does not know to be stored.
    bed.programs.agent.kill()?;
    bed.programs.agent.start_again(&bed.rack, None)?;
    bed.agent_heard()?;
    match words(bed)? - heard {
        1 => println!("its word arrived once"),
        more => return disproved(format!("one boot, and {more} words of it")),
    }
    watch::all(bed, &[("node", Goal::Settled("deployed"))])
}

/// How often `node` is on record to have phoned home.
fn words(bed: &Bed) -> Result<u64> {
    bed.count("fact JOIN machine ON machine.id = fact.machine WHERE fact.kind = 'phoned-home' AND machine.name = 'node'")
}

/// First a token that nobody sealed, then a real one with another machine's MAC address, then the truth.
fn liar(bed: &Bed) -> Result<()> {
    on_console(bed, "liar", 0, "answers 401: this token is none of ours")?;
    let node = bed.spec("node")?.nics[0].mac.parse();
    let other = Behaviour {
        claims: node.ok(),
        ..Behaviour::default()
    };
    bed.behave("liar", &other)?;
    let before = bed.console("liar").len();
    bed.switch("liar", "reset 1")?;
    on_console(
        bed,
        "liar",
        before,
        "answers 403: this token was made for another interface",
    )?;
    let inspected = bed.machine("liar")?["phase"] == "ready";
    if inspected {
        return disproved("a machine that was refused is said to be inspected");
    }
    bed.behave("liar", &Behaviour::default())?;
    bed.switch("liar", "reset 1")?;
    watch::all(bed, &[("liar", Goal::Settled("ready"))])
}

/// Waits for words on a console, behind what it had shown before.
fn on_console(bed: &Bed, name: &str, before: usize, words: &str) -> Result<()> {
    watch::until(bed, &format!("{words:?} on the console of {name}"), |_| {
        Ok(bed
            .console(name)
            .get(before..)
            .is_some_and(|text| text.contains(words)))
    })
}
