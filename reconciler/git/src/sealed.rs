//! Documents that are signed with an SSH key: a line of text, and under it its signature (PROTOCOL.sshsig).
//!
//! By hand: `head -n 1 FILE | ssh-keygen -Y verify -f ALLOWED -I musterd -n NAMESPACE -s <(tail -n +2 FILE)`.
//! Nothing of a document is looked at before its signature was.

use crate::allowed_signers::AllowedSigners;
use crate::sshsig::{ARMOUR, fingerprint, is_taken};
use schema_ids::Timestamp;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

/// As whom the daemon signs.
const PRINCIPAL: &str = "musterd";

/// The key that a daemon signs documents with.
#[derive(Debug, Clone)]
pub struct SealingKey(PrivateKey);

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// It is none.
    #[error("it is no private key in OpenSSH's form without a passphrase")]
    Unreadable(#[source] ssh_key::Error),
    /// Of another kind.
    #[error("it is of type {0}; ssh-ed25519 is taken")]
    Algorithm(String),
}

/// Why a document does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsealed {
    /// No signature.
    #[error("it is not signed: it is a line of text with an SSH signature under it")]
    NotSigned,
    /// The signature makes no sense.
    #[error("its signature cannot be read: {0}")]
    Unreadable(String),
    /// Made for something else.
    #[error("its signature by key {fingerprint} was made for {namespace:?}, not for {wanted:?}")]
    Purpose {
        /// The key.
        fingerprint: String,
        /// For what.
        namespace: String,
        /// What it should have been.
        wanted: String,
    },
    /// Of a key that is not taken.
    #[error("it is signed with key {0}, of a type that is not taken")]
    Algorithm(String),
    /// Changed.
    #[error("its signature by key {0} is not of this text: it was changed after it was signed")]
    Tampered(String),
    /// Nobody's key.
    #[error("it is signed with key {0}, which is not among those that may")]
    Unknown(String),
    /// A key that may not.
    #[error("it is signed with key {fingerprint}, {why}")]
    NotFor {
        /// The key.
        fingerprint: String,
        /// Why not.
        why: String,
    },
}

impl SealingKey {
    /// The key of 32 random bytes.
    pub fn of_seed(seed: &[u8; 32]) -> Self {
        let pair = KeypairData::from(Ed25519Keypair::from_seed(seed));
        Self(PrivateKey::new(pair, PRINCIPAL).expect("an Ed25519 pair is a key"))
    }

    /// Reads it in OpenSSH's form.
    ///
    /// # Errors
    /// It is no Ed25519 key, or has a passphrase.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let key = PrivateKey::from_openssh(text).map_err(BadKey::Unreadable)?;
        match key.key_data() {
            KeypairData::Ed25519(_) => Ok(Self(key)),
            _ => Err(BadKey::Algorithm(key.algorithm().to_string())),
        }
    }

    /// In OpenSSH's form, to be kept where nobody else reads it.
    pub fn to_openssh(&self) -> String {
        let text = self.0.to_openssh(LineEnding::LF);
        text.expect("an unencrypted key is always written").to_string()
    }

    /// The line that lets it sign in this namespace, for a file of allowed signers.
    pub fn allowed_line(&self, namespace: &str) -> String {
        let key = PublicKey::from(self.0.public_key().key_data().clone());
        let key = key.to_openssh().expect("an Ed25519 key is always written");
        format!("{PRINCIPAL} namespaces=\"{namespace}\" {key}")
    }

    /// A document of one line with its signature.
    ///
    /// # Panics
    /// The document has a line break.
    pub fn seal(&self, namespace: &str, line: &str) -> String {
        assert!(!line.contains('\n'), "a sealed document is one line");
        let text = format!("{line}\n");
        let signature = self
            .0
            .sign(namespace, HashAlg::Sha512, text.as_bytes())
            .and_then(|signature| signature.to_pem(LineEnding::LF))
            .expect("signing with an Ed25519 key does not fail");
        format!("{text}{}\n", signature.trim_end())
    }
}

/// The document of a sealed text, if one of those signed it in this namespace who may at this time.
///
/// # Errors
/// Why it does not count.
pub fn unseal<'t>(
    signers: &AllowedSigners,
    namespace: &str,
    text: &'t str,
    at: Timestamp,
) -> Result<&'t str, Unsealed> {
    let (line, armour) = text.split_once('\n').ok_or(Unsealed::NotSigned)?;
    let armour = armour.trim();
    // The library would pass over what stands before it.
    if !armour.starts_with(ARMOUR) {
        return Err(Unsealed::NotSigned);
    }
    let signature = SshSig::from_pem(armour).map_err(|error| Unsealed::Unreadable(error.to_string()))?;
    let key = signature.public_key();
    let fingerprint = fingerprint(key);
    if !is_taken(key) {
        return Err(Unsealed::Algorithm(fingerprint));
    }
    if signature.namespace() != namespace {
        return Err(Unsealed::Purpose {
            fingerprint,
            namespace: signature.namespace().to_owned(),
            wanted: namespace.to_owned(),
        });
    }
    let signed = &text[..=line.len()];
    let public = PublicKey::from(key.clone());
    if public.verify(namespace, signed.as_bytes(), &signature).is_err() {
        return Err(Unsealed::Tampered(fingerprint));
    }
    let mut refused = None;
    for allowed in signers.lines_of(key) {
        match allowed.objection_to_document(PRINCIPAL, namespace, at) {
            None => return Ok(line),
            Some(why) => refused = refused.or(Some(why)),
        }
    }
    Err(match refused {
        None => Unsealed::Unknown(fingerprint),
        Some(why) => Unsealed::NotFor { fingerprint, why },
    })
}

#[cfg(test)]
mod tests {
    use super::{SealingKey, Unsealed, unseal};
    use crate::AllowedSigners;
    use schema_ids::Timestamp;
    use std::process::{Command, Stdio};

    const FOR: &str = "muster-snapshot@1";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_counts_and_what_does_not() {
        let (ours, other) = (SealingKey::of_seed(&[1; 32]), SealingKey::of_seed(&[2; 32]));
        let ours = SealingKey::parse(&ours.to_openssh()).unwrap();
        let sealed = ours.seal(FOR, r#"{"a":1}"#);
        let line = ours.allowed_line(FOR);
        let noon = at("2026-11-01T12:00:00Z");
        let told = |line: &str, text: &str| {
            let signers = AllowedSigners::parse(line).unwrap();
            unseal(&signers, FOR, text, noon).map(str::to_owned)
        };
        assert_eq!(told(&line, &sealed), Ok(r#"{"a":1}"#.to_owned()));
        let changed = sealed.replace("1}", "2}");
        assert!(matches!(told(&line, &changed), Err(Unsealed::Tampered(_))));
        let more = format!("{{}}\n{sealed}");
        assert_eq!(told(&line, &more), Err(Unsealed::NotSigned));
        let garbled = "{}\n-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n";
        assert!(matches!(told(&line, garbled), Err(Unsealed::Unreadable(_))));
        for cut in ["", "{}", "{}\n", "{}\n\n"] {
            assert_eq!(told(&line, cut), Err(Unsealed::NotSigned), "{cut:?}");
        }
        let forged = other.seal(FOR, "{}");
        assert!(matches!(told(&line, &forged), Err(Unsealed::Unknown(_))));
        let of_git = ours.seal("git", "{}");
        assert!(matches!(told(&line, &of_git), Err(Unsealed::Purpose { .. })));
        let key = line.split_once("ssh-ed25519").unwrap().1;
        for (line, wanted) in [
            (format!("musterd ssh-ed25519{key}"), "ok"),
            (format!("* ssh-ed25519{key}"), "ok"),
            (
                format!("ada ssh-ed25519{key}"),
                "which is \"ada\"'s, not musterd's",
            ),
            (
                format!("musterd namespaces=\"git\" ssh-ed25519{key}"),
                "which may sign for \"git\" only, not for muster-snapshot@1",
            ),
            (
                format!("musterd valid-before=\"20261101115959Z\" ssh-ed25519{key}"),
                "which counted until 2026-11-01T11:59:59.000Z",
            ),
            (
                format!("musterd valid-after=\"20261101120001Z\" ssh-ed25519{key}"),
                "which counts from 2026-11-01T12:00:01.000Z on",
            ),
        ] {
            let told = match told(&line, &sealed) {
                Ok(_) => "ok".to_owned(),
                Err(Unsealed::NotFor { why, .. }) => why,
                Err(other) => other.to_string(),
            };
            assert_eq!(told, wanted, "{line}");
        }
    }

    /// OpenSSH itself agrees, with the words that the documentation gives.
    #[test]
    fn ssh_keygen_verifies_it() {
        let key = SealingKey::of_seed(&[3; 32]);
        let sealed = key.seal(FOR, "{\"b\":\"ü\"}");
        let dir = tempfile::tempdir().unwrap();
        let (line, armour) = sealed.split_once('\n').unwrap();
        let (allowed, signature) = (dir.path().join("allowed"), dir.path().join("signature"));
        std::fs::write(&allowed, key.allowed_line(FOR)).unwrap();
        std::fs::write(&signature, armour).unwrap();
        let mut verify = Command::new("ssh-keygen")
            .args(["-Y", "verify", "-I", "musterd", "-n", FOR, "-f"])
            .arg(&allowed)
            .arg("-s")
            .arg(&signature)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-keygen runs");
        let mut input = verify.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, format!("{line}\n").as_bytes()).unwrap();
        drop(input);
        assert!(verify.wait().unwrap().success());
    }
}
