//! From a recipe and a mirror to the files of an image: mmdebstrap makes a root directory and runs
//! the recipe's scripts on it, and one more tool packs it.

use super::{
    cache::Made,
    error::BuildError,
    mirror::Mirror,
    recipe::{Form, Recipe, Role},
    tool::{self, Log},
};
use std::{fs, path::Path, time::Duration};

/// A bootstrap took 8 minutes on a busy two-core machine; half an hour is a dead mirror.
const BOOTSTRAP_MAX: Duration = Duration::from_secs(30 * 60);
/// Packing takes seconds; ten minutes is a disk that does not answer.
const PACK_MAX: Duration = Duration::from_secs(10 * 60);

/// Builds in the directory `staging` and says which files in it are the image.
///
/// # Errors
/// Not root, a missing tool, a tool that fails or hangs, or a full disk.
pub(super) fn run(
    recipe: &Recipe,
    mirror: &Mirror,
    staging: &Path,
    log: &Log,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Made>, BuildError> {
    if !rustix::process::geteuid().is_root() {
        return Err(BuildError::NotRoot);
    }
    let (packer, package) = recipe.form.tool();
    tool::require("mmdebstrap", "mmdebstrap")?;
    tool::require(packer, package)?;
    log.clear()?;

    progress(&format!(
        "{}: bootstrapping from the host's mirror, {} packages and what they depend on",
        recipe.name,
        recipe.packages.len()
    ));
    let root = staging.join("root");
    let mut mmdebstrap = tool::command("mmdebstrap");
    mmdebstrap.args(recipe.options());
    let scripts = staging.join("scripts");
    fs::create_dir(&scripts).map_err(BuildError::file("make the directory", &scripts))?;
    for (role, name, text) in recipe.files {
        let path = scripts.join(name);
        let hook = match role {
            Role::BeforeEverything => Some("--setup-hook"),
            Role::BeforePackages => Some("--essential-hook"),
            Role::AfterPackages => Some("--customize-hook"),
            Role::Data => None,
        };
        tool::place(&path, text, if hook.is_some() { 0o755 } else { 0o644 })?;
        mmdebstrap.args(hook.map(|hook| format!("{hook}={}", path.display())));
    }
    mmdebstrap
        .env("MUSTER_SCRIPTS", &scripts)
        .env("MUSTER_OUT", staging);
    // Not as an option of apt, which would stay in the image.
    mmdebstrap.envs(mirror.proxy().map(|proxy| ("http_proxy", proxy)));
    mmdebstrap.arg(mirror.codename()).arg(&root).args(mirror.lines());
    log.run("mmdebstrap", &mut mmdebstrap, BOOTSTRAP_MAX)?;

    progress(&format!(
        "{}: packing the root filesystem with {packer}",
        recipe.name
    ));
    let unpacked = pack(recipe.form, &root, staging, log)?;
    let made = |&name: &&'static str| Made { name, unpacked };
    Ok(recipe.form.artefacts().iter().map(made).collect())
}

/// Makes the last artefact of `form` from `root`; gives its length before compression where it is an archive.
fn pack(form: Form, root: &Path, staging: &Path, log: &Log) -> Result<Option<u64>, BuildError> {
    match form {
        Form::Netboot => {
            let mut mksquashfs = tool::command("mksquashfs");
            mksquashfs
                .arg(root)
                .arg(staging.join("rootfs"))
                .args(form.options());
            log.run("mksquashfs", &mut mksquashfs, PACK_MAX)?;
            Ok(None)
        }
        Form::Archive => {
            let archive = staging.join("rootfs.tar");
            let mut tar = tool::command("tar");
            tar.args([
                "--create",
                "--numeric-owner",
                "--sort=name",
                "--xattrs",
                "--xattrs-include=*",
            ]);
            tar.arg("--file")
                .arg(&archive)
                .arg("--directory")
                .arg(root)
                .arg(".");
            log.run("tar", &mut tar, PACK_MAX)?;
            let size = fs::metadata(&archive)
                .map_err(BuildError::file("read", &archive))?
                .len();
            log.run(
                "zstd",
                tool::command("zstd").args(form.options()).arg(&archive),
                PACK_MAX,
            )?;
            Ok(Some(size))
        }
    }
}
