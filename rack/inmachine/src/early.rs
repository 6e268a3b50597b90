//! The chores of PID 1 before any job: mounts, devices, drivers, orphans.
//!
//! Nothing here assembles, activates or mounts anything on a disk, and the rules of udev that would
//! are switched off first.

use crate::console::chain;
use crate::program::{self, ProgramError};
use crate::say;
use crate::sysfs::Sysfs;
use rustix::mount::{MountFlags, mount};
use rustix::process::{WaitOptions, wait};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

const UDEVD: &str = "/lib/systemd/systemd-udevd";

/// Where distributions keep the rules; a rule of the same name in [`RULES_MASK`] takes its place.
const RULES: &str = "usr/lib/udev/rules.d";
const RULES_MASK: &str = "/run/udev/rules.d";

/// Parts of names of rules that put devices together, activate volumes or connect to storage.
const RULES_MASKED: [&str; 11] = [
    "md-",
    "mdadm",
    "lvm",
    "zfs",
    "vdev",
    "bcache",
    "btrfs",
    "multipath",
    "kpartx",
    "dmraid",
    "nvmf",
];

/// Buses whose devices are announced again so that their drivers load. Not `net`: the boot
/// interface is in use and keeps its name.
const COLDPLUG: [&str; 8] = [
    "pci", "virtio", "acpi", "platform", "block", "nvme", "scsi", "usb",
];

/// Drivers with firmware to load take up to a minute on real servers; a VM under emulation some
/// seconds.
const SETTLE_SECONDS: &str = "120";
const UDEV_LIMIT: Duration = Duration::from_secs(150);

/// Disks behind SAS expanders appear one by one; the list is complete when it has not changed for
/// [`DISKS_QUIET`], and is not waited for longer than [`DISKS_WAIT_MAX`].
const DISKS_QUIET: Duration = Duration::from_secs(3);
const DISKS_WAIT_MAX: Duration = Duration::from_secs(60);

/// Mounts what the initrd has not.
pub fn mount_filesystems() {
    let nodev = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let wanted = [
        ("proc", "/proc", nodev, "/proc/self"),
        ("sysfs", "/sys", nodev, "/sys/class"),
        ("devtmpfs", "/dev", MountFlags::NOSUID, "/dev/null"),
        (
            "devpts",
            "/dev/pts",
            MountFlags::NOSUID | MountFlags::NOEXEC,
            "/dev/pts/ptmx",
        ),
        ("tmpfs", "/run", MountFlags::NOSUID | MountFlags::NODEV, "/run"),
    ];
    for (kind, path, flags, proof) in wanted {
        if Path::new(proof).exists() {
            continue;
        }
        let made = std::fs::create_dir_all(path)
            .and_then(|()| mount(kind, path, kind, flags, None).map_err(io::Error::from));
        if let Err(error) = made {
            say!("cannot mount {path}: {error}");
        }
    }
    let variables = "/sys/firmware/efi/efivars";
    if Path::new(variables).exists()
        && let Err(error) = mount("efivarfs", variables, "efivarfs", nodev, None)
    {
        say!("cannot mount the EFI variables: {error}");
    }
}

/// Starts udev without the rules that touch storage, loads the drivers of what is there, and waits
/// until no more disks appear. What fails is said; the inventory then shows what is missing.
pub fn find_devices(sysfs: &Sysfs) {
    if let Err(error) = mask_rules(sysfs) {
        // Without the mask an array might be assembled; better no drivers than that.
        say!("cannot switch off udev's rules for storage, so no drivers are loaded: {error}");
        return;
    }
    if let Err(error) = coldplug() {
        say!("{}", chain(&error));
    }
    for module in ["ipmi_si", "ipmi_devintf"] {
        // Machines without a BMC have no use for it, and some kernels no module.
        let _ = program::output("modprobe", &["-q", module], "", UDEV_LIMIT);
    }
    settle();
    let began = Instant::now();
    let mut last = (Instant::now(), sysfs.names("sys/block"));
    while last.0.elapsed() < DISKS_QUIET && began.elapsed() < DISKS_WAIT_MAX {
        std::thread::sleep(Duration::from_millis(500));
        let names = sysfs.names("sys/block");
        if names != last.1 {
            last = (Instant::now(), names);
        }
    }
    settle();
    reap();
}

/// Waits until udev has handled what the kernel announced.
pub fn settle() {
    let timeout = format!("--timeout={SETTLE_SECONDS}");
    if let Err(error) = program::run("udevadm", &["settle", &timeout], "", UDEV_LIMIT) {
        say!("udev does not settle: {}", chain(&error));
    }
}

/// Takes in the orphans that have ended. Only while no program of ours runs: its end would be
/// taken from whoever waits for it.
pub fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

fn coldplug() -> Result<(), ProgramError> {
    program::run(UDEVD, &["--daemon"], "", UDEV_LIMIT)?;
    let trigger = |arguments: &[&str]| program::run("udevadm", arguments, "", UDEV_LIMIT);
    trigger(&["trigger", "--type=subsystems", "--action=add"])?;
    let buses = COLDPLUG.map(|bus| format!("--subsystem-match={bus}"));
    let mut arguments = vec!["trigger", "--type=devices", "--action=add"];
    arguments.extend(buses.iter().map(String::as_str));
    trigger(&arguments)?;
    settle();
    Ok(())
}

fn mask_rules(sysfs: &Sysfs) -> io::Result<()> {
    std::fs::create_dir_all(RULES_MASK)?;
    for name in sysfs.names(RULES) {
        if RULES_MASKED.iter().any(|part| name.contains(part)) {
            let mask = Path::new(RULES_MASK).join(name);
            if !mask.is_symlink() {
                std::os::unix::fs::symlink("/dev/null", mask)?;
            }
        }
    }
    Ok(())
}
