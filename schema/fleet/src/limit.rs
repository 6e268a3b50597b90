//! Limits of the reader. Whoever can push may write anything; reading it stays cheap.

/// Bytes of one fleet file. An inventory of 10 000 machines is 3 MiB in one file.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// Fleet files of one revision. A file per rack and object of the largest fleets is far below.
pub(crate) const FILES_MAX: usize = 20_000;

/// Bytes of all fleet files. 100,000 machines are 30 MiB.
pub(crate) const FLEET_BYTES_MAX: u64 = 64 << 20;

/// Bytes of all other files: user-data and encrypted secrets. They are held in memory while the fleet is checked.
pub(crate) const OTHER_BYTES_MAX: u64 = 64 << 20;

/// Files and folders that are walked, whatever they are: five for each fleet file that may be.
pub(crate) const ENTRIES_MAX: usize = 100_000;

/// Bytes of the list of one folder, as git keeps it: `ENTRIES_MAX` names of a hundred letters.
pub(crate) const FOLDER_BYTES_MAX: u64 = 16 << 20;

/// Folders within each other.
pub(crate) const FOLDERS_WITHIN_MAX: usize = 32;

/// Bytes of a path: a quarter of what Linux takes (PATH_MAX), which leaves room for where the repository lies.
pub(crate) const PATH_BYTES_MAX: usize = 1024;

/// Files and folders that are refused each by its name; the others are counted.
pub(crate) const REFUSED_MAX: usize = 1000;

/// Tables and lists within each other. The language itself has six.
pub(crate) const DEPTH_MAX: usize = 32;

/// Lines of one TOML file: each can be an error, which the parser keeps. 40,000 machines of seven lines fit.
pub(crate) const TOML_LINES_MAX: usize = 300_000;

/// Control characters of one TOML file, each of which is an error; more is no text.
pub(crate) const TOML_CONTROLS_MAX: usize = 1000;

/// Objects of one file. 10,000 machines, described as machines are, are nearly as large as a file may be.
pub(crate) const OBJECTS_MAX: usize = 20_000;

/// What may begin a table in a TOML file: heads, braces, and dots in heads and keys. The parser takes up to 1.5 KiB for a
/// table of one value; a machine is some ten of these, so 10,000 of them fit.
pub(crate) const TOML_TABLES_MAX: usize = 180_000;

/// What begins a value in a TOML file (`=`, `,`, `[`, `{`), or can be an error in a string (a backslash). A machine
/// is some thirty of these, so 10,000 of them fit.
pub(crate) const TOML_OPENINGS_MAX: usize = 400_000;

/// Values of all objects with their layers laid beneath them: 100,000 machines of a hundred values each. A profile is
/// counted for each machine that has it.
pub(crate) const LAID_VALUES_MAX: usize = 10_000_000;

/// Bytes of text that count as one value.
pub(crate) const TEXT_PER_VALUE: usize = 64;

/// Messages that are kept before they are folded; those beyond are counted.
pub(crate) const KEPT_MAX: usize = 20_000;

/// Messages about one file, likewise; for each kind of its objects as many.
pub(crate) const KEPT_OF_FILE_MAX: usize = 5_000;

/// References for which a name that was meant is looked for: each is compared with all names of its kind.
pub(crate) const SUGGESTED_MAX: usize = 50;

/// Bytes of files that could not be read to the end which are searched for names that are nowhere else: a fraction of a
/// second. Each name costs all of them; the names beyond may stand there.
pub(crate) const SEARCHED_BYTES_MAX: usize = 256 << 20;

/// Comments of one file that allow something.
pub(crate) const ALLOWS_MAX: usize = 1000;

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
