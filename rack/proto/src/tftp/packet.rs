//! The packets of TFTP (RFC 1350 §5, RFC 2347).

/// No request is longer (RFC 2347: one packet of at most 512 bytes).
const REQUEST_MAX: usize = 512;

/// A client may ask for 255 s (RFC 2349); with six silences of eight it is given up after 48 s, and its place is free.
pub(super) const TIMEOUT_SECONDS_MAX: u8 = 8;

/// Opcodes.
pub(super) const READ: u16 = 1;
pub(super) const DATA: u16 = 3;
pub(super) const ACK: u16 = 4;
pub(super) const ERROR: u16 = 5;
pub(super) const OPTIONS: u16 = 6;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// Not defined, see the message.
    Other = 0,
    /// File not found.
    NotFound = 1,
    /// Access violation: this server is read-only.
    Access = 2,
    /// Illegal operation.
    Illegal = 4,
}

/// A read request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRequest {
    /// The file's name without leading slashes.
    pub file: String,
    /// Bytes per block, 8 to 65464 (RFC 2348).
    pub(super) block_size: Option<u16>,
    /// Whether the client asks for the file's size.
    pub(super) wants_size: bool,
    /// Seconds between retransmissions, 1 to [`TIMEOUT_SECONDS_MAX`].
    pub(super) timeout: Option<u8>,
    /// Blocks per acknowledgement, 1 to 65535.
    pub(super) window: Option<u16>,
}

/// An ERROR packet.
pub fn error(code: ErrorCode, message: &str) -> Vec<u8> {
    let mut packet = ERROR.to_be_bytes().to_vec();
    packet.extend((code as u16).to_be_bytes());
    packet.extend(message.bytes().filter(|byte| *byte != 0));
    packet.push(0);
    packet
}

impl ReadRequest {
    /// Reads the packet that opens a transfer. netascii is served as octet: what is served is binary,
    /// and the loaders that ask for it mean so.
    ///
    /// # Errors
    /// The ERROR packet to send, or `None` for what deserves no answer at all.
    pub fn parse(packet: &[u8]) -> Result<Self, Option<Vec<u8>>> {
        match opcode(packet) {
            Some(READ) => {}
            Some(2) => return Err(Some(error(ErrorCode::Access, "this server is read-only"))),
            // Strays of a transfer long over would answer each other for ever.
            _ => return Err(None),
        }
        let illegal = || Some(error(ErrorCode::Illegal, "malformed request"));
        if packet.len() > REQUEST_MAX || packet.last() != Some(&0) {
            return Err(illegal());
        }
        let body = std::str::from_utf8(&packet[2..packet.len() - 1]).map_err(|_| illegal())?;
        let mut words = body.split('\0');
        let (Some(file), Some(mode)) = (words.next(), words.next()) else {
            return Err(illegal());
        };
        if !mode.eq_ignore_ascii_case("octet") && !mode.eq_ignore_ascii_case("netascii") {
            return Err(Some(error(ErrorCode::Illegal, "unknown mode")));
        }
        let mut request = Self {
            file: file.trim_start_matches('/').to_owned(),
            block_size: None,
            wants_size: false,
            timeout: None,
            window: None,
        };
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            request.option(name, value);
        }
        Ok(request)
    }

    /// An option that is unknown or out of range is as if it were not there (RFC 2347).
    fn option(&mut self, name: &str, value: &str) {
        match name.to_ascii_lowercase().as_str() {
            "blksize" => {
                self.block_size = value.parse().ok().filter(|size| (8..=65_464).contains(size));
            }
            "tsize" => self.wants_size = value.parse::<u64>().is_ok(),
            // It is acknowledged as it stands or not at all (RFC 2349).
            "timeout" => {
                let granted = 1..=TIMEOUT_SECONDS_MAX;
                self.timeout = value.parse().ok().filter(|seconds| granted.contains(seconds));
            }
            "windowsize" => self.window = value.parse().ok().filter(|blocks| *blocks > 0),
            _ => {}
        }
    }
}

/// The first two bytes.
pub(super) fn opcode(packet: &[u8]) -> Option<u16> {
    word(packet, 0)
}

/// The big-endian word at a place.
pub(super) fn word(packet: &[u8], at: usize) -> Option<u16> {
    let bytes = packet.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}
