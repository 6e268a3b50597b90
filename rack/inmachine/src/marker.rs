//! The ownership marker: what muster writes on a disk before anything else, and again when done.
//!
//! # Form
//! One block of [`BLOCK_BYTES`] at byte [`OFFSET`] of the disk, in the partition that the layout
//! keeps for it. Its text, all of it in the first [`TEXT_BYTES`], the rest zeros:
//! ```text
//! muster-marker 1
//! <64 hexadecimal digits: SHA-256 of the third line with its line feed>
//! {"state":"writing","incarnation":{…},"binding":"…","generation":7,"spec":"sha256:…","epoch":0,"machine":"…"}
//! ```
//! The text fits one 512-byte sector, which disks write whole or not at all: a power cut leaves the
//! old marker or the new one. Anything that does not check out is no marker, so that nobody's data is
//! ever taken for ours.

use schema_ids::{BindingId, ContentId, Digest, Generation, Incarnation, MachineId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where the marker is, in bytes from the start of the disk: the start of its partition.
pub const OFFSET: u64 = 1 << 20;

/// The size written: a sector of every disk in use, 4096-byte ones too.
pub const BLOCK_BYTES: usize = 4096;

/// The text ends within the smallest sector.
pub const TEXT_BYTES: usize = 512;

const FIRST_LINE: &str = "muster-marker 1\n";

/// How far the installation got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Something may have been overwritten.
    Writing,
    /// The system is complete.
    Installed,
}

/// Whose disk this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// How far the installation got.
    pub state: State,
    /// The control plane's life that wanted it.
    pub incarnation: Incarnation,
    /// The binding that owns the disk.
    pub binding: BindingId,
    /// The intent's generation.
    pub generation: Generation,
    /// What is or will be installed.
    pub spec: Digest,
    /// The reinstall epoch.
    pub epoch: u64,
    /// The machine it was written in.
    pub machine: MachineId,
}

impl Marker {
    /// The block as it goes to the disk.
    pub fn encode(&self) -> [u8; BLOCK_BYTES] {
        let line = serde_json::to_string(self).expect("a marker has only keys that are strings") + "\n";
        let text = format!("{FIRST_LINE}{}\n{line}", digest_of(&line).hex());
        let mut block = [0; BLOCK_BYTES];
        assert!(
            text.len() <= TEXT_BYTES,
            "every field of a marker has a greatest length"
        );
        block[..text.len()].copy_from_slice(text.as_bytes());
        block
    }

    /// Reads a block; `None` for anything that is not a whole, unharmed marker.
    pub fn decode(block: &[u8]) -> Option<Self> {
        let text = block.get(..TEXT_BYTES)?;
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(TEXT_BYTES);
        if text[end..].iter().any(|byte| *byte != 0) {
            return None;
        }
        let text = std::str::from_utf8(&text[..end]).ok()?;
        let (digest, line) = text.strip_prefix(FIRST_LINE)?.split_once('\n')?;
        if digest != digest_of(line).hex() {
            return None;
        }
        serde_json::from_str(line).ok()
    }

    /// The marker as an identity of the disk's contents.
    pub fn content(&self) -> ContentId {
        ContentId::Marker {
            incarnation: self.incarnation.number,
            binding: self.binding,
            generation: self.generation,
            installed: self.state == State::Installed,
        }
    }

    /// Writes the marker and waits until the disk has it.
    ///
    /// # Errors
    /// The disk could not be written.
    pub fn write_to(&self, disk: &File) -> io::Result<()> {
        disk.write_all_at(&self.encode(), OFFSET)?;
        disk.sync_all()
    }
}

fn digest_of(line: &str) -> Digest {
    Digest(Sha256::digest(line.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schema_ids::Uuid;

    prop_compose! {
        fn marker()(bytes: [u8; 32], numbers: [u64; 3], installed: bool) -> Marker {
            let uuid = Uuid::from_digest(bytes);
            Marker {
                state: if installed { State::Installed } else { State::Writing },
                incarnation: Incarnation { number: numbers[0], uuid },
                binding: BindingId(uuid.swapped()),
                generation: Generation(numbers[1]),
                spec: Digest(bytes),
                epoch: numbers[2],
                machine: MachineId(uuid),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(marker in marker()) {
            prop_assert_eq!(Marker::decode(&marker.encode()), Some(marker));
        }

        #[test]
        fn a_changed_bit_is_no_marker(marker in marker(), at in 0..TEXT_BYTES, bit in 0..8_u32) {
            let mut block = marker.encode();
            block[at] ^= 1 << bit;
            prop_assert_eq!(Marker::decode(&block), None);
        }

        #[test]
        fn a_torn_write_is_no_marker(old in marker(), new in marker(), at in 1..TEXT_BYTES) {
            let (old_block, new_block) = (old.encode(), new.encode());
            let mut torn = old_block;
            torn[..at].copy_from_slice(&new_block[..at]);
            let read = Marker::decode(&torn);
            // Only where the rest is equal anyway may a tear go unnoticed.
            prop_assert!(read.is_none() || torn == old_block || torn == new_block);
        }

        #[test]
        fn noise_is_no_marker(noise: [u8; 32]) {
            let mut block = [0; BLOCK_BYTES];
            block[..32].copy_from_slice(&noise);
            prop_assert_eq!(Marker::decode(&block), None);
        }
    }

    #[test]
    fn the_greatest_marker_fits_a_sector() {
        let uuid = Uuid::from_bytes([0xff; 16]);
        let greatest = Marker {
            state: State::Installed,
            incarnation: Incarnation {
                number: u64::MAX,
                uuid,
            },
            binding: BindingId(uuid),
            generation: Generation(u64::MAX),
            spec: Digest([0xff; 32]),
            epoch: u64::MAX,
            machine: MachineId(uuid),
        };
        assert_eq!(Marker::decode(&greatest.encode()), Some(greatest));
    }

    #[test]
    fn what_follows_the_text_does_not_count() {
        let marker = Marker {
            state: State::Writing,
            incarnation: Incarnation {
                number: 1,
                uuid: Uuid::from_bytes([1; 16]),
            },
            binding: BindingId(Uuid::from_bytes([2; 16])),
            generation: Generation(3),
            spec: Digest([4; 32]),
            epoch: 5,
            machine: MachineId(Uuid::from_bytes([6; 16])),
        };
        let mut block = marker.encode();
        block[TEXT_BYTES..].fill(7);
        assert_eq!(
            Marker::decode(&block),
            Some(marker.clone()),
            "the later sectors were torn off"
        );
        insta::assert_snapshot!(
            String::from_utf8_lossy(&marker.encode()[..TEXT_BYTES]).trim_end_matches('\0')
        );
    }
}
