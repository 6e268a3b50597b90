//! Each fault ends in its condition, which says what, since when and what to do; what is corrected goes on; what
//! vanishes from git stays.

use crate::error::{Result, failed};
use crate::scripted::Behaviour;
use crate::trial::bed::Bed;
use crate::trial::fleet::{FORGOTTEN, Fleet, IMAGES, LAYOUTS, OTHER_SECRET, SECRET, SERVED, Wanted};
use crate::trial::traces::Traces;
use crate::trial::vanished;
use crate::trial::watch::{self, Goal, disproved};
use schema_ids::ContentId;
use std::fs;

/// One without fault, whose image is then spoilt for `rotten`; one whose image has another digest in git than at
/// its source; one whose image nobody has handed in; one whose layout does not fit; one with a wrong BMC password;
/// one that never boots; one whose installed system is never heard. As many as may boot at once.
pub(crate) const MACHINES: &[&str] = &[
    "good", "rotten", "wrong", "waiting", "tight", "locked", "dark", "mute",
];

/// So that what never comes is missed soon; far above what a scripted machine needs.
const SHORT_TIMEOUT: &str = "boot.timeout = \"20s\"\n";

/// The image that is spoilt.
const SPOILT: &str = IMAGES[1];

pub(crate) fn run(bed: &Bed) -> Result<()> {
    let silent = Behaviour {
        boots: false,
        ..Behaviour::default()
    };
    bed.behave("dark", &silent)?;
    let unheard = Behaviour {
        phones_home: false,
        ..Behaviour::default()
    };
    bed.behave("mute", &unheard)?;
    let fleet = fleet(bed, Stage::Faulty)?;
    fleet.write_secret(SECRET, true)?;
    fleet.write_secret(OTHER_SECRET, false)?;
    bed.serve_images()?;
    bed.commit(&fleet, "Deploy everything, with mistakes")?;
    watch::all(bed, &[("dark", Goal::TriesAgain("NO_BOOT", "no DHCP request"))])?;
    // The dark machine is repaired before its second try, and nobody tells muster.
    bed.behave("dark", &Behaviour::default())?;
    watch::all(
        bed,
        &[
            ("tight", Goal::Waits("LAYOUT_DOES_NOT_FIT", "too-large")),
            (
                "wrong",
                Goal::Waits("IMAGE_DIGEST_MISMATCH", "http://10.77.0.1:8000/served"),
            ),
            (
                "waiting",
                Goal::TriesAgain("IMAGE_UNAVAILABLE", "muster image add"),
            ),
            ("locked", Goal::Waits("BMC_CREDENTIALS", "read power")),
        ],
    )?;
    unwritten(bed, "waiting")?;
    // No commit goes with these: what the commit names is looked at again.
    fleet.write_secret(OTHER_SECRET, true)?;
    bed.hand_in(FORGOTTEN)?;
    watch::all(
        bed,
        &[
            ("good", Goal::Settled("deployed")),
            ("locked", Goal::Settled("deployed")),
            ("mute", Goal::Waits("NOT_SEEN_AFTER_INSTALL", "not phoned home")),
        ],
    )?;
    unwritten(bed, "wrong")?;
    let alone = Traces::of(bed, &["mute"])?;
    spoil(bed)?;
    bed.commit(
        &self::fleet(bed, Stage::Corrected)?,
        "Correct layout and digest; deploy the last one",
    )?;
    watch::all(
        bed,
        &[
            ("wrong", Goal::Settled("deployed")),
            ("waiting", Goal::Settled("deployed")),
            ("tight", Goal::Settled("deployed")),
            ("dark", Goal::Settled("deployed")),
            ("rotten", Goal::Waits("IMAGE_DIGEST_MISMATCH", "digest")),
        ],
    )?;
    if bed.starts("dark")? < 2 {
        return disproved("the machine that did not boot was not switched on again");
    }
    alone.left_alone(bed)?;
    heard_after_all(bed, &alone)?;
    repaired_image(bed)?;
    watch::nothing_left(bed)?;
    let (whole, without) = (
        self::fleet(bed, Stage::Reinstalled)?,
        self::fleet(bed, Stage::WithoutGood)?,
    );
    vanished::run(bed, &whole, ("good", &without), MACHINES)?;
    watch::nothing_left(bed)
}

/// No disk is written for an image that is not to be had.
fn unwritten(bed: &Bed, name: &str) -> Result<()> {
    match bed.disk(name)?.content().map_err(failed("look at a disk"))? {
        ContentId::Blank => Ok(()),
        other => disproved(format!(
            "the disk of {name} has no image to hold, and holds {other}"
        )),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Faulty,
    Corrected,
    Reinstalled,
    WithoutGood,
}

fn fleet(bed: &Bed, stage: Stage) -> Result<Fleet<'_>> {
    let plain = Wanted::default();
    let spoilt = Wanted {
        image: Some(SPOILT),
        ..plain
    };
    let faulty = stage == Stage::Faulty;
    let rotten = Wanted {
        image: (!faulty).then_some(SPOILT),
        deployment: match stage {
            Stage::Faulty | Stage::Corrected => "",
            Stage::Reinstalled | Stage::WithoutGood => "reinstall = 1\n",
        },
        ..plain
    };
    let wrong = Wanted {
        image: Some(SERVED),
        ..plain
    };
    let waiting = Wanted {
        image: Some(FORGOTTEN),
        ..plain
    };
    let tight = Wanted {
        layout: LAYOUTS[usize::from(faulty)].0,
        ..plain
    };
    let locked = Wanted {
        secret: OTHER_SECRET,
        ..plain
    };
    let missed_soon = Wanted {
        lines: SHORT_TIMEOUT,
        ..plain
    };
    let mut fleet = bed.fleet().serving(!faulty);
    if stage != Stage::WithoutGood {
        fleet = fleet.with(bed.spec("good")?, spoilt);
    }
    Ok(fleet
        .with(bed.spec("rotten")?, rotten)
        .with(bed.spec("wrong")?, wrong)
        .with(bed.spec("waiting")?, waiting)
        .with(bed.spec("tight")?, tight)
        .with(bed.spec("locked")?, locked)
        .with(bed.spec("dark")?, missed_soon)
        .with(bed.spec("mute")?, missed_soon))
}

/// Somebody repairs the system and starts it; its word counts, and nothing is written for it.
fn heard_after_all(bed: &Bed, before: &Traces) -> Result<()> {
    bed.behave("mute", &Behaviour::default())?;
    bed.switch("mute", "reset 1")?;
    watch::all(bed, &[("mute", Goal::Settled("deployed"))])?;
    before.no_write(bed)
}

/// Changes one byte of the image in the rack agent's cache, which has served it already.
fn spoil(bed: &Bed) -> Result<()> {
    let path = bed.cached(SPOILT);
    let mut bytes = fs::read(&path).map_err(failed("read the agent's cache"))?;
    bytes[0] ^= 1;
    fs::write(&path, bytes).map_err(failed("spoil the agent's cache"))
}

/// The agent has looked at its cache again, and the next installation is a good one.
fn repaired_image(bed: &Bed) -> Result<()> {
    bed.commit(&fleet(bed, Stage::Reinstalled)?, "Install the last one again")?;
    watch::all(bed, &[("rotten", Goal::Settled("deployed"))])
}
