//! The fleet of a case: one machine, and what its script changes about it in git.

use super::MAC;
use crate::world;
use schema_fleet::Fleet;

/// What git says of the machine.
pub(super) struct InGit {
    pub(super) bmc: bool,
    pub(super) boot_timeout: Option<String>,
    pub(super) deployed: bool,
    pub(super) uefi: bool,
    pub(super) keep_on: bool,
    pub(super) epoch: u32,
    pub(super) inspect: u32,
    /// Whether it is only observed.
    pub(super) observe: bool,
    /// Which `removed` entry there is instead: `deployment quick 7d`, `machine retain` …
    pub(super) removed: Option<String>,
}

/// The fleet that says so.
pub(super) fn fleet(said: &InGit) -> Fleet {
    let InGit {
        bmc,
        boot_timeout,
        deployed,
        uefi,
        keep_on,
        epoch,
        inspect,
        observe,
        removed,
    } = said;
    let (mode, storage) = if *uefi { ("uefi", "efi") } else { ("bios", "disk") };
    let bmc = if *bmc {
        "bmc = { driver = \"ipmi\", address = \"10.77.0.5\", secret = \"bmc\" }"
    } else {
        ""
    };
    let timeout = boot_timeout
        .as_ref()
        .map(|timeout| format!("boot.timeout = \"{timeout}\"\n"))
        .unwrap_or_default();
    let power = if *keep_on { "power = \"on\"\n" } else { "" };
    let manage = if *observe { "manage = \"observe\"\n" } else { "" };
    let machine = format!(
        "[machine.m1]\nrack = \"r1\"\nboot.mode = \"{mode}\"\n{manage}{power}{timeout}inspect = {inspect}\n{bmc}\nnic.p0 = {{ mac = \"{MAC}\", link = \"lab/pxe\" }}\n"
    );
    let deployment = format!(
        "[deployment.web]\nmachines = [\"m1\"]\nhostname = \"web\"\nimage = \"debian-a\"\nstorage = \"{storage}\"\n\
         network = \"auto\"\nreinstall = {epoch}\n"
    );
    let text = match removed.as_ref().and_then(|removed| removed.split_once(' ')) {
        Some(("machine", disks)) => tombstone("machine.m1", disks),
        Some((_, disks)) => machine + &tombstone("deployment.web", disks),
        None if *deployed => machine + &deployment,
        None => machine,
    };
    world::fleet("unreviewed = \"allow\"", &text)
}

/// `quick`, or with a quarantine `quick 7d`.
fn tombstone(of: &str, fate: &str) -> String {
    let (disks, quarantine) = fate.split_once(' ').unwrap_or((fate, ""));
    let quarantine = match quarantine {
        "" => String::new(),
        length => format!("quarantine = \"{length}\"\n"),
    };
    format!("[removed.{of}]\ndisks = \"{disks}\"\n{quarantine}reason = \"over\"\n")
}
