//! Debian: netplan with systemd-networkd, cloud-init for people's settings, GRUB.
//!
//! Its initial RAM disk assembles arrays and activates volumes by udev's rules, so a root on them is found by
//! its filesystem's UUID as any other. It cannot render a root on LUKS: the plan has none yet.

use super::{Entry, cloud_init, esp_copies, fstab, grub, hosts, mdadm, netplan, phone_home_unit};
use crate::phone_home::PhoneHomeConfig;
use rack_api::inventory::FirmwareKind;
use rack_api::job::Deploy;

/// What the image must have.
pub(super) fn needs(deploy: &Deploy) -> Vec<&'static str> {
    let mut paths = vec![
        "/usr/bin/cloud-init",
        "/usr/sbin/netplan",
        "/usr/sbin/grub-install",
        match deploy.firmware {
            FirmwareKind::Bios => "/usr/lib/grub/i386-pc",
            FirmwareKind::Uefi => "/usr/lib/grub/x86_64-efi",
        },
    ];
    // Its initial RAM disk has what its packages put there.
    if !deploy.arrays.is_empty() {
        paths.push("/sbin/mdadm");
    }
    if !deploy.groups.is_empty() {
        paths.push("/sbin/lvm");
    }
    paths
}

/// All files.
pub(super) fn render(deploy: &Deploy, home: &PhoneHomeConfig, loader_id: &str) -> Vec<Entry> {
    let mut entries = vec![fstab::render(deploy)];
    entries.extend(netplan::render(&deploy.network));
    entries.extend(mdadm::render(deploy));
    entries.extend(esp_copies::render(deploy, loader_id));
    entries.extend(hosts::render(&deploy.hostname));
    entries.extend(cloud_init::render(deploy));
    entries.push(grub::defaults(deploy));
    entries.extend(phone_home_unit::render(home));
    entries
}
