//! What vanishes from git: an emptied repository and a deleted machine destroy nothing, and it is said why.

use crate::error::Result;
use crate::trial::bed::Bed;
use crate::trial::fleet::Fleet;
use crate::trial::traces::Traces;
use crate::trial::watch::{self, Goal, disproved};

/// `muster apply`: errors in the revision, and a guard that stops it (gitops-ux A.4).
const EXIT_FAILED: i32 = 1;
const EXIT_BLOCKED: i32 = 4;

/// On a rack where everything is deployed: `whole` is its fleet, `without` the same with one machine's entry
/// deleted.
pub(crate) fn run(
    bed: &Bed,
    whole: &Fleet<'_>,
    (name, without): (&'static str, &Fleet<'_>),
    names: &[&'static str],
) -> Result<()> {
    let before = Traces::of(bed, names)?;
    stopped(bed, "", "Empty the repository", EXIT_FAILED)?;
    let nobody = bed.fleet().text();
    let said = stopped(bed, &nobody, "Delete every machine", EXIT_BLOCKED)?;
    if !said.contains("FLEET_SHRANK") {
        return disproved(format!("a fleet without machines is not called that:\n{said}"));
    }
    // One of many may go by itself.
    bed.commit(without, "Delete one machine")?;
    watch::all(bed, &[(name, Goal::Waits("ORPHANED", name))])?;
    before.left_alone(bed)?;
    bed.commit(whole, "Put it back")?;
    watch::all(bed, &[(name, Goal::Settled("deployed"))])?;
    before.no_write(bed)
}

/// The commit goes no further: `apply` ends so, and `status` has the reason.
fn stopped(bed: &Bed, text: &str, message: &str, exit: i32) -> Result<String> {
    println!("commit: {message}");
    bed.repository.commit(text, message)?;
    let said = bed.programs.ask(&["apply", "--yes"])?;
    if said.status.code() != Some(exit) {
        return disproved(format!(
            "apply of \"{message}\" ended with {}, not {exit}:\n{}{}",
            said.status, said.output, said.errors
        ));
    }
    watch::until(bed, "the revision to be stopped", |status| {
        let stopped = &status["revision"]["stopped"];
        let has_reason = stopped["message"].as_str().is_some_and(|text| !text.is_empty());
        Ok(status["revision"]["summary"] == message && has_reason)
    })?;
    let reason = bed.programs.status()?["revision"]["stopped"].to_string();
    println!("stopped: {reason}");
    Ok(reason)
}
