//! The images that machines boot and get: built by `muster image build`, kept in its cache.

use crate::error::{Result, RigError, failed};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `muster --json image build` says.
#[derive(Debug, Deserialize)]
pub(crate) struct Built {
    pub(crate) artefacts: Vec<Artefact>,
    /// Fleet lines.
    pub(crate) block: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Artefact {
    pub(crate) path: PathBuf,
}

impl Built {
    /// The image's name in its fleet lines.
    pub(crate) fn name(&self) -> Result<&str> {
        let header = self
            .block
            .lines()
            .find_map(|line| line.strip_prefix("[image.")?.strip_suffix(']'));
        header.ok_or_else(|| RigError::Answer {
            whom: "muster image build".to_owned(),
            found: self.block.clone(),
        })
    }

    /// The file of this name.
    pub(crate) fn file(&self, name: &str) -> Result<&Path> {
        let found = self
            .artefacts
            .iter()
            .find(|file| file.path.file_name().is_some_and(|has| has == name));
        found
            .map(|file| file.path.as_path())
            .ok_or_else(|| RigError::Answer {
                whom: "muster image build".to_owned(),
                found: format!("no file {name}"),
            })
    }
}

/// The two images of a life, built where they are not in the cache. Building shows its own progress.
pub(crate) fn build(programs: &Path, cache: &Path) -> Result<[Built; 2]> {
    build_by(programs, cache, |command| {
        let output = command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(failed("start muster image build"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        Err(RigError::Program {
            line: "muster image build".to_owned(),
            outcome: format!("ended with {}: {text}", output.status),
        })
    })
}

/// The same; `run` runs the builder, hands back what it says on standard output and shows what it says beside.
pub(crate) fn build_by(
    programs: &Path,
    cache: &Path,
    run: impl Fn(&mut Command) -> Result<String>,
) -> Result<[Built; 2]> {
    let built = |kind| read(&run(&mut builder(programs, cache, kind)?)?);
    Ok([built("ephemeral")?, built("debian-12")?])
}

fn builder(programs: &Path, cache: &Path, kind: &str) -> Result<Command> {
    let out = cache.join("out").join(kind);
    fs::create_dir_all(&out).map_err(failed("make the images' directory"))?;
    let mut command = Command::new(programs.join("muster"));
    command
        .args(["--json", "image", "build", kind, "--out"])
        .arg(&out)
        .arg("--cache")
        .arg(cache);
    Ok(command)
}

fn read(said: &str) -> Result<Built> {
    serde_json::from_str(said).map_err(|error| RigError::Answer {
        whom: "muster image build".to_owned(),
        found: error.to_string(),
    })
}

/// Throws built images away, so that the next call builds them anew.
pub(crate) fn forget(cache: &Path) -> Result<()> {
    match fs::remove_dir_all(cache) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed("remove built images")(error))
        }
        _ => Ok(()),
    }
}
