//! `muster image`: build images and hand them to musterd.

use crate::arguments::ImageBuild;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::image::{self, ImageKind};
use crate::say::{say, say_json, tell};
use reconciler_core::people::{self, Artefact};
use schema_ids::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Builds an image; progress goes to standard error, its fleet lines to standard output.
pub(crate) fn build(wish: &ImageBuild, json: bool) -> Result<Exit, Failure> {
    let kind = ImageKind::ALL
        .into_iter()
        .find(|kind| kind.name() == wish.kind)
        .ok_or_else(|| Failure::Usage(format!("no image is called {:?}", wish.kind)))?;
    let cache = wish.cache.clone().unwrap_or_else(default_cache);
    let built = image::build(kind, &wish.out, &cache, &mut |line| tell(line))
        .map_err(|error| Failure::Other(chain(&error)))?;
    if json {
        let artefacts: Vec<_> = built
            .artefacts
            .iter()
            .map(|file| serde_json::json!({ "path": file.path, "sha256": file.sha256, "bytes": file.size }))
            .collect();
        say_json(serde_json::json!({ "artefacts": artefacts, "block": built.block }))?;
    } else {
        say(&built.block)?;
    }
    Ok(Exit::Done)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Root's shared cache, or the user's own (XDG Base Directory Specification).
fn default_cache() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from(image::CACHE_OF_ROOT);
    }
    let from_env = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    from_env("XDG_CACHE_HOME")
        .or_else(|| from_env("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("muster/images")
}

/// Uploads files; those that musterd has are not sent again.
pub(crate) fn add(client: &Client, files: &[PathBuf], json: bool) -> Result<Exit, Failure> {
    let has: Vec<Artefact> = client.get(people::IMAGES)?;
    let mut added = Vec::new();
    for file in files {
        let digest = hash(file)?;
        let artefact = match has.iter().find(|known| known.digest == digest) {
            Some(known) => known.clone(),
            None => client.put_file(&format!("{}{}", people::IMAGES, digest.hex()), file)?,
        };
        if !json {
            say(format_args!(
                "{}  {:>12}  {}",
                artefact.digest,
                artefact.bytes,
                file.display()
            ))?;
        }
        added.push(artefact);
    }
    if json {
        say_json(serde_json::json!(added))?;
    }
    Ok(Exit::Done)
}

fn hash(path: &Path) -> Result<Digest, Failure> {
    let fail = |source| Failure::File {
        what: "read",
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(fail)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut chunk).map_err(fail)?;
        if read == 0 {
            return Ok(Digest(hash.finalize().into()));
        }
        hash.update(&chunk[..read]);
    }
}

/// Lists musterd's artefacts.
pub(crate) fn ls(client: &Client, json: bool) -> Result<Exit, Failure> {
    let has: Vec<Artefact> = client.get(people::IMAGES)?;
    if json {
        say_json(serde_json::json!(has))?;
    } else {
        for artefact in &has {
            say(format_args!("{}  {:>12}", artefact.digest, artefact.bytes))?;
        }
    }
    Ok(Exit::Done)
}
