//! The images muster makes itself, from the Debian packages of the host's own mirror: the
//! ephemeral system that every network boot uses, and a Debian 12 to deploy.
//!
//! One build is: read the mirror, name the result by everything that goes into it, take it from
//! the cache or bootstrap it there, and link it to where the caller wants it. Nothing here
//! uploads or edits a fleet; the caller shows the printed block to a person. It is blocking code
//! that starts Debian's own tools, and needs root for them only where it really builds.

mod bootstrap;
mod cache;
mod debian;
mod ephemeral;
mod error;
mod mirror;
mod recipe;
mod tool;

pub(crate) use error::BuildError;

use cache::{Cache, Manifest};
use mirror::Mirror;
use recipe::Recipe;
use std::path::{Path, PathBuf};

/// Where results are kept when root builds.
pub(crate) const CACHE_OF_ROOT: &str = "/var/cache/muster/images";

/// An image this program knows how to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageKind {
    /// The RAM system in which the in-machine agent runs.
    Ephemeral,
    /// A Debian 12 to deploy.
    Debian12,
}

impl ImageKind {
    /// All of them, for help texts.
    pub(crate) const ALL: [Self; 2] = [Self::Ephemeral, Self::Debian12];

    /// The name on the command line, which is also the image's family.
    pub(crate) fn name(self) -> &'static str {
        self.recipe().name
    }

    fn recipe(self) -> &'static Recipe {
        match self {
            Self::Ephemeral => &ephemeral::RECIPE,
            Self::Debian12 => &debian::RECIPE,
        }
    }
}

/// A built image.
#[derive(Debug)]
pub(crate) struct Built {
    /// The files, in the order in which the block names them.
    pub(crate) artefacts: Vec<Artefact>,
    /// The `[image.NAME]` block for the fleet's repository.
    pub(crate) block: String,
}

/// One file of an image.
#[derive(Debug)]
pub(crate) struct Artefact {
    /// The file in the directory the caller named.
    pub(crate) path: PathBuf,
    /// Its SHA-256, in lower-case hexadecimal.
    pub(crate) sha256: String,
    /// Its length in bytes.
    pub(crate) size: u64,
}

/// Builds `kind` into the directory `out`, or takes it from `cache` where nothing that goes into it
/// has changed. A second build on one cache waits for the first. `progress` gets one line per step.
///
/// # Errors
/// [`BuildError`]; the cache and `out` then hold no half-made image.
pub(crate) fn build(
    kind: ImageKind,
    out: &Path,
    cache: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Built, BuildError> {
    let recipe = kind.recipe();
    let mirror = Mirror::of_host()?;
    recipe.fits(&mirror)?;
    let key = recipe.key(&mirror);
    let cache = Cache::open(cache, progress)?;
    let entry = match cache.find(&key, recipe.form.artefacts()) {
        Some(entry) => {
            progress(&format!("{}: unchanged, taken from the cache", recipe.name));
            entry
        }
        None => {
            let staging = cache.stage(&key)?;
            let log = cache.log(recipe.name, mirror.hosts());
            let files = bootstrap::run(recipe, &mirror, staging.path(), &log, progress)?;
            progress(&format!("{}: computing digests", recipe.name));
            cache.publish(staging, &key, recipe.name, &files)?
        }
    };
    let artefacts = cache.link(&entry, out)?;
    Ok(Built {
        block: (recipe.block)(&entry.manifest),
        artefacts,
    })
}

/// The part of a digest that tells images of one family apart for a person.
fn short(manifest: &Manifest, name: &str) -> String {
    manifest.digest(name).chars().take(8).collect()
}
