//! The commands we use that `ipmi-rs-core` lacks, and for each command of ours or its: a name and whether it may
//! be sent twice.
//!
//! Answers are read tolerantly: bytes we do not need may be missing, and there may be more than we know.

use ipmi_rs_core::app::GetDeviceId;
use ipmi_rs_core::app::auth::{GetChannelAuthenticationCapabilities, PrivilegeLevel};
use ipmi_rs_core::connection::{Channel, IpmiCommand, Message, NetFn, NotEnoughData};

use crate::{BootDevice, BootOverride, Firmware, Lasting, Power, PowerWanted};

/// A command as the client sends it.
pub(crate) trait Command: IpmiCommand<Error = NotEnoughData> + Clone {
    /// What it does, for messages.
    const NAME: &'static str;
    /// Whether it may be sent again while its answer is missing.
    const REPEATABLE: bool = true;
}

impl Command for GetChannelAuthenticationCapabilities {
    const NAME: &'static str = "get channel authentication capabilities";
}

/// Get Device ID (IPMI 2.0 §20.1), which `ipmi-rs-core` has but cannot clone.
#[derive(Clone)]
pub(crate) struct DeviceId;

impl From<DeviceId> for Message {
    fn from(_: DeviceId) -> Self {
        GetDeviceId.into()
    }
}

impl IpmiCommand for DeviceId {
    type Output = <GetDeviceId as IpmiCommand>::Output;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Self::Output, NotEnoughData> {
        GetDeviceId::parse_success_response(data)
    }
}

impl Command for DeviceId {
    const NAME: &'static str = "get device id";
}

/// Get System GUID (IPMI 2.0 §22.14).
#[derive(Clone)]
pub(crate) struct SystemGuid;

impl From<SystemGuid> for Message {
    fn from(_: SystemGuid) -> Self {
        Self::new_request(NetFn::App, 0x37, vec![])
    }
}

impl IpmiCommand for SystemGuid {
    type Output = [u8; 16];
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<[u8; 16], NotEnoughData> {
        data.first_chunk().copied().ok_or(NotEnoughData)
    }
}

impl Command for SystemGuid {
    const NAME: &'static str = "get system GUID";
}

/// Get Channel Cipher Suites (IPMI 2.0 §22.15), sixteen bytes of records at a time.
///
/// The one in `ipmi-rs-core` asks for algorithms instead of suites and takes a full answer for too long; its
/// reader of the records is used.
#[derive(Clone)]
pub(crate) struct CipherSuites {
    /// Which sixteen bytes, from zero.
    pub(crate) index: u8,
}

impl From<CipherSuites> for Message {
    fn from(command: CipherSuites) -> Self {
        const PAYLOAD_IPMI: u8 = 0;
        const BY_SUITE: u8 = 0x80;
        let data = vec![Channel::Current.value(), PAYLOAD_IPMI, BY_SUITE | command.index];
        Self::new_request(NetFn::App, 0x54, data)
    }
}

impl IpmiCommand for CipherSuites {
    /// The records, without the channel number before them.
    type Output = Vec<u8>;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Vec<u8>, NotEnoughData> {
        data.get(1..).map(<[u8]>::to_vec).ok_or(NotEnoughData)
    }
}

impl Command for CipherSuites {
    const NAME: &'static str = "get channel cipher suites";
}

/// Set Session Privilege Level (IPMI 2.0 §22.18): a session starts with the user's rights only.
#[derive(Clone)]
pub(crate) struct SetPrivilege(pub(crate) PrivilegeLevel);

impl From<SetPrivilege> for Message {
    fn from(command: SetPrivilege) -> Self {
        Self::new_request(NetFn::App, 0x3b, vec![command.0.into()])
    }
}

impl IpmiCommand for SetPrivilege {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

impl Command for SetPrivilege {
    const NAME: &'static str = "set session privilege level";
}

/// Close Session (IPMI 2.0 §22.19), by the BMC's id of it.
#[derive(Clone)]
pub(crate) struct CloseSession(pub(crate) u32);

impl From<CloseSession> for Message {
    fn from(command: CloseSession) -> Self {
        Self::new_request(NetFn::App, 0x3c, command.0.to_le_bytes().to_vec())
    }
}

impl IpmiCommand for CloseSession {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

impl Command for CloseSession {
    const NAME: &'static str = "close session";
}

/// Get Chassis Status (IPMI 2.0 §28.2), of which we want the power alone.
#[derive(Clone)]
pub(crate) struct ChassisStatus;

impl From<ChassisStatus> for Message {
    fn from(_: ChassisStatus) -> Self {
        Self::new_request(NetFn::Chassis, 0x01, vec![])
    }
}

impl IpmiCommand for ChassisStatus {
    type Output = Power;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Power, NotEnoughData> {
        let state = data.first().ok_or(NotEnoughData)?;
        Ok(if state & 1 == 1 { Power::On } else { Power::Off })
    }
}

impl Command for ChassisStatus {
    const NAME: &'static str = "get chassis status";
}

/// Chassis Control (IPMI 2.0 §28.3). Boards that are slow with it run it once per packet heard, so it is never
/// sent twice without a look at the power between.
#[derive(Clone)]
pub(crate) struct ChassisControl(pub(crate) PowerWanted);

impl From<ChassisControl> for Message {
    fn from(command: ChassisControl) -> Self {
        let action = match command.0 {
            PowerWanted::Off => 0x00,
            PowerWanted::On => 0x01,
            PowerWanted::SoftOff => 0x05,
        };
        Self::new_request(NetFn::Chassis, 0x02, vec![action])
    }
}

impl IpmiCommand for ChassisControl {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

impl Command for ChassisControl {
    const NAME: &'static str = "chassis control";
    const REPEATABLE: bool = false;
}

/// Set System Boot Options (IPMI 2.0 §28.12).
#[derive(Clone)]
pub(crate) enum SetBootOption {
    /// Parameter 3: keep the boot flags although no power command follows within 60 s, as it may not.
    KeepFlags,
    /// Parameter 5: the boot flags.
    Flags(BootOverride),
}

impl From<SetBootOption> for Message {
    fn from(command: SetBootOption) -> Self {
        const VALID: u8 = 0x80;
        const UNTIL_CHANGED: u8 = 0x40;
        const EFI: u8 = 0x20;
        const NO_CLEAR_AFTER_TIMEOUT: u8 = 0x08;
        let data = match command {
            SetBootOption::KeepFlags => vec![3, NO_CLEAR_AFTER_TIMEOUT],
            SetBootOption::Flags(boot) => {
                let lasting = match boot.lasting {
                    Lasting::Once => 0,
                    Lasting::UntilChanged => UNTIL_CHANGED,
                };
                let firmware = match boot.firmware {
                    Firmware::Bios => 0,
                    Firmware::Efi => EFI,
                };
                let device = match boot.device {
                    BootDevice::None => 0,
                    BootDevice::Network => 1,
                    BootDevice::Disk => 2,
                };
                vec![5, VALID | lasting | firmware, device << 2, 0, 0, 0]
            }
        };
        Self::new_request(NetFn::Chassis, 0x08, data)
    }
}

impl IpmiCommand for SetBootOption {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

impl Command for SetBootOption {
    const NAME: &'static str = "set boot options";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_flags_are_those_of_the_specification() {
        let flags = |device, lasting, firmware| {
            let boot = BootOverride {
                device,
                lasting,
                firmware,
            };
            Message::from(SetBootOption::Flags(boot)).data().to_vec()
        };
        assert_eq!(
            flags(BootDevice::Network, Lasting::Once, Firmware::Efi),
            [5, 0xa0, 0x04, 0, 0, 0]
        );
        assert_eq!(
            flags(BootDevice::Disk, Lasting::UntilChanged, Firmware::Bios),
            [5, 0xc0, 0x08, 0, 0, 0]
        );
        assert_eq!(
            flags(BootDevice::None, Lasting::Once, Firmware::Bios),
            [5, 0x80, 0x00, 0, 0, 0]
        );
    }

    #[test]
    fn short_answers_are_errors_and_long_ones_are_not() {
        assert_eq!(ChassisStatus::parse_success_response(&[]), Err(NotEnoughData));
        assert_eq!(ChassisStatus::parse_success_response(&[0x61]), Ok(Power::On));
        assert_eq!(ChassisStatus::parse_success_response(&[0x60; 9]), Ok(Power::Off));
        assert_eq!(SystemGuid::parse_success_response(&[1; 15]), Err(NotEnoughData));
        assert_eq!(CipherSuites::parse_success_response(&[]), Err(NotEnoughData));
        assert_eq!(CipherSuites::parse_success_response(&[1]), Ok(vec![]));
    }
}
