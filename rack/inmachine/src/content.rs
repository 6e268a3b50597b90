//! What is on a disk, as an identity: the thing the wipe fence compares.
//!
//! Evidence is the marker, the disk's first and last mebibyte, and what `blkid` recognises; where both
//! ends are zeros also the mebibyte behind the first, and samples spread over the disk: a table is
//! zapped in a moment, what it described is still there. It only reads.

use crate::disk::{self, BlockDisk};
use crate::marker::{self, Marker, State};
use crate::partition_table::has_marker_partition;
use crate::program::{self, ProgramError};
use crate::sysfs::Sysfs;
use schema_ids::{ContentId, Digest};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// Both ends that are looked at: partition tables, boot code and superblocks of all common kinds
/// lie within.
pub const END_BYTES: u64 = 1 << 20;

/// So many blocks between the ends are looked at before a disk counts as blank, at equal distances: a
/// spinning disk reads them in a second, and one lies within whatever takes a sixty-fourth of the disk.
pub(crate) const SAMPLES: u64 = 64;

/// The size of a sample: a block of all common filesystems.
pub(crate) const SAMPLE_BYTES: u64 = 4096;

/// A dying disk takes a minute per bad sector; beyond this its contents count as unreadable.
const BLKID_LIMIT: Duration = Duration::from_secs(120);

/// `blkid`'s exit status when it recognised nothing (blkid(8)).
const BLKID_NOTHING: i32 = 2;

/// `blkid`'s exit status when several answers fit.
const BLKID_AMBIVALENT: i32 = 8;

/// At most so many partitions are put into words.
const PARTITIONS_IN_WORDS_MAX: usize = 16;

/// A disk's contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// As an identity.
    pub id: ContentId,
    /// In words for people: `gpt, ext4 "root"`; empty when blank.
    pub words: String,
}

/// The parts of a disk that are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// The first mebibyte.
    pub head: Vec<u8>,
    /// The marker's block, if the disk reaches so far.
    pub marker: Vec<u8>,
    /// The last mebibyte.
    pub tail: Vec<u8>,
    /// What is between them: the second mebibyte, where partition 1 usually begins, and the samples.
    /// Read only where head and tail are zeros, since nothing else hangs on it, and what a running
    /// system writes there must not change the identity of its disk.
    pub between: Vec<u8>,
}

/// What `blkid` recognised on one device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// The kind of partition table: `gpt`.
    pub table: Option<String>,
    /// The filesystem or container: `ext4`, `LVM2_member`; `ambivalent` when several fit.
    pub kind: Option<String>,
    /// Its label.
    pub label: Option<String>,
    /// Its UUID; of a member of an array the array's.
    pub uuid: Option<String>,
}

/// Why a disk's contents could not be told.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It could not be read.
    #[error("cannot read {node}")]
    Read {
        /// The device node.
        node: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `blkid` failed.
    #[error("cannot probe {node}")]
    Probe {
        /// The device node.
        node: String,
        /// Why.
        #[source]
        source: ProgramError,
    },
}

/// Reads and recognises the contents of a disk.
///
/// # Errors
/// The disk could not be read or probed.
pub fn look(sysfs: &Sysfs, disk: &BlockDisk) -> Result<Contents, ContentError> {
    let node = sysfs.device(&disk.name);
    let file = File::open(&node).map_err(|source| ContentError::Read {
        node: node.display().to_string(),
        source,
    })?;
    look_through(sysfs, disk, &file)
}

/// As [`look`], through the open disk, which has its name for as long as it is open.
///
/// # Errors
/// The disk could not be read or probed.
pub fn look_through(sysfs: &Sysfs, disk: &BlockDisk, file: &File) -> Result<Contents, ContentError> {
    let node = sysfs.device(&disk.name);
    let ends = read_open(file, disk.size_bytes).map_err(|source| ContentError::Read {
        node: node.display().to_string(),
        source,
    })?;
    let signature = probe(&node)?;
    let id = identify(&ends, &signature);
    let mut partitions = Vec::new();
    let names = disk::partitions(sysfs, &disk.name);
    for name in names.values().take(PARTITIONS_IN_WORDS_MAX) {
        // Only words for people hang on this: an unreadable partition is left out.
        partitions.extend(probe(&sysfs.device(name)));
    }
    let words = in_words(&id, &signature, &partitions);
    Ok(Contents { id, words })
}

/// The contents of a disk that could not be looked at: somebody's data, for all we know.
pub fn unreadable() -> Contents {
    Contents {
        id: ContentId::Foreign("unreadable".to_owned()),
        words: "unreadable".to_owned(),
    }
}

/// Reads what is looked at of a device or file of this size.
///
/// # Errors
/// It could not be read.
pub fn read_ends(path: &Path, size_bytes: u64) -> io::Result<Ends> {
    read_open(&File::open(path)?, size_bytes)
}

fn read_open(file: &File, size_bytes: u64) -> io::Result<Ends> {
    let read = |from: u64, wanted: u64| -> io::Result<Vec<u8>> {
        let length = wanted.min(size_bytes.saturating_sub(from));
        let mut bytes = vec![0; usize::try_from(length).expect("at most a mebibyte is read")];
        file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    };
    let mut ends = Ends {
        head: read(0, END_BYTES)?,
        marker: read(
            marker::OFFSET,
            u64::try_from(marker::BLOCK_BYTES).expect("a block is small"),
        )?,
        tail: read(size_bytes.saturating_sub(END_BYTES), END_BYTES)?,
        between: Vec::new(),
    };
    if ends.are_zeros() {
        ends.between = read(END_BYTES, END_BYTES)?;
        for offset in sample_offsets(size_bytes) {
            ends.between.extend(read(offset, SAMPLE_BYTES)?);
        }
    }
    Ok(ends)
}

/// Where the samples of a disk of this size begin, each at a multiple of its size.
pub(crate) fn sample_offsets(size_bytes: u64) -> impl Iterator<Item = u64> {
    // Not `size_bytes * number`, which the largest sizes would overflow.
    let distance = size_bytes / SAMPLE_BYTES / (SAMPLES + 1);
    (1..=SAMPLES).map(move |number| distance * number * SAMPLE_BYTES)
}

fn zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

impl Ends {
    fn are_zeros(&self) -> bool {
        zeros(&self.head) && zeros(&self.tail)
    }
}

/// Decides what the evidence amounts to.
pub fn identify(ends: &Ends, signature: &Signature) -> ContentId {
    if let Some(marker) = Marker::decode(&ends.marker)
        && (marker.state == State::Writing || has_marker_partition(&ends.head))
    {
        return marker.content();
    }
    let nothing = signature.table.is_none() && signature.kind.is_none();
    if nothing && ends.are_zeros() && zeros(&ends.marker) && zeros(&ends.between) {
        return ContentId::Blank;
    }
    let digest = Sha256::new()
        .chain_update(&ends.head)
        .chain_update(&ends.tail)
        .chain_update(&ends.between)
        .finalize();
    let hint: String = signature
        .table
        .as_ref()
        .or(signature.kind.as_ref())
        .map_or("unknown", String::as_str)
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(*c))
        .take(40)
        .collect();
    ContentId::Foreign(format!("{hint}+{}", &Digest(digest.into()).hex()[..16]))
}

/// What `blkid` recognises on a device.
///
/// # Errors
/// It could not be probed.
pub(crate) fn probe(node: &Path) -> Result<Signature, ContentError> {
    let node = node.display().to_string();
    let failed = |source| ContentError::Probe {
        node: node.clone(),
        source,
    };
    let output = program::output("blkid", &["-p", "-o", "export", &node], "", BLKID_LIMIT).map_err(failed)?;
    match output.status.code() {
        Some(0) => Ok(parse_signature(&String::from_utf8_lossy(&output.stdout))),
        Some(BLKID_NOTHING) => Ok(Signature::default()),
        Some(BLKID_AMBIVALENT) => Ok(Signature {
            kind: Some("ambivalent".to_owned()),
            ..Signature::default()
        }),
        _ => Err(failed(ProgramError::Failed {
            program: "blkid".to_owned(),
            status: output.status,
            complaint: program::complaint(&output.stderr),
        })),
    }
}

/// Reads `blkid -o export`: lines of `KEY=value` with backslashes before special characters.
fn parse_signature(text: &str) -> Signature {
    let value = |key: &str| {
        text.lines()
            .find_map(|line| Some(line.strip_prefix(key)?.strip_prefix('=')?.replace('\\', "")))
    };
    Signature {
        table: value("PTTYPE"),
        kind: value("TYPE"),
        label: value("LABEL"),
        uuid: value("UUID"),
    }
}

fn in_words(id: &ContentId, signature: &Signature, partitions: &[Signature]) -> String {
    let own = match id {
        ContentId::Blank => return String::new(),
        ContentId::Marker { installed: true, .. } => Some("muster, installed".to_owned()),
        ContentId::Marker { installed: false, .. } => Some("muster, unfinished".to_owned()),
        ContentId::Foreign(_) => None,
    };
    let filesystem = |signature: &Signature| {
        let kind = signature.kind.as_ref()?;
        Some(match &signature.label {
            Some(label) => format!("{kind} {label:?}"),
            None => kind.clone(),
        })
    };
    let words: Vec<String> = own
        .into_iter()
        .chain(signature.table.clone())
        .chain(filesystem(signature))
        .chain(partitions.iter().filter_map(filesystem))
        .collect();
    if words.is_empty() {
        "unknown data".to_owned()
    } else {
        words.join(", ")
    }
}

#[cfg(test)]
mod tests;
