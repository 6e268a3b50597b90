//! A life on two mirrored disks with volumes on them.

use crate::error::{Result, RigError};
use crate::machine::DiskSpec;
use crate::once::faults::Faults;
use crate::once::life::Life;

/// The mirror's other half.
pub(crate) fn other(os: &DiskSpec) -> DiskSpec {
    DiskSpec {
        serial: "muster-disk-1".to_owned(),
        ..os.clone()
    }
}

/// The example with a mirror over both disks and volumes on it.
pub(crate) fn layout(text: &str) -> Result<String> {
    replaced(text, LAYOUT)
}

/// The example with another storage layout.
pub(crate) fn replaced(text: &str, layout: &str) -> Result<String> {
    let (before, rest) = text.split_once("[storage.single-disk]\n").ok_or_else(unfit)?;
    let (_, after) = rest.split_once("\n[").ok_or_else(unfit)?;
    Ok(format!("{before}[storage.single-disk]\n{layout}\n[{after}"))
}

const LAYOUT: &str = r#"select.os = { pick = "smallest", count = 2 }
partition = [
    { id = "bios", on = "os", size = "1MiB", type = "bios" },
    { id = "sys", on = "os", size = "rest" },
]
raid.md0 = { level = 1, members = ["sys"] }
lvm.vg0 = { members = ["md0"], volume = { root = { size = "4GiB" }, swap = { size = "512MiB" }, srv = { size = "rest" } } }
filesystem = [
    { on = "vg0/root", type = "ext4", mount = "/" },
    { on = "vg0/swap", type = "swap" },
    { on = "vg0/srv", type = "xfs", mount = "/srv" },
]
"#;

fn unfit() -> RigError {
    RigError::Disproved("the example fleet has no storage layout to replace".to_owned())
}

/// Lives it.
pub(crate) fn live(life: &Life<'_>) -> Result<()> {
    let faults = &mut Faults::default();
    life.begin(faults)?;
    life.propose()?;
    life.fleet.merge()?;
    life.until("deployed", faults)?;
    life.prove()
}
