//! GRUB: its first configuration, and the defaults from which the system's own `update-grub` makes
//! the next one after a change of kernel.
//!
//! The first one is written here since `update-grub` probes every disk and is the longest step of an
//! installation.

use super::{Entry, fstab};
use crate::plan_check::is_below;
use rack_api::job::{Deploy, Filesystem, FilesystemKind};
use rack_api::volume::{Base, Device};
use schema_ids::Name;
use std::collections::BTreeSet;
use std::fmt::Write;

/// A kernel that the image brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// What stands behind `vmlinuz-` and `initrd.img-`.
    pub version: String,
}

/// The newest kernel among the names in `/boot` that has an initrd.
pub fn newest_kernel(names: &[String]) -> Option<Kernel> {
    let version = names
        .iter()
        .filter_map(|name| name.strip_prefix("vmlinuz-"))
        .filter(|version| names.contains(&format!("initrd.img-{version}")))
        .max_by_key(|version| by_number(version))?;
    Some(Kernel {
        version: version.to_owned(),
    })
}

/// Digits count as numbers, so that 6.1.0-30 is newer than 6.1.0-9.
fn by_number(version: &str) -> Vec<(u64, &str)> {
    let mut parts = Vec::new();
    let mut rest = version;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let text = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (words, next) = after.split_at(text);
        parts.push((number.parse().unwrap_or(0), words));
        rest = next;
    }
    parts
}

/// `grub.cfg` for one kernel.
pub(super) fn boot_config(deploy: &Deploy, kernel: &Kernel, title: &str) -> Entry {
    let boot = holding(deploy, "/boot").expect("a checked deployment has a root filesystem");
    let root = holding(deploy, "/").expect("a checked deployment has a root filesystem");
    let directory = if boot.mount.as_deref() == Some("/boot") {
        ""
    } else {
        "/boot"
    };
    let mut text = String::from(
        "# Written by muster; update-grub replaces it after a change of kernel.\nset timeout=0\n",
    );
    if let Some(Serial { unit, speed }) = serial(&deploy.kernel_args) {
        write!(
            text,
            "serial --unit={unit} --speed={speed}\n\
             terminal_input serial console\nterminal_output serial console\n"
        )
        .expect("a String takes all that is written");
    }
    let module = match boot.kind {
        FilesystemKind::Xfs => "xfs",
        FilesystemKind::Vfat => "fat",
        FilesystemKind::Ext4 | FilesystemKind::Swap => "ext2",
    };
    let volumes: String = volume_modules(deploy, &boot.device)
        .iter()
        .map(|module| format!("insmod {module}\n"))
        .collect();
    let arguments: String = deploy
        .kernel_args
        .iter()
        .map(|word| format!(" '{word}'"))
        .collect();
    let Kernel { version } = kernel;
    write!(
        text,
        "insmod part_gpt\n\
         {volumes}insmod {module}\n\
         search --no-floppy --fs-uuid --set=root {}\n\
         menuentry '{title}' {{\n\
         \x20   linux {directory}/vmlinuz-{version} root=UUID={} ro{arguments}\n\
         \x20   initrd {directory}/initrd.img-{version}\n\
         }}\n",
        fstab::uuid(boot),
        fstab::uuid(root),
    )
    .expect("a String takes all that is written");
    Entry::file("/boot/grub/grub.cfg", 0o600, text)
}

/// GRUB's drivers for what a filesystem stands on: md with metadata 1.x, with what computes a missing member
/// from parity, and LVM.
fn volume_modules(deploy: &Deploy, device: &Device) -> BTreeSet<&'static str> {
    let devices = deploy.devices();
    let (mut modules, arrays) = match device {
        Device::Partition(_) => return BTreeSet::new(),
        Device::Array { array } => (BTreeSet::new(), vec![array]),
        Device::Volume { group, .. } => {
            let members = devices.group(group).into_iter().flat_map(|group| &group.members);
            (BTreeSet::from(["lvm"]), members.filter_map(array_of).collect())
        }
    };
    for array in arrays.into_iter().filter_map(|array| devices.array(array)) {
        modules.insert("mdraid1x");
        match array.level {
            5 => modules.insert("raid5rec"),
            6 => modules.insert("raid6rec"),
            _ => false,
        };
    }
    modules
}

fn array_of(base: &Base) -> Option<&Name> {
    match base {
        Base::Array { array } => Some(array),
        Base::Partition(_) => None,
    }
}

/// What `update-grub` reads beside the image's own `/etc/default/grub`.
pub(super) fn defaults(deploy: &Deploy) -> Entry {
    let mut text = String::from("# Written by muster at installation.\n");
    if !deploy.kernel_args.is_empty() {
        let arguments = deploy.kernel_args.join(" ");
        text.push_str(&format!(
            "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {arguments}\"\n"
        ));
    }
    if let Some(Serial { unit, speed }) = serial(&deploy.kernel_args) {
        text.push_str(&format!(
            "GRUB_TERMINAL=\"serial console\"\n\
             GRUB_SERIAL_COMMAND=\"serial --unit={unit} --speed={speed}\"\n"
        ));
    }
    Entry::file("/etc/default/grub.d/90-muster.cfg", 0o644, text)
}

/// The filesystem that a path of the new system lies on.
fn holding<'a>(deploy: &'a Deploy, path: &str) -> Option<&'a Filesystem> {
    let mount = |filesystem: &&'a Filesystem| {
        let mount = filesystem.mount.as_deref()?;
        (mount == path || is_below(path, mount)).then_some(mount.len())
    };
    deploy
        .filesystems
        .iter()
        .filter(|filesystem| mount(filesystem).is_some())
        .max_by_key(mount)
}

struct Serial {
    unit: u32,
    speed: u32,
}

/// The serial console among the kernel's arguments: `console=ttyS0,115200n8`.
fn serial(arguments: &[String]) -> Option<Serial> {
    let console = arguments
        .iter()
        .filter_map(|word| word.strip_prefix("console=ttyS"))
        .next_back()?;
    let (unit, mode) = console.split_once(',').unwrap_or((console, ""));
    let digits = mode.len() - mode.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some(Serial {
        unit: unit.parse().ok()?,
        // The kernel's own default (Documentation/admin-guide/serial-console).
        speed: mode[..digits].parse().unwrap_or(9600),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_with_an_initrd_is_taken() {
        let names = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let newest = |texts: &[&str]| newest_kernel(&names(texts)).map(|kernel| kernel.version);
        assert_eq!(
            newest(&[
                "vmlinuz-6.1.0-9-amd64",
                "initrd.img-6.1.0-9-amd64",
                "vmlinuz-6.1.0-30-amd64",
                "initrd.img-6.1.0-30-amd64",
                "vmlinuz-6.2.0-1-amd64",
                "config-6.2.0-1-amd64",
            ]),
            Some("6.1.0-30-amd64".to_owned())
        );
        assert_eq!(newest(&["vmlinuz-6.1.0-9-amd64"]), None);
        assert_eq!(newest(&["grub"]), None);
    }
}
