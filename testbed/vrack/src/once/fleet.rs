//! The fleet's repository: the example, with this run's images, keys and secret in it.

use crate::error::{Result, RigError, failed};
use crate::images::Built;
use crate::machine::MachineSpec;
use crate::program;
use crate::rack::Rack;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// git and ssh-keygen answer at once; a loaded host gets more.
const SHORT: Duration = Duration::from_secs(60);

/// The branch of the pull request.
pub(crate) const PROPOSAL: &str = "deploy-node-01";

/// A repository with a first commit of the machine alone.
pub(crate) struct Repository {
    pub(crate) path: PathBuf,
    /// The private key of whoever may log in.
    pub(crate) key: PathBuf,
    whole: String,
}

impl Repository {
    /// Makes it: the first commit declares the machine without a deployment, which is added by
    /// [`Repository::propose`].
    pub(crate) fn create(
        rack: &Rack,
        spec: &MachineSpec,
        example: &Path,
        built: &[Built; 2],
    ) -> Result<Self> {
        let path = rack.run.path("fleet");
        fs::create_dir_all(&path).map_err(failed("make the fleet's folder"))?;
        let key = rack.run.path("id_ed25519");
        let mut keygen = Command::new("ssh-keygen");
        keygen
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "muster-vrack", "-f"])
            .arg(&key);
        program::run(&mut keygen, SHORT)?;
        let public = fs::read_to_string(key.with_extension("pub")).map_err(failed("read the public key"))?;
        let secret = rack.run.path("bmc.toml");
        let account = format!(
            "username = \"{}\"\npassword = \"{}\"\n",
            spec.bmc.user, spec.bmc.password
        );
        fs::write(&secret, account).map_err(failed("write the BMC's secret"))?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))
            .map_err(failed("guard the BMC's secret"))?;
        let text = fs::read_to_string(example).map_err(failed(format!("read {}", example.display())))?;
        let whole = adapt(&text, &secret, public.trim(), built)?;
        let this = Self { path, key, whole };
        this.git(&["init", "-q", "-b", "main"])?;
        let (machine, _) = this.whole.split_once("[deployment.").unwrap_or((&this.whole, ""));
        this.write_and_commit(machine, "Declare node-01")?;
        Ok(this)
    }

    /// Commits the whole fleet, deployment included, to a branch of its own.
    pub(crate) fn propose(&self, message: &str) -> Result<()> {
        self.git(&["checkout", "-q", "-b", PROPOSAL])?;
        self.write_and_commit(&self.whole, message)?;
        self.git(&["checkout", "-q", "main"])
    }

    /// Merges the proposal into the branch that is carried out.
    pub(crate) fn merge(&self) -> Result<()> {
        self.git(&["merge", "-q", "--no-ff", "-m", "Merge the deployment", PROPOSAL])
    }

    fn write_and_commit(&self, text: &str, message: &str) -> Result<()> {
        fs::write(self.path.join("fleet.toml"), text).map_err(failed("write fleet.toml"))?;
        self.git(&["add", "."])?;
        self.git(&["commit", "-q", "-m", message])
    }

    fn git(&self, words: &[&str]) -> Result<()> {
        let mut command = Command::new("git");
        command.current_dir(&self.path);
        command.args([
            "-c",
            "user.name=vrack",
            "-c",
            "user.email=vrack@lab.example",
            "-c",
            "commit.gpgsign=false",
        ]);
        program::run(command.args(words), SHORT).map(drop)
    }
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
            out.push_str("kernel-args = [\"console=ttyS0,115200n8\"]\n\n");
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
