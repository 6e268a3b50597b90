//! Puts the boot loader onto the disks, with the new system's own tools, and writes its first
//! configuration.

use super::TARGET;
use super::error::{DeployError, doing, running};
use super::mounts;
use super::owned_disk::OwnedDisk;
use crate::boot_entries::{self, System, Wish};
use crate::family::{EntryBody, Family, newest_kernel};
use crate::plan_check::esp_mount;
use crate::program;
use crate::target::Target;
use rack_api::boot_order::BootOrderSeen;
use rack_api::inventory::FirmwareKind;
use rack_api::job::{Deploy, PartitionKind};
use std::time::Duration;

/// `grub-install` reads every device it can see; 2 s on a server, minutes under emulation.
const GRUB_LIMIT: Duration = Duration::from_secs(15 * 60);

/// What the new system's tools need to see of the running one.
const SHARED: [&str; 4] = ["dev", "proc", "sys", "run"];

/// Installs the boot loader on every disk that is to boot. Returns the firmware's boot order, where it has one.
///
/// # Errors
/// The image has no kernel, or a tool failed.
pub(super) fn install(
    target: &Target,
    disks: &[OwnedDisk<'_>],
    deploy: &Deploy,
    wish: Wish,
) -> Result<Option<BootOrderSeen>, DeployError> {
    let family = Family::of(&deploy.image).expect("a checked deployment has a known family");
    for name in SHARED {
        let place = format!("{TARGET}/{name}");
        std::fs::create_dir_all(&place).map_err(doing(format!("make {place}")))?;
        rustix::mount::mount_bind_recursive(format!("/{name}"), &place)
            .map_err(std::io::Error::from)
            .map_err(doing(format!("share /{name} with the new system")))?;
    }
    let bootable = || disks.iter().filter(|disk| disk.plan().bootable);
    for disk in bootable() {
        let node = disk.node()?;
        let arguments = match deploy.firmware {
            FirmwareKind::Bios => vec!["--target=i386-pc".to_owned(), node.clone()],
            // The removable media's path is where firmware looks that has lost its boot entries.
            FirmwareKind::Uefi => vec![
                "--target=x86_64-efi".to_owned(),
                format!(
                    "--efi-directory={}",
                    esp_mount(disk.plan(), deploy)
                        .expect("a checked deployment has its EFI partition mounted")
                ),
                format!("--bootloader-id={}", family.loader_id()),
                "--no-nvram".to_owned(),
                "--force-extra-removable".to_owned(),
            ],
        };
        let arguments: Vec<&str> = [TARGET, "grub-install"]
            .into_iter()
            .chain(arguments.iter().map(String::as_str))
            .collect();
        program::run("chroot", &arguments, "", GRUB_LIMIT)
            .map_err(running(format!("install the boot loader on {node}")))?;
    }
    // After grub-install, which makes the directory and keeps its hands off the configuration.
    let names = target
        .names("/boot")
        .map_err(doing("read the new system's /boot"))?;
    let kernel = newest_kernel(&names).ok_or(DeployError::NoKernel)?;
    let entry = family.boot_config(deploy, &kernel);
    if let EntryBody::File { mode, contents } = &entry.body {
        target
            .write(&entry.path, *mode, contents.as_bytes())
            .map_err(doing(format!("write {}", entry.path)))?;
    }
    for name in SHARED {
        mounts::unmount_all(&format!("{TARGET}/{name}")).map_err(doing(format!("take back /{name}")))?;
    }
    match deploy.firmware {
        FirmwareKind::Bios => Ok(None),
        FirmwareKind::Uefi => {
            let systems = bootable().map(system).collect::<Result<Vec<_>, _>>()?;
            Ok(boot_entries::install(wish, &systems, family.loader_id()))
        }
    }
}

/// Where the firmware finds the loader on this disk.
fn system(disk: &OwnedDisk<'_>) -> Result<System, DeployError> {
    let mut partitions = disk.plan().partitions.iter();
    let esp = partitions
        .find(|partition| partition.kind == PartitionKind::Esp)
        .expect("a checked deployment has an EFI partition on each disk that boots");
    Ok(System {
        node: disk.node()?,
        partition: esp.number,
        uuid: esp.uuid,
    })
}
