//! The demo's fleet: `examples/one-rack`, fitted to the virtual rack, and the edits that a person commits to it.
//!
//! The first commit is the example as it is, the second what must differ here, so that `git show` tells. Every
//! edit must find what it replaces: an example that has changed breaks the demo and not its meaning.

use crate::demo::FOUND;
use crate::error::{Result, RigError, failed};
use crate::images::Built;
use crate::machine::{Firmware, MachineSpec};
use crate::program;
use crate::rack::Rack;
use crate::repository::Repository;
use crate::run::RUNS;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// git, cp and ssh-keygen answer at once; a loaded host gets more.
const SHORT: Duration = Duration::from_secs(60);

const MACHINES: &str = "site/ams1-r07.toml";
const LAYOUTS: &str = "catalog/layouts.toml";
const WEB: &str = "deployments/web.toml";
const DATABASE: &str = "deployments/database.toml";

/// What the web machine answers with; it travels as cloud-init user-data.
const USER_DATA: &str = "#cloud-config\nwrite_files:\n  - path: /srv/hello\n    content: deployed from git\n";

/// The repository and the key pair of this run.
pub(crate) struct Fleet {
    pub(crate) repository: Repository,
    pub(crate) key: PathBuf,
    deployments: Vec<(&'static str, String)>,
}

impl Fleet {
    /// Makes both; the fleet that is committed has one machine and no deployment.
    pub(crate) fn create(
        rack: &Rack,
        example: &Path,
        [known, found]: [&MachineSpec; 2],
        built: &[Built; 2],
    ) -> Result<Self> {
        let folder = rack.run.path("fleet");
        let mut copy = Command::new("cp");
        program::run(
            copy.args(["--recursive", "--no-target-directory"])
                .args([&example.join("toml"), &folder]),
            SHORT,
        )?;
        let repository = Repository::create(folder)?;
        repository.commit_all("Begin with examples/one-rack")?;
        let key = rack.run.path("id_ed25519");
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "muster-demo", "-f"]);
        program::run(keygen.arg(&key), SHORT)?;
        let public = fs::read_to_string(key.with_extension("pub")).map_err(failed("read the public key"))?;
        fit(repository.path(), known, found, built)?;
        let deployments = deployments(repository.path(), public.trim(), built)?;
        repository.commit_all("Fit it to the virtual rack: one machine, its disks and images")?;
        Ok(Self {
            repository,
            key,
            deployments,
        })
    }

    /// Adds the found machine by the lines that muster wrote for it: a person names it and says who switches it.
    pub(crate) fn declare(&self, folder: &Path, patch: &str, found: &MachineSpec) -> Result<()> {
        let header = patch.lines().find(|line| line.starts_with("[machine."));
        let header = header.ok_or_else(|| unfit("the lines of the found machine", "a header"))?;
        let suggested = patch.lines().find(|line| line.starts_with("# bmc = "));
        let suggested =
            suggested.ok_or_else(|| unfit("the lines of the found machine", "its BMC's address"))?;
        let lines = replaced(
            patch,
            "the lines of the found machine",
            &[
                (header, &format!("[machine.{FOUND}]\ntags = [\"database\"]")),
                (suggested, &format!("bmc.address = \"{}\"", found.bmc.address)),
                (
                    "# To have it switched, name the secret that holds its BMC's account:\n",
                    "",
                ),
            ],
        )?;
        append(&folder.join(MACHINES), &format!("\n{}\n", lines.trim_end()))
    }

    /// Adds both deployments.
    pub(crate) fn deploy(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder.join("deployments/userdata")).map_err(failed("make a folder"))?;
        write(&folder.join("deployments/userdata/web.yaml"), USER_DATA)?;
        self.deployments
            .iter()
            .try_for_each(|(path, text)| write(&folder.join(path), text))
    }

    /// Gives the database both disks as a mirror with volumes on it.
    pub(crate) fn mirror(folder: &Path, firmware: Firmware) -> Result<()> {
        append(&folder.join(LAYOUTS), &mirrored(firmware))?;
        edit(
            folder,
            DATABASE,
            &[("storage = \"database\"", "storage = \"mirror\"")],
        )
    }

    /// Ends the web deployment; `lines` is what `muster removed` wrote.
    pub(crate) fn release(folder: &Path, lines: &str) -> Result<()> {
        fs::remove_file(folder.join(WEB)).map_err(failed("remove web.toml"))?;
        fs::remove_file(folder.join("deployments/userdata/web.yaml")).map_err(failed("remove web.yaml"))?;
        write(&folder.join("deployments/removed.toml"), lines)
    }
}

/// Edits the example: what it says of hardware that is not in a virtual rack.
fn fit(folder: &Path, known: &MachineSpec, found: &MachineSpec, built: &[Built; 2]) -> Result<()> {
    let [ephemeral, debian] = built;
    let account = Path::new(RUNS).join("demo-bmc.toml");
    write(
        &account,
        &format!(
            "user = \"{}\"\npass = \"{}\"\n",
            known.bmc.user, known.bmc.password
        ),
    )?;
    fs::set_permissions(&account, fs::Permissions::from_mode(0o600))
        .map_err(failed("guard the BMCs' account"))?;
    edit(
        folder,
        "policy/fleet.toml",
        &[
            ("\"ephemeral-12\"", &format!("\"{}\"", ephemeral.name()?)),
            (
                "/etc/muster/secrets/ams1-bmc.toml",
                &account.display().to_string(),
            ),
        ],
    )?;
    let more = "kernel-args = [\"console=ttyS0,115200n8\", \"no_timer_check\", \"panic=10\"]\nuser-data = \"cloud-init\"";
    write(
        &folder.join("catalog/images.toml"),
        &format!("{}\n{}{more}\n", ephemeral.block, debian.block),
    )?;
    edit(
        folder,
        "catalog/hardware.toml",
        &[(
            "\"20m\" # a terabyte of memory is tested before the first packet",
            "\"6m\" # a translated machine on a busy host is slow",
        )],
    )?;
    fit_layouts(folder, known.firmware, found.firmware)?;
    let machines = folder.join(MACHINES);
    let text = read(&machines)?;
    let (first, _) = split(&text, MACHINES, "\n[machine.ams1-r07-u13]")?;
    write(&machines, first)?;
    let mode = match known.firmware {
        Firmware::Bios | Firmware::Scripted => "bios",
        Firmware::Uefi(_) => "uefi",
    };
    edit(
        folder,
        MACHINES,
        &[
            (
                "position = 12\n",
                &format!("position = 12\nboot.mode = \"{mode}\"\n"),
            ),
            ("nic.p1 = { mac = \"b8:59:9f:00:0c:02\" }\n", ""),
        ],
    )
}

/// Disks that a virtual rack has, and the partition that each firmware starts from.
fn fit_layouts(folder: &Path, known: Firmware, found: Firmware) -> Result<()> {
    edit(
        folder,
        LAYOUTS,
        &[
            // The web machine's layout has its selector on a line, the database's under headers.
            (
                "type = \"nvme\", pick = \"smallest\", min-size = \"200GB\"",
                "pick = \"smallest\"",
            ),
            (
                "type = \"nvme\"\npick = \"smallest\"\nmin-size = \"200GB\"\n",
                "pick = \"smallest\"\n",
            ),
            (
                "type = \"nvme\"\npick = \"largest\"\nmin-size = \"3TB\"\nmodel = \"SAMSUNG MZQL2*\"\non-redeploy = \"keep\"\n",
                "pick = \"largest\"\n",
            ),
            ("the smallest NVMe disk", "the smallest disk"),
            (
                "the largest NVMe disk, kept when the system is installed again",
                "the largest disk",
            ),
            ("16GiB", "256MiB"),
        ],
    )?;
    boot_partition(folder, known, BEHIND_ROOTS)?;
    boot_partition(folder, found, BEHIND_DATABASES)
}

/// An EFI system partition and its filesystem, as each layout of the example has them.
const ESP: [&str; 2] = [
    "    { id = \"esp\", on = \"os\", size = \"512MiB\", type = \"esp\" },\n",
    "    { on = \"esp\", type = \"vfat\", mount = \"/boot/efi\" },\n",
];

/// What stands behind both in a layout, by which it is told from the other.
type Behind<'a> = [&'a str; 2];

const BEHIND_ROOTS: Behind<'_> = ["    { id = \"root\"", "    { on = \"root\""];
const BEHIND_DATABASES: Behind<'_> = ["    { id = \"swap\"", "    { on = \"swap\""];

/// The example's machines are all UEFI; one with a BIOS boots from another partition.
fn boot_partition(folder: &Path, firmware: Firmware, behind: Behind<'_>) -> Result<()> {
    if matches!(firmware, Firmware::Uefi(_)) {
        return Ok(());
    }
    let [partition, filesystem] = ESP;
    let bios = partition.replace("\"esp\"", "\"bios\"").replace("512MiB", "1MiB");
    let [next_partition, next_filesystem] = behind;
    edit(
        folder,
        LAYOUTS,
        &[
            (
                &format!("{partition}{next_partition}"),
                &format!("{bios}{next_partition}"),
            ),
            (&format!("{filesystem}{next_filesystem}"), next_filesystem),
        ],
    )
}

/// A layout over two disks.
fn mirrored(firmware: Firmware) -> String {
    let (boot, filesystem) = match firmware {
        Firmware::Bios | Firmware::Scripted => (
            "{ id = \"bios\", on = \"os\", size = \"1MiB\", type = \"bios\" }",
            "",
        ),
        Firmware::Uefi(_) => (
            "{ id = \"esp\", on = \"os\", size = \"256MiB\", type = \"esp\" }",
            "    { on = \"esp\", type = \"vfat\", mount = \"/boot/efi\" },\n",
        ),
    };
    format!(
        r#"
[storage.mirror]
description = "Both disks as a mirror, with volumes on it"
select.os = {{ pick = "smallest", count = 2 }}
partition = [
    {boot},
    {{ id = "sys", on = "os", size = "rest" }},
]
raid.md0 = {{ level = 1, members = ["sys"] }}
lvm.vg0 = {{ members = ["md0"], volume = {{ root = {{ size = "4GiB" }}, data = {{ size = "rest" }} }} }}
filesystem = [
{filesystem}    {{ on = "vg0/root", type = "ext4", mount = "/" }},
    {{ on = "vg0/data", type = "xfs", mount = "/srv/data" }},
]
"#
    )
}

/// Takes the deployments out of the folder, and hands them back as they shall be committed later.
fn deployments(folder: &Path, public: &str, built: &[Built; 2]) -> Result<Vec<(&'static str, String)>> {
    let image = format!("\"{}\"", built[1].name()?);
    let key = |text: &str| -> Result<String> {
        let line = text.lines().find(|line| line.starts_with("ssh-keys = "));
        let line = line.ok_or_else(|| unfit("a deployment", "ssh-keys"))?;
        replaced(
            text,
            "a deployment",
            &[
                (line, &format!("ssh-keys = [\"{public}\"]")),
                ("\"debian-12-20261101\"", &image),
            ],
        )
    };
    let web = replaced(
        &key(&read(&folder.join(WEB))?)?,
        WEB,
        &[
            ("count = 2", "count = 1"),
            ("cpu-cores = \">= 16\"\n", ""),
            ("memory = \">= 64GiB\"\n", ""),
            ("disks = [{ type = \"nvme\", min-size = \"200GB\" }]\n", ""),
            (
                "# Two machines of the pool, whichever do",
                "# A machine of the pool, whichever does",
            ),
        ],
    )?;
    let database = replaced(
        &key(&read(&folder.join(DATABASE))?)?,
        DATABASE,
        &[
            (
                "machines = [\"ams1-r07-u14\"]",
                &format!("machines = [\"{FOUND}\"]"),
            ),
            ("network = \"database\"", "network = \"plain\""),
            ("update-policy = \"manual\"\n", ""),
            ("protect = \"wipe\"\n", ""),
        ],
    )?;
    fs::remove_dir_all(folder.join("deployments")).map_err(failed("remove the deployments"))?;
    Ok(vec![(WEB, web), (DATABASE, database)])
}

fn edit(folder: &Path, file: &str, edits: &[(&str, &str)]) -> Result<()> {
    let path = folder.join(file);
    write(&path, &replaced(&read(&path)?, file, edits)?)
}

/// Each edit once, in order.
fn replaced(text: &str, whose: &str, edits: &[(&str, &str)]) -> Result<String> {
    edits.iter().try_fold(text.to_owned(), |text, (from, to)| {
        let (before, after) = split(&text, whose, from)?;
        Ok(format!("{before}{to}{after}"))
    })
}

fn split<'t>(text: &'t str, whose: &str, at: &str) -> Result<(&'t str, &'t str)> {
    text.split_once(at).ok_or_else(|| unfit(whose, at))
}

fn unfit(whose: &str, lacks: &str) -> RigError {
    RigError::Disproved(format!("{whose} has no {lacks:?} to replace"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(failed(format!("read {}", path.display())))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(failed(format!("write {}", path.display())))
}

fn append(path: &Path, text: &str) -> Result<()> {
    write(path, &format!("{}{text}", read(path)?))
}
