//! What kind of boot client a DHCP packet comes from.
//!
//! Read from options 60 (class), 77 (user class), 93 (architecture, RFC 4578 §2.1) and 175 (iPXE). A
//! chained iPXE still calls itself `PXEClient`, so it is recognised first; otherwise it would be handed
//! itself for ever.

/// How a client will fetch what it boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bootstrap {
    /// Not a boot client: an operating system.
    None,
    /// iPXE: gets the URL of a script.
    Ipxe,
    /// A legacy BIOS PXE ROM: gets `undionly.kpxe` by TFTP.
    PxeBios,
    /// UEFI PXE on x86-64: gets `snponly.efi` by TFTP.
    PxeUefi,
    /// UEFI HTTP boot on x86-64: gets the URL of `snponly.efi`.
    HttpUefi,
    /// An architecture that we have no loader for.
    Foreign,
}

/// The loader of legacy BIOS clients.
pub const LOADER_BIOS: &str = "undionly.kpxe";
/// The loader of UEFI clients: it uses the firmware's own network driver.
pub const LOADER_UEFI: &str = "snponly.efi";
/// The first loader of UEFI clients that start signed ones only; it fetches [`LOADER_GRUB`] from beside itself.
pub const LOADER_SHIM: &str = "shimx64.efi";
/// The second, by the name that shim asks for.
pub const LOADER_GRUB: &str = "grubx64.efi";

impl Bootstrap {
    /// Reads it from the options.
    pub(crate) fn read(class: &[u8], user_class: &[u8], has_ipxe: bool, arch: Option<u16>) -> Self {
        if has_ipxe || user_class.windows(4).any(|word| word == b"iPXE") {
            return Self::Ipxe;
        }
        // `PXEClient:Arch:00007:…` repeats the architecture; some ROMs send only that.
        let named = class
            .get(15..20)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse().ok());
        let named_http = class
            .get(16..21)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse().ok());
        if class.starts_with(b"HTTPClient") {
            match arch.or(named_http) {
                // x86-64 UEFI by HTTP (RFC 5970 registry: 16, and 17 for EFI byte code).
                Some(16 | 17) => Self::HttpUefi,
                _ => Self::Foreign,
            }
        } else if class.starts_with(b"PXEClient") {
            match arch.or(named) {
                Some(0) => Self::PxeBios,
                // 9 is "EFI byte code", which x86-64 firmware sends too (RFC 4578 errata 4624).
                Some(7 | 9) => Self::PxeUefi,
                _ => Self::Foreign,
            }
        } else {
            Self::None
        }
    }
}
