//! Looks for itself whether what muster says is so: at disks' files and by ssh.

use crate::child;
use crate::demo::Demo;
use crate::error::{Result, RigError, failed};
use crate::machine::MachineSpec;
use crate::once::inside::Inside;
use crate::once::proof;
use crate::program;
use crate::qemu;
use rack_inmachine::marker::{Marker, OFFSET, State};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// ipmitool repeats a question for some seconds, blkid reads both ends of a disk; a loaded host gets more.
const SHORT: Duration = Duration::from_secs(60);

pub(crate) fn disproved<T>(text: impl Into<String>) -> Result<T> {
    Err(RigError::Disproved(text.into()))
}

/// The text says this.
pub(crate) fn says(text: &str, whose: &str, wanted: &str) -> Result<()> {
    if text.contains(wanted) {
        return Ok(());
    }
    disproved(format!("{whose} does not say {wanted:?}:\n{text}"))
}

/// The marker on a machine's disk, counted from 0.
pub(crate) fn marker(demo: &Demo<'_>, spec: &MachineSpec, disk: usize) -> Result<Option<Marker>> {
    proof::marker(&demo.rack.machine(&spec.name).join(qemu::disk_file(disk)), OFFSET)
}

/// The disk has the marker of a finished installation.
pub(crate) fn installed(demo: &Demo<'_>, spec: &MachineSpec, disk: usize) -> Result<Marker> {
    match marker(demo, spec, disk)? {
        Some(marker) if marker.state == State::Installed => {
            let serial = &spec.disks[disk].serial;
            demo.show.seen(&format!(
                "disk {serial} of {}: the marker of a finished installation",
                spec.name
            ));
            Ok(marker)
        }
        found => disproved(format!(
            "disk {disk} of {} has no finished marker: {found:?}",
            spec.name
        )),
    }
}

/// Nothing of an installation is on its disks: no marker, no partition table.
pub(crate) fn erased(demo: &Demo<'_>, spec: &MachineSpec) -> Result<()> {
    for (at, disk) in spec.disks.iter().enumerate() {
        if let Some(marker) = marker(demo, spec, at)? {
            return disproved(format!("{} has a marker still: {marker:?}", disk.serial));
        }
        let path = demo.rack.machine(&spec.name).join(qemu::disk_file(at));
        let mut blkid = Command::new("/usr/sbin/blkid");
        let found = program::outcome(blkid.args(["--probe"]).arg(&path), SHORT)?;
        // blkid(8): 2 where it found nothing.
        if found.status.code() != Some(2) {
            return disproved(format!("{} still holds {}", disk.serial, found.output));
        }
        demo.show.seen(&format!(
            "disk {}: no marker, no partition table, no filesystem",
            disk.serial
        ));
    }
    Ok(())
}

/// A BMC's own word on its machine's power, asked by a client that is not ours.
pub(crate) fn power(demo: &Demo<'_>, spec: &MachineSpec, wanted: &str) -> Result<()> {
    let mut inside = child::enter_command(&demo.rack.run)?;
    let ipmitool = Command::new("ipmitool");
    let address = spec.bmc.address.to_string();
    let account = ["-U", &spec.bmc.user, "-P", &spec.bmc.password];
    inside
        .arg(ipmitool.get_program())
        .args(["-I", "lanplus", "-H", &address])
        .args(account)
        .args(["power", "status"]);
    let said = program::run(&mut inside, SHORT)?;
    says(&said, &format!("the BMC at {address}"), wanted)?;
    demo.show
        .seen(&format!("ipmitool -H {address} power status: {}", said.trim()));
    Ok(())
}

/// `muster status --watch`, which ran all the while on a terminal of its own, has drawn this.
pub(crate) fn was_drawn(demo: &Demo<'_>, words: &[&str]) -> Result<()> {
    let path = demo.rack.run.path("status-watch.log");
    let drawn = fs::read(&path).map_err(failed("read what was drawn"))?;
    let drawn = String::from_utf8_lossy(&drawn);
    if let Some(word) = words.iter().find(|word| !drawn.contains(**word)) {
        return disproved(format!(
            "muster status --watch never drew {word:?}: {}",
            path.display()
        ));
    }
    demo.show
        .seen(&format!("muster status --watch drew {}", words.join(", ")));
    Ok(())
}

/// The installed system answers by ssh, and says this.
pub(crate) fn answers(demo: &Demo<'_>, spec: &MachineSpec, words: &str, wanted: &[&str]) -> Result<()> {
    let address = demo.programs.address(&spec.name)?;
    demo.show.doing(&format!("ssh debian@{address}"));
    let scale = demo.accelerator.timeout_scale();
    let said = Inside::at(demo.rack, &demo.fleet.key, address.clone(), scale).ask(words)?;
    wanted
        .iter()
        .try_for_each(|wanted| says(&said, &format!("{} at {address}", spec.name), wanted))?;
    let said = said.trim().replace('\n', ", ");
    demo.show.seen(&format!("ssh debian@{address} `{words}`: {said}"));
    Ok(())
}
