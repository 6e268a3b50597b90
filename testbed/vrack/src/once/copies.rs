//! Copies of a life at two moments, from which another life goes on: hours are saved by not going through
//! firmware and image again for a change in what comes after.
//!
//! A copy is everything that outlives processes: disks, database, the agent's state, the repository. It is
//! taken while nothing runs, and kept outside the clone.

use crate::copy;
use crate::error::{Result, RigError, failed};
use crate::images::Built;
use crate::once::Kind;
use crate::once::life::Life;
use crate::run::Run;
use clap::ValueEnum;
use std::fs;
use std::path::{Path, PathBuf};

/// Where copies are kept.
const COPIES: &str = "/var/cache/muster/lives";
/// What a copy was made with; another life's images have other names.
const MADE_WITH: &str = "made-with";
/// What is copied, as it is named in a run.
const PARTS: [&str; 6] = ["m", "musterd", "rackd", "fleet", "id_ed25519", "id_ed25519.pub"];

/// A moment of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Point {
    /// Inspected and off; nothing is deployed yet.
    Inventory,
    /// Installed; its own disk has not been booted.
    Install,
    /// Deployed on two mirrored disks, for another kernel.
    Mirror,
    /// Deployed on one disk, beside one that is somebody's: its storage will change.
    UsedDisk,
    /// The same on two mirrored disks.
    UsedMirror,
    /// Deployed on one disk, beside one that is somebody's: its deployment will be removed.
    Release,
}

impl Point {
    fn folder(self) -> PathBuf {
        let name = match self {
            Self::Inventory => "inventory",
            Self::Install => "install",
            Self::Mirror => "mirror",
            Self::UsedDisk => "used-disk",
            Self::UsedMirror => "used-mirror",
            Self::Release => "release",
        };
        Path::new(COPIES).join(name)
    }

    /// The life that takes a copy here, and goes on from it.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Inventory | Self::Install => Kind::Plain,
            Self::Mirror => Kind::KernelUpgrade,
            Self::UsedDisk | Self::UsedMirror => Kind::UsedDisks,
            Self::Release => Kind::Release,
        }
    }
}

/// Takes a copy of a machine that is off, and goes on.
pub(crate) fn take(life: &Life<'_>, point: Point) -> Result<()> {
    life.until_off()?;
    life.programs.stop()?;
    let folder = point.folder();
    // A copy is whole or not there: its last part comes last.
    let made_with = folder.join(MADE_WITH);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed("remove the copy before"))?;
    }
    fs::create_dir_all(&folder).map_err(failed("make a copy's folder"))?;
    for part in PARTS {
        copy::any(&life.rack.run.path(part), &folder.join(part))?;
    }
    fs::write(made_with, key(life.built)?).map_err(failed("finish a copy"))?;
    life.programs.start_again(life.rack)?;
    println!("copied: {}", folder.display());
    Ok(())
}

/// Puts a copy into a new run, before its machines are made.
pub(crate) fn put(run: &Run, point: Point, built: &[Built; 2]) -> Result<()> {
    let folder = point.folder();
    let made_with = fs::read_to_string(folder.join(MADE_WITH)).unwrap_or_default();
    if made_with != key(built)? {
        return Err(RigError::Unmet {
            lacks: format!("{} holds no copy of a life with these images", folder.display()),
            fix: "live it without --from, which makes one".to_owned(),
        });
    }
    for part in PARTS {
        copy::any(&folder.join(part), &run.path(part))?;
    }
    Ok(())
}

fn key(built: &[Built; 2]) -> Result<String> {
    let [ephemeral, debian] = built;
    Ok(format!("{} {}", ephemeral.name()?, debian.name()?))
}
