//! Debian 12 to deploy: an archive of a root filesystem with kernel, initramfs, both boot loaders'
//! binaries and cloud-init, and with no identity, network or disk layout of its own.
//!
//! What the installer writes beside it: grub.cfg, fstab, the cloud-init seed and the console. It
//! then lives as any Debian does: a new kernel moves the links `/vmlinuz` and `/initrd.img`, and runs
//! update-grub where there is a grub.cfg.

use super::{
    cache::Manifest,
    recipe::{Form, Recipe, Role},
    short,
};

pub(super) static RECIPE: Recipe = Recipe {
    name: "debian-12",
    codename: Some("bookworm"),
    packages: PACKAGES,
    left_out: LEFT_OUT,
    files: &[
        (
            Role::BeforeEverything,
            "merged-usr.sh",
            include_str!("hooks/merged-usr.sh"),
        ),
        (Role::AfterPackages, "debian.sh", include_str!("hooks/debian.sh")),
        (
            Role::Data,
            "debian-cloud.cfg",
            include_str!("hooks/debian-cloud.cfg"),
        ),
        (Role::Data, "debian-grub", include_str!("hooks/debian-grub")),
    ],
    form: Form::Archive,
    block,
};

const PACKAGES: &[&str] = &[
    // The cloud kernel: half the modules, and unpacked by a decompressor that costs a third. It has
    // virtio, NVMe, md, dm and the network cards of data centres, but no AHCI.
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "grub-pc-bin",
    "grub-efi-amd64-bin",
    "grub2-common",
    "efibootmgr",
    "systemd-sysv",
    "systemd-resolved",
    // cloud-init hands network configuration v2 to netplan as it is; its own renderers know less
    // of bonds, VLANs and bridges.
    "netplan.io",
    "cloud-init",
    "openssh-server",
    "mdadm",
    "lvm2",
    "xfsprogs",
    "e2fsprogs",
    "dosfstools",
    "zstd",
    "iproute2",
    "sudo",
    "ca-certificates",
    "curl",
    "dbus",
    "udev",
    "kmod",
    "usr-is-merged",
];

/// Stays left out when packages are upgraded on the machine. `locales` can still make locales.
const LEFT_OUT: &[&str] = &[
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/bug/*",
];

fn block(manifest: &Manifest) -> String {
    let name = "rootfs.tar.zst";
    format!(
        "[image.debian-12-{short}]\nfamily = \"debian-12\"\narch = \"amd64\"\nformat = \"tar.zst\"\n\
         source = \"muster:{name}\"\nsha256 = \"{digest}\"\nsize = \"{size}B\"\n",
        short = short(manifest, name),
        digest = manifest.digest(name),
        size = manifest.unpacked(name),
    )
}
