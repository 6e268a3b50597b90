//! Makes the filesystems of the plan and mounts them.

use super::TARGET;
use super::error::{DeployError, doing, running};
use super::volume_commands::CommandLine;
use super::volumes::Volumes;
use crate::program;
use rack_api::job::{Filesystem, FilesystemKind};
use rustix::mount::MountFlags;
use std::time::Duration;

/// A large disk that discards slowly takes minutes; the tables themselves are written lazily.
const MKFS_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Makes every filesystem.
///
/// # Errors
/// A tool failed.
pub(super) fn make(volumes: Volumes<'_, '_>) -> Result<(), DeployError> {
    for filesystem in &volumes.deploy.filesystems {
        let node = volumes.node(&filesystem.device)?;
        let command = command(filesystem, &node);
        let arguments: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
        program::run(command.program, &arguments, "", MKFS_LIMIT)
            .map_err(running(format!("make a filesystem on {node}")))?;
    }
    Ok(())
}

/// Mounts what the plan mounts, parents first as it lists them.
///
/// # Errors
/// A filesystem cannot be mounted.
pub(super) fn mount(volumes: Volumes<'_, '_>) -> Result<(), DeployError> {
    for filesystem in &volumes.deploy.filesystems {
        let kind = match filesystem.kind {
            FilesystemKind::Ext4 => "ext4",
            FilesystemKind::Xfs => "xfs",
            FilesystemKind::Vfat => "vfat",
            FilesystemKind::Swap => continue,
        };
        let Some(mount) = &filesystem.mount else {
            continue;
        };
        let node = volumes.node(&filesystem.device)?;
        let place = format!("{TARGET}{}", mount.trim_end_matches('/'));
        std::fs::create_dir_all(&place).map_err(doing(format!("make {place}")))?;
        // The plan's options are for the installed system; some of them would hinder an installation.
        rustix::mount::mount(&node, &place, kind, MountFlags::empty(), None)
            .map_err(std::io::Error::from)
            .map_err(doing(format!("mount {node} on {place}")))?;
    }
    Ok(())
}

/// The tool that makes a filesystem at a node, and what it is told.
pub fn command(filesystem: &Filesystem, node: &str) -> CommandLine {
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
    arguments.push(node.to_owned());
    CommandLine {
        program: tool,
        arguments,
    }
}
