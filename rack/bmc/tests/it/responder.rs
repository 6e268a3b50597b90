//! The BMC's side of RMCP+ with suites 3 and 17, written from the specification and from nothing in the driver;
//! `ipmitool` judges it in `against_responder`. `ipmi_sim` has neither suite 17 nor faults on request.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use aes::Aes128;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// How long the thread waits before it looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

const GUID: [u8; 16] = *b"responder's guid";

/// How this BMC behaves.
#[derive(Clone)]
pub(crate) struct Manners {
    /// Suites it takes, of 3 and 17.
    pub(crate) suites: Vec<u8>,
    /// What it lists, in records; `None` leaves the question unanswered.
    pub(crate) listed: Option<Vec<u8>>,
    /// Says nothing to a proposal it does not take, instead of refusing it.
    pub(crate) sulks: bool,
    /// The highest privilege level of its user, and the RMCP+ status for more.
    pub(crate) level_max: (u8, u8),
    /// Sessions at a time, half open ones too.
    pub(crate) sessions_max: usize,
    /// The BMC's own key.
    pub(crate) kg: Option<Vec<u8>>,
    /// So many chassis commands are answered "node busy" first.
    pub(crate) busy: usize,
    /// Commands it does not know, by function and number.
    pub(crate) lacks: Vec<(u8, u8)>,
    /// Answers with the success code alone.
    pub(crate) curt: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            suites: vec![3, 17],
            listed: Some(records(&[3, 17])),
            sulks: false,
            level_max: (4, 0x0a),
            sessions_max: 4,
            kg: None,
            busy: 0,
            lacks: vec![],
            curt: false,
        }
    }
}

/// The records of these suites (IPMI 2.0 table 22-18).
pub(crate) fn records(suites: &[u8]) -> Vec<u8> {
    let record = |suite: &u8| match suite {
        3 => [0xc0, 3, 0x01, 0x41, 0x81],
        17 => [0xc0, 17, 0x03, 0x44, 0x81],
        other => [0xc0, *other, 0x00, 0x40, 0x80],
    };
    suites.iter().flat_map(record).collect()
}

struct Session {
    id: u32,
    console: u32,
    suite: u8,
    role: u8,
    nonces: Option<([u8; 16], [u8; 16])>,
    name: Vec<u8>,
    sik: Vec<u8>,
    active: bool,
    level: u8,
    sent: u32,
    heard: Vec<u32>,
}

/// What the BMC knows; tests look at it.
pub(crate) struct State {
    pub(crate) manners: Manners,
    pub(crate) power: u8,
    pub(crate) boot_flags: Vec<u8>,
    /// Commands carried out in sessions: function, number, data.
    pub(crate) commands: Vec<(u8, u8, Vec<u8>)>,
    /// The suite of each session that was opened.
    pub(crate) opened: Vec<u8>,
    sessions: Vec<Session>,
    next_id: u32,
}

impl State {
    /// Sessions that are open or half open now.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn count(&self, function: u8, number: u8) -> usize {
        self.commands
            .iter()
            .filter(|command| (command.0, command.1) == (function, number))
            .count()
    }
}

/// A running BMC; ends when dropped.
pub(crate) struct Responder {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
    running: Arc<()>,
}

impl Responder {
    pub(crate) fn start(manners: Manners) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(LOOK)).unwrap();
        let address = socket.local_addr().unwrap();
        let state = State {
            manners,
            power: 0,
            boot_flags: vec![],
            commands: vec![],
            opened: vec![],
            sessions: vec![],
            next_id: 0x11223300,
        };
        let state = Arc::new(Mutex::new(state));
        let running = Arc::new(());
        let thread = std::thread::spawn({
            let (state, owner) = (Arc::clone(&state), Arc::downgrade(&running));
            move || {
                let mut buffer = [0; 1024];
                while owner.strong_count() > 0 {
                    let Ok((len, from)) = socket.recv_from(&mut buffer) else {
                        continue;
                    };
                    if let Some(reply) = state.lock().unwrap().datagram(&buffer[..len]) {
                        socket.send_to(&reply, from).unwrap();
                    }
                }
            }
        });
        Self {
            address,
            state,
            thread: Some(thread),
            running,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.running = Arc::new(());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn code(suite: u8, key: &[u8], data: &[u8]) -> Vec<u8> {
    if suite == 17 {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(data);
        mac.finalize().into_bytes().to_vec()
    } else {
        let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
        mac.update(data);
        mac.finalize().into_bytes().to_vec()
    }
}

fn short(suite: u8) -> usize {
    if suite == 17 { 16 } else { 12 }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().unwrap())
}

fn plus(payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut reply = vec![6, 0, 0xff, 7, 6, payload_type, 0, 0, 0, 0, 0, 0, 0, 0];
    reply.extend((payload.len() as u16).to_le_bytes());
    reply.extend(payload);
    reply
}

fn sum(bytes: &[u8]) -> u8 {
    0_u8.wrapping_sub(bytes.iter().copied().fold(0, u8::wrapping_add))
}

impl State {
    fn datagram(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        assert_eq!(datagram[..4], [6, 0, 0xff, 7], "RMCP");
        if datagram[4] == 0 {
            assert_eq!(datagram[5..13], [0; 8], "no session in the old format");
            let message = &datagram[14..14 + usize::from(datagram[13])];
            let reply = self.message(None, message)?;
            let mut old = vec![6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, reply.len() as u8];
            old.extend(reply);
            return Some(old);
        }
        assert_eq!(datagram[4], 6, "RMCP+");
        let len = usize::from(u16::from_le_bytes([datagram[14], datagram[15]]));
        let payload = &datagram[16..16 + len];
        match datagram[5] {
            0x10 => self.open(payload),
            0x12 => self.rakp_1(payload),
            0x14 => self.rakp_3(payload),
            0xc0 => self.in_session(datagram, payload),
            // `ipmitool` asks for the suites like this; the driver, like most, in the old format.
            0x00 => {
                let reply = self.message(None, payload)?;
                Some(plus(0x00, &reply))
            }
            other => panic!("payload type {other:#x}"),
        }
    }

    fn open(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let [tag, level] = request[..2] else {
            panic!("tag and level")
        };
        let console = &request[4..8];
        let suite = match (request[12], request[20], request[28]) {
            (3, 4, 1) => 17,
            (1, 1, 1) => 3,
            other => panic!("proposal {other:?}"),
        };
        let refuse = |status| Some(plus(0x11, &[&[tag, status, level, 0], console].concat()));
        if !self.manners.suites.contains(&suite) {
            return if self.manners.sulks { None } else { refuse(0x04) };
        }
        if self.sessions.len() >= self.manners.sessions_max {
            return refuse(0x01);
        }
        self.next_id += 1;
        let id = self.next_id;
        let mut reply = vec![tag, 0, level, 0];
        reply.extend(console);
        reply.extend(id.to_le_bytes());
        reply.extend(&request[8..32]);
        self.sessions.push(Session {
            id,
            console: word(console),
            suite,
            role: 0,
            nonces: None,
            name: vec![],
            sik: vec![],
            active: false,
            level: 2,
            sent: 0,
            heard: vec![],
        });
        Some(plus(0x11, &reply))
    }

    fn rakp_1(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let tag = request[0];
        let Some(at) = self
            .sessions
            .iter()
            .position(|session| session.id == word(&request[4..]))
        else {
            return Some(plus(0x13, &[tag, 0x02, 0, 0, 0, 0, 0, 0]));
        };
        let console: [u8; 16] = request[8..24].try_into().unwrap();
        let (role, name) = (request[24], request[28..28 + usize::from(request[27])].to_vec());
        let (level_max, status) = self.manners.level_max;
        let id = self.sessions[at].console.to_le_bytes();
        let refused = if name != b"admin" {
            Some(0x0d)
        } else if role & 0x0f > level_max {
            Some(status)
        } else {
            None
        };
        if let Some(status) = refused {
            self.sessions.remove(at);
            return Some(plus(0x13, &[&[tag, status, 0, 0][..], &id].concat()));
        }
        let session = &mut self.sessions[at];
        // A new one for each RAKP 1 heard, as boards do; a console that sent it twice has then the wrong one.
        let ours: [u8; 16] = rand::random();
        session.nonces = Some((console, ours));
        session.role = role;
        session.name = name;
        let mut data = [&id[..], &session.id.to_le_bytes(), &console, &ours, &GUID].concat();
        data.extend([role, session.name.len() as u8]);
        data.extend(&session.name);
        let mut reply = [&[tag, 0, 0, 0][..], &id, &ours, &GUID].concat();
        reply.extend(code(session.suite, b"secret", &data));
        Some(plus(0x13, &reply))
    }

    fn rakp_3(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let [tag, status] = request[..2] else {
            panic!("tag and status")
        };
        let at = self
            .sessions
            .iter()
            .position(|session| session.id == word(&request[4..]));
        if status != 0 {
            self.sessions.remove(at?);
            return None;
        }
        let Some(session) = at
            .map(|at| &mut self.sessions[at])
            .filter(|session| !session.active)
        else {
            return Some(plus(0x15, &[tag, 0x08, 0, 0, 0, 0, 0, 0]));
        };
        let (console, ours) = session.nonces.unwrap();
        let id = session.console.to_le_bytes();
        let role_and_name = [&[session.role, session.name.len() as u8][..], &session.name].concat();
        if request[8..]
            != code(
                session.suite,
                b"secret",
                &[&ours[..], &id, &role_and_name].concat(),
            )
        {
            let reply = plus(0x15, &[&[tag, 0x0f, 0, 0][..], &id].concat());
            self.sessions.remove(at.unwrap());
            return Some(reply);
        }
        let key = self.manners.kg.clone().unwrap_or(b"secret".to_vec());
        session.sik = code(
            session.suite,
            &key,
            &[&console[..], &ours, &role_and_name].concat(),
        );
        session.active = true;
        self.opened.push(session.suite);
        let check = code(
            session.suite,
            &session.sik,
            &[&console[..], &session.id.to_le_bytes(), &GUID].concat(),
        );
        let reply = [&[tag, 0, 0, 0][..], &id, &check[..short(session.suite)]].concat();
        Some(plus(0x15, &reply))
    }

    fn in_session(&mut self, datagram: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
        let session = self
            .sessions
            .iter_mut()
            .find(|session| session.id == word(&datagram[6..]))?;
        let suite = session.suite;
        let key = code(suite, &session.sik, &[1; 20]);
        let (covered, check) = datagram[4..].split_at(datagram.len() - 4 - short(suite));
        assert_eq!(covered.len() % 4, 0, "padded to four");
        assert_eq!(
            check,
            &code(suite, &key, covered)[..short(suite)],
            "code of the packet"
        );
        let sequence = word(&datagram[10..]);
        if session.heard.contains(&sequence) {
            return None;
        }
        session.heard.push(sequence);

        let aes: [u8; 16] = code(suite, &session.sik, &[2; 20])[..16].try_into().unwrap();
        let iv: [u8; 16] = payload[..16].try_into().unwrap();
        let mut plain = payload[16..].to_vec();
        cbc::Decryptor::<Aes128>::new(&aes.into(), &iv.into())
            .decrypt_padded::<NoPadding>(&mut plain)
            .unwrap();
        let pad = usize::from(*plain.last().unwrap());
        let message = plain.len() - 1 - pad;
        assert!(
            plain[message..plain.len() - 1].iter().copied().eq(1..=pad as u8),
            "confidentiality pad"
        );

        session.sent += 1;
        let (sent, console) = (session.sent, session.console);
        let id = session.id;
        let mut reply = self.message(Some(id), &plain[..message])?;
        let pad = (16 - (reply.len() + 1) % 16) % 16;
        reply.extend((1..=pad as u8).chain([pad as u8]));
        let iv: [u8; 16] = rand::random();
        let len = reply.len();
        cbc::Encryptor::<Aes128>::new(&aes.into(), &iv.into())
            .encrypt_padded::<NoPadding>(&mut reply, len)
            .unwrap();
        let mut answer = vec![6, 0, 0xff, 7, 6, 0xc0];
        answer.extend(console.to_le_bytes());
        answer.extend(sent.to_le_bytes());
        answer.extend((16 + len as u16).to_le_bytes());
        answer.extend(iv);
        answer.extend(reply);
        while !(answer.len() - 4 + 2).is_multiple_of(4) {
            answer.push(0xff);
        }
        answer.extend([(answer.len() - 16 - 16 - len) as u8, 7]);
        let check = code(suite, &key, &answer[4..]);
        answer.extend(&check[..short(suite)]);
        Some(answer)
    }

    /// Carries a message out and answers it.
    fn message(&mut self, session: Option<u32>, request: &[u8]) -> Option<Vec<u8>> {
        assert_eq!((sum(&request[..3]), sum(&request[3..])), (0, 0), "checksums");
        let (function, number) = (request[1] >> 2, request[5]);
        let data = &request[6..request.len() - 1];
        let body = self.command(session, function, number, data)?;
        let mut reply = vec![request[3], (function + 1) << 2];
        reply.push(sum(&reply));
        reply.extend([0x20, request[4], number]);
        reply.extend(body);
        reply.push(sum(&reply[3..]));
        Some(reply)
    }

    /// The completion code and data of a command's answer.
    fn command(&mut self, session: Option<u32>, function: u8, number: u8, data: &[u8]) -> Option<Vec<u8>> {
        match (function, number, session) {
            (0x06, 0x38, _) => return Some(vec![0, 1, 0x80, 0x04, 0x03, 0, 0, 0, 0]),
            (0x06, 0x54, _) => {
                let listed = self.manners.listed.clone()?;
                let from = listed.len().min(usize::from(data[2] & 0x3f) * 16);
                let part = &listed[from..listed.len().min(from + 16)];
                return Some([&[0, 1], part].concat());
            }
            (_, _, None) => return Some(vec![0xd4]),
            (_, _, Some(_)) => {}
        }
        if function == 0x00 && self.manners.busy > 0 {
            self.manners.busy -= 1;
            return Some(vec![0xc0]);
        }
        if self.manners.lacks.contains(&(function, number)) {
            return Some(vec![0xc1]);
        }
        self.commands.push((function, number, data.to_vec()));
        let at = self.sessions.iter().position(|known| Some(known.id) == session)?;
        let session = &mut self.sessions[at];
        if self.manners.curt && function == 0x00 {
            return Some(vec![0]);
        }
        Some(match (function, number) {
            (0x06, 0x3b) if data[0] > self.manners.level_max.0 => vec![0x81],
            (0x06, 0x3b) => {
                session.level = data[0].max(session.level);
                vec![0, session.level]
            }
            (0x06, 0x3c) => {
                let closed = word(data) == session.id;
                // Its answer is still sent under the session's keys, which the caller has at hand.
                if closed {
                    self.sessions.remove(at);
                }
                vec![if closed { 0 } else { 0x87 }]
            }
            (0x06, 0x01) => vec![
                0, 0x20, 0x01, 0x02, 0x15, 0x02, 0x80, 0x57, 0x01, 0x00, 0x34, 0x12,
            ],
            (0x06, 0x37) => [&[0], &GUID[..]].concat(),
            (0x00, 0x01) => vec![0, self.power, 0, 0],
            (0x00, 0x02 | 0x08) if session.level < 3 => vec![0xd4],
            (0x00, 0x02) => {
                self.power = u8::from(data[0] == 1);
                vec![0]
            }
            (0x00, 0x08) if data[0] == 5 => {
                self.boot_flags = data[1..].to_vec();
                vec![0]
            }
            (0x00, 0x08) if data[0] == 3 => vec![0x80],
            (0x00, 0x08) => vec![0],
            (0x00, 0x09) => [&[0, 1, data[0]], &self.boot_flags[..]].concat(),
            _ => vec![0xc1],
        })
    }
}
