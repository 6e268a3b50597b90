//! Writes into the new system's tree as that system will see it.
//!
//! Paths are resolved by the kernel as if the tree were the root, so that an absolute link in an image
//! (`/etc/resolv.conf`, `/lib`) can never lead a write out of it.

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, mkdirat, openat2, symlinkat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// A tree that will be a root filesystem.
#[derive(Debug)]
pub struct Target {
    root: OwnedFd,
}

impl Target {
    /// Opens the tree.
    ///
    /// # Errors
    /// It is no directory that can be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            root: rustix::fs::open(path, flags, Mode::empty())?,
        })
    }

    /// Puts a file, replacing what has its name; missing directories are made, mode 0755.
    ///
    /// # Errors
    /// It could not be written.
    pub fn write(&self, path: &str, mode: u32, contents: &[u8]) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(mode))?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        File::from(file).write_all(contents)
    }

    /// Puts a symbolic link, replacing what has its name.
    ///
    /// # Errors
    /// It could not be made.
    pub fn link(&self, path: &str, to: &str) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        Ok(symlinkat(to, &parent, name)?)
    }

    /// Whether a path leads to something.
    pub fn has(&self, path: &str) -> bool {
        self.open_in(path, OFlags::PATH).is_ok()
    }

    /// The names in a directory.
    ///
    /// # Errors
    /// It could not be read.
    pub fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let directory = self.open_in(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(directory)? {
            names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    fn open_in(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = path.trim_start_matches('/');
        openat2(
            &self.root,
            if path.is_empty() { "." } else { path },
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )
    }

    /// The directory for a path, made if need be, and the free name in it.
    fn place<'a>(&self, path: &'a str) -> io::Result<(OwnedFd, &'a str)> {
        let path = path.trim_start_matches('/');
        let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut so_far = String::new();
        let mut parent = self.open_in("", OFlags::PATH | OFlags::DIRECTORY)?;
        for directory in directories.split('/').filter(|part| !part.is_empty()) {
            so_far = format!("{so_far}/{directory}");
            parent = match self.open_in(&so_far, OFlags::PATH | OFlags::DIRECTORY) {
                Err(Errno::NOENT) => {
                    mkdirat(&parent, directory, Mode::from_raw_mode(0o755))?;
                    self.open_in(&so_far, OFlags::PATH | OFlags::DIRECTORY)?
                }
                other => other?,
            };
        }
        match unlinkat(&parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok((parent, name)),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn links_never_lead_out() {
        let outside = tempfile::tempdir().unwrap();
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("usr")).unwrap();
        symlink("/usr", tree.path().join("lib")).unwrap();
        symlink(outside.path(), tree.path().join("escape")).unwrap();
        symlink(outside.path().join("file"), tree.path().join("name")).unwrap();
        let target = Target::open(tree.path()).unwrap();

        target.write("/lib/x/y", 0o600, b"1").unwrap();
        let made = tree.path().join("usr/x/y");
        assert_eq!(std::fs::read(&made).unwrap(), b"1");
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o600);

        target.write("/name", 0o644, b"2").unwrap();
        assert_eq!(std::fs::read(tree.path().join("name")).unwrap(), b"2");
        target.write("/../../top", 0o644, b"3").unwrap();
        assert!(tree.path().join("top").exists());
        assert!(target.write("/escape/file", 0o644, b"4").is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_there_is_replaced() {
        let tree = tempfile::tempdir().unwrap();
        let target = Target::open(tree.path()).unwrap();
        target.write("/etc/hosts", 0o644, b"a long one").unwrap();
        target.write("/etc/hosts", 0o644, b"short").unwrap();
        target.link("/etc/hosts", "/else").unwrap();
        assert!(!target.has("/etc/hosts"), "the link leads nowhere");
        assert!(target.has("/etc"));
        assert_eq!(target.names("/etc").unwrap().len(), 3, "with . and ..");
    }
}
