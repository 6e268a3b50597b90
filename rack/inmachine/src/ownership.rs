//! The machine's mark of ownership: an EFI variable, read at every inventory, and written where git asks for it.
//!
//! Firmware keeps its variables in flash that wears out, and some boards do not start again once it is full. So it is
//! read first, written only where something else is to stand there, by one call for all of it, and read back; a mark that cannot
//! be written is said in the inventory and stops nothing. Whose mark may be replaced is decided by
//! [`rack_api::ownership`]. No other variable is ever touched here.

use crate::inventory;
use crate::say;
use crate::sysfs::Sysfs;
use rack_api::ownership::{
    ATTRIBUTES, BYTES_MAX, MarkAct, MarkFound, MarkSeen, MarkWish, OwnershipMark, VARIABLE,
};
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use schema_ids::{Digest, MarkOwner};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Where the kernel shows them, without a leading slash.
const VARIABLES: &str = "sys/firmware/efi/efivars";

/// Before what a variable holds, efivarfs shows its attributes, 32 bits in little-endian (Linux,
/// `Documentation/filesystems/efivarfs.rst`).
const HEAD_BYTES: usize = 4;

/// Of a variable that is no mark, so much is told to people.
const SHOWN_CHARS: usize = 60;

/// Firmware that is busy answers the next time: this many reads, with so long between them.
const READS: u32 = 5;
const BETWEEN_READS: Duration = Duration::from_millis(50);

/// What stands there.
pub fn read(sysfs: &Sysfs) -> MarkFound {
    // Without an EFI, or with one that lets nobody at its variables while the kernel runs, there are none.
    if sysfs.names(VARIABLES).is_empty() {
        return MarkFound::NoPlace;
    }
    let bytes = match patiently(|| contents(&path(sysfs))) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return MarkFound::Absent,
        // It is there; what nobody can read is nobody's to replace unless a person says so.
        Err(error) => return unread(sysfs, &error),
    };
    // Shown for a variable that was never written to the end: the firmware has none (`efivarfs_file_read`).
    if bytes.is_empty() {
        return MarkFound::Absent;
    }
    let text = bytes.get(HEAD_BYTES..).unwrap_or_default();
    match OwnershipMark::parse(text).filter(|_| text.len() <= BYTES_MAX) {
        Some(mark) => MarkFound::Mark(mark),
        None => unreadable(&bytes, format!("it holds {:?}", shown(text))),
    }
}

/// Does what git asks, and tells what stands there then.
pub fn settle(sysfs: &Sysfs, wish: &MarkWish) -> MarkSeen {
    let found = read(sysfs);
    let (done, wanted) = match found.act(wish) {
        MarkAct::Leave => return MarkSeen::of(found),
        MarkAct::Write(mark) => {
            say!("marking this machine as control plane {}'s", mark.plane);
            (write(&path(sysfs), mark), MarkFound::Mark(mark.clone()))
        }
        MarkAct::Remove => {
            say!("taking away control plane {}'s mark", wish.plane);
            (remove(&path(sysfs)), MarkFound::Absent)
        }
    };
    let now = read(sysfs);
    let failed = match done {
        Err(error) => Some(format!("the firmware does not take it: {error}")),
        Ok(()) if now != wanted => Some("the firmware took it, and holds something else".to_owned()),
        Ok(()) => None,
    };
    if let Some(why) = &failed {
        say!("the mark of ownership: {why}");
    }
    MarkSeen { found: now, failed }
}

fn path(sysfs: &Sysfs) -> PathBuf {
    sysfs.path(VARIABLES).join(VARIABLE)
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than a mark has tells that it is none.
    let most = HEAD_BYTES + BYTES_MAX + 1;
    File::open(path)?.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A moment's fault must not make another's machine of our own. What is not there is told at once.
fn patiently<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..READS {
        match read() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => thread::sleep(BETWEEN_READS),
            done => return done,
        }
    }
    read()
}

/// Nothing is known of what it holds, so its owner is named by the machine: who names that in git opens this one, and
/// none of the others that cannot be read either.
fn unread(sysfs: &Sysfs, error: &io::Error) -> MarkFound {
    let machine = inventory::evidence(sysfs);
    unreadable(
        format!("cannot be read\n{machine}").as_bytes(),
        format!("it cannot be read: {error}"),
    )
}

fn unreadable(bytes: &[u8], why: String) -> MarkFound {
    MarkFound::Unreadable {
        owner: MarkOwner::unreadable(Digest(Sha256::digest(bytes).into())),
        why,
    }
}

fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().take(SHOWN_CHARS).collect()
}

fn write(path: &Path, mark: &OwnershipMark) -> io::Result<()> {
    let was_there = path.try_exists()?;
    if was_there {
        soften(path)?;
    }
    let mut bytes = ATTRIBUTES.to_le_bytes().to_vec();
    bytes.extend(mark.to_string().into_bytes());
    // Each call is one `SetVariable` of the whole variable, so there is one. Emptied before, it would be shown as none where
    // the firmware refuses the call and still holds another's.
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let written = file.and_then(|mut file| match file.write(&bytes)? {
        all if all == bytes.len() => Ok(()),
        some => Err(io::Error::other(format!(
            "{some} of {} bytes were written",
            bytes.len()
        ))),
    });
    if written.is_err() && !was_there {
        // A name without a variable, which the kernel would show until the next boot.
        let _ = fs::remove_file(path);
    }
    written
}

fn remove(path: &Path) -> io::Result<()> {
    soften(path)?;
    fs::remove_file(path)
}

/// The kernel shows variables that it does not know as immutable, so that nobody removes them by accident. That is a
/// matter of this boot's efivarfs, not of the variable.
fn soften(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    match ioctl_getflags(&file) {
        Ok(flags) if flags.contains(IFlags::IMMUTABLE) => {
            ioctl_setflags(&file, flags.difference(IFlags::IMMUTABLE)).map_err(io::Error::from)
        }
        // What has no flags has not that one.
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passing_fault_is_waited_out_and_a_lasting_one_is_told() {
        let table = [
            (0, io::ErrorKind::Other, 1, Ok(7)),
            (READS - 1, io::ErrorKind::Other, READS, Ok(7)),
            (READS, io::ErrorKind::Other, READS, Err(io::ErrorKind::Other)),
            (1, io::ErrorKind::NotFound, 1, Err(io::ErrorKind::NotFound)),
        ];
        for (faults, kind, reads, expected) in table {
            let mut read = 0;
            let done = patiently(|| {
                read += 1;
                match read > faults {
                    true => Ok(7),
                    false => Err(kind.into()),
                }
            });
            assert_eq!((done.map_err(|error| error.kind()), read), (expected, reads));
        }
    }
}
