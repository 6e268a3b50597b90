//! The QEMU command line of a machine. A function of values; starts nothing.

use crate::accelerator::Accelerator;
use crate::machine::{DiskSpec, Firmware, MachineSpec, NetworkBoot, NicSpec};
use std::path::Path;

/// The program; Debian package `qemu-system-x86`.
pub(crate) const PROGRAM: &str = "/usr/bin/qemu-system-x86_64";

/// OVMF's code and the template of its variables; Debian package `ovmf`.
const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const OVMF_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/// The same with Secure Boot, and variables with Microsoft's keys in them.
const OVMF_SECURE_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
const OVMF_SECURE_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd";

/// SeaBIOS tries again after this long when nothing booted, as servers do. By default it stops for ever.
const REBOOT_TIMEOUT_MS: u32 = 3000;

/// What is tried first at the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// The network, then the disk: the standing order, as our design sets it on every machine.
    Network,
    /// The disk, then the network: a one-shot override by the BMC.
    Disk,
}

/// The firmware's program.
pub(crate) fn code(network: NetworkBoot) -> &'static str {
    match network {
        NetworkBoot::Pxe | NetworkBoot::Http => OVMF_CODE,
        NetworkBoot::SecurePxe => OVMF_SECURE_CODE,
    }
}

/// What a machine's own variables begin as.
pub(crate) fn variables(network: NetworkBoot) -> &'static str {
    match network {
        NetworkBoot::Pxe | NetworkBoot::Http => OVMF_VARIABLES,
        NetworkBoot::SecurePxe => OVMF_SECURE_VARIABLES,
    }
}

/// Flags with their values, in order.
struct Words(Vec<String>);

impl Words {
    fn add(&mut self, flag: &str, value: impl Into<String>) {
        self.0.extend([flag.to_owned(), value.into()]);
    }
}

/// Arguments for the machine whose files are in `directory`.
pub(crate) fn arguments(
    spec: &MachineSpec,
    directory: &Path,
    accelerator: Accelerator,
    first: First,
) -> Vec<String> {
    let mut words = Words(vec!["-nodefaults".to_owned()]);
    add_board(&mut words, spec, directory, accelerator);
    add_nics_and_disks(&mut words, spec, directory, first);
    add_bmc(&mut words, spec.bmc.kcs_port);
    words.0
}

fn add_board(words: &mut Words, spec: &MachineSpec, directory: &Path, accelerator: Accelerator) {
    let file = |name: &str| directory.join(name).display().to_string();
    let MachineSpec {
        name, uuid, serial, ..
    } = spec;
    words.add("-name", name.as_str());
    // Without graphics SeaBIOS and iPXE talk on the serial console.
    let is_secure = spec.firmware == Firmware::Uefi(NetworkBoot::SecurePxe);
    if is_secure {
        // The variables are written in system management mode only, or nothing would be secure.
        words.add("-machine", "q35,graphics=off,smm=on");
        words.add("-global", "driver=cfi.pflash01,property=secure,value=on");
    } else {
        words.add("-machine", "q35,graphics=off");
    }
    words.add("-accel", accelerator.argument());
    if accelerator == Accelerator::Kvm {
        words.add("-cpu", "host");
    }
    words.add("-smp", "1");
    words.add("-m", spec.memory_mib.to_string());
    words.add("-display", "none");
    words.add("-boot", format!("reboot-timeout={REBOOT_TIMEOUT_MS}"));
    words.add(
        "-smbios",
        format!("type=1,manufacturer=muster,product=vrack,serial={serial},uuid={uuid}"),
    );
    words.add(
        "-chardev",
        format!("file,id=console,path={},append=on", file("console.log")),
    );
    words.add("-serial", "chardev:console");
    words.add("-qmp", format!("unix:{},server=on,wait=off", file("qmp")));
    // Without it the installed system waits for entropy to make its ssh keys.
    words.add("-device", "virtio-rng-pci");
    if let Firmware::Uefi(network) = spec.firmware {
        if network == NetworkBoot::Http {
            for setting in ["IPv4PXESupport", "IPv6PXESupport"] {
                words.add("-fw_cfg", format!("name=opt/org.tianocore/{setting},string=n"));
            }
        }
        words.add(
            "-drive",
            format!("if=pflash,format=raw,readonly=on,file={}", code(network)),
        );
        words.add(
            "-drive",
            format!("if=pflash,format=raw,file={}", file("variables.fd")),
        );
    }
}

fn add_nics_and_disks(words: &mut Words, spec: &MachineSpec, directory: &Path, first: First) {
    let (network, disk) = match first {
        First::Network => (1, 1 + spec.nics.len()),
        First::Disk => (1 + spec.disks.len(), 1),
    };
    // UEFI keeps its own boot order, which is what muster sets. OVMF would write an index into it at each
    // start; so a BMC's one-shot wish is lost on it, as it is on many a board.
    let is_uefi = matches!(spec.firmware, Firmware::Uefi(_));
    let index = |order: usize| match spec.firmware {
        Firmware::Bios | Firmware::Scripted => format!(",bootindex={order}"),
        Firmware::Uefi(_) => String::new(),
    };
    for (at, NicSpec { mac, tap }) in spec.nics.iter().enumerate() {
        // An empty ROM leaves network boot to OVMF itself, as on real boards; SeaBIOS has only the card's iPXE.
        let rom = if is_uefi { ",romfile=" } else { "" };
        words.add(
            "-netdev",
            format!("tap,id=net{at},ifname={tap},script=no,downscript=no"),
        );
        let order = index(network + at);
        words.add(
            "-device",
            format!("virtio-net-pci,id=nic{at},netdev=net{at},mac={mac}{order}{rom}"),
        );
    }
    for (at, DiskSpec { serial, .. }) in spec.disks.iter().enumerate() {
        let path = directory.join(disk_file(at));
        // The host's page cache outlives QEMU, so syncing to the host's disk would buy nothing here.
        let drive = format!(
            "if=none,id=drive{at},file={},format=raw,cache=unsafe,discard=unmap",
            path.display()
        );
        words.add("-drive", drive);
        let order = index(disk + at);
        words.add(
            "-device",
            format!("virtio-blk-pci,id=disk{at},drive=drive{at},serial={serial}{order}"),
        );
    }
}

/// The BMC is another process; the machine sees its KCS interface and reaches it by a local port.
fn add_bmc(words: &mut Words, kcs_port: u16) {
    words.add(
        "-chardev",
        format!("socket,id=ipmi,host=127.0.0.1,port={kcs_port},reconnect=2"),
    );
    words.add("-device", "ipmi-bmc-extern,id=bmc,chardev=ipmi");
    words.add("-device", "isa-ipmi-kcs,bmc=bmc");
}

/// The file of a machine's disk, counted from 0.
pub(crate) fn disk_file(at: usize) -> String {
    format!("disk{at}.raw")
}

/// The file with the serial number of the disk in this bay.
pub(crate) fn serial_file(at: usize) -> String {
    format!("disk{at}.serial")
}

#[cfg(test)]
mod tests;
