//! The ephemeral system: the RAM system that the rack boots over the network for each job, and in
//! which the in-machine agent is PID 1.
//!
//! Three files travel to the machine. The kernel is Debian's standard one, because the cloud kernel
//! has no IPMI, AHCI or e1000. The initrd is static busybox, the drivers of boot interfaces and one
//! script, `hooks/ephemeral-init.sh`, which fetches and checks the third file, a squashfs with the
//! field's tools. The agent itself comes beside the initrd, so a new agent needs no new image.

use super::{
    cache::Manifest,
    recipe::{Form, Recipe, Role},
    short,
};

pub(super) static RECIPE: Recipe = Recipe {
    name: "ephemeral",
    codename: None,
    packages: PACKAGES,
    left_out: LEFT_OUT,
    files: &[
        (
            Role::BeforeEverything,
            "merged-usr.sh",
            include_str!("hooks/merged-usr.sh"),
        ),
        (
            Role::BeforePackages,
            "no-initramfs.sh",
            include_str!("hooks/no-initramfs.sh"),
        ),
        (
            Role::AfterPackages,
            "ephemeral.sh",
            include_str!("hooks/ephemeral.sh"),
        ),
        (
            Role::Data,
            "ephemeral-init.sh",
            include_str!("hooks/ephemeral-init.sh"),
        ),
        (
            Role::Data,
            "ephemeral-udhcpc.sh",
            include_str!("hooks/ephemeral-udhcpc.sh"),
        ),
    ],
    form: Form::Netboot,
    block,
};

/// What the agent calls, and what its jobs need in the kernel.
const PACKAGES: &[&str] = &[
    "linux-image-amd64",
    "usr-is-merged",
    "kmod",
    "udev",
    "busybox-static",
    "iproute2",
    "fdisk",
    "gdisk",
    "e2fsprogs",
    "xfsprogs",
    "dosfstools",
    "mdadm",
    "lvm2",
    "cryptsetup-bin",
    "nvme-cli",
    "hdparm",
    "smartmontools",
    "efibootmgr",
    "dmidecode",
    "pciutils",
    "ethtool",
    "ipmitool",
    "zstd",
    "kexec-tools",
];

/// Every byte travels to every machine on every boot. What stays: storage, wired networks, USB
/// storage, IPMI, the filesystems of `PACKAGES`.
const LEFT_OUT: &[&str] = &[
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/bug/*",
    "/usr/share/common-licenses/*",
    "/usr/share/i18n/*",
    "/lib/modules/*/kernel/arch/x86/kvm/*",
    "/lib/modules/*/kernel/sound/*",
    "/lib/modules/*/kernel/drivers/bluetooth/*",
    "/lib/modules/*/kernel/drivers/comedi/*",
    "/lib/modules/*/kernel/drivers/edac/*",
    "/lib/modules/*/kernel/drivers/extcon/*",
    "/lib/modules/*/kernel/drivers/firewire/*",
    "/lib/modules/*/kernel/drivers/gpu/*",
    "/lib/modules/*/kernel/drivers/hid/*",
    "/lib/modules/*/kernel/drivers/hwmon/*",
    "/lib/modules/*/kernel/drivers/iio/*",
    "/lib/modules/*/kernel/drivers/infiniband/*",
    "/lib/modules/*/kernel/drivers/input/*",
    "/lib/modules/*/kernel/drivers/isdn/*",
    "/lib/modules/*/kernel/drivers/leds/*",
    "/lib/modules/*/kernel/drivers/media/*",
    "/lib/modules/*/kernel/drivers/memstick/*",
    "/lib/modules/*/kernel/drivers/mfd/*",
    "/lib/modules/*/kernel/drivers/mtd/*",
    "/lib/modules/*/kernel/drivers/net/can/*",
    "/lib/modules/*/kernel/drivers/net/fddi/*",
    "/lib/modules/*/kernel/drivers/net/hamradio/*",
    "/lib/modules/*/kernel/drivers/net/ieee802154/*",
    "/lib/modules/*/kernel/drivers/net/usb/*",
    "/lib/modules/*/kernel/drivers/net/wan/*",
    "/lib/modules/*/kernel/drivers/net/wireless/*",
    "/lib/modules/*/kernel/drivers/nfc/*",
    "/lib/modules/*/kernel/drivers/parport/*",
    "/lib/modules/*/kernel/drivers/pcmcia/*",
    "/lib/modules/*/kernel/drivers/platform/*",
    "/lib/modules/*/kernel/drivers/power/*",
    "/lib/modules/*/kernel/drivers/regulator/*",
    "/lib/modules/*/kernel/drivers/rtc/*",
    "/lib/modules/*/kernel/drivers/soundwire/*",
    "/lib/modules/*/kernel/drivers/staging/*",
    "/lib/modules/*/kernel/drivers/target/*",
    "/lib/modules/*/kernel/drivers/thunderbolt/*",
    "/lib/modules/*/kernel/drivers/usb/gadget/*",
    "/lib/modules/*/kernel/drivers/usb/misc/*",
    "/lib/modules/*/kernel/drivers/usb/serial/*",
    "/lib/modules/*/kernel/drivers/video/*",
    "/lib/modules/*/kernel/drivers/w1/*",
    "/lib/modules/*/kernel/drivers/xen/*",
    "/lib/modules/*/kernel/fs/9p/*",
    "/lib/modules/*/kernel/fs/afs/*",
    "/lib/modules/*/kernel/fs/ceph/*",
    "/lib/modules/*/kernel/fs/coda/*",
    "/lib/modules/*/kernel/fs/dlm/*",
    "/lib/modules/*/kernel/fs/f2fs/*",
    "/lib/modules/*/kernel/fs/gfs2/*",
    "/lib/modules/*/kernel/fs/jffs2/*",
    "/lib/modules/*/kernel/fs/jfs/*",
    "/lib/modules/*/kernel/fs/lockd/*",
    "/lib/modules/*/kernel/fs/nfs/*",
    "/lib/modules/*/kernel/fs/nfs_common/*",
    "/lib/modules/*/kernel/fs/nfsd/*",
    "/lib/modules/*/kernel/fs/nilfs2/*",
    "/lib/modules/*/kernel/fs/ntfs3/*",
    "/lib/modules/*/kernel/fs/ocfs2/*",
    "/lib/modules/*/kernel/fs/orangefs/*",
    "/lib/modules/*/kernel/fs/reiserfs/*",
    "/lib/modules/*/kernel/fs/smb/*",
    "/lib/modules/*/kernel/fs/ubifs/*",
    "/lib/modules/*/kernel/fs/udf/*",
    "/lib/modules/*/kernel/fs/ufs/*",
    "/lib/modules/*/kernel/net/9p/*",
    "/lib/modules/*/kernel/net/appletalk/*",
    "/lib/modules/*/kernel/net/atm/*",
    "/lib/modules/*/kernel/net/ax25/*",
    "/lib/modules/*/kernel/net/batman-adv/*",
    "/lib/modules/*/kernel/net/bluetooth/*",
    "/lib/modules/*/kernel/net/bridge/*",
    "/lib/modules/*/kernel/net/can/*",
    "/lib/modules/*/kernel/net/ceph/*",
    "/lib/modules/*/kernel/net/dccp/*",
    "/lib/modules/*/kernel/net/ieee802154/*",
    "/lib/modules/*/kernel/net/ipv4/netfilter/*",
    "/lib/modules/*/kernel/net/ipv6/netfilter/*",
    "/lib/modules/*/kernel/net/mac80211/*",
    "/lib/modules/*/kernel/net/mac802154/*",
    "/lib/modules/*/kernel/net/netfilter/*",
    "/lib/modules/*/kernel/net/nfc/*",
    "/lib/modules/*/kernel/net/openvswitch/*",
    "/lib/modules/*/kernel/net/rds/*",
    "/lib/modules/*/kernel/net/sched/*",
    "/lib/modules/*/kernel/net/sctp/*",
    "/lib/modules/*/kernel/net/sunrpc/*",
    "/lib/modules/*/kernel/net/tipc/*",
    "/lib/modules/*/kernel/net/wireless/*",
];

fn block(manifest: &Manifest) -> String {
    let files: String = Form::Netboot
        .artefacts()
        .iter()
        .map(|name| {
            let digest = manifest.digest(name);
            format!("{name} = {{ source = \"muster:{name}\", sha256 = \"{digest}\" }}\n")
        })
        .collect();
    let short = short(manifest, "rootfs");
    format!(
        "[image.ephemeral-{short}]\nfamily = \"ephemeral\"\narch = \"amd64\"\nformat = \"netboot\"\n{files}"
    )
}
