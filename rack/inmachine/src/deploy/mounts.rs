//! What is mounted below a directory, and taking all of it away.

use rustix::mount::{UnmountFlags, unmount};
use std::io;

/// Unmounts everything at and below `path`, the last mounted first.
///
/// # Errors
/// Something is in use.
pub(super) fn unmount_all(path: &str) -> io::Result<()> {
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    for mount in below(&table, path).into_iter().rev() {
        unmount(mount, UnmountFlags::empty())?;
    }
    Ok(())
}

/// The mount points at and below `path` in the kernel's order (proc_pid_mountinfo(5)). Ours have no
/// blanks, so its escapes do not matter.
fn below<'a>(table: &'a str, path: &str) -> Vec<&'a str> {
    table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|mount| {
            mount
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_is_found() {
        let table = "22 1 0:20 / / rw - overlay overlay rw\n\
                     30 22 254:3 / /target rw - ext4 /dev/vda3 rw\n\
                     31 22 254:9 / /targets rw - ext4 /dev/vda9 rw\n\
                     32 30 254:2 / /target/boot/efi rw shared:1 - vfat /dev/vda2 rw\n";
        assert_eq!(below(table, "/target"), ["/target", "/target/boot/efi"]);
        assert!(below(table, "/tar").is_empty());
    }
}
