//! Hexadecimal digits to bytes and back, the one place.

use std::fmt;

const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// Puts lower-case hexadecimal digits into as much of `text` as `bytes` take, two for each.
pub(crate) fn put_hex(text: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
}

/// Writes text that [`put_hex`] has made, in one go: a plan has hundreds of thousands of UUIDs, and byte for byte they take
/// several times as long.
pub(crate) fn write_text(f: &mut fmt::Formatter<'_>, text: &[u8]) -> fmt::Result {
    f.write_str(str::from_utf8(text).map_err(|_| fmt::Error)?)
}

/// Reads exactly `2 * N` hexadecimal digits of either case.
pub(crate) fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks(2)) {
        let (high, low) = (
            char::from(pair[0]).to_digit(16)?,
            char::from(pair[1]).to_digit(16)?,
        );
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(out)
}
