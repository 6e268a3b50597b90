//! Images: what is installed, and what machines boot into for a job.

use crate::{
    kind::{kind, table, words},
    span::Spanned,
    value::{size::Size, source_url::SourceUrl},
};
use schema_ids::{Digest, Name};

kind! {
    /// An operating system, as an archive to install or as kernel and initrd to boot.
    "image" in images: Image {
        /// For people.
        live description: Option<String>,
        /// What it is, for the renderers of its network, boot loader and user-data: `debian-12`.
        redeploy family: Spanned<Name>,
        /// The processor it runs on.
        redeploy arch: Arch,
        /// How it is packed.
        redeploy format: Spanned<ImageFormat>,
        /// For `tar.zst`: where the archive comes from.
        redeploy source: Option<Spanned<SourceUrl>>,
        /// For `tar.zst`: the archive's SHA-256.
        redeploy sha256: Option<Spanned<Digest>>,
        /// For `tar.zst`: the archive's size when unpacked, for progress and limits.
        live size: Option<Size>,
        /// For `netboot`: the kernel.
        redeploy kernel: Option<Part>,
        /// For `netboot`: the initial RAM disk.
        redeploy initrd: Option<Part>,
        /// For `netboot`: the root filesystem that the RAM disk fetches.
        redeploy rootfs: Option<Part>,
        /// Arguments of the kernel, one each.
        next_deploy kernel_args: Vec<Spanned<String>>,
        /// What reads the user-data of a deployment.
        redeploy user_data: UserDataMechanism = UserDataMechanism::None,
        /// No disk smaller than this for its root.
        live min_disk: Option<Size>,
        /// What shows that an installed machine runs.
        live proof: Proof = Proof::BootSeen,
    }
}

table! {
    /// One file of a netboot image.
    Part {
        /// Where it comes from.
        redeploy source: Spanned<SourceUrl>,
        /// Its SHA-256.
        redeploy sha256: Spanned<Digest>,
        /// Its size, for progress and limits.
        live size: Option<Size>,
    }
}

words! {
    /// A processor architecture.
    Arch {
        /// x86-64.
        Amd64 = "amd64",
        /// 64-bit Arm.
        Arm64 = "arm64",
    }
}

words! {
    /// How an image is packed.
    ImageFormat {
        /// A root filesystem as a tar archive, compressed with zstd; to install.
        TarZst = "tar.zst",
        /// Kernel, initial RAM disk and perhaps a root filesystem; to boot.
        Netboot = "netboot",
    }
    later {
        /// A whole disk, compressed with zstd; to install.
        RawZst = "raw.zst",
        /// A whole disk, compressed with xz; to install.
        RawXz = "raw.xz",
        /// A whole disk as QEMU keeps it; to install.
        Qcow2 = "qcow2",
    }
}

words! {
    /// What reads the user-data.
    UserDataMechanism {
        /// cloud-init's NoCloud source.
        CloudInit = "cloud-init",
        /// Ignition.
        Ignition = "ignition",
        /// Nothing.
        None = "none",
    }
    later {
        /// The answer file of Windows Setup.
        Autounattend = "autounattend",
    }
}

words! {
    /// What shows that an installed machine runs.
    Proof {
        /// The installed system calls the rack agent.
        PhoneHome = "phone-home",
        /// The rack saw it boot from its disk; weaker, and status says so.
        BootSeen = "boot-seen",
    }
    later {
        /// The rack reaches a port of it: ssh or http.
        Probe = "probe",
    }
}
