//! Which bytes a quick erasure writes. Pure.

use super::{SAMPLE_BYTES, sample_offsets};
use crate::content::END_BYTES;
use crate::marker;

/// Bytes that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// The first.
    pub from: u64,
    /// How many.
    pub bytes: u64,
}

/// The mebibyte that begins with the marker: cleared after everything else.
pub const MARKER: Extent = Extent {
    from: marker::OFFSET,
    bytes: END_BYTES,
};

impl Extent {
    /// The first byte behind it.
    pub fn end(self) -> u64 {
        self.from.saturating_add(self.bytes)
    }

    /// Its parts of at most `most` bytes: offset and length.
    pub(super) fn chunks(self, most: usize) -> impl Iterator<Item = (u64, usize)> {
        let step = u64::try_from(most).unwrap_or(u64::MAX);
        let mut from = self.from;
        std::iter::from_fn(move || {
            let length = step.min(self.end() - from);
            let chunk = (length > 0).then_some(from)?;
            from += length;
            Some((chunk, usize::try_from(length).unwrap_or(most)))
        })
    }

    /// What is left of it within a disk, without the marker's mebibyte.
    fn allowed(self, size: u64) -> impl Iterator<Item = Self> {
        let between = |from: u64, end: u64| {
            let (from, end) = (from.max(self.from), end.min(self.end()).min(size));
            (from < end).then(|| Self {
                from,
                bytes: end - from,
            })
        };
        [between(0, MARKER.from), between(MARKER.end(), u64::MAX)]
            .into_iter()
            .flatten()
    }
}

/// Both ends of each partition: superblocks of all common kinds lie within. They go while the table that
/// tells where they are is still there.
pub(super) fn of_partitions(size: u64, partitions: &[Extent]) -> Vec<Extent> {
    let ends = partitions.iter().flat_map(|partition| {
        let bytes = END_BYTES.min(partition.bytes);
        let tail = partition.end().saturating_sub(bytes);
        [partition.from, tail].map(|from| Extent { from, bytes })
    });
    ends.flat_map(|extent| extent.allowed(size)).collect()
}

/// All that is written before the marker's own mebibyte, the table last: both ends of each partition, blocks
/// at equal distances over the disk, its own ends.
pub fn places(size: u64, partitions: &[Extent]) -> Vec<Extent> {
    let samples = sample_offsets(size).map(|from| Extent {
        from,
        bytes: SAMPLE_BYTES,
    });
    let ends = [size.saturating_sub(END_BYTES), 0].map(|from| Extent {
        from,
        bytes: END_BYTES,
    });
    let mut places = of_partitions(size, partitions);
    places.extend(samples.chain(ends).flat_map(|extent| extent.allowed(size)));
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn extent()(from in 0_u64..(64 << 20), bytes in 0_u64..(64 << 20)) -> Extent {
            Extent { from, bytes }
        }
    }

    proptest! {
        #[test]
        fn nothing_is_written_beyond_the_disk_or_over_the_marker(
            blocks in 768_u64..40_000, partitions in prop::collection::vec(extent(), 0..6)
        ) {
            let size = blocks * 4096;
            for place in places(size, &partitions) {
                prop_assert!(place.bytes > 0 && place.end() <= size, "{place:?}");
                prop_assert!(place.end() <= MARKER.from || place.from >= MARKER.end(), "{place:?}");
            }
        }

        #[test]
        fn chunks_cover_an_extent(extent in extent(), most in 1_usize..(8 << 20)) {
            let mut next = extent.from;
            for (offset, length) in extent.chunks(most) {
                prop_assert_eq!(offset, next);
                prop_assert!(length > 0 && length <= most);
                next += length as u64;
            }
            prop_assert_eq!(next, extent.end());
        }
    }

    #[test]
    fn the_ends_of_partitions_go_and_the_table_goes_last() {
        let mebi = |from: u64, bytes: u64| Extent {
            from: from << 20,
            bytes: bytes << 20,
        };
        let size = 100 << 20;
        let ends = of_partitions(size, &[mebi(1, 1), mebi(2, 60), mebi(62, 37)]);
        // The first partition is the marker's own.
        assert_eq!(ends, [mebi(2, 1), mebi(61, 1), mebi(62, 1), mebi(98, 1)]);
        let all = places(size, &[]);
        assert_eq!(all[all.len() - 2..], [mebi(99, 1), mebi(0, 1)]);
    }
}
