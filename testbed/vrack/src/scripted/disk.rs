//! A scripted machine's disk: a sparse file, looked at as the in-machine agent looks at a device.

use crate::error::{Result, RigError, failed};
use rack_api::fact::DiskSeen;
use rack_inmachine::content::{self, Signature};
use rack_inmachine::marker;
use rack_inmachine::phone_home::PhoneHomeConfig;
use schema_ids::{ContentId, DiskId};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Where the installed system keeps its one file, whom to phone: in the marker's partition, behind the marker.
const HOME_AT: u64 = marker::OFFSET + (64 << 10);

/// It is a few hundred bytes; zeros follow.
const HOME_BYTES: usize = 4096;

/// How a disk begins that has a system on it which muster did not install.
pub(crate) const FOREIGN: &[u8] = b"the loader of somebody's system";

/// One disk.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) id: DiskId,
    pub(crate) serial: String,
    pub(crate) size_bytes: u64,
    path: PathBuf,
}

impl Disk {
    /// The disk on this file.
    pub(crate) fn open(path: PathBuf, serial: &str) -> Result<Self> {
        let data = std::fs::metadata(&path).map_err(failed(format!("look at {}", path.display())))?;
        let id = DiskId::from_evidence("serial", serial).ok_or_else(|| RigError::Answer {
            whom: "a board".to_owned(),
            found: format!("a disk called {serial:?}"),
        })?;
        Ok(Self {
            id,
            serial: serial.to_owned(),
            size_bytes: data.len(),
            path,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is on it now.
    pub(crate) fn content(&self) -> io::Result<ContentId> {
        let ends = content::read_ends(&self.path, self.size_bytes)?;
        // What `blkid` would say is only a word in front of the digest of the ends.
        Ok(content::identify(&ends, &Signature::default()))
    }

    pub(super) fn seen(&self) -> io::Result<DiskSeen> {
        Ok(DiskSeen {
            disk: self.id.clone(),
            content: self.content()?,
            size_bytes: self.size_bytes,
        })
    }

    /// For writing.
    pub(super) fn file(&self) -> io::Result<File> {
        File::options().read(true).write(true).open(&self.path)
    }

    /// Leaves the installed system's file.
    pub(super) fn write_home(&self, home: &PhoneHomeConfig) -> io::Result<()> {
        let mut block = serde_json::to_vec(home).expect("plain data");
        block.resize(HOME_BYTES, 0);
        let file = self.file()?;
        file.write_all_at(&block, HOME_AT)?;
        file.sync_all()
    }

    /// Whether a system is on it that muster did not install, and that phones nobody.
    pub(super) fn has_foreign_system(&self) -> Result<bool> {
        let mut start = [0; FOREIGN.len()];
        self.file()
            .and_then(|file| file.read_exact_at(&mut start, 0))
            .map_err(failed(format!("read {}", self.path.display())))?;
        Ok(start == *FOREIGN)
    }

    /// Whom the installed system phones, if there is a finished one.
    pub(super) fn installed_system(&self) -> Result<Option<PhoneHomeConfig>> {
        let reading = || format!("read {}", self.path.display());
        let content = self.content().map_err(failed(reading()))?;
        if !matches!(content, ContentId::Marker { installed: true, .. }) {
            return Ok(None);
        }
        let mut block = vec![0; HOME_BYTES];
        self.file()
            .and_then(|file| file.read_exact_at(&mut block, HOME_AT))
            .map_err(failed(reading()))?;
        let end = block.iter().position(|byte| *byte == 0).unwrap_or(HOME_BYTES);
        serde_json::from_slice(&block[..end])
            .map(Some)
            .map_err(|error| RigError::Answer {
                whom: self.path.display().to_string(),
                found: error.to_string(),
            })
    }
}
