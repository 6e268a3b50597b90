//! Packets of an open session: verified, decrypted, answered under the same keys (IPMI 2.0 §13.8, §13.28).

use crate::State;
use crate::cipher::{code, decrypt, encrypt, short};
use crate::state::{Answer, sealed_header, word};

/// What follows the payload's pad (table 13-8).
const NEXT_HEADER: u8 = 7;

/// The privilege level that a session begins with (IPMI 2.0 §22.18).
const LEVEL_USER: u8 = 2;

/// One session.
pub(crate) struct Session {
    pub(crate) id: u32,
    /// The asker's id of it.
    pub(crate) console: u32,
    pub(crate) suite: u8,
    pub(crate) stage: Stage,
    pub(crate) level: u8,
    sent: u32,
    heard: Vec<u32>,
}

/// How far a session has come.
pub(crate) enum Stage {
    /// Opened by a proposal.
    Proposed,
    /// RAKP 1 was heard, and answered with our random number.
    Asked {
        console: [u8; 16],
        ours: [u8; 16],
        role_and_name: Vec<u8>,
    },
    /// Both have proved the password.
    Active { sik: Vec<u8> },
}

impl Session {
    pub(crate) fn new(id: u32, console: u32, suite: u8) -> Self {
        Self {
            id,
            console,
            suite,
            stage: Stage::Proposed,
            level: LEVEL_USER,
            sent: 0,
            heard: vec![],
        }
    }
}

impl State {
    pub(crate) fn in_session(&mut self, datagram: &[u8], payload: &[u8]) -> Answer {
        let id = word(&datagram[6..]);
        let session = self.sessions.iter_mut().find(|session| Some(session.id) == id);
        let Some(session) = session else {
            // Late packets of a session that is closed.
            return Answer::default();
        };
        let Stage::Active { sik } = &session.stage else {
            return self
                .complain::<Vec<u8>>("a packet of a session not yet open")
                .into();
        };
        let (suite, sik) = (session.suite, sik.clone());
        let key = code(suite, &sik, &[1; 20]);
        let Some((covered, check)) = datagram[4..].split_at_checked(datagram.len() - 4 - short(suite)) else {
            return self.complain::<Vec<u8>>("a packet without a code").into();
        };
        if !covered.len().is_multiple_of(4) || check != &code(suite, &key, covered)[..short(suite)] {
            return self.complain::<Vec<u8>>("a packet with a wrong code").into();
        }
        let sequence = word(&datagram[10..]).unwrap_or(0);
        if session.heard.contains(&sequence) {
            return Answer::default();
        }
        session.heard.push(sequence);
        session.sent += 1;
        let (id, sent, console) = (session.id, session.sent, session.console);
        let message = match decrypt(suite, &sik, payload) {
            Ok(message) => message,
            Err(why) => return self.complain::<Vec<u8>>(why).into(),
        };
        let Some(reply) = self.message(Some(id), &message) else {
            return Answer::default();
        };
        let is_chassis = message.get(1).is_some_and(|function| function >> 2 == 0);
        let mut answer = Answer::default();
        if is_chassis {
            answer.after = self.manners.late;
            if self.manners.loses > 0 {
                self.manners.loses -= 1;
                return answer;
            }
        }
        let text = encrypt(suite, &sik, &reply);
        let mut packet = sealed_header(console, sent, text.len());
        packet.extend(&text);
        // What the code covers, with its last two bytes, is a multiple of four long.
        let pad = (4 - (packet.len() - 4 + 2) % 4) % 4;
        packet.extend(std::iter::repeat_n(0xff, pad));
        packet.extend(u8::try_from(pad));
        packet.push(NEXT_HEADER);
        let check = code(suite, &key, &packet[4..]);
        packet.extend(&check[..short(suite)]);
        answer.datagram = Some(packet);
        answer
    }
}
