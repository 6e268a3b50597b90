//! An older database is put back: nothing is ordered until `muster recover`, and then the end is the same, without
//! a disk that was installed meanwhile being written again.

use crate::copy;
use crate::error::Result;
use crate::trial::bed::Bed;
use crate::trial::fleet::{Fleet, SECRET, Wanted};
use crate::trial::traces::Traces;
use crate::trial::watch::{self, Goal, disproved};

/// One that the backup knows as deployed, and one that it knows as ready.
pub(crate) const MACHINES: &[&str] = &["early", "late"];

/// The database's folder, and where its older copy is kept.
const DATABASE: &str = "musterd/postgres";
const BACKUP: &str = "backup";

pub(crate) fn run(bed: &Bed) -> Result<()> {
    let first = fleet(bed, false)?;
    first.write_secret(SECRET, true)?;
    bed.commit(&first, "Deploy one")?;
    watch::all(
        bed,
        &[
            ("early", Goal::Settled("deployed")),
            ("late", Goal::Settled("ready")),
        ],
    )?;
    bed.programs.stop()?;
    copy::any(&bed.rack.run.path(DATABASE), &bed.rack.run.path(BACKUP))?;
    bed.programs.start_again(&bed.rack)?;
    println!("the database is copied, and life goes on");

    bed.commit(&fleet(bed, true)?, "Deploy the other")?;
    watch::all(bed, &[("late", Goal::Settled("deployed"))])?;
    bed.programs.stop()?;
    copy::any(&bed.rack.run.path(BACKUP), &bed.rack.run.path(DATABASE))?;
    let starts = starts(bed)?;
    bed.programs.start_again(&bed.rack)?;
    println!("the older database is back");
    watch::all(
        bed,
        &[
            ("early", Goal::Waits("STATE_RESTORED", "rackd-1")),
            ("late", Goal::Waits("STATE_RESTORED", "rackd-1")),
        ],
    )?;
    let before = nothing_ordered(bed)?;
    if self::starts(bed)? != starts {
        return disproved("a machine was switched on for a restored database");
    }

    println!("{}", bed.programs.muster(&["recover"])?);
    watch::all(
        bed,
        &[
            ("early", Goal::Settled("deployed")),
            ("late", Goal::Settled("deployed")),
        ],
    )?;
    before.no_write(bed)?;
    watch::nothing_left(bed)
}

fn starts(bed: &Bed) -> Result<Vec<u64>> {
    MACHINES.iter().map(|name| bed.starts(name)).collect()
}

fn fleet(bed: &Bed, both: bool) -> Result<Fleet<'_>> {
    let late = Wanted {
        image: both.then_some(crate::trial::fleet::IMAGES[0]),
        ..Wanted::default()
    };
    let fleet = bed.fleet().with(bed.spec("early")?, Wanted::default());
    Ok(fleet.with(bed.spec("late")?, late))
}

/// Through a start of musterd and a whole long poll of the agent, which is several rounds of musterd's control
/// loop, no order is given.
fn nothing_ordered(bed: &Bed) -> Result<Traces> {
    let before = Traces::of(bed, MACHINES)?;
    bed.programs.kill_daemon(&bed.rack)?;
    bed.agent_heard()?;
    bed.agent_heard()?;
    before.left_alone(bed)?;
    Ok(before)
}
