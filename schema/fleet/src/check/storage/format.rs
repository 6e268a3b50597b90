//! A filesystem and what it is on fit each other: M0414, M0424, M0426.

use super::Layout;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::storage::{Filesystem, FilesystemType, PartitionType},
    span::Span,
    value::{extent::Extent, size::Size},
};

/// FAT32 on disks of 4096-byte sectors wants 65525 clusters of 4 KiB: 256 MiB and its tables. Firmware
/// need not read a smaller FAT (UEFI 2.10 §13.3.1).
const ESP_BYTES_MIN: u64 = 260 << 20;

impl Layout<'_> {
    pub(super) fn formats(&mut self) {
        for filesystem in &self.storage.filesystem {
            self.fits(filesystem);
            self.label_fits(filesystem);
        }
        self.esp_is_formatted();
        self.esp_is_large_enough();
    }

    /// Characters of a label: mkfs.ext4(8), mkfs.xfs(8), mkfs.fat(8), mkswap(8), mkfs.btrfs(8).
    fn label_fits(&mut self, filesystem: &Filesystem) {
        let Some(label) = &filesystem.label else { return };
        let kind = filesystem.filesystem_type.value;
        let most = match kind {
            FilesystemType::Ext4 => 16,
            FilesystemType::Xfs => 12,
            FilesystemType::Vfat => 11,
            FilesystemType::Swap => 15,
            FilesystemType::Btrfs => 255,
        };
        if label.value.len() > most {
            let title = format!(
                "the label \"{}\" has {} characters",
                label.value,
                label.value.len()
            );
            self.found.push(Diagnostic::error(
                Code::M0424,
                title,
                &label.span,
                format!("{kind} keeps {most}"),
            ));
        }
    }

    fn esp_is_large_enough(&mut self) {
        for partition in &self.storage.partition {
            if let Extent::Size(size) = partition.size.value
                && partition.partition_type == PartitionType::Esp
                && size.0 < ESP_BYTES_MIN
            {
                let title = format!("an EFI system partition of {size} is small");
                let label = format!(
                    "on disks of 4096-byte sectors FAT32 needs {}",
                    Size(ESP_BYTES_MIN)
                );
                self.found.push(
                    Diagnostic::warning(Code::M0426, title, &partition.size.span, label)
                        .help("firmware need not read a smaller FAT; 512MiB is common"),
                );
            }
        }
    }

    /// A filesystem and what it is on.
    fn fits(&mut self, filesystem: &Filesystem) {
        let kind = &filesystem.filesystem_type;
        let mut tell = |title: String, label: &str, other: Option<(&Span, String)>| {
            let diagnostic = Diagnostic::error(Code::M0414, title, &kind.span, label);
            self.found.push(match other {
                Some((span, text)) => diagnostic.also(span, text),
                None => diagnostic,
            });
        };
        if let (FilesystemType::Swap, Some(mount)) = (kind.value, &filesystem.mount) {
            let other = (&mount.span, "but it has a mount point".to_owned());
            tell("swap space is not mounted".to_owned(), "swap", Some(other));
        }
        let Some(partition) = self
            .storage
            .partition
            .iter()
            .find(|one| one.id.as_str() == filesystem.on.as_str())
        else {
            return;
        };
        let id = &partition.id;
        let other = || {
            Some((
                &id.span,
                format!("a partition of type {}", partition.partition_type),
            ))
        };
        match (partition.partition_type, kind.value) {
            (PartitionType::Esp, FilesystemType::Vfat)
            | (PartitionType::Swap, FilesystemType::Swap)
            | (PartitionType::Linux, _) => {}
            (PartitionType::Esp, _) => {
                tell(
                    "an EFI system partition holds FAT".to_owned(),
                    "UEFI cannot read this",
                    other(),
                );
            }
            (PartitionType::Swap, _) => {
                tell(
                    "a swap partition holds swap".to_owned(),
                    "this is a filesystem",
                    other(),
                );
            }
            (PartitionType::Bios, _) => {
                tell(
                    "a BIOS boot partition holds no filesystem".to_owned(),
                    "GRUB would overwrite it",
                    other(),
                );
            }
        }
        let disks = self
            .storage
            .select
            .get(partition.on.as_str())
            .map_or(1, |select| select.count_min());
        if disks > 1 && partition.partition_type == PartitionType::Linux {
            let title = format!("\"{}\" is on {disks} disks", id.value);
            let other = (
                &partition.on.span,
                "its selector takes more than one disk".to_owned(),
            );
            tell(title, "on which of them? put RAID or LVM between", Some(other));
        }
    }

    fn esp_is_formatted(&mut self) {
        let storage = self.storage;
        for partition in storage
            .partition
            .iter()
            .filter(|one| one.partition_type == PartitionType::Esp)
        {
            if !storage
                .filesystem
                .iter()
                .any(|one| one.on.as_str() == partition.id.as_str())
            {
                let title = format!(
                    "EFI system partition \"{}\" has no filesystem",
                    partition.id.value
                );
                self.found.push(
                    Diagnostic::error(Code::M0414, title, &partition.id.span, "UEFI finds nothing on it")
                        .help("give it a filesystem with  type = \"vfat\"  mount = \"/boot/efi\""),
                );
            }
        }
    }
}
