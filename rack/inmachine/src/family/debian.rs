//! Debian: netplan with systemd-networkd, cloud-init for people's settings, GRUB.
//!
//! It cannot render a root on md, LVM or LUKS: the plan has none of them yet.

use super::{Entry, cloud_init, fstab, grub, hosts, netplan, phone_home_unit};
use crate::phone_home::PhoneHomeConfig;
use rack_api::inventory::FirmwareKind;
use rack_api::job::Deploy;

/// What the image must have.
pub(super) fn needs(firmware: FirmwareKind) -> &'static [&'static str] {
    match firmware {
        FirmwareKind::Bios => &[
            "/usr/bin/cloud-init",
            "/usr/sbin/netplan",
            "/usr/sbin/grub-install",
            "/usr/lib/grub/i386-pc",
        ],
        FirmwareKind::Uefi => &[
            "/usr/bin/cloud-init",
            "/usr/sbin/netplan",
            "/usr/sbin/grub-install",
            "/usr/lib/grub/x86_64-efi",
        ],
    }
}

/// All files.
pub(super) fn render(deploy: &Deploy, home: &PhoneHomeConfig) -> Vec<Entry> {
    let mut entries = vec![fstab::render(deploy), netplan::render(&deploy.network)];
    entries.extend(hosts::render(&deploy.hostname));
    entries.extend(cloud_init::render(deploy));
    entries.push(grub::defaults(deploy));
    entries.extend(phone_home_unit::render(home));
    entries
}
