//! Looks for itself whether what muster says is so: at disks' files and by ssh.

use crate::demo::Demo;
use crate::error::{Result, RigError};
use crate::machine::MachineSpec;
use crate::once::proof;
use crate::qemu;
use rack_inmachine::marker::{Marker, OFFSET, State};

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

/// The installed system answers by ssh, and says this.
pub(crate) fn answers(demo: &Demo<'_>, spec: &MachineSpec, words: &str, wanted: &[&str]) -> Result<()> {
    let address = demo.programs.address(&spec.name)?;
    demo.show.doing(&format!("ssh debian@{address}"));
    let said = proof::ask(demo.rack, &demo.fleet.key, &address, words)?;
    wanted
        .iter()
        .try_for_each(|wanted| says(&said, &format!("{} at {address}", spec.name), wanted))?;
    let said = said.trim().replace('\n', ", ");
    demo.show.seen(&format!("ssh debian@{address} `{words}`: {said}"));
    Ok(())
}
