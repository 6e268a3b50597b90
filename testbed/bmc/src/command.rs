//! The commands (IPMI 2.0 chapters 20, 22 and 28), by function and number.

use crate::State;
use crate::state::{GUID, word};

const APP: u8 = 0x06;
const CHASSIS: u8 = 0x00;

/// The level from which chassis commands that change something may be given.
const OPERATOR: u8 = 3;

/// Completion codes (table 5-2).
const NODE_BUSY: u8 = 0xc0;
const INVALID_COMMAND: u8 = 0xc1;
const REQUEST_SHORT: u8 = 0xc7;
const INVALID_FIELD: u8 = 0xcc;
const INSUFFICIENT_PRIVILEGE: u8 = 0xd4;
const UNSPECIFIED: u8 = 0xff;
/// Of Set System Boot Options: no such parameter; of Set Session Privilege Level: above the user's limit; of Close
/// Session: no such session.
const NO_PARAMETER: u8 = 0x80;
const ABOVE_LIMIT: u8 = 0x81;
const NO_SESSION: u8 = 0x87;

/// Bytes of suite records in one answer.
const RECORDS: usize = 16;

fn sum(bytes: &[u8]) -> u8 {
    0_u8.wrapping_sub(bytes.iter().copied().fold(0, u8::wrapping_add))
}

impl State {
    /// Carries a message out and answers it (§13.8: addresses, function, checksums).
    pub(crate) fn message(&mut self, session: Option<u32>, request: &[u8]) -> Option<Vec<u8>> {
        if request.len() < 7 || sum(&request[..3]) != 0 || sum(&request[3..]) != 0 {
            return self.complain("a message that is short or has a wrong checksum");
        }
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
        match (function, number) {
            // Get Channel Authentication Capabilities: RMCP+, no anonymous login.
            (APP, 0x38) => return Some(vec![0, 1, 0x80, 0x04, 0x03, 0, 0, 0, 0]),
            // Get Channel Cipher Suites.
            (APP, 0x54) => {
                let listed = self.manners.listed.clone()?;
                let index = data.get(2).copied().unwrap_or(0) & 0x3f;
                let from = listed.len().min(usize::from(index) * RECORDS);
                let part = &listed[from..listed.len().min(from + RECORDS)];
                return Some([&[0, 1], part].concat());
            }
            _ => {}
        }
        let Some(session) = session else {
            return Some(vec![INSUFFICIENT_PRIVILEGE]);
        };
        if function == CHASSIS && self.manners.busy > 0 {
            self.manners.busy -= 1;
            return Some(vec![NODE_BUSY]);
        }
        let refused = self.manners.refuses.iter();
        let mut refused = refused.filter(|refusal| (refusal.0, refusal.1) == (function, number));
        if let Some((_, _, code)) = refused.next() {
            return Some(vec![*code]);
        }
        self.commands.push((function, number, data.to_vec()));
        let answer = match function {
            APP => self.app(session, number, data),
            CHASSIS => self.chassis_command(session, number, data),
            _ => Err(INVALID_COMMAND),
        };
        let body = match answer {
            Ok(_) if self.manners.curt && function == CHASSIS => vec![0],
            Ok(data) => [&[0], &data[..]].concat(),
            Err(code) => vec![code],
        };
        Some(body)
    }

    fn app(&mut self, id: u32, number: u8, data: &[u8]) -> Result<Vec<u8>, u8> {
        let at = self.sessions.iter().position(|known| known.id == id);
        let at = at.ok_or(INSUFFICIENT_PRIVILEGE)?;
        match number {
            // Get Device ID.
            0x01 => Ok(vec![
                0x20, 0x01, 0x02, 0x15, 0x02, 0x80, 0x57, 0x01, 0x00, 0x34, 0x12,
            ]),
            // Get System GUID.
            0x37 => Ok(GUID.to_vec()),
            // Set Session Privilege Level.
            0x3b => {
                let level = *data.first().ok_or(REQUEST_SHORT)?;
                if level > self.manners.level_max.0 {
                    return Err(ABOVE_LIMIT);
                }
                let session = &mut self.sessions[at];
                if level > 0 {
                    session.level = level;
                }
                Ok(vec![session.level])
            }
            // Close Session; its answer still goes out under the session's keys, which the caller has at hand.
            0x3c => {
                if word(data) != Some(id) {
                    return Err(NO_SESSION);
                }
                self.sessions.remove(at);
                Ok(vec![])
            }
            _ => Err(INVALID_COMMAND),
        }
    }

    fn chassis_command(&mut self, id: u32, number: u8, data: &[u8]) -> Result<Vec<u8>, u8> {
        let session = self.sessions.iter().find(|known| known.id == id);
        let level = session.ok_or(INSUFFICIENT_PRIVILEGE)?.level;
        if matches!(number, 0x02 | 0x08) && level < OPERATOR {
            return Err(INSUFFICIENT_PRIVILEGE);
        }
        match number {
            // Get Chassis Status.
            0x01 => {
                let is_on = self.chassis.is_on().map_err(|_| UNSPECIFIED)?;
                Ok(vec![u8::from(is_on), 0, 0])
            }
            // Chassis Control.
            0x02 => {
                let action = data.first().ok_or(REQUEST_SHORT)? & 0x0f;
                if !matches!(action, 0 | 1 | 2 | 3 | 5) {
                    return Err(INVALID_FIELD);
                }
                if !self.manners.stuck {
                    self.chassis.control(action).map_err(|_| UNSPECIFIED)?;
                }
                Ok(vec![])
            }
            // Set System Boot Options: the flags, and the acknowledgements that clients set around them.
            0x08 => match data {
                [0x05, flags @ ..] if flags.len() == 5 => {
                    self.chassis.boot(flags[1] >> 2 & 0x0f).map_err(|_| UNSPECIFIED)?;
                    self.boot_flags = flags.to_vec();
                    Ok(vec![])
                }
                [0x05, ..] | [] => Err(REQUEST_SHORT),
                [0x00 | 0x04, ..] => Ok(vec![]),
                _ => Err(NO_PARAMETER),
            },
            // Get System Boot Options: the flags.
            0x09 => match data {
                [0x05, ..] => Ok([&[1, 0x05], &self.boot_flags[..]].concat()),
                [] => Err(REQUEST_SHORT),
                _ => Err(NO_PARAMETER),
            },
            _ => Err(INVALID_COMMAND),
        }
    }
}
