//! Baseboard management controllers: what a rack agent asks of the small computer beside each machine.
//!
//! [`Bmc`] is the question, one module per kind of BMC answers it (`ipmi` today; each further kind is a module
//! beside it), and [`BmcQueue`] stands between the agent and a BMC so that the BMC hears one command at a time.
//!
//! This crate never decides what a machine should do: it carries out one state wanted and says what it saw.
//! Credentials are held in memory only and are never printed.

mod fault;
mod identity;
pub mod ipmi;
mod queue;
mod secret;
mod wanted;

use std::pin::Pin;

pub use fault::BmcFault;
pub use identity::{Guid, Identity};
pub use queue::BmcQueue;
pub use secret::Secret;
pub use wanted::{BootDevice, BootOverride, Firmware, Lasting, Power, PowerWanted};

/// The future of every [`Bmc`] call: boxed, so that `dyn Bmc` is possible.
pub type BmcFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, BmcFault>> + Send + 'a>>;

/// One BMC. Every call has an end: it answers or faults within a limit of its driver's own.
///
/// Cancel safety: dropping a call's future may leave a command carried out whose answer nobody heard. Every
/// command names a state, so asking again is harmless.
pub trait Bmc: Send + Sync {
    /// Where the BMC is, as faults and logs name it.
    fn address(&self) -> &str;

    /// Whether the machine has power now.
    fn power(&self) -> BmcFuture<'_, Power>;

    /// Asks for a power state and returns when the BMC has accepted it; the machine may take seconds
    /// (for [`PowerWanted::SoftOff`] minutes) to get there, and [`Bmc::power`] tells when it has.
    fn set_power(&self, wanted: PowerWanted) -> BmcFuture<'_, ()>;

    /// Sets what the machine boots next. Only a help: BMCs forget and ignore it, and it is not read back.
    fn set_boot_device(&self, boot: BootOverride) -> BmcFuture<'_, ()>;

    /// Says which BMC this is. Evidence only: firmware is known to answer with junk.
    fn identify(&self) -> BmcFuture<'_, Identity>;
}
