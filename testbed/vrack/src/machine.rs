//! What a machine of the rack is made of. Plain data: `qemu` turns it into a command line, `bmc` into a BMC.

use std::net::Ipv4Addr;

/// One machine.
#[derive(Debug, Clone)]
pub(crate) struct MachineSpec {
    pub(crate) name: String,
    /// SMBIOS system UUID and serial number, as the fleet or nobody knows them.
    pub(crate) uuid: String,
    pub(crate) serial: String,
    pub(crate) firmware: Firmware,
    pub(crate) memory_mib: u32,
    pub(crate) disks: Vec<DiskSpec>,
    pub(crate) nics: Vec<NicSpec>,
    pub(crate) bmc: BmcSpec,
}

/// What starts the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firmware {
    /// SeaBIOS; network boot is the card's own iPXE.
    Bios,
    /// OVMF with its own network stack. Its variables are the machine's state, and its boot order is among them.
    Uefi(NetworkBoot),
    /// No machine at all: a process that speaks as one (`scripted`).
    Scripted,
}

/// How a UEFI machine fetches its loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetworkBoot {
    /// PXE: DHCP and TFTP.
    Pxe,
    /// HTTP boot; PXE is switched off in the firmware's setup.
    Http,
    /// PXE with Secure Boot, with the keys that boards come with.
    SecurePxe,
}

/// A virtio disk on a sparse raw file.
#[derive(Debug, Clone)]
pub(crate) struct DiskSpec {
    /// At most 20 characters reach the guest (virtio-blk `VIRTIO_BLK_ID_BYTES`).
    pub(crate) serial: String,
    pub(crate) bytes: u64,
}

/// A virtio network card on a tap of the bridge.
#[derive(Debug, Clone)]
pub(crate) struct NicSpec {
    pub(crate) mac: String,
    pub(crate) tap: String,
}

/// The program that is a BMC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BmcKind {
    /// `ipmi_sim`: cipher suite 3, reachable from inside the machine too.
    Simulator,
    /// `muster-bmc`: cipher suite 17 alone, on the network alone.
    Double,
}

/// An IPMI BMC.
#[derive(Debug, Clone)]
pub(crate) struct BmcSpec {
    /// On port 623 of this address, in the run's namespace.
    pub(crate) address: Ipv4Addr,
    /// Which program it is.
    pub(crate) kind: BmcKind,
    /// Local TCP port between `ipmi_sim` and the machine's KCS device.
    pub(crate) kcs_port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
}
