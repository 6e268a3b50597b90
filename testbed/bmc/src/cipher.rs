//! The arithmetic of suites 3 and 17: keyed codes and AES (IPMI 2.0 §13.28, §13.29).

use aes::Aes128;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// A block of AES, and the length of its initial vector.
pub(crate) const BLOCK: usize = 16;

/// The suite's keyed code: HMAC-SHA256 of suite 17, HMAC-SHA1 of suite 3.
pub(crate) fn code(suite: u8, key: &[u8], data: &[u8]) -> Vec<u8> {
    if suite == 17 {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(data);
        mac.finalize().into_bytes().to_vec()
    } else {
        let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(data);
        mac.finalize().into_bytes().to_vec()
    }
}

/// How many bytes of a code packets carry: HMAC-SHA256-128, HMAC-SHA1-96.
pub(crate) fn short(suite: u8) -> usize {
    if suite == 17 { 16 } else { 12 }
}

fn aes_key(suite: u8, sik: &[u8]) -> [u8; BLOCK] {
    let key = code(suite, sik, &[2; 20]);
    key[..BLOCK].try_into().expect("a code is at least 20 bytes")
}

/// The message in an encrypted payload; why there is none.
pub(crate) fn decrypt(suite: u8, sik: &[u8], payload: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (iv, text) = payload.split_at_checked(BLOCK).ok_or("no initial vector")?;
    let iv: [u8; BLOCK] = iv.try_into().expect("it was split there");
    let mut plain = text.to_vec();
    cbc::Decryptor::<Aes128>::new(&aes_key(suite, sik).into(), &iv.into())
        .decrypt_padded::<NoPadding>(&mut plain)
        .map_err(|_| "the payload is no whole number of blocks")?;
    let count = *plain.last().ok_or("an empty payload")?;
    let end = plain
        .len()
        .checked_sub(1 + usize::from(count))
        .ok_or("more pad than payload")?;
    if !plain[end..plain.len() - 1].iter().copied().eq(1..=count) {
        return Err("the pad is not 1, 2, 3 …");
    }
    plain.truncate(end);
    Ok(plain)
}

/// A message as an encrypted payload.
pub(crate) fn encrypt(suite: u8, sik: &[u8], message: &[u8]) -> Vec<u8> {
    let mut text = message.to_vec();
    let pad = (BLOCK - (text.len() + 1) % BLOCK) % BLOCK;
    text.extend((1..).take(pad));
    text.extend(u8::try_from(pad));
    let iv: [u8; BLOCK] = rand::random();
    let len = text.len();
    cbc::Encryptor::<Aes128>::new(&aes_key(suite, sik).into(), &iv.into())
        .encrypt_padded::<NoPadding>(&mut text, len)
        .expect("it was padded to whole blocks");
    [&iv[..], &text].concat()
}
