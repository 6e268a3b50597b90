//! The fleet of a trial: one rack, one network, images of a few bytes; machines as the trial wants them.

use crate::error::{Result, failed};
use crate::machine::MachineSpec;
use crate::once::fleet::write_account;
use crate::rack::ADDRESS;
use crate::trial::bed::Bed;
use schema_ids::Digest;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The ephemeral system's three files.
const EPHEMERAL: [&str; 3] = ["kernel", "initrd", "rootfs"];

/// What can be installed. Two that differ, so that something can happen to one of them.
pub(crate) const IMAGES: [&str; 2] = ["system", "other"];

/// What can be installed too, and is not handed in at first.
pub(crate) const FORGOTTEN: &str = "forgotten";

/// What is never handed in: musterd fetches it by HTTP.
pub(crate) const SERVED: &str = "served";

/// Where it is served: in the run's namespace, so the port is free.
pub(crate) const SERVED_PORT: u16 = 8000;

/// A layout that fits every disk of a trial, and one that fits none.
pub(crate) const LAYOUTS: [(&str, &str); 2] = [("single-disk", "rest"), ("too-large", "1TiB")];

/// The account that every BMC here has, and where another may be tried.
pub(crate) const SECRET: &str = "lab-bmc";
pub(crate) const OTHER_SECRET: &str = "other-bmc";

/// The artefacts: bytes that nobody runs.
#[derive(Debug)]
pub(crate) struct Images {
    folder: PathBuf,
    digests: Vec<(&'static str, Digest)>,
}

impl Images {
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(failed("make the images' folder"))?;
        let mut digests = Vec::new();
        for name in EPHEMERAL.into_iter().chain(IMAGES).chain([FORGOTTEN, SERVED]) {
            let bytes = format!("bytes of {name}\n").repeat(500);
            digests.push((name, Digest(Sha256::digest(bytes.as_bytes()).into())));
            fs::write(folder.join(name), bytes).map_err(failed("write an image"))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            digests,
        })
    }

    /// Where all files are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is handed in before anything else.
    pub(crate) fn files(&self) -> Vec<String> {
        let names = EPHEMERAL.into_iter().chain(IMAGES);
        names.map(|name| self.file(name)).collect()
    }

    /// For `muster image add`.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The digest of a file.
    pub(crate) fn digest(&self, name: &str) -> Digest {
        let found = self.digests.iter().find(|(known, _)| *known == name);
        found.expect("an image that was made").1
    }
}

/// What is said of a machine beside its hardware.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// One of [`IMAGES`], [`FORGOTTEN`] or [`SERVED`]; none leaves it ready.
    pub(crate) image: Option<&'a str>,
    /// One of [`LAYOUTS`].
    pub(crate) layout: &'a str,
    pub(crate) secret: &'a str,
    /// Further lines of its table.
    pub(crate) lines: &'a str,
    /// Further lines of its deployment's table.
    pub(crate) deployment: &'a str,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self {
            image: Some(IMAGES[0]),
            layout: LAYOUTS[0].0,
            secret: SECRET,
            lines: "",
            deployment: "",
        }
    }
}

/// A fleet being written.
#[derive(Clone)]
pub(crate) struct Fleet<'a> {
    bed: &'a Bed,
    text: String,
    images: &'a Images,
}

impl<'a> Fleet<'a> {
    /// The rack, its network and what it can run; no machine yet.
    pub(crate) fn new(bed: &'a Bed, images: &'a Images) -> Self {
        let mut text = HEAD.to_owned();
        for secret in [SECRET, OTHER_SECRET] {
            let file = secret_file(bed, secret);
            line(
                &mut text,
                &format!(
                    "[secret.{secret}]\nstore = \"file\"\nfile = \"{}\"",
                    file.display()
                ),
            );
        }
        line(
            &mut text,
            "[image.ephemeral]\nfamily = \"debian-12\"\narch = \"amd64\"\nformat = \"netboot\"",
        );
        for name in EPHEMERAL {
            let digest = images.digest(name).hex();
            line(
                &mut text,
                &format!("{name} = {{ source = \"muster:{name}\", sha256 = \"{digest}\" }}"),
            );
        }
        for name in IMAGES.into_iter().chain([FORGOTTEN]) {
            let digest = images.digest(name).hex();
            line(
                &mut text,
                &format!(
                    "[image.{name}]\nfamily = \"debian-12\"\narch = \"amd64\"\nformat = \"tar.zst\"\n\
                     source = \"muster:{name}\"\nsha256 = \"{digest}\""
                ),
            );
        }
        for (name, size) in LAYOUTS {
            line(
                &mut text,
                &format!(
                    "[storage.{name}]\nselect.os = {{ pick = \"smallest\" }}\npartition = [\n\
                     {{ id = \"bios\", on = \"os\", size = \"1MiB\", type = \"bios\" }},\n\
                     {{ id = \"root\", on = \"os\", size = \"{size}\" }},\n]\n\
                     filesystem = [{{ on = \"root\", type = \"ext4\", mount = \"/\" }}]"
                ),
            );
        }
        Self { bed, text, images }
    }

    /// Names the image that is served, by the digest of its bytes or by another.
    #[must_use]
    pub(crate) fn serving(mut self, is_right: bool) -> Self {
        let digest = if is_right {
            self.images.digest(SERVED)
        } else {
            Digest(Sha256::digest("what somebody believes to be served").into())
        };
        let digest = digest.hex();
        line(
            &mut self.text,
            &format!(
                "[image.{SERVED}]\nfamily = \"debian-12\"\narch = \"amd64\"\nformat = \"tar.zst\"\n\
                 source = \"http://{ADDRESS}:{SERVED_PORT}/{SERVED}\"\nsha256 = \"{digest}\""
            ),
        );
        self
    }

    /// Declares a machine, and what it shall run.
    #[must_use]
    pub(crate) fn with(mut self, spec: &MachineSpec, wanted: Wanted<'_>) -> Self {
        let MachineSpec {
            name,
            serial,
            nics,
            bmc,
            ..
        } = spec;
        let Wanted {
            image,
            layout,
            secret,
            lines,
            deployment,
        } = wanted;
        let (mac, address) = (&nics[0].mac, bmc.address);
        line(
            &mut self.text,
            &format!(
                "[machine.{name}]\nrack = \"r1\"\nserial = \"{serial}\"\nboot.mode = \"bios\"\n\
                 bmc = {{ driver = \"ipmi\", address = \"{address}\", secret = \"{secret}\" }}\n\
                 nic.p0 = {{ mac = \"{mac}\", link = \"lab/pxe\" }}\n{lines}"
            ),
        );
        if let Some(image) = image {
            line(
                &mut self.text,
                &format!(
                    "[deployment.on-{name}]\nmachines = [\"{name}\"]\nhostname = \"{{name}}\"\n\
                     image = \"{image}\"\nstorage = \"{layout}\"\nnetwork = \"one-port\"\n{deployment}"
                ),
            );
        }
        self
    }

    /// Whatever else it says.
    #[must_use]
    pub(crate) fn and(mut self, more: &str) -> Self {
        line(&mut self.text, more);
        self
    }

    /// Says that a deployment or a machine is removed, and what becomes of its disks: `quick`, `quick 7d` with its
    /// quarantine.
    #[must_use]
    pub(crate) fn removing(mut self, object: &str, fate: &str) -> Self {
        let (disks, quarantine) = match fate.split_once(' ') {
            Some((disks, length)) => (disks, format!("quarantine = \"{length}\"\n")),
            None => (fate, String::new()),
        };
        line(
            &mut self.text,
            &format!("[removed.{object}]\ndisks = \"{disks}\"\n{quarantine}reason = \"the trial\""),
        );
        self
    }

    pub(crate) fn text(&self) -> String {
        self.text.clone()
    }

    /// Writes the account that a secret names; `good` or with another password.
    pub(crate) fn write_secret(&self, secret: &str, good: bool) -> Result<()> {
        let mut bmc = self.bed.machines()[0].bmc.clone();
        if !good {
            bmc.password = "outdated".to_owned();
        }
        write_account(&secret_file(self.bed, secret), &bmc)
    }
}

fn secret_file(bed: &Bed, secret: &str) -> PathBuf {
    bed.rack.run.path(&format!("{secret}.toml"))
}

fn line(text: &mut String, more: &str) {
    writeln!(text, "{more}").expect("a String takes all that is written");
}

const HEAD: &str = r#"# The fleet of a trial.
[fleet.lab]
schema = 1
domain = "lab.example"
ephemeral = "ephemeral"
unreviewed = "allow"
limits.max-destroyed = 10
[rack.r1]
agents = ["rackd-1"]
[fabric.lab]
vlan.pxe = { vid = 0, dhcp = "rack" }
[subnet.lab-v4]
vlan = "lab/pxe"
cidr = "10.77.0.0/24"
gateway = "10.77.0.1"
[[subnet.lab-v4.range]]
use = "reserved"
from = "10.77.0.1"
to = "10.77.0.49"
comment = "the rack agent and BMCs"
[[subnet.lab-v4.range]]
use = "dynamic"
from = "10.77.0.200"
to = "10.77.0.249"
comment = "machines that have no address of their own yet"
[network.one-port]
address = [{ on = "p0", mode = "auto", subnet = "lab-v4" }]
"#;
