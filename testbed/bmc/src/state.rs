//! What a BMC knows, and the way of a datagram through it (IPMI 2.0 §13.6, §13.8).

use std::fmt;
use std::time::Duration;

use crate::session::Session;
use crate::{Chassis, Manners};

/// RMCP of class IPMI, without acknowledgement (IPMI 2.0 table 13-8).
const RMCP: [u8; 4] = [6, 0, 0xff, 7];
/// The session header's formats (§13.6): of IPMI 1.5 without authentication, and RMCP+.
const FORMAT_NONE: u8 = 0;
const FORMAT_PLUS: u8 = 6;

/// Payload types (table 13-16); the two flags of an encrypted and authenticated one are on `IN_SESSION`.
const IPMI: u8 = 0x00;
const OPEN: u8 = 0x10;
const RAKP_1: u8 = 0x12;
const RAKP_3: u8 = 0x14;
const IN_SESSION: u8 = 0xc0;

/// What the BMC calls itself.
pub(crate) const GUID: [u8; 16] = *b"muster's own BMC";

/// Complaints kept; a flood of nonsense shall not fill the memory.
const COMPLAINTS_MAX: usize = 100;

/// What the BMC knows.
pub struct State {
    /// How it behaves.
    pub manners: Manners,
    /// The five bytes of the boot flags as they were set last.
    pub boot_flags: Vec<u8>,
    /// Commands carried out in sessions: function, number, data.
    pub commands: Vec<(u8, u8, Vec<u8>)>,
    /// The suite of each session that was opened.
    pub opened: Vec<u8>,
    /// What askers did wrong, in words. A well-behaved one causes none.
    pub complaints: Vec<String>,
    pub(crate) chassis: Box<dyn Chassis>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) next_id: u32,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("manners", &self.manners)
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

/// What is sent, and how long after.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) datagram: Option<Vec<u8>>,
    pub(crate) after: Duration,
}

impl From<Option<Vec<u8>>> for Answer {
    fn from(datagram: Option<Vec<u8>>) -> Self {
        Self {
            datagram,
            after: Duration::ZERO,
        }
    }
}

impl State {
    pub(crate) fn new(manners: Manners, chassis: Box<dyn Chassis>) -> Self {
        Self {
            manners,
            boot_flags: vec![0; 5],
            commands: vec![],
            opened: vec![],
            complaints: vec![],
            chassis,
            sessions: vec![],
            next_id: 0x1122_3300,
        }
    }

    /// Whether the machine has power; false if nobody can tell.
    pub fn is_on(&mut self) -> bool {
        self.chassis.is_on().unwrap_or(false)
    }

    /// Switches the machine by hand, past every command and fault; an action as [`Chassis::control`] knows it.
    ///
    /// # Errors
    /// The machine's.
    pub fn press(&mut self, action: u8) -> std::io::Result<()> {
        self.chassis.control(action)
    }

    /// Sessions that are open or half open now.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How often a command was carried out in a session.
    pub fn count(&self, function: u8, number: u8) -> usize {
        self.commands
            .iter()
            .filter(|command| (command.0, command.1) == (function, number))
            .count()
    }

    pub(crate) fn complain<T>(&mut self, what: impl Into<String>) -> Option<T> {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(what.into());
        }
        None
    }

    /// Carries a datagram out.
    pub(crate) fn datagram(&mut self, datagram: &[u8]) -> Answer {
        let Some((format, rest)) = datagram.strip_prefix(&RMCP).and_then(<[u8]>::split_first) else {
            return self.complain::<Vec<u8>>("not RMCP of class IPMI").into();
        };
        match *format {
            FORMAT_NONE => self.sessionless(rest).into(),
            FORMAT_PLUS => self.plus(datagram),
            other => self.complain::<Vec<u8>>(format!("format {other:#x}")).into(),
        }
    }

    /// The format of IPMI 1.5, in which no session is ever opened here.
    fn sessionless(&mut self, rest: &[u8]) -> Option<Vec<u8>> {
        let Some((header, rest)) = rest.split_first_chunk::<9>() else {
            return self.complain("a short header");
        };
        if header[..8] != [0; 8] {
            return self.complain("a session of IPMI 1.5");
        }
        let Some(message) = rest.get(..usize::from(header[8])) else {
            return self.complain("a short message");
        };
        let reply = self.message(None, message)?;
        let len = u8::try_from(reply.len()).ok()?;
        Some([&RMCP[..], &[0; 9], &[len], &reply].concat())
    }

    fn plus(&mut self, datagram: &[u8]) -> Answer {
        let payload = datagram.get(16..).and_then(|rest| {
            let len = usize::from(u16::from_le_bytes([datagram[14], datagram[15]]));
            rest.get(..len)
        });
        let Some(payload) = payload else {
            return self.complain::<Vec<u8>>("a short payload").into();
        };
        match datagram[5] {
            OPEN => self.open(payload).into(),
            RAKP_1 => self.rakp_1(payload).into(),
            RAKP_3 => self.rakp_3(payload).into(),
            IN_SESSION => self.in_session(datagram, payload),
            // `ipmitool` asks for the suites like this; our driver, like most, in the old format.
            IPMI => {
                let reply = self.message(None, payload);
                reply.map(|reply| plus(IPMI, &reply)).into()
            }
            other => self
                .complain::<Vec<u8>>(format!("payload type {other:#x}"))
                .into(),
        }
    }
}

/// A payload outside of any session in the format of RMCP+.
pub(crate) fn plus(payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).expect("our own payloads are short");
    [
        &RMCP[..],
        &[FORMAT_PLUS, payload_type, 0, 0, 0, 0, 0, 0, 0, 0],
        &len.to_le_bytes(),
        payload,
    ]
    .concat()
}

/// The header of an encrypted and authenticated payload.
pub(crate) fn sealed_header(console: u32, sequence: u32, payload: usize) -> Vec<u8> {
    let len = u16::try_from(payload).expect("our own payloads are short");
    [
        &RMCP[..],
        &[FORMAT_PLUS, IN_SESSION],
        &console.to_le_bytes(),
        &sequence.to_le_bytes(),
        &len.to_le_bytes(),
    ]
    .concat()
}

/// Four bytes at the front as a number.
pub(crate) fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_le_bytes)
}
