//! What can be asked of a BMC, and the power it reports.
//!
//! Every request names a state and none names an action (there is no "cycle"), so that repeating one after a
//! lost answer does no harm.

/// Whether the machine has power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It runs, or is at least powered.
    On,
    /// It stands in soft-off or has no power at all; the BMC itself runs on standby power.
    Off,
}

/// The power state wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerWanted {
    /// Powered.
    On,
    /// Off, by asking the operating system to shut down (an ACPI button press). It may refuse or take minutes.
    SoftOff,
    /// Off, at once and without asking.
    Off,
}

impl PowerWanted {
    /// Whether `power` is already what is wanted.
    pub fn reached(self, power: Power) -> bool {
        match self {
            Self::On => power == Power::On,
            Self::SoftOff | Self::Off => power == Power::Off,
        }
    }
}

/// Which device the firmware tries first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootDevice {
    /// No override: the machine's own boot order.
    None,
    /// The network (PXE or HTTP, as the firmware is set).
    Network,
    /// The default disk.
    Disk,
}

/// How long an override lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// For the next boot only.
    Once,
    /// Until it is changed.
    UntilChanged,
}

/// The firmware interface the override is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// Legacy BIOS.
    Bios,
    /// UEFI.
    Efi,
}

/// A boot device override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootOverride {
    /// The device to boot from.
    pub device: BootDevice,
    /// For how long.
    pub lasting: Lasting,
    /// For which firmware interface.
    pub firmware: Firmware,
}
