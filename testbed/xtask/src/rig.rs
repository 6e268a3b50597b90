//! The virtual rack from the project's side: builds what it runs, and runs it as root.
//!
//! The rack itself is `muster-vrack`; nothing here knows how it works.

use crate::cargo::{self, cargo};
use crate::sudo;
use std::process::Command;

/// Settings of the rack that sudo would otherwise drop.
const VARIABLES: [&str; 3] = ["RACK_ACCEL", "RACK_TIMEOUT_SCALE", "MUSTER_LOG"];

/// The fleet that the life of a machine is taken from.
const FLEET: &str = "examples/one-machine";

/// The fleet that the demo begins with.
const DEMO: &str = "examples/one-rack";

/// Where images are kept between runs and clones.
pub(crate) const IMAGES: &str = "/var/cache/muster/images";

/// Builds everything, then takes one machine from a commit to a running system.
pub(crate) fn once(flags: &[&str]) -> Result<(), String> {
    let (for_images, for_life): (Vec<&str>, Vec<&str>) = flags.iter().partition(|flag| **flag == "--rebuild");
    build(&for_images)?;
    cargo::succeed(&mut life(&for_life)?)
}

/// Builds everything, then measures deployments beside a script that does the same.
pub(crate) fn measure(flags: &[&str]) -> Result<(), String> {
    build(&[])?;
    cargo::succeed(&mut with_programs("measure", FLEET, flags)?)
}

/// Builds all that a rack runs.
fn build(for_images: &[&str]) -> Result<(), String> {
    crate::packages::install()?;
    cargo::succeed(&mut cargo(&["build", "--workspace", "--bins"]))?;
    cargo::succeed(&mut cargo::inmachine())?;
    cargo::succeed(&mut images(for_images)?)
}

/// Tries the rack's hardware alone.
pub(crate) fn bench() -> Result<(), String> {
    crate::packages::install()?;
    cargo::succeed(&mut cargo(&["build", "--workspace", "--bin", "muster-vrack"]))?;
    cargo::succeed(vrack()?.arg("bench"))
}

/// Ends and removes what killed runs and killed tests left behind.
pub(crate) fn clean() -> Result<(), String> {
    crate::sweep()?;
    cargo::succeed(&mut cargo(&["build", "--workspace", "--bin", "muster-vrack"]))?;
    cargo::succeed(vrack()?.arg("clean"))
}

/// The call that builds the images that are not in the cache.
pub(crate) fn images(flags: &[&str]) -> Result<Command, String> {
    let mut command = vrack()?;
    command
        .arg("images")
        .arg("--programs")
        .arg(cargo::target().join("debug"))
        .args(["--images", IMAGES])
        .args(flags);
    Ok(command)
}

/// The call that takes one machine through its life.
pub(crate) fn life(flags: &[&str]) -> Result<Command, String> {
    with_programs("once", FLEET, flags)
}

/// The call that shows two machines.
pub(crate) fn demo(flags: &[&str]) -> Result<Command, String> {
    with_programs("demo", DEMO, flags)
}

fn with_programs(verb: &str, fleet: &str, flags: &[&str]) -> Result<Command, String> {
    let mut command = vrack()?;
    command
        .arg(verb)
        .arg("--programs")
        .arg(cargo::target().join("debug"));
    command
        .arg("--inmachine")
        .arg(cargo::inmachine_program())
        .args(["--images", IMAGES]);
    command.arg("--fleet").arg(cargo::root().join(fleet)).args(flags);
    Ok(command)
}

fn vrack() -> Result<Command, String> {
    if !sudo::is_possible() {
        return Err("a virtual rack needs root, and there is no sudo here to ask for it".to_owned());
    }
    Ok(sudo::as_root(
        cargo::target().join("debug/muster-vrack"),
        &VARIABLES,
    ))
}
