//! Lives of UEFI machines: the firmware keeps its own boot order, and muster has to set it.
//!
//! Nothing of the rig tells the firmware what to start: at first it tries its blank disk and then the network;
//! after the installation it asks the rack first because the order in its variables says so.

use crate::error::{Result, RigError, failed};
use crate::machine::{Firmware, NetworkBoot};
use crate::once::faults::Faults;
use crate::once::inside::Inside;
use crate::once::life::Life;
use crate::once::reboots::{boot, reboot, start_until};
use crate::once::{disks, mirror, proof};
use crate::rack;
use rack_api::ownership::{OwnershipMark, VARIABLE};
use schema_ids::MachineId;
use std::fs;

/// What iPXE says when the rack sends a machine to its own disk.
const SENT_ON: &str = "muster: local boot";

/// What the kernel says where the firmware checks signatures.
const ENFORCED: &str = "secureboot: Secure boot enabled";

/// What the system on the disk says as soon as it has its root, long before a login prompt.
const GREETING: &str = "Debian GNU/Linux 12 (bookworm)";

/// The example on a UEFI machine.
pub(crate) fn layout(text: &str) -> Result<String> {
    uefi(&mirror::replaced(text, LAYOUT)?)
}

/// The example on a UEFI machine with two mirrored disks.
pub(crate) fn mirror_layout(text: &str) -> Result<String> {
    uefi(&mirror::replaced(text, MIRROR_LAYOUT)?)
}

/// The example on a UEFI machine that starts signed loaders only.
pub(crate) fn secure_layout(text: &str) -> Result<String> {
    let line = "boot.mode = \"uefi\"";
    layout(text).map(|text| text.replacen(line, &format!("{line}\nboot.secure-boot = true"), 1))
}

fn uefi(text: &str) -> Result<String> {
    let line = "boot.mode = \"bios\"";
    if text.contains(line) {
        // Its inspection leaves a mark of ownership in the firmware's variables.
        return Ok(text.replacen(line, "boot.mode = \"uefi\"\nmark = true", 1));
    }
    Err(RigError::Disproved(format!(
        "the example fleet has no line {line:?}"
    )))
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
    stays_marked(life)?;
    life.programs.agent.kill()?;
    start_until(life, "reset 1", "muster-rackd dead", GREETING)?;
    life.programs.agent.start_again(life.rack, None)?;
    life.until("deployed", &mut Faults::default())?;
    life.prove_nothing_left()
}

/// On two mirrored disks; then the first is taken away.
pub(crate) fn live_mirrored(life: &Life<'_>) -> Result<()> {
    deployed(life)?;
    life.by_hand("power 0")?;
    life.until_off()?;
    let aside = life.rack.run.path("disk0-aside.raw");
    fs::rename(life.disk(0), aside).map_err(failed("take the first disk out"))?;
    disks::blank(&life.disk(0), life.spec.disks[0].bytes)?;
    boot(life, "power 1", "the first disk blank")?;
    proof::ssh(&Inside::of(life)?)
}

/// Inspected, by a kernel that found Secure Boot in force.
pub(crate) fn live_secure(life: &Life<'_>) -> Result<()> {
    life.begin(&mut Faults::default())?;
    ordered(life, &["network"])?;
    marked(life)?;
    let console = rack::console(&life.rack.machine(&life.spec.name));
    if !console.contains(ENFORCED) {
        return Err(RigError::Disproved(format!(
            "the kernel did not say {ENFORCED:?}"
        )));
    }
    println!("the kernel: {ENFORCED}");
    life.prove_nothing_left()
}

fn deployed(life: &Life<'_>) -> Result<()> {
    let faults = &mut Faults::default();
    life.begin(faults)?;
    ordered(life, &["network"])?;
    marked(life)?;
    life.propose()?;
    life.fleet.merge()?;
    life.until("deployed", faults)?;
    life.prove()?;
    let systems = life.spec.disks.iter().map(|_| "debian");
    ordered(life, &["network"].into_iter().chain(systems).collect::<Vec<_>>())
}

/// Its inspection has left a mark in the flash of the firmware, and muster knows.
fn marked(life: &Life<'_>) -> Result<()> {
    let text = mark(life)?;
    let flash = life.rack.machine(&life.spec.name).join("variables.fd");
    let bytes = fs::read(&flash).map_err(failed("read the firmware's variables"))?;
    if !bytes.windows(text.len()).any(|part| part == text.as_bytes()) {
        return Err(RigError::Disproved(format!(
            "no variable of the firmware holds {text:?}"
        )));
    }
    let why = life.programs.muster(&["why", &life.spec.name])?;
    if !why.contains("mark       this control plane's, fleet ") || why.contains("NOT LEFT") {
        return Err(RigError::Disproved(format!(
            "muster does not know the mark:\n{why}"
        )));
    }
    println!("mark: in the firmware's variables");
    Ok(())
}

/// The mark outlives the installation, and the installed system shows it to anybody.
fn stays_marked(life: &Life<'_>) -> Result<()> {
    // Behind its attributes; efivarfs lets nobody seek.
    let shown = Inside::of(life)?.ask(&format!("cat /sys/firmware/efi/efivars/{VARIABLE} | tail -c +5"))?;
    if shown != mark(life)? {
        return Err(RigError::Disproved(format!(
            "the installed system reads {shown:?}"
        )));
    }
    println!("mark: read in the installed system");
    Ok(())
}

/// The mark that the machine shall bear.
fn mark(life: &Life<'_>) -> Result<String> {
    let found = |what: &'static str, text: String| {
        text.trim().parse().map_err(|_| RigError::Answer {
            whom: what.to_owned(),
            found: text,
        })
    };
    let status = life.programs.status()?;
    let machine = status["machines"][0]["id"].as_str().unwrap_or_default();
    let fleet = status["fleet"].as_str().unwrap_or_default();
    let mark = OwnershipMark {
        plane: found("the fleet's uid", life.programs.sql("SELECT uid FROM fleet")?)?,
        fleet: fleet.parse().map_err(|_| RigError::Answer {
            whom: "the fleet's name".to_owned(),
            found: fleet.to_owned(),
        })?,
        machine: MachineId(found("the machine's id", machine.to_owned())?),
    };
    Ok(mark.to_string())
}

/// muster knows the firmware's boot order, and it begins so.
fn ordered(life: &Life<'_>, begins: &[&str]) -> Result<()> {
    let why = life.programs.muster(&["why", &life.spec.name])?;
    let network = match life.spec.firmware {
        Firmware::Uefi(NetworkBoot::Http) => "UEFI HTTPv4 (MAC:525400770001)",
        Firmware::Uefi(NetworkBoot::Pxe | NetworkBoot::SecurePxe) | Firmware::Bios | Firmware::Scripted => {
            "UEFI PXEv4 (MAC:525400770001)"
        }
    };
    let names = begins.iter().map(|name| match *name {
        "network" => format!("\"{network}\""),
        other => format!("\"{other}\""),
    });
    let line = format!("boot order {}, ", names.collect::<Vec<_>>().join(", "));
    if why.contains(&line) && !why.contains("WRONG") {
        println!("{line}…");
        return Ok(());
    }
    Err(RigError::Disproved(format!(
        "muster does not know {line:?}:\n{why}"
    )))
}
