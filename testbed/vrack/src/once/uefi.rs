//! Lives of UEFI machines: the firmware keeps its own boot order, and muster has to set it.
//!
//! Nothing of the rig tells the firmware what to start: at first it tries its blank disk and then the network;
//! after the installation it asks the rack first because the order in its variables says so.

use crate::error::{Result, RigError};
use crate::once::faults::Faults;
use crate::once::life::Life;
use crate::once::mirror;
use crate::once::reboots::reboot;
use crate::rack;

/// What iPXE says when the rack sends a machine to its own disk.
const SENT_ON: &str = "muster: local boot";

/// The example on a UEFI machine.
pub(crate) fn layout(text: &str) -> Result<String> {
    uefi(&mirror::replaced(text, LAYOUT)?)
}

/// The example on a UEFI machine with two mirrored disks.
pub(crate) fn mirror_layout(text: &str) -> Result<String> {
    uefi(&mirror::replaced(text, MIRROR_LAYOUT)?)
}

fn uefi(text: &str) -> Result<String> {
    let line = "boot.mode = \"bios\"";
    if text.contains(line) {
        return Ok(text.replacen(line, "boot.mode = \"uefi\"", 1));
    }
    Err(RigError::Disproved(format!("the example fleet has no line {line:?}")))
}

const LAYOUT: &str = r#"select.os = { pick = "smallest" }
partition = [
    { id = "esp", on = "os", size = "256MiB", type = "esp" },
    { id = "root", on = "os", size = "rest" },
]
filesystem = [
    { on = "esp", type = "vfat", mount = "/boot/efi" },
    { on = "root", type = "ext4", mount = "/" },
]
"#;

const MIRROR_LAYOUT: &str = r#"select.os = { pick = "smallest", count = 2 }
partition = [
    { id = "esp", on = "os", size = "256MiB", type = "esp" },
    { id = "sys", on = "os", size = "rest" },
]
raid.md0 = { level = 1, members = ["sys"] }
lvm.vg0 = { members = ["md0"], volume = { root = { size = "4GiB" }, srv = { size = "rest" } } }
filesystem = [
    { on = "esp", type = "vfat", mount = "/boot/efi" },
    { on = "vg0/root", type = "ext4", mount = "/" },
    { on = "vg0/srv", type = "xfs", mount = "/srv" },
]
"#;

/// From a commit to a running system; then two more starts, with the rack and without.
pub(crate) fn live(life: &Life<'_>) -> Result<()> {
    deployed(life)?;
    let sent_on = || {
        let console = rack::console(&life.rack.machine(&life.spec.name));
        console.matches(SENT_ON).count()
    };
    let before = sent_on();
    reboot(life, "the rack asked first")?;
    if sent_on() == before {
        return Err(RigError::Disproved(
            "the machine did not ask the rack before it started its own disk".to_owned(),
        ));
    }
    life.programs.agent.kill()?;
    reboot(life, "muster-rackd dead")?;
    life.programs.agent.start_again(life.rack, None)?;
    life.until("deployed", &mut Faults::default())?;
    life.prove_nothing_left()
}

/// On two mirrored disks; then the first is taken away.
pub(crate) fn live_mirrored(life: &Life<'_>) -> Result<()> {
    deployed(life)
}

fn deployed(life: &Life<'_>) -> Result<()> {
    let faults = &mut Faults::default();
    life.begin(faults)?;
    life.propose()?;
    life.fleet.merge()?;
    life.until("deployed", faults)?;
    life.prove()
}
