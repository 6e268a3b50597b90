//! The fleet's repository: the example, with this run's images, keys and secret in it.

use crate::error::{Result, RigError, failed};
use crate::images::Built;
use crate::machine::{BmcSpec, MachineSpec};
use crate::program;
use crate::rack::Rack;
use crate::repository::Repository;
use crate::run::RUNS;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// git and ssh-keygen answer at once; a loaded host gets more.
const SHORT: Duration = Duration::from_secs(60);

/// How a line of the example's machine begins.
const MACHINE_LINE: &str = "boot.mode = ";

/// The branch of the pull request.
pub(crate) const PROPOSAL: &str = "deploy-node-01";

/// The example with this run's secret, key and images.
pub(crate) struct Fleet {
    pub(crate) repository: Repository,
    /// The private key of whoever may log in.
    pub(crate) key: PathBuf,
    whole: String,
}

impl Fleet {
    /// Makes its repository, key and secret, unless the run has them from another; commits nothing yet.
    /// The secret's place is the same for all runs, since it stands in the repository.
    pub(crate) fn create(
        rack: &Rack,
        spec: &MachineSpec,
        example: &Path,
        built: &[Built; 2],
    ) -> Result<Self> {
        let repository = Repository::create(rack.run.path("fleet"))?;
        let key = rack.run.path("id_ed25519");
        if !key.exists() {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "muster-vrack", "-f"]);
            program::run(keygen.arg(&key), SHORT)?;
        }
        let public = fs::read_to_string(key.with_extension("pub")).map_err(failed("read the public key"))?;
        let secret = Path::new(RUNS).join("lab-bmc.toml");
        write_account(&secret, &spec.bmc)?;
        let text = fs::read_to_string(example).map_err(failed(format!("read {}", example.display())))?;
        let whole = adapt(&text, &secret, public.trim(), built)?;
        Ok(Self {
            repository,
            key,
            whole,
        })
    }

    /// With another text; commits nothing.
    pub(crate) fn with(self, change: impl FnOnce(&str) -> Result<String>) -> Result<Self> {
        let whole = change(&self.whole)?;
        Ok(Self { whole, ..self })
    }

    /// The whole fleet, deployment included.
    pub(crate) fn text(&self) -> &str {
        &self.whole
    }

    /// The first commit: the machine without a deployment, which is added by [`Fleet::propose`].
    pub(crate) fn declare(&self) -> Result<()> {
        let machine = self.whole.split_once("[deployment.");
        let (machine, _) = machine.unwrap_or((&self.whole, ""));
        self.repository.commit(machine, "Declare node-01")
    }

    /// Commits the whole fleet with these lines on the machine.
    pub(crate) fn amend(&self, lines: &[&str], message: &str) -> Result<()> {
        let lines = format!("{}\n{MACHINE_LINE}", lines.join("\n"));
        let text = self.whole.replacen(MACHINE_LINE, &lines, 1);
        self.repository.commit(&text, message)
    }

    /// Commits the whole fleet, deployment included, to a branch of its own.
    pub(crate) fn propose(&self, message: &str) -> Result<()> {
        self.repository.propose(PROPOSAL, &self.whole, message)
    }

    /// Merges the proposal into the branch that is carried out.
    pub(crate) fn merge(&self) -> Result<()> {
        self.repository.merge(PROPOSAL)
    }
}

/// Writes a BMC's account where the fleet's secret points.
pub(crate) fn write_account(path: &Path, bmc: &BmcSpec) -> Result<()> {
    let account = format!("username = \"{}\"\npassword = \"{}\"\n", bmc.user, bmc.password);
    fs::write(path, account).map_err(failed("write the BMC's secret"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed("guard the BMC's secret"))
}

/// The example with this run's secret, key and images: blocks of images are replaced, names follow.
fn adapt(text: &str, secret: &Path, public: &str, built: &[Built; 2]) -> Result<String> {
    let [ephemeral, debian] = built;
    let mut out = String::new();
    let mut in_image = false;
    for line in text.lines() {
        if line.starts_with('[') {
            in_image = line.starts_with("[image.");
        }
        let key = line.split('=').next().unwrap_or_default().trim();
        let replaced = match key {
            _ if in_image => continue,
            "file" => format!("file = \"{}\"", secret.display()),
            "ephemeral" => format!("ephemeral = \"{}\"", ephemeral.name()?),
            "image" => format!("image = \"{}\"", debian.name()?),
            "ssh-keys" => format!("ssh-keys = [\"{public}\"]"),
            _ => line.to_owned(),
        };
        if line.starts_with("[deployment.") {
            out.push_str(&ephemeral.block);
            out.push('\n');
            out.push_str(&debian.block);
            out.push_str("kernel-args = [\"console=ttyS0,115200n8\", \"no_timer_check\"]\n\n");
        }
        out.push_str(&replaced);
        out.push('\n');
    }
    for must in [ephemeral.name()?, debian.name()?, public] {
        if !out.contains(must) {
            return Err(RigError::Disproved(format!(
                "the example fleet has no place for {must}"
            )));
        }
    }
    Ok(out)
}
