//! Scratch directories of test beds. Each names the process that made it, and so do the network namespaces that
//! go with it: what a killed test leaves behind is found, and its owner known to be gone, from names alone.
//!
//! A bed keeps to one rule: whatever it starts works in its scratch directory or stands in one of its namespaces,
//! and whatever it mounts is below the directory. Then [`sweep`] clears all of it away: at the first scratch
//! directory of every test program, and by `cargo xtask clean`.
//!
//! Written with std only, since `xtask` is. Never touches what belongs to a process that still runs.

mod owner;
mod sweep;

pub use sweep::{loop_devices_below, mounts_below, sweep};

use owner::Owner;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static SWEPT: Once = Once::new();
static MADE: AtomicU32 = AtomicU32::new(0);

/// A directory that goes away: when it is dropped, or with the next sweep after its process was killed.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes one below the host's temporary directory, searchable for others, since Postgres drops root. The first of
    /// a process sweeps before it.
    ///
    /// # Panics
    /// The temporary directory cannot be written.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "making a directory is not a default")]
    pub fn new() -> Self {
        SWEPT.call_once(|| match sweep() {
            Ok(did) => did.iter().for_each(|line| eprintln!("{line}")),
            // Not this test's fault; `cargo xtask clean` fails of it.
            Err(reason) => eprintln!("{reason}"),
        });
        let owner = Owner::this();
        loop {
            let number = MADE.fetch_add(1, Ordering::Relaxed);
            let path = temporary().join(owner.name(number));
            match fs::create_dir(&path) {
                Ok(()) => return Self { path },
                // Left by a process of an earlier boot with our pid and start.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot make {}: {error}", path.display()),
            }
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name for a network namespace that goes with the directory; `part` tells it from the others.
    #[must_use]
    pub fn namespace(&self, part: &str) -> String {
        let name = self.path.file_name().expect("its last part is the owner's name");
        format!("{}-{part}", name.to_string_lossy())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is left to the next sweep.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Ends a test that needs root with what to do about it; `for_what` says why it does.
///
/// # Panics
/// This process is not root's.
pub fn assert_root(for_what: &str) {
    assert!(
        user() == 0,
        "needs root for {for_what}: run `cargo xtask test`, which asks sudo for it"
    );
}

/// Where scratch directories are made, free of links, as `/proc` names what is in it.
fn temporary() -> PathBuf {
    let directory = std::env::temp_dir();
    directory.canonicalize().unwrap_or(directory)
}

/// The user whose process this is.
fn user() -> u32 {
    fs::metadata("/proc/self").map_or(u32::MAX, |data| data.uid())
}
