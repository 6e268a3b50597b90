//! The two cipher suites we speak, and all of the cryptography of RMCP+ (IPMI 2.0 §13.27 to §13.33).
//!
//! Suites without integrity or encryption, and those on MD5 or RC4, are left out on purpose.

use aes::Aes128;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use ipmi_rs_core::app::auth::CipherSuite;
use sha1::Sha1;
use sha2::Sha256;

/// A cipher suite: key exchange, integrity and encryption together (IPMI 2.0 table 22-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// 17: RAKP-HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Sha256Aes128,
    /// 3: RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128.
    Sha1Aes128,
}

/// An AES key, block or initialization vector, in bytes.
pub(crate) const BLOCK: usize = 16;

impl Suite {
    /// Those we accept, the better one first.
    pub const ALL: [Self; 2] = [Self::Sha256Aes128, Self::Sha1Aes128];

    /// The same in the field's numbering.
    pub(crate) fn number(self) -> CipherSuite {
        match self {
            Self::Sha256Aes128 => CipherSuite::Id17,
            Self::Sha1Aes128 => CipherSuite::Id3,
        }
    }

    /// Length of a full code: the key exchange codes of RAKP 2 and 3, and the session integrity key.
    pub(crate) fn code_len(self) -> usize {
        match self {
            Self::Sha256Aes128 => 32,
            Self::Sha1Aes128 => 20,
        }
    }

    /// Length of a shortened code: RAKP 4 and each packet of a session.
    pub(crate) fn short_code_len(self) -> usize {
        match self {
            Self::Sha256Aes128 => 16,
            Self::Sha1Aes128 => 12,
        }
    }

    /// The full code over `parts`, one after the other.
    pub(crate) fn code(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha256Aes128 => fed::<Hmac<Sha256>>(key, parts).finalize().into_bytes().to_vec(),
            Self::Sha1Aes128 => fed::<Hmac<Sha1>>(key, parts).finalize().into_bytes().to_vec(),
        }
    }

    /// Whether `code`, full or shortened by the caller, is that of `parts`; compared in constant time.
    pub(crate) fn verify(self, key: &[u8], parts: &[&[u8]], code: &[u8]) -> bool {
        match self {
            Self::Sha256Aes128 => fed::<Hmac<Sha256>>(key, parts)
                .verify_truncated_left(code)
                .is_ok(),
            Self::Sha1Aes128 => fed::<Hmac<Sha1>>(key, parts).verify_truncated_left(code).is_ok(),
        }
    }
}

fn fed<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> M {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// Encrypts a payload: the vector, then the message with its confidentiality trailer (IPMI 2.0 §13.29).
pub(crate) fn encrypt(key: &[u8; BLOCK], iv: [u8; BLOCK], message: &[u8]) -> Vec<u8> {
    let pad = (BLOCK - (message.len() + 1) % BLOCK) % BLOCK;
    let trailer = (1..BLOCK as u8).take(pad).chain([pad as u8]);
    let mut payload: Vec<u8> = iv
        .into_iter()
        .chain(message.iter().copied())
        .chain(trailer)
        .collect();
    let len = payload.len() - BLOCK;
    cbc::Encryptor::<Aes128>::new(key.into(), &iv.into())
        .encrypt_padded::<NoPadding>(&mut payload[BLOCK..], len)
        .expect("the trailer fills the last block");
    payload
}

/// The message in an encrypted payload. What the pad bytes hold is not looked at: boards fill them as they like,
/// and the packet's code has already vouched for them.
pub(crate) fn decrypt(key: &[u8; BLOCK], payload: &[u8]) -> Option<Vec<u8>> {
    let (iv, sealed) = payload.split_first_chunk::<BLOCK>()?;
    let mut message = sealed.to_vec();
    cbc::Decryptor::<Aes128>::new(key.into(), iv.into())
        .decrypt_padded::<NoPadding>(&mut message)
        .ok()?;
    let pad = usize::from(message.pop()?);
    message.truncate(message.len().checked_sub(pad)?);
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_returns_the_message_for_every_length_of_pad() {
        let key = [7; BLOCK];
        for len in 0..50_u8 {
            let message: Vec<u8> = (0..len).collect();
            let payload = encrypt(&key, [9; BLOCK], &message);
            assert_eq!(payload.len() % BLOCK, 0);
            assert_eq!(decrypt(&key, &payload), Some(message));
        }
    }

    #[test]
    fn damaged_payloads_are_no_message() {
        let key = [7; BLOCK];
        let payload = encrypt(&key, [9; BLOCK], b"hello");
        assert_eq!(decrypt(&key, &payload[..31]), None);
        assert_eq!(decrypt(&key, &payload[..16]), None);
        assert_eq!(decrypt(&key, &[]), None);
    }

    #[test]
    fn a_shortened_code_is_compared_over_its_own_length_only() {
        for suite in Suite::ALL {
            let code = suite.code(b"key", &[b"ab", b"c"]);
            assert_eq!(code.len(), suite.code_len());
            assert!(suite.verify(b"key", &[b"abc"], &code[..suite.short_code_len()]));
            assert!(!suite.verify(b"kez", &[b"abc"], &code[..suite.short_code_len()]));
        }
    }
}
