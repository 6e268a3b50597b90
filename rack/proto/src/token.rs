//! The tokens of a boot and of an installed system.
//!
//! Each is its own content and an HMAC-SHA256 (RFC 2104) over it with the key that all boot agents of
//! the links share, so that any of them can verify what another minted and none has to remember it.
//! The content is no secret; the key never leaves daemon and rack agents.

use hmac::{Hmac, KeyInit, Mac as _};
use schema_ids::{BindingId, Digest, Generation, Mac, MachineId, Uuid};
use sha2::Sha256;

/// No token is longer; a link's name has at most 127 characters.
const TOKEN_MAX: usize = 512;

/// The shared key.
#[derive(Clone)]
pub struct TokenKey(Vec<u8>);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

/// What a boot's token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootToken {
    /// What was booted for.
    pub subject: Subject,
    /// The interface that booted.
    pub mac: Mac,
    /// The link it stands on.
    pub link: String,
    /// Made for this boot.
    pub nonce: Uuid,
}

/// What a boot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A declared machine's job. The same boot may go on with a later one of the same machine.
    Job {
        /// The machine.
        machine: MachineId,
        /// The generation of the job that was served.
        generation: Generation,
        /// Its attempt.
        attempt: u32,
    },
    /// The inspection of a machine that no file declares.
    Enlist,
}

impl TokenKey {
    /// Takes the configuration's hexadecimal digits; `None` if there are fewer than 32 of them or one is
    /// none: an agent without a key serves no job.
    pub fn from_hex(digits: &str) -> Option<Self> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let digits: Vec<u8> = digits.as_bytes().iter().map(digit).collect::<Option<_>>()?;
        let whole = digits.len() >= 32 && digits.len().is_multiple_of(2);
        whole.then(|| Self(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
    }

    /// The token of a boot: words of a kernel command line, so without blanks.
    pub fn mint(&self, token: &BootToken) -> String {
        let text = token.text();
        let seal = Digest(self.seal(&text)).hex();
        format!("{text}:{seal}")
    }

    /// Reads a token back; `None` for one that this key did not make.
    pub fn verify(&self, token: &str) -> Option<BootToken> {
        let (text, seal) = token.rsplit_once(':').filter(|_| token.len() <= TOKEN_MAX)?;
        self.check(text, seal)?;
        BootToken::parse(text)
    }

    /// The token by which an installed system phones home; it lives as long as the binding.
    pub fn phone_home(&self, machine: MachineId, binding: BindingId) -> String {
        Digest(self.seal(&phone_home_text(machine, binding))).hex()
    }

    /// Whether a phone-home token is that of this machine and binding.
    pub fn is_phone_home(&self, token: &str, machine: MachineId, binding: BindingId) -> bool {
        self.check(&phone_home_text(machine, binding), token).is_some()
    }

    fn hmac(&self, text: &str) -> Hmac<Sha256> {
        let mut hmac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length (RFC 2104 §3)");
        hmac.update(text.as_bytes());
        hmac
    }

    fn seal(&self, text: &str) -> [u8; 32] {
        self.hmac(text).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    fn check(&self, text: &str, seal: &str) -> Option<()> {
        let seal: Digest = seal.parse().ok()?;
        self.hmac(text).verify_slice(&seal.0).ok()
    }
}

/// No boot token begins like this, so neither kind can be taken for the other.
fn phone_home_text(machine: MachineId, binding: BindingId) -> String {
    format!("phone-home:{machine}:{binding}")
}

impl BootToken {
    /// The machine, where the boot is one's job.
    pub fn machine(&self) -> Option<MachineId> {
        match self.subject {
            Subject::Job { machine, .. } => Some(machine),
            Subject::Enlist => None,
        }
    }

    fn text(&self) -> String {
        let Self { mac, link, nonce, .. } = self;
        let tail = format!("{}:{link}:{nonce}", mac.hyphenated());
        match self.subject {
            Subject::Job {
                machine,
                generation,
                attempt,
            } => format!("job:{machine}:{generation}:{attempt}:{tail}"),
            Subject::Enlist => format!("enlist:{tail}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (subject, tail) = match parts.as_slice() {
            ["job", machine, generation, attempt, tail @ ..] => (
                Subject::Job {
                    machine: machine.parse().ok()?,
                    generation: generation.parse().ok()?,
                    attempt: attempt.parse().ok()?,
                },
                tail,
            ),
            ["enlist", tail @ ..] => (Subject::Enlist, tail),
            _ => return None,
        };
        let [mac, link, nonce] = tail else { return None };
        Some(Self {
            subject,
            mac: mac.parse().ok()?,
            link: (*link).to_owned(),
            nonce: nonce.parse().ok()?,
        })
    }
}
