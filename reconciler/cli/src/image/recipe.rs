//! What an image is made of, as data: packages, paths left out, hooks, and the form of the result.
//! Everything in it is part of the key under which the result is kept.

use super::{cache::Manifest, error::BuildError, mirror::Mirror};
use sha2::{Digest, Sha256};

/// One image.
pub(super) struct Recipe {
    /// The image's family, and its name on the command line.
    pub(super) name: &'static str,
    /// The only release whose packages it can be made of; `None` for any Debian.
    pub(super) codename: Option<&'static str>,
    /// Packages beside the essential ones, with what they depend on.
    pub(super) packages: &'static [&'static str],
    /// Paths that dpkg does not unpack (dpkg(1), `--path-exclude`).
    pub(super) left_out: &'static [&'static str],
    /// Scripts and files, by name.
    pub(super) files: &'static [(Role, &'static str, &'static str)],
    /// What becomes of the bootstrapped root.
    pub(super) form: Form,
    /// The block of the fleet's repository that describes the result.
    pub(super) block: fn(&Manifest) -> String,
}

/// What a file of a recipe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Run when there are only apt's settings (mmdebstrap(1), `--setup-hook`).
    BeforeEverything,
    /// Run when the essential packages are there and the others are not (mmdebstrap(1), `--essential-hook`).
    BeforePackages,
    /// Run when all packages are there (mmdebstrap(1), `--customize-hook`).
    AfterPackages,
    /// Used by one of the scripts.
    Data,
}

/// The form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The scripts make `kernel` and `initrd`; the root becomes the squashfs `rootfs`.
    Netboot,
    /// The root becomes `rootfs.tar.zst`.
    Archive,
}

impl Form {
    /// The program that makes it, and the package of that.
    pub(super) fn tool(self) -> (&'static str, &'static str) {
        match self {
            Self::Netboot => ("mksquashfs", "squashfs-tools"),
            Self::Archive => ("zstd", "zstd"),
        }
    }

    /// Options of that program. A machine unpacks either faster than a network brings it, so the
    /// levels are where more time buys little size.
    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Netboot => &[
                "-comp",
                "zstd",
                "-Xcompression-level",
                "9",
                "-noappend",
                "-no-progress",
            ],
            Self::Archive => &["-q", "-3", "-T0", "--rm"],
        }
    }
}

impl Recipe {
    /// Refuses a host of another release.
    ///
    /// # Errors
    /// [`BuildError::OtherRelease`].
    pub(super) fn fits(&self, mirror: &Mirror) -> Result<(), BuildError> {
        match self.codename {
            Some(wanted) if wanted != mirror.codename() => Err(BuildError::OtherRelease {
                image: self.name,
                wanted,
                is: mirror.codename().to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The options of mmdebstrap(1) that decide what is in the root, without hooks and paths.
    pub(super) fn options(&self) -> Vec<String> {
        let mut options = vec![
            "--mode=root".to_owned(),
            "--variant=minbase".to_owned(),
            "--format=directory".to_owned(),
            "--aptopt=APT::Install-Recommends \"false\"".to_owned(),
            "--aptopt=Acquire::Languages \"none\"".to_owned(),
            "--aptopt=Acquire::Retries \"3\"".to_owned(),
            format!("--include={}", self.packages.join(",")),
        ];
        options.extend(
            self.left_out
                .iter()
                .map(|path| format!("--dpkgopt=path-exclude={path}")),
        );
        options
    }

    /// The name of the result: a digest of all that goes into it, as far as it is known before the
    /// mirror is asked. A week's updates of packages make a new one.
    pub(super) fn key(&self, mirror: &Mirror) -> String {
        let mut parts = vec![
            self.name.to_owned(),
            mirror.codename().to_owned(),
            mirror.week().to_string(),
        ];
        parts.extend(mirror.lines().map(str::to_owned));
        parts.extend(self.options());
        parts.extend(self.form.options().iter().map(|&option| option.to_owned()));
        for (role, name, text) in self.files {
            parts.extend([format!("{role:?}"), (*name).to_owned(), (*text).to_owned()]);
        }
        let mut digest = Sha256::new();
        for part in parts {
            // The length in front keeps two lists of parts from reading the same.
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        hex(&digest.finalize())
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
