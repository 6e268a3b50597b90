//! A disk without a free byte, for whoever has to go on all the same.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use testbed_scratch::Scratch;

/// A small file system in memory that goes away.
pub(crate) struct FullDisk(Scratch);

impl FullDisk {
    pub(crate) fn make() -> Self {
        testbed_scratch::assert_root("a file system of its own");
        let directory = Scratch::new();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(directory.path())
            .status();
        assert!(mounted.is_ok_and(|status| status.success()));
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no byte.
    pub(crate) fn fill(&self) {
        let full = fs::write(self.0.path().join("filler"), vec![1; 2 << 20]);
        assert_eq!(full.unwrap_err().kind(), ErrorKind::StorageFull);
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.0.path().join("filler")).unwrap();
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let gone = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(gone.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}
