//! `/etc/fstab` (fstab(5)): filesystems by UUID, so that disks may change places.

use super::Entry;
use rack_api::job::{Deploy, Filesystem, FilesystemKind};
use std::fmt::Write;

/// How long systemd waits for the device of anything but the root before it stops for an emergency (systemd.mount(5)). Its
/// own minute and a half is little where a controller takes its time over many disks; this is the time that a
/// machine has to boot by default.
const DEVICE_TIMEOUT: &str = "x-systemd.device-timeout=600s";

/// Renders the table.
pub(super) fn render(deploy: &Deploy) -> Entry {
    let mut text = String::from("# Written by muster at installation.\n");
    for filesystem in &deploy.filesystems {
        let mount = match (&filesystem.mount, filesystem.kind) {
            (Some(mount), _) => mount.as_str(),
            (None, FilesystemKind::Swap) => "none",
            (None, FilesystemKind::Ext4 | FilesystemKind::Xfs | FilesystemKind::Vfat) => continue,
        };
        // The order of checks at boot: the root first; XFS checks itself.
        let (kind, defaults, pass) = match filesystem.kind {
            FilesystemKind::Ext4 => ("ext4", "defaults", if mount == "/" { 1 } else { 2 }),
            FilesystemKind::Xfs => ("xfs", "defaults", 0),
            FilesystemKind::Vfat => ("vfat", "defaults", 2),
            FilesystemKind::Swap => ("swap", "sw", 0),
        };
        let mut options = match filesystem.options.as_slice() {
            [] => defaults.to_owned(),
            options => options.join(","),
        };
        // The root is waited for by the initramfs.
        if mount != "/" && !options.contains("x-systemd.device-timeout=") {
            options = format!("{options},{DEVICE_TIMEOUT}");
        }
        writeln!(
            text,
            "UUID={} {mount} {kind} {options} 0 {pass}",
            uuid(filesystem)
        )
        .expect("a String takes all that is written");
    }
    Entry::file("/etc/fstab", 0o644, text)
}

/// The UUID as `blkid` shows it: a FAT has four bytes only, in capitals.
pub(super) fn uuid(filesystem: &Filesystem) -> String {
    let uuid = filesystem.uuid.to_string();
    match filesystem.kind {
        FilesystemKind::Vfat => format!("{}-{}", &uuid[..4], &uuid[4..8]).to_uppercase(),
        FilesystemKind::Ext4 | FilesystemKind::Xfs | FilesystemKind::Swap => uuid,
    }
}
