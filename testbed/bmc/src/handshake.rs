//! Open Session and RAKP 1 to 4 (IPMI 2.0 §13.17 to §13.24).

use crate::State;
use crate::cipher::{code, short};
use crate::session::{Session, Stage};
use crate::state::{GUID, plus, word};

const OPEN_ANSWER: u8 = 0x11;
const RAKP_2: u8 = 0x13;
const RAKP_4: u8 = 0x15;

/// RMCP+ statuses (table 13-15).
const NO_RESOURCES: u8 = 0x01;
const INVALID_SESSION: u8 = 0x02;
const INVALID_AUTHENTICATION: u8 = 0x04;
const INACTIVE_SESSION: u8 = 0x08;
const UNAUTHORIZED_NAME: u8 = 0x0d;
const INVALID_CODE: u8 = 0x0f;

impl State {
    pub(crate) fn open(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let Some(request) = request.first_chunk::<32>() else {
            return self.complain("a short open session request");
        };
        let (tag, level) = (request[0], request[1]);
        let console = word(&request[4..])?;
        let refuse = |status| {
            let refusal = [&[tag, status, level, 0], &request[4..8]].concat();
            Some(plus(OPEN_ANSWER, &refusal))
        };
        // Algorithms of authentication, integrity and confidentiality (tables 13-17 to 13-19).
        let suite = match (request[12], request[20], request[28]) {
            (3, 4, 1) => 17,
            (1, 1, 1) => 3,
            _ => return refuse(INVALID_AUTHENTICATION),
        };
        if !self.manners.suites.contains(&suite) {
            return if self.manners.sulks {
                None
            } else {
                refuse(INVALID_AUTHENTICATION)
            };
        }
        if self.sessions.len() >= self.manners.sessions_max {
            return refuse(NO_RESOURCES);
        }
        self.next_id += 1;
        self.sessions.push(Session::new(self.next_id, console, suite));
        let answer = [
            &[tag, 0, level, 0],
            &request[4..8],
            &self.next_id.to_le_bytes(),
            &request[8..],
        ];
        Some(plus(OPEN_ANSWER, &answer.concat()))
    }

    pub(crate) fn rakp_1(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let Some(header) = request.first_chunk::<28>() else {
            return self.complain("a short RAKP 1");
        };
        let (tag, role) = (header[0], header[24]);
        let Some(name) = request[28..].get(..usize::from(header[27])) else {
            return self.complain("a short name in RAKP 1");
        };
        let id = word(&header[4..]);
        let Some(at) = self.sessions.iter().position(|session| Some(session.id) == id) else {
            return Some(plus(RAKP_2, &[tag, INVALID_SESSION, 0, 0, 0, 0, 0, 0]));
        };
        let (level_max, above) = self.manners.level_max;
        let id = self.sessions[at].console.to_le_bytes();
        let refused = if name != self.manners.user.as_bytes() {
            Some(UNAUTHORIZED_NAME)
        } else if role & 0x0f > level_max {
            Some(above)
        } else {
            None
        };
        if let Some(status) = refused {
            self.sessions.remove(at);
            return Some(plus(RAKP_2, &[&[tag, status, 0, 0][..], &id].concat()));
        }
        let session = &mut self.sessions[at];
        let console: [u8; 16] = header[8..24].try_into().expect("sixteen bytes");
        // A new one for each RAKP 1 heard, as boards do; a console that sent it twice has then the wrong one.
        let ours: [u8; 16] = rand::random();
        let role_and_name = [&[role, header[27]][..], name].concat();
        let data = [
            &id[..],
            &session.id.to_le_bytes(),
            &console,
            &ours,
            &GUID,
            &role_and_name,
        ];
        let proof = code(session.suite, self.manners.password.as_bytes(), &data.concat());
        session.stage = Stage::Asked {
            console,
            ours,
            role_and_name,
        };
        let answer = [&[tag, 0, 0, 0][..], &id, &ours, &GUID, &proof].concat();
        Some(plus(RAKP_2, &answer))
    }

    pub(crate) fn rakp_3(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let Some((header, proof)) = request.split_first_chunk::<8>() else {
            return self.complain("a short RAKP 3");
        };
        let (tag, status) = (header[0], header[1]);
        let id = word(&header[4..]);
        let at = self.sessions.iter().position(|session| Some(session.id) == id);
        if status != 0 {
            self.sessions.remove(at?);
            return None;
        }
        let inactive = Some(plus(RAKP_4, &[tag, INACTIVE_SESSION, 0, 0, 0, 0, 0, 0]));
        let Some(at) = at else { return inactive };
        let session = &mut self.sessions[at];
        let Stage::Asked {
            console,
            ours,
            role_and_name,
        } = &session.stage
        else {
            return inactive;
        };
        let id = session.console.to_le_bytes();
        let data = [&ours[..], &id, role_and_name].concat();
        if proof != code(session.suite, self.manners.password.as_bytes(), &data) {
            self.sessions.remove(at);
            return Some(plus(RAKP_4, &[&[tag, INVALID_CODE, 0, 0][..], &id].concat()));
        }
        let password = self.manners.password.as_bytes();
        let key = self.manners.kg.as_deref().unwrap_or(password);
        let sik = code(session.suite, key, &[&console[..], ours, role_and_name].concat());
        let data = [&console[..], &session.id.to_le_bytes(), &GUID].concat();
        let check = code(session.suite, &sik, &data);
        let answer = [&[tag, 0, 0, 0][..], &id, &check[..short(session.suite)]].concat();
        session.stage = Stage::Active { sik };
        self.opened.push(session.suite);
        Some(plus(RAKP_4, &answer))
    }
}
