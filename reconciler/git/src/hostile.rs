//! Trees that git itself would not write: made object by object, and read as musterd reads a revision.

use crate::{Mirror, MirrorError, Tree};
use git2::{ObjectType, Odb, Oid};
use schema_fleet::{Code, Parsed, SourceFile, parse_taken};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The mode, name and object of an entry.
type Entry<'e> = (&'e str, &'e [u8], Oid);

/// A mirror whose objects are made by hand.
struct Forge {
    _folder: tempfile::TempDir,
    mirror: Mirror,
    repository: git2::Repository,
}

impl Forge {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::open_or_create(folder.path()).unwrap();
        let repository = git2::Repository::open_bare(folder.path()).unwrap();
        Self {
            _folder: folder,
            mirror,
            repository,
        }
    }

    fn odb(&self) -> Odb<'_> {
        self.repository.odb().unwrap()
    }

    fn blob(&self, text: &[u8]) -> Oid {
        self.odb().write(ObjectType::Blob, text).unwrap()
    }

    /// A tree of raw entries, in the order given: nobody sorts or checks them.
    fn tree<'e>(&self, entries: impl IntoIterator<Item = Entry<'e>>) -> Oid {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend([mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat());
        }
        self.odb().write(ObjectType::Tree, &raw).unwrap()
    }

    /// The tree as a revision reads it.
    fn read(&self, tree: Oid) -> Tree {
        self.try_read(tree).unwrap()
    }

    fn try_read(&self, tree: Oid) -> Result<Tree, MirrorError> {
        let commit = format!(
            "tree {tree}\nauthor A <a@example.org> 0 +0000\ncommitter A <a@example.org> 0 +0000\n\nx\n"
        );
        let commit = self.odb().write(ObjectType::Commit, commit.as_bytes()).unwrap();
        self.mirror.tree(&commit.to_string())
    }
}

/// What musterd says of it, by codes.
fn told(tree: &Tree) -> BTreeSet<Code> {
    let parsed = parsed(tree);
    assert!(parsed.fleet.is_none());
    parsed.diagnostics.iter().map(|one| one.code).collect()
}

fn parsed(tree: &Tree) -> Parsed {
    let files: Vec<_> = tree
        .files
        .iter()
        .map(|file| SourceFile {
            path: file.path.clone(),
            bytes: file.bytes.clone(),
        })
        .collect();
    parse_taken(&files, &tree.refused)
}

/// A refusal of the whole: one message, and no file.
fn is_refused(tree: &Tree) {
    assert_eq!(told(tree), BTreeSet::from([Code::M0008]));
    assert_eq!(tree.files, []);
}

const FILE: &str = "100644";
const FOLDER: &str = "40000";

#[test]
fn a_million_empty_files_are_not_listed() {
    let forge = Forge::new();
    let empty = forge.blob(b"");
    let names: Vec<_> = (0..1_000_000).map(|number| format!("{number:07}.toml")).collect();
    let tree = forge.tree(names.iter().map(|name| (FILE, name.as_bytes(), empty)));
    let read = forge.read(tree);
    is_refused(&read);
    assert_eq!(read.entries, 0, "its size alone tells");
}

#[test]
fn a_million_files_in_folders_are_walked_to_the_limit() {
    let forge = Forge::new();
    let empty = forge.blob(b"");
    let names: Vec<_> = (0..1000).map(|number| format!("{number:03}.txt")).collect();
    let inner = forge.tree(names.iter().map(|name| (FILE, name.as_bytes(), empty)));
    let tree = forge.tree(names.iter().map(|name| (FOLDER, name.as_bytes(), inner)));
    let read = forge.read(tree);
    is_refused(&read);
    assert_eq!(read.entries, 100_001);
}

/// 2^40 files, and 2^30 of them within the depth that is allowed.
#[test]
fn trees_that_share_trees_end() {
    for (levels, entries) in [(40, 33), (30, 100_001)] {
        let forge = Forge::new();
        let mut tree = forge.blob(b"");
        for level in 0..levels {
            let mode = if level == 0 { FILE } else { FOLDER };
            tree = forge.tree([(mode, &b"a"[..], tree), (mode, &b"b"[..], tree)]);
        }
        let read = forge.read(tree);
        is_refused(&read);
        assert_eq!(read.entries, entries);
    }
}

#[test]
fn a_blob_is_not_read_to_learn_that_it_is_large() {
    let forge = Forge::new();
    let large = forge.blob(&vec![b'#'; 5 << 20]);
    let small = forge.blob(b"[rack.r1]\n");
    let read = forge.read(forge.tree([
        (FILE, &b"a.img"[..], large),
        (FILE, b"a.toml", large),
        (FILE, b"b.toml", small),
    ]));
    assert!(told(&read).contains(&Code::M0008));
    let paths: Vec<_> = read.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["b.toml"]);
    // One blob under many names is as large as many.
    let four = forge.blob(&vec![b'#'; 4 << 20]);
    let names: Vec<_> = (0..100).map(|number| format!("{number:02}.kdl")).collect();
    is_refused(&forge.read(forge.tree(names.iter().map(|name| (FILE, name.as_bytes(), four)))));
}

#[test]
fn entries_that_no_git_writes() {
    let forge = Forge::new();
    let blob = forge.blob(b"[rack.r1]\n");
    let folder = forge.tree([(FILE, &b"a.toml"[..], blob)]);
    let cases: [(&[Entry<'_>], Code); 9] = [
        (&[("120000", b"a.toml", blob)], Code::M0015),
        // A commit that nobody has.
        (&[("160000", b"modules", blob)], Code::M0015),
        (&[("10644", b"a.toml", blob)], Code::M0015),
        (&[(FILE, b"a.toml", blob), (FILE, b"a.toml", blob)], Code::M0016),
        (&[(FILE, b"a.toml", blob), (FILE, b"A.toml", blob)], Code::M0016),
        (
            &[(FOLDER, b"Site", folder), (FOLDER, b"site", folder)],
            Code::M0016,
        ),
        (&[(FOLDER, b"..", folder)], Code::M0017),
        (&[(FILE, b"x/../../a.toml", blob)], Code::M0017),
        (&[(FILE, b"\xff.toml", blob)], Code::M0017),
    ];
    for (entries, code) in cases {
        let read = forge.read(forge.tree(entries.iter().copied()));
        assert!(told(&read).contains(&code), "{entries:?}: {:?}", told(&read));
        let paths = read.files.iter().map(|file| file.path.as_str());
        assert!(
            paths
                .clone()
                .all(|path| path == "a.toml" || path == "Site/a.toml"),
            "{paths:?}"
        );
    }
    // Hidden ones are not looked at, and neither are their objects.
    let gone = Oid::from_str("1234567890123456789012345678901234567890").unwrap();
    let hidden = forge.read(forge.tree([(FOLDER, &b".github"[..], gone), ("120000", b".x.toml", gone)]));
    assert_eq!((hidden.files.len(), hidden.refused.is_any()), (0, false));
}

/// A tree of any bytes, as `cargo xtask fuzz tree` has them. A line is an entry: its mode and its name; one without a
/// blank stands in the tree as it is, as what is no entry. An empty line ends a folder, and what follows is the folder
/// that each folder before it holds.
fn forged(forge: &Forge, input: &[u8]) -> Oid {
    let blob = forge.blob(b"[rack.r1]\n");
    let mut below = forge.tree([]);
    let mut entries: Vec<Vec<u8>> = Vec::new();
    let write = |entries: &mut Vec<Vec<u8>>| {
        let raw: Vec<u8> = entries.drain(..).rev().flatten().collect();
        forge.odb().write(ObjectType::Tree, &raw).unwrap()
    };
    for line in input.split(|byte| *byte == b'\n').rev() {
        let id = if line.starts_with(b"4") { below } else { blob };
        match line {
            [] => below = write(&mut entries),
            line if line.contains(&b' ') => entries.push([line, b"\0", id.as_bytes()].concat()),
            line => entries.push(line.to_vec()),
        }
    }
    write(&mut entries)
}

/// What fuzzing begins with and what it found, or the folder that it has now.
#[test]
fn the_corpus_is_answered() {
    let corpus = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/tree");
    let folder = std::env::var_os("MUSTER_TREES").map_or_else(corpus, PathBuf::from);
    let forge = Forge::new();
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        inputs += 1;
        let tree = forged(&forge, &std::fs::read(entry.unwrap().path()).unwrap());
        let Ok(read) = forge.try_read(tree) else {
            println!("[M----]");
            continue;
        };
        let paths: Vec<_> = read.files.iter().map(|file| file.path.as_str()).collect();
        let is_plain = |path: &&str| {
            let odd = |name: &str| name.is_empty() || name.starts_with('.');
            !path.split('/').any(odd) && !path.contains(|one: char| one == '\\' || one.is_control())
        };
        assert!(paths.iter().all(is_plain), "{paths:?}");
        assert!(paths.is_sorted_by(|one, other| one < other), "{paths:?}");
        parsed(&read)
            .diagnostics
            .iter()
            .for_each(|one| println!("[{}]", one.code));
    }
    assert!(inputs > 0);
}
