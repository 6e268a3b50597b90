//! The fleet of the pull request, a file for each thing that changes: the example with four machines, one address for
//! strangers, and a disk of somebody's in each machine. Then the edits, and the image that the first of them names.

use crate::error::{Result, RigError, failed};
use crate::images::Built;
use crate::machine::{DiskSpec, MachineSpec};
use crate::once::life::Life;
use crate::program;
use crate::trial::change::{change, write};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// It gets another image.
pub(super) const EDGE: &str = "edge";
/// Of the two that count it stays, under another name.
pub(super) const KEPT: &str = "web-a";
pub(super) const KEPT_AS: &str = "front";
/// Of the two that count it is named to go.
pub(super) const RELEASED: &str = "web-b";
/// It loses its files.
pub(super) const LONELY: &str = "lonely";
/// In the order of their numbers.
const NAMES: [&str; 4] = [EDGE, KEPT, RELEASED, LONELY];

/// The last address of the dynamic range, before and after. It begins with the first of them.
pub(super) const RANGE: [&str; 2] = ["10.77.0.249", "10.77.0.253"];

/// The layout picks the largest disk, so that somebody's may be small and read whole in a moment.
const DATA_BYTES: u64 = 64 << 20;

/// What tells the next image from the one before: a file of its own, with these words in it.
pub(super) const NEXT_FILE: &str = "/etc/of-the-next-image";
pub(super) const NEXT_WORDS: &str = "the next image";

/// Half a gigabyte is unpacked, added to and packed; a loaded host takes its time.
const PACK_MAX: Duration = Duration::from_secs(300);

/// What of the example is replaced, by what.
const CHANGES: [(&str, &str); 3] = [
    // Who merges has seen the plan, or it waits for approval.
    (
        "unreviewed = \"allow\" # a lab: nobody has to approve an erasure\n",
        "",
    ),
    ("from = \"10.77.0.200\"", "from = \"10.77.0.249\""),
    ("pick = \"smallest\"", "pick = \"largest\""),
];

/// The machines, made after the example's.
pub(crate) fn machines(base: &MachineSpec) -> Vec<MachineSpec> {
    let made = (1..).zip(NAMES).map(|(number, name)| {
        let mut spec = base.clone();
        name.clone_into(&mut spec.name);
        spec.uuid = format!("11111111-2222-3333-4444-5555555555{number:02}");
        spec.serial = format!("LAB-{number:04}");
        spec.disks[0].serial = system_disk(name);
        spec.disks.push(DiskSpec {
            serial: data_disk(name),
            bytes: DATA_BYTES,
        });
        spec.nics[0].mac = format!("52:54:00:77:00:{number:02}");
        spec.nics[0].tap = format!("tap{number}");
        spec.bmc.address = Ipv4Addr::new(10, 77, 0, 10 + number);
        spec.bmc.kcs_port = 9230 + u16::from(number);
        spec
    });
    made.collect()
}

/// The serial number of the disk that is installed.
pub(super) fn system_disk(name: &str) -> String {
    format!("os-of-{name}")
}

/// The serial number of the disk that is somebody's, and its bay.
pub(super) fn data_disk(name: &str) -> String {
    format!("data-of-{name}")
}
pub(super) const DATA_BAY: usize = 1;

/// Commits the whole fleet, with everything deployed: a first deployment shares its boot with the inspection.
pub(crate) fn declare(
    life: &crate::once::fleet::Fleet,
    specs: &[MachineSpec],
    built: &[Built; 2],
) -> Result<()> {
    let folder = life.repository.path();
    let (head, rest) = cut(life.text(), "# --- the machine")?;
    let (_, rest) = cut(rest, "# --- what it can run")?;
    let (catalogue, deployment) = cut(rest, "[deployment.")?;
    let text = CHANGES
        .iter()
        .try_fold(format!("{head}# ---{catalogue}"), |text, (from, to)| {
            let (before, after) = cut(&text, from)?;
            Ok(format!("{before}{to}{after}"))
        })?;
    write(folder, "fleet.toml", &text)?;
    for spec in specs {
        write(folder, &machine_file(&spec.name), &machine(spec))?;
    }
    let keys = deployment.lines().find(|line| line.starts_with("ssh-keys = "));
    let keys = keys.ok_or_else(|| unfit("ssh-keys"))?;
    let image = built[1].name()?;
    for (name, lines) in [
        ("edge", format!("machines = [\"{EDGE}\"]\n")),
        ("web", web(2, "")),
        ("lonely", format!("machines = [\"{LONELY}\"]\n")),
    ] {
        let text = format!(
            "[deployment.{name}]\n{lines}hostname = \"{{name}}\"\nimage = \"{image}\"\nstorage = \"single-disk\"\n\
             network = \"one-port\"\n{keys}\n"
        );
        write(folder, &deployment_file(name), &text)?;
    }
    life.repository.commit_all("Deploy four machines")
}

/// The pull request: another image, a smaller count, another name, deleted files, more addresses.
pub(super) fn edit(folder: &Path, before: &Built, next: &Next) -> Result<()> {
    write(folder, "images/next.toml", &next.block)?;
    change(folder, &deployment_file("edge"), before.name()?, &next.name)?;
    let release =
        format!("release = {{ machines = [\"{RELEASED}\"], disks = \"quick\", reason = \"CHG-4802\" }}\n");
    change(folder, &deployment_file("web"), &web(2, ""), &web(1, &release))?;
    change(
        folder,
        &machine_file(KEPT),
        &format!("[machine.{KEPT}]"),
        &format!("[moved.machine.{KEPT}]\nto = \"{KEPT_AS}\"\n\n[machine.{KEPT_AS}]"),
    )?;
    for file in [machine_file(LONELY), deployment_file(LONELY)] {
        fs::remove_file(folder.join(file)).map_err(failed("delete a fleet file"))?;
    }
    change(
        folder,
        "fleet.toml",
        &format!("to = \"{}\"", RANGE[0]),
        &format!("to = \"{}\"", RANGE[1]),
    )
}

/// Everything that is in the folder, but for git's own.
pub(super) fn delete_all(folder: &Path) -> Result<()> {
    let doing = || failed("delete a fleet's files");
    for entry in fs::read_dir(folder).map_err(doing())? {
        let path = entry.map_err(doing())?.path();
        match path.is_dir() {
            _ if path.ends_with(".git") => Ok(()),
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        }
        .map_err(doing())?;
    }
    Ok(())
}

/// The files of all machines and of what they run; what the fleet is, stays.
pub(super) fn delete_machines(folder: &Path) -> Result<()> {
    ["machines", "deployments"].iter().try_for_each(|part| {
        fs::remove_dir_all(folder.join(part)).map_err(failed("delete a fleet's machines"))
    })
}

/// An image to go on with.
pub(super) struct Next {
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// Fleet lines.
    block: String,
}

/// Makes the next image: the one before with a file more, packed anew, so that its bytes and its digest are others.
pub(super) fn next_image(life: &Life<'_>) -> Result<Next> {
    let before = &life.built[1];
    let folder = life.rack.run.path("next");
    let [tar, file] = ["rootfs.tar", "rootfs.tar.zst"].map(|name| folder.join(name));
    write(
        &folder,
        NEXT_FILE.trim_start_matches('/'),
        &format!("{NEXT_WORDS}\n"),
    )?;
    let run = |command: &mut Command| program::run(command, PACK_MAX);
    run(Command::new("zstd")
        .args(["-q", "-d", "-o"])
        .arg(&tar)
        .arg(before.file("rootfs.tar.zst")?))?;
    let mut add = Command::new("tar");
    add.args(["--append", "--owner=0", "--group=0", "--file"])
        .arg(&tar);
    run(add.arg("--directory").arg(&folder).arg(format!(".{NEXT_FILE}")))?;
    let size = fs::metadata(&tar)
        .map_err(failed("look at the next image"))?
        .len();
    run(Command::new("zstd")
        .args(["-q", "-1", "--rm", "-o"])
        .arg(&file)
        .arg(&tar))?;
    let said = run(Command::new("sha256sum").arg(&file))?;
    let digest = said.split(' ').next().unwrap_or_default();
    let name = format!("debian-12-{}", digest.get(..8).unwrap_or_default());
    let lines = before
        .block
        .lines()
        .map(|line| match line.split(' ').next().unwrap_or_default() {
            "sha256" => format!("sha256 = \"{digest}\"\n"),
            "size" => format!("size = \"{size}B\"\n"),
            word if word.starts_with('[') => format!("[image.{name}]\n"),
            _ => format!("{line}\n"),
        });
    let block = format!(
        "{}kernel-args = [\"console=ttyS0,115200n8\", \"no_timer_check\"]\n",
        lines.collect::<String>()
    );
    Ok(Next { name, file, block })
}

fn machine(spec: &MachineSpec) -> String {
    let MachineSpec {
        name,
        serial,
        nics,
        bmc,
        ..
    } = spec;
    let (mac, address) = (&nics[0].mac, bmc.address);
    // Four translated machines at once are slow.
    let slow = "boot.mode = \"bios\"\nboot.timeout = \"30m\"\n";
    let tags = match name.starts_with("web-") {
        true => "tags = [\"web\"]\n",
        false => "",
    };
    format!(
        "[machine.{name}]\nrack = \"r1\"\nserial = \"{serial}\"\n{tags}{slow}\
         bmc = {{ driver = \"ipmi\", address = \"{address}\", secret = \"lab-bmc\" }}\n\
         nic.p0 = {{ mac = \"{mac}\", link = \"lab/pxe\" }}\n"
    )
}

fn web(count: u32, more: &str) -> String {
    format!("count = {count}\nrequire.tags = [\"web\"]\n{more}")
}

fn machine_file(name: &str) -> String {
    format!("machines/{name}.toml")
}

fn deployment_file(name: &str) -> String {
    format!("deployments/{name}.toml")
}

fn cut<'t>(text: &'t str, at: &str) -> Result<(&'t str, &'t str)> {
    text.split_once(at).ok_or_else(|| unfit(at))
}

fn unfit(lacks: &str) -> RigError {
    RigError::Disproved(format!("the example fleet has no {lacks:?}"))
}
