//! One growing summary per boot, told to the daemon on change and not too often.
//!
//! A boot is keyed by the MAC, since the machine may be unknown. It begins with a DISCOVER after the
//! previous boot got somewhere or fell silent. Undeclared interfaces are capped per link, so that a
//! stranger with a packet generator costs bounded memory and facts.

use crate::dhcp::{Bootstrap, Seen};
use rack_api::fact::{BootEvidence, FactBody};
use schema_ids::{Mac, MachineId, Timestamp};
use std::{collections::BTreeMap, net::IpAddr, time::Duration};

/// A boot's summary is told at most this often.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// A boot that was silent this long is over: firmware gives up long before.
const SILENT_MAX: Duration = Duration::from_secs(120);
/// A boot that was silent this long and was told is forgotten.
const KEEP: Duration = Duration::from_secs(3600);
/// Undeclared interfaces remembered per link.
const UNDECLARED_MAX: usize = 64;

/// The boots of a rack.
#[derive(Debug, Default)]
pub struct BootLog(BTreeMap<Mac, Boot>);

#[derive(Debug)]
struct Boot {
    machine: Option<MachineId>,
    evidence: BootEvidence,
    /// When it was last told; absent before the first time.
    told: Option<Timestamp>,
    changed: bool,
}

/// Something that a boot did after its DHCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// It asked for a file by TFTP; with the outcome.
    Tftp(String),
    /// It was answered so by the boot script.
    Answered(&'static str),
    /// It read this much of an artefact.
    Http(String),
}

impl BootLog {
    /// Notes a DHCP packet of a boot client.
    pub fn dhcp(&mut self, seen: &Seen, now: Timestamp) {
        let begins = match self.0.get(&seen.mac) {
            None => true,
            Some(boot) => {
                let got_on = boot.evidence.answer.is_some()
                    || (boot.evidence.tftp.is_some() && seen.bootstrap != Bootstrap::Ipxe);
                seen.discover && (got_on || now.since(boot.evidence.last) > SILENT_MAX)
            }
        };
        if begins {
            if seen.machine.is_none() && !self.0.contains_key(&seen.mac) && self.is_full(&seen.link) {
                return;
            }
            self.0.insert(seen.mac, Boot::begin(seen, now));
        }
        self.change(seen.mac, now, |boot| {
            let address = seen.address.map(IpAddr::V4).or(boot.evidence.address);
            let known = boot.evidence.address == address && boot.evidence.client == seen.client;
            boot.machine = seen.machine;
            boot.evidence.address = address;
            boot.evidence.client.clone_from(&seen.client);
            boot.evidence.uuid = seen.uuid.or(boot.evidence.uuid);
            !known || begins
        });
    }

    /// Notes what a boot did; one that never asked DHCP is nobody's.
    pub fn note(&mut self, mac: Mac, sign: Sign, now: Timestamp) {
        self.change(mac, now, |boot| {
            let (slot, value) = match sign {
                Sign::Tftp(file) => (&mut boot.evidence.tftp, file),
                Sign::Answered(answer) => (&mut boot.evidence.answer, answer.to_owned()),
                Sign::Http(what) => (&mut boot.evidence.http, what),
            };
            let changed = slot.as_ref() != Some(&value);
            *slot = Some(value);
            changed
        });
    }

    /// The summaries that changed and may be told now. Forgets boots that are long over.
    pub fn due(&mut self, now: Timestamp) -> Vec<FactBody> {
        self.0
            .retain(|_, boot| boot.changed || now.since(boot.evidence.last) < KEEP);
        let due =
            |boot: &&mut Boot| boot.changed && boot.told.is_none_or(|told| now.since(told) >= TELL_EVERY);
        self.0
            .values_mut()
            .filter(due)
            .map(|boot| {
                boot.changed = false;
                boot.told = Some(now);
                FactBody::Boot {
                    machine: boot.machine,
                    boot: boot.evidence.clone(),
                }
            })
            .collect()
    }

    fn is_full(&self, link: &str) -> bool {
        let undeclared = |boot: &&Boot| boot.machine.is_none() && boot.evidence.link == link;
        self.0.values().filter(undeclared).count() >= UNDECLARED_MAX
    }

    fn change(&mut self, mac: Mac, now: Timestamp, change: impl FnOnce(&mut Boot) -> bool) {
        if let Some(boot) = self.0.get_mut(&mac) {
            boot.changed |= change(boot);
            boot.evidence.last = now;
        }
    }
}

impl Boot {
    fn begin(seen: &Seen, now: Timestamp) -> Self {
        Self {
            machine: seen.machine,
            evidence: BootEvidence {
                mac: seen.mac,
                link: seen.link.clone(),
                began: now,
                client: seen.client.clone(),
                uuid: seen.uuid,
                address: None,
                tftp: None,
                answer: None,
                http: None,
                last: now,
            },
            told: None,
            changed: true,
        }
    }
}
