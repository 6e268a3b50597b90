//! EFI system partitions of further disks: kept in step with the first, so that the machine boots from any.
//!
//! Firmware reads and writes one FAT at a time and knows nothing of arrays, so they are no array; see
//! `docs/decisions`. The installed system copies the loaders at each start and whenever the first changes.

use super::Entry;
use rack_api::job::{Deploy, PartitionKind};
use rack_api::volume::Device;

const SCRIPT: &str = "/usr/lib/muster/copy-esp";
const UNITS: &str = "/etc/systemd/system";

/// Renders script and units; nothing where there is one partition at most.
pub(super) fn render(deploy: &Deploy, loader_id: &str) -> Vec<Entry> {
    let mut mounts = deploy.filesystems.iter().filter_map(|filesystem| {
        let Device::Partition(place) = &filesystem.device else {
            return None;
        };
        let partition = deploy.devices().partition(place)?;
        let mount = filesystem.mount.as_deref()?;
        (partition.kind == PartitionKind::Esp).then_some(mount)
    });
    let Some(first) = mounts.next() else {
        return Vec::new();
    };
    let copies: Vec<&str> = mounts.collect();
    if copies.is_empty() {
        return Vec::new();
    }
    let script = format!(
        "#!/bin/sh\n\
         # Written by muster: brings the boot loaders of further disks in step with the first one's.\n\
         set -eu\n\
         mountpoint --quiet {first} || exit 0\n\
         for copy in {}; do\n\
         \x20   mountpoint --quiet \"$copy\" || continue\n\
         \x20   diff --recursive --brief {first}/EFI \"$copy/EFI\" >/dev/null 2>&1 || cp --recursive {first}/EFI \"$copy/\"\n\
         \x20   sync --file-system \"$copy\"\n\
         done\n",
        copies.join(" ")
    );
    let mounts: Vec<String> = std::iter::once(first).chain(copies).map(mount_unit).collect();
    let service = format!(
        "[Unit]\n\
         Description=Brings the boot loaders of all disks in step\n\
         After={}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         ExecStart={SCRIPT}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        mounts.join(" ")
    );
    // Without the dependencies that a path unit has by itself: the start of all services would wait for a
    // first disk that is gone.
    let path = format!(
        "[Unit]\n\
         Description=Watches the boot loader of the first disk\n\
         DefaultDependencies=no\n\
         Conflicts=shutdown.target\n\
         Before=shutdown.target\n\
         \n\
         [Path]\n\
         PathChanged={first}/EFI/{loader_id}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    );
    let mut entries = vec![Entry::file(SCRIPT, 0o755, script)];
    for (unit, text) in [("muster-esp.service", service), ("muster-esp.path", path)] {
        let place = format!("{UNITS}/{unit}");
        entries.push(Entry::file(&place, 0o644, text));
        entries.push(Entry::link(
            &format!("{UNITS}/multi-user.target.wants/{unit}"),
            &place,
        ));
    }
    entries
}

/// The unit of a mount point: its path with slashes as hyphens and all that is special in hexadecimal
/// (systemd.unit(5), "String escaping for inclusion in unit names").
fn mount_unit(mount: &str) -> String {
    let escape = |byte: u8| match byte {
        b'/' => "-".to_owned(),
        b'_' | b':' | b'.' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    let name: String = mount.trim_matches('/').bytes().map(escape).collect();
    format!("{name}.mount")
}
