//! The mark of ownership in a firmware's variables, which here are files in a directory.

use crate::tree::plant;
use rack_api::ownership::{ATTRIBUTES, MarkFound, MarkSeen, MarkWish, OwnershipMark, VARIABLE};
use rack_inmachine::ownership::{read, settle};
use rack_inmachine::sysfs::Sysfs;
use schema_ids::{MachineId, MarkOwner, Uuid};
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

const OTHER: &str = "BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c";

struct Board {
    root: tempfile::TempDir,
}

impl Board {
    fn uefi() -> Self {
        let board = Self {
            root: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(board.variables()).unwrap();
        fs::write(board.variables().join(OTHER), [7, 0, 0, 0, 1, 0]).unwrap();
        board
    }

    fn variables(&self) -> PathBuf {
        self.root.path().join("sys/firmware/efi/efivars")
    }

    fn variable(&self) -> PathBuf {
        self.variables().join(VARIABLE)
    }

    fn sysfs(&self) -> Sysfs {
        Sysfs::below(self.root.path())
    }

    fn holds(&self, bytes: &[u8]) {
        fs::write(self.variable(), [&ATTRIBUTES.to_le_bytes(), bytes].concat()).unwrap();
    }

    /// Nothing else of the firmware was touched.
    fn is_else_untouched(&self) -> bool {
        let names = fs::read_dir(self.variables())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let others: Vec<_> = names.filter(|name| name != VARIABLE).collect();
        others == [OTHER] && fs::read(self.variables().join(OTHER)).unwrap() == [7, 0, 0, 0, 1, 0]
    }
}

fn mark(plane: u8, fleet: &str) -> OwnershipMark {
    OwnershipMark {
        plane: Uuid::from_bytes([plane; 16]),
        fleet: fleet.parse().unwrap(),
        machine: MachineId(Uuid::from_bytes([5; 16])),
    }
}

fn wish(over: Option<MarkOwner>) -> MarkWish {
    MarkWish {
        plane: mark(1, "lab").plane,
        stands: Some(mark(1, "lab")),
        over,
    }
}

fn found(mark: OwnershipMark) -> MarkSeen {
    MarkSeen::of(MarkFound::Mark(mark))
}

#[test]
fn a_bios_has_no_place_for_one() {
    let root = tempfile::tempdir().unwrap();
    let sysfs = Sysfs::below(root.path());
    assert_eq!(read(&sysfs), MarkFound::NoPlace);
    assert_eq!(settle(&sysfs, &wish(None)), MarkSeen::of(MarkFound::NoPlace));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn it_is_written_once_replaced_by_name_and_taken_away() {
    let board = Board::uefi();
    let sysfs = board.sysfs();
    assert_eq!(read(&sysfs), MarkFound::Absent);
    assert_eq!(settle(&sysfs, &wish(None)), found(mark(1, "lab")));
    let text = fs::read(board.variable()).unwrap();
    assert_eq!(text[..4], [7, 0, 0, 0], "it stays, and systems can read it");
    assert_eq!(text[4..], *mark(1, "lab").to_string().as_bytes());

    let written = |board: &Board| fs::metadata(board.variable()).unwrap().modified().unwrap();
    let long_ago = SystemTime::UNIX_EPOCH;
    let file = fs::File::options().write(true).open(board.variable()).unwrap();
    file.set_modified(long_ago).unwrap();
    assert_eq!(settle(&sysfs, &wish(None)), found(mark(1, "lab")));
    assert_eq!(
        written(&board),
        long_ago,
        "what stands there is not written again"
    );

    let theirs = mark(9, "lad");
    board.holds(theirs.to_string().as_bytes());
    for over in [None, Some(mark(8, "lab").owner())] {
        assert_eq!(settle(&sysfs, &wish(over)), found(theirs.clone()));
    }
    let none = MarkWish {
        stands: None,
        ..wish(Some(theirs.owner()))
    };
    assert_eq!(
        settle(&sysfs, &none),
        found(theirs.clone()),
        "another's is not taken away"
    );
    assert_eq!(settle(&sysfs, &wish(Some(theirs.owner()))), found(mark(1, "lab")));
    assert_eq!(settle(&sysfs, &none), MarkSeen::of(MarkFound::Absent), "ours is");
    assert!(board.is_else_untouched());
}

#[test]
fn what_is_no_mark_is_somebodys() {
    let board = Board::uefi();
    let sysfs = board.sysfs();
    let cut = mark(1, "lab").to_string();
    for bytes in [
        &b"muster 2\n"[..],
        &cut.as_bytes()[..40],
        &[0; 5000],
        b"",
        &[0xff],
    ] {
        board.holds(bytes);
        let MarkSeen {
            found: stands,
            failed: None,
        } = settle(&sysfs, &wish(None))
        else {
            panic!("it was tried to replace it");
        };
        let MarkFound::Unreadable { owner, why } = &stands else {
            panic!("{stands:?}");
        };
        assert!(why.len() < 400, "{why}");
        let kept = fs::read(board.variable()).unwrap();
        assert_eq!(kept[4..], *bytes);
        let over = wish(Some(owner.clone()));
        if bytes.len() <= cut.len() {
            assert_eq!(settle(&sysfs, &over), found(mark(1, "lab")));
        }
        // The same word opens nothing else.
        board.holds(b"something else");
        assert_ne!(settle(&sysfs, &over).found, MarkFound::Mark(mark(1, "lab")));
    }
}

/// A variable is replaced as a whole by one write, so nothing empties it before: the kernel would show none where the
/// firmware refuses the write and still holds another's. An ordinary file keeps the rest of a longer text, which shows
/// that, and that what was written is read back.
#[test]
fn what_stands_there_is_not_emptied_before_it_is_replaced() {
    let board = Board::uefi();
    let theirs = mark(9, "somebody-elses-fleet").to_string();
    board.holds(theirs.as_bytes());
    let over = wish(Some(mark(9, "lab").owner()));
    let seen = settle(&board.sysfs(), &over);
    let ours = mark(1, "lab").to_string();
    let kept = fs::read(board.variable()).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&kept[4..]),
        format!("{ours}{}", &theirs[ours.len()..])
    );
    assert!(matches!(seen.found, MarkFound::Unreadable { .. }), "{seen:?}");
    assert_eq!(
        seen.failed.as_deref(),
        Some("the firmware took it, and holds something else")
    );
}

#[test]
fn what_cannot_be_read_is_named_by_its_machine() {
    let owner = |serial: &str, mac: &str| {
        let board = Board::uefi();
        fs::create_dir(board.variable()).unwrap();
        let tree = format!(
            "sys/class/dmi/id/product_serial = {serial}\n\
             sys/class/net/eth0/address = {mac}\n\
             sys/class/net/eth0/type = 1\n\
             sys/class/net/eth0/addr_assign_type = 0\n\
             sys/class/net/eth0/device/\n"
        );
        plant(board.root.path(), &tree);
        let MarkFound::Unreadable { owner, why } = read(&board.sysfs()) else {
            panic!("it was read");
        };
        assert!(why.starts_with("it cannot be read: "), "{why}");
        owner
    };
    let (one, other) = ("52:54:00:77:00:01", "52:54:00:77:00:02");
    assert_eq!(owner("CZ231", one), owner("CZ231", one), "git can name it");
    assert_ne!(owner("CZ231", one), owner("CZ232", one));
    let unset = "To be filled by O.E.M.";
    assert_ne!(owner(unset, one), owner(unset, other));
}

#[test]
fn a_name_without_a_variable_is_none() {
    let board = Board::uefi();
    fs::write(board.variable(), []).unwrap();
    assert_eq!(read(&board.sysfs()), MarkFound::Absent);
}

#[test]
fn firmware_that_takes_none_is_told_of_and_nothing_else() {
    let board = Board::uefi();
    // The superuser writes into any directory: the name is one that no file can be made of.
    fs::create_dir(board.variable()).unwrap();
    let seen = settle(&board.sysfs(), &wish(None));
    let owner = seen.found.owner().expect("it is there, and cannot be read");
    assert_eq!(seen.failed, None);
    let seen = settle(&board.sysfs(), &wish(Some(owner.clone())));
    assert_eq!(seen.found.owner(), Some(owner));
    assert!(
        seen.failed
            .is_some_and(|why| why.starts_with("the firmware does not take it"))
    );
    assert!(board.is_else_untouched());
}
