//! Makes the filesystems of the plan and mounts them.

use super::TARGET;
use super::error::{DeployError, doing, running};
use super::owned_disk::OwnedDisk;
use crate::program;
use rack_api::job::{Deploy, Filesystem, FilesystemKind};
use rustix::mount::MountFlags;
use std::time::Duration;

/// A large disk that discards slowly takes minutes; the tables themselves are written lazily.
const MKFS_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Makes every filesystem.
///
/// # Errors
/// A tool failed.
pub(super) fn make(disks: &[OwnedDisk<'_>], deploy: &Deploy) -> Result<(), DeployError> {
    for filesystem in &deploy.filesystems {
        let node = node(disks, filesystem)?;
        let (tool, mut arguments) = tool(filesystem);
        arguments.push(node.clone());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        program::run(tool, &arguments, "", MKFS_LIMIT)
            .map_err(running(format!("make a filesystem on {node}")))?;
    }
    Ok(())
}

/// Mounts what the plan mounts, parents first as it lists them.
///
/// # Errors
/// A filesystem cannot be mounted.
pub(super) fn mount(disks: &[OwnedDisk<'_>], deploy: &Deploy) -> Result<(), DeployError> {
    for filesystem in &deploy.filesystems {
        let kind = match filesystem.kind {
            FilesystemKind::Ext4 => "ext4",
            FilesystemKind::Xfs => "xfs",
            FilesystemKind::Vfat => "vfat",
            FilesystemKind::Swap => continue,
        };
        let Some(mount) = &filesystem.mount else {
            continue;
        };
        let node = node(disks, filesystem)?;
        let place = format!("{TARGET}{}", mount.trim_end_matches('/'));
        std::fs::create_dir_all(&place).map_err(doing(format!("make {place}")))?;
        // The plan's options are for the installed system; some of them would hinder an installation.
        rustix::mount::mount(&node, &place, kind, MountFlags::empty(), None)
            .map_err(std::io::Error::from)
            .map_err(doing(format!("mount {node} on {place}")))?;
    }
    Ok(())
}

/// The tool for a filesystem and its arguments before the device.
fn tool(filesystem: &Filesystem) -> (&'static str, Vec<String>) {
    let uuid = filesystem.uuid.to_string();
    let (tool, arguments, label) = match filesystem.kind {
        FilesystemKind::Ext4 => (
            "mkfs.ext4",
            // The kernel fills in tables and journal while the system runs.
            vec![
                "-q",
                "-F",
                "-E",
                "lazy_itable_init=1,lazy_journal_init=1",
                "-U",
                &uuid,
            ],
            "-L",
        ),
        FilesystemKind::Xfs => ("mkfs.xfs", vec!["-q", "-f", "-m", &uuid], "-L"),
        FilesystemKind::Vfat => ("mkfs.vfat", vec!["-F", "32", "-i", &uuid[..8]], "-n"),
        FilesystemKind::Swap => ("mkswap", vec!["-U", &uuid], "-L"),
    };
    let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    if filesystem.kind == FilesystemKind::Xfs
        && let Some(last) = arguments.last_mut()
    {
        *last = format!("uuid={uuid}");
    }
    if let Some(text) = &filesystem.label {
        arguments.extend([label.to_owned(), text.clone()]);
    }
    (tool, arguments)
}

fn node(disks: &[OwnedDisk<'_>], filesystem: &Filesystem) -> Result<String, DeployError> {
    let disk = disks
        .iter()
        .find(|disk| disk.plan().disk == filesystem.disk)
        .expect("a checked deployment has its filesystems on its disks");
    disk.partition(filesystem.partition)
}
