//! An older database is put back: nothing is ordered until `muster recover`, and then the end is the same, without
//! a disk that was installed meanwhile being written again.

use crate::error::{Result, RigError};
use crate::program;
use crate::trial::bed::Bed;
use crate::trial::fleet::{Fleet, SECRET, Wanted};
use crate::trial::traces::Traces;
use crate::trial::watch::{self, Goal, disproved};
use std::process::Command;
use std::time::Duration;

/// One that the backup knows as deployed, and one that it knows as ready.
pub(crate) const MACHINES: &[&str] = &["early", "late"];

/// A young database is some tens of megabytes.
const COPY_MAX: Duration = Duration::from_secs(60);

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
    copy(bed, DATABASE, BACKUP)?;
    bed.programs.start_again(&bed.rack)?;
    println!("the database is copied, and life goes on");

    bed.commit(&fleet(bed, true)?, "Deploy the other")?;
    watch::all(bed, &[("late", Goal::Settled("deployed"))])?;
    bed.programs.stop()?;
    copy(bed, BACKUP, DATABASE)?;
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

/// Copies a folder of the run over another, owners and all.
fn copy(bed: &Bed, from: &str, to: &str) -> Result<()> {
    let (from, to) = (bed.rack.run.path(from), bed.rack.run.path(to));
    if to.exists() {
        std::fs::remove_dir_all(&to).map_err(|source| RigError::Io {
            doing: format!("remove {}", to.display()),
            source,
        })?;
    }
    let mut command = Command::new("cp");
    program::run(command.arg("-a").arg(from).arg(to), COPY_MAX).map(drop)
}
