//! Limits of the reader. Whoever can push may write anything; reading it stays cheap.

/// Bytes of one fleet file. An inventory of 10 000 machines is 3 MiB in one file.
pub(crate) const FILE_BYTES_MAX: usize = 4 << 20;

/// Fleet files of one revision. A file per rack and object of the largest fleets is far below.
pub(crate) const FILES_MAX: usize = 20_000;

/// Tables and lists within each other. The language itself has six.
pub(crate) const DEPTH_MAX: usize = 32;

/// Bytes of one object in KDL; a fabric with 500 VLANs is as large. The parser recurses on each error,
/// and there may be an error in each byte.
pub(crate) const KDL_OBJECT_BYTES_MAX: usize = 32 << 10;

/// What may open one level in KDL (`{`, `/*`, `/-`) within one object. The parser recurses on each and
/// keeps going after errors, so the number of openings, not the depth we see, bounds it.
pub(crate) const KDL_OPENINGS_MAX: usize = 100;

/// Objects of one KDL file that cannot be read, after which the rest is not read either.
pub(crate) const KDL_BROKEN_MAX: usize = 20;

/// Stack for each byte of an object: at most 4 KiB of it were seen in use, in builds for debugging.
pub(crate) const KDL_STACK_PER_BYTE: usize = 6 << 10;

/// Stack for the openings of an object: about 10 KiB each were seen in use, in builds for debugging.
pub(crate) const KDL_STACK_FOR_OPENINGS: usize = 4 << 20;

/// Fields and child nodes of one table in KDL; each is compared with those before it.
pub(crate) const KDL_ENTRIES_MAX: usize = 1000;

/// Syntax errors told of one file, one for each line; the rest would be echoes of the first.
pub(crate) const SYNTAX_ERRORS_MAX: usize = 5;
