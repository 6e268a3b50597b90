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
    /// The names of the files that are the image.
    pub(super) fn artefacts(self) -> &'static [&'static str] {
        match self {
            Self::Netboot => &["kernel", "initrd", "rootfs"],
            Self::Archive => &["rootfs.tar.zst"],
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{ImageKind, debian, ephemeral};

    fn mirror(codename: &str, day: i64) -> Mirror {
        let target =
            format!("Packages amd64 main {codename} {codename} http://m.example/ http://m.example /l");
        Mirror::from_targets(codename, &target, &|_, _| Some(day)).expect("it fits")
    }

    #[test]
    fn a_key_changes_with_what_goes_in_and_once_a_week() {
        let monday = 20_773;
        let key = |recipe: &Recipe, day| recipe.key(&mirror("bookworm", day));
        let recipe = &debian::RECIPE;
        assert_eq!(
            key(recipe, monday),
            key(recipe, monday + 6),
            "one week, one image"
        );
        let changed = |change: &dyn Fn(&mut Recipe)| {
            let mut other = Recipe { ..*recipe };
            change(&mut other);
            key(&other, monday)
        };
        let keys = std::collections::BTreeSet::from([
            key(recipe, monday),
            key(recipe, monday + 7),
            key(&ephemeral::RECIPE, monday),
            changed(&|recipe| recipe.packages = &["curl"]),
            changed(&|recipe| recipe.left_out = &[]),
            changed(&|recipe| recipe.files = &[(Role::Data, "a", "bc")]),
            changed(&|recipe| recipe.files = &[(Role::Data, "ab", "c")]),
            changed(&|recipe| recipe.files = &[(Role::AfterPackages, "ab", "c")]),
            changed(&|recipe| recipe.form = Form::Netboot),
        ]);
        assert_eq!(keys.len(), 9, "{keys:#?}");
        assert!(keys.iter().all(|key| key.len() == 64));
    }

    #[test]
    fn an_image_of_one_release_is_not_made_on_another() {
        let error = debian::RECIPE
            .fits(&mirror("trixie", 0))
            .expect_err("another release");
        assert_eq!(
            error.to_string(),
            "the image debian-12 is built on Debian \"bookworm\", and this host is \"trixie\""
        );
        debian::RECIPE.fits(&mirror("bookworm", 0)).expect("its own");
        ephemeral::RECIPE.fits(&mirror("trixie", 0)).expect("any");
    }

    #[test]
    fn a_block_names_each_artefact_of_its_image() {
        let block = |kind: ImageKind| {
            let recipe = kind.recipe();
            (recipe.block)(&Manifest::sample(recipe.form.artefacts()))
        };
        insta::assert_snapshot!(block(ImageKind::Ephemeral), @r#"
        [image.ephemeral-22222222]
        family = "ephemeral"
        arch = "amd64"
        format = "netboot"
        kernel = { source = "muster:kernel", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
        initrd = { source = "muster:initrd", sha256 = "1111111111111111111111111111111111111111111111111111111111111111" }
        rootfs = { source = "muster:rootfs", sha256 = "2222222222222222222222222222222222222222222222222222222222222222" }
        "#);
        insta::assert_snapshot!(block(ImageKind::Debian12), @r#"
        [image.debian-12-00000000]
        family = "debian-12"
        arch = "amd64"
        format = "tar.zst"
        source = "muster:rootfs.tar.zst"
        sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
        size = "472166400B"
        "#);
    }
}
