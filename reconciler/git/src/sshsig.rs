//! Signatures of SSH keys on commits: `git commit -S` with `gpg.format=ssh`, against those who may sign.
//!
//! The format is OpenSSH's PROTOCOL.sshsig, in the namespace `git`. Format and curves are a library's; what is decided
//! here is which of its answers count. A key counts only where a line of the file names the committer's address: what
//! Ada's key signed is not what Bob committed.

use crate::allowed_signers::{AllowedSigners, NAMESPACE};
use crate::signature::{Scheme, Signed, Signer, Untrusted};
use ssh_key::public::KeyData;
use ssh_key::{Fingerprint, HashAlg, PublicKey, SshSig};

/// The first line of an SSH signature (PROTOCOL.sshsig, "Armored format").
pub(crate) const ARMOUR: &str = "-----BEGIN SSH SIGNATURE-----";

/// Shorter RSA keys than OpenSSH makes can be forged (NIST SP 800-131A).
const RSA_BITS_MIN: usize = 2048;

/// A key as people name it.
pub(crate) fn fingerprint(key: &KeyData) -> String {
    let print: Fingerprint = key.fingerprint(HashAlg::Sha256);
    print.to_string()
}

/// Whether signatures of such a key are taken. A security key's are not: whether somebody touched it is in what it
/// signs, and nothing here looks at that.
pub(crate) fn is_taken(key: &KeyData) -> bool {
    match key {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) => true,
        KeyData::Rsa(key) => {
            let modulus = key.n.as_positive_bytes().unwrap_or_default();
            let unused = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
            modulus.len() * 8 - unused >= RSA_BITS_MIN
        }
        // Certificates, security keys, DSA, and whatever the library may learn.
        _ => false,
    }
}

impl Scheme for AllowedSigners {
    fn knows(&self, armour: &str) -> bool {
        armour.trim_start().starts_with(ARMOUR)
    }

    fn verify(&self, commit: &Signed<'_>) -> Result<Signer, Untrusted> {
        let signature = SshSig::from_pem(commit.signature.trim()).map_err(|error| Untrusted::Unreadable {
            why: error.to_string(),
        })?;
        let key = signature.public_key();
        let fingerprint = fingerprint(key);
        if !is_taken(key) {
            let algorithm = key.algorithm().to_string();
            return Err(Untrusted::Algorithm {
                fingerprint,
                algorithm,
            });
        }
        if signature.namespace() != NAMESPACE {
            let namespace = signature.namespace().to_owned();
            return Err(Untrusted::Purpose {
                fingerprint,
                namespace,
            });
        }
        let public = PublicKey::from(key.clone());
        if public.verify(NAMESPACE, commit.payload, &signature).is_err() {
            return Err(Untrusted::Tampered { fingerprint });
        }
        let mut refused = None;
        for line in self.lines_of(key) {
            let principals = line.principals().to_owned();
            match line.objection(commit) {
                None => {
                    let lines = self.lines_of(key);
                    return Ok(Signer {
                        principals: lines.map(|line| line.principals().to_owned()).collect(),
                        fingerprint,
                    });
                }
                Some(why) => refused = refused.or(Some((principals, why))),
            }
        }
        Err(match refused {
            None => Untrusted::Unknown { fingerprint },
            Some((principals, why)) => Untrusted::NotFor {
                fingerprint,
                principals,
                why,
            },
        })
    }
}
