//! The kernel's view of the machine, `/sys`, `/proc` and `/dev`, below a root directory, which is `/`
//! outside tests.
//!
//! Attributes come and go with hardware and drivers; one that cannot be read is absent.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Attributes are a page at most; `/proc/cpuinfo` of a large machine is about a megabyte.
const ATTRIBUTE_BYTES_MAX: u64 = 4 << 20;

/// The kernel's files, as seen from a root directory.
#[derive(Debug, Clone)]
pub struct Sysfs {
    root: PathBuf,
}

impl Sysfs {
    /// The running system's.
    pub fn live() -> Self {
        Self::below(Path::new("/"))
    }

    /// Those of a tree that looks like one.
    pub fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The path of `inner`, which is written without a leading slash.
    pub(crate) fn path(&self, inner: &str) -> PathBuf {
        self.root.join(inner)
    }

    /// The node of a device, by the kernel's name for it.
    pub fn device(&self, name: &str) -> PathBuf {
        self.root.join("dev").join(name)
    }

    /// Raw bytes of a file.
    pub(crate) fn bytes(&self, inner: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(self.path(inner)).ok()?;
        file.take(ATTRIBUTE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// A text attribute without the blanks around it; absent when empty.
    pub(crate) fn text(&self, inner: &str) -> Option<String> {
        let bytes = self.bytes(inner)?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A number attribute.
    pub(crate) fn number<T: std::str::FromStr>(&self, inner: &str) -> Option<T> {
        self.text(inner)?.parse().ok()
    }

    /// The names in a directory, sorted; none if there is no directory.
    pub(crate) fn names(&self, inner: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(inner)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Whether there is such a file or directory.
    pub(crate) fn exists(&self, inner: &str) -> bool {
        self.path(inner).exists()
    }

    /// Where a path leads with all links followed, again without a leading slash.
    pub(crate) fn resolve(&self, inner: &str) -> Option<String> {
        let root = self.root.canonicalize().ok()?;
        let real = self.path(inner).canonicalize().ok()?;
        Some(real.strip_prefix(root).ok()?.to_str()?.to_owned())
    }
}
