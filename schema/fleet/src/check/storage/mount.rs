//! Mount points: each once, one of them the root, and options that are options: M0405, M0408, M0423.

use super::Layout;
use crate::{
    check::place, code::Code, diagnostic::Diagnostic, span::Span, span::Spanned, value::path::AbsolutePath,
};
use std::collections::BTreeMap;

/// Where the kernel and systemd mount what is theirs; a disk's filesystem would hide it.
const TAKEN: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];

impl Layout<'_> {
    pub(super) fn mounts(&mut self) {
        let storage = self.storage;
        let filesystems = storage.filesystem.iter().filter_map(|one| one.mount.as_ref());
        let datasets = storage.zfs.values().flat_map(|pool| pool.dataset.iter());
        let datasets = datasets.filter_map(|(_, dataset)| dataset.mount.as_ref());
        let subvolumes = storage.btrfs.values().flat_map(|made| made.subvolume.iter());
        let subvolumes = subvolumes.filter_map(|(_, subvolume)| subvolume.mount.as_ref());
        let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
        let mounts: Vec<&Spanned<AbsolutePath>> = filesystems.chain(datasets).chain(subvolumes).collect();
        for mount in mounts {
            if let Some(first) = seen.insert(mount.as_str(), &mount.span) {
                let title = format!("{} is mounted twice", mount.value);
                self.found.push(
                    Diagnostic::error(Code::M0405, title, &mount.span, "second time")
                        .also(first, "first time"),
                );
            }
            let taken = TAKEN.into_iter().find(|taken| {
                let rest = mount.as_str().strip_prefix(taken);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            if let Some(taken) = taken {
                let title = format!("{} is the running system's own", mount.value);
                let label = format!("what is mounted at {taken} would hide it");
                self.found
                    .push(Diagnostic::error(Code::M0425, title, &mount.span, label));
            }
        }
        if !seen.contains_key("/") {
            let title = format!("storage \"{}\" has no root filesystem", self.name);
            self.found.push(
                Diagnostic::error(
                    Code::M0408,
                    title,
                    &place(&storage.origin),
                    "nothing is mounted at /",
                )
                .help("give one filesystem  mount = \"/\""),
            );
        }
        self.options();
    }

    /// One option each: fstab(5) has commas between them and ends a field at a blank.
    fn options(&mut self) {
        for filesystem in &self.storage.filesystem {
            let bad = filesystem.options.iter().find(|option| {
                option.is_empty()
                    || option.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',')
            });
            if let Some(option) = bad {
                let title = format!("\"{option}\" is not one mount option");
                let help = "each option is a string of its own:  options = [\"noatime\", \"nodev\"]";
                let span = place(&filesystem.origin);
                self.found
                    .push(Diagnostic::error(Code::M0423, title, &span, "of this filesystem").help(help));
            }
        }
    }
}
