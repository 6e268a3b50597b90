//! Whether a webhook comes from who knows the secret, in each forge's way.
//!
//! - GitHub: `X-Hub-Signature-256: sha256=` and the HMAC-SHA256 of the body in hexadecimal;
//! - Forgejo and Gitea: `X-Forgejo-Signature` and `X-Gitea-Signature`, the same without its name; they send GitHub's too;
//! - GitLab: `X-Gitlab-Token`, the secret itself; or with a signing token (`whsec_…`) `webhook-signature: v1,` and the
//!   HMAC-SHA256 of `id.timestamp.body` in base64 (Standard Webhooks).
//!
//! All that are there must be right: a wrong one is not made up for by another. Comparisons take equally long for all.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fs;
use std::path::{Path, PathBuf};

/// A secret that is shorter can be guessed.
const BYTES_MIN: usize = 16;
/// What GitLab's signing tokens begin with.
const SIGNING: &str = "whsec_";

/// The secrets that count: while one takes another's place, both do.
pub(crate) struct Secrets(Vec<String>);

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretsError {
    #[error("cannot read {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} has a secret on each line, of at least {BYTES_MIN} bytes", path.display())]
    Short { path: PathBuf },
}

impl Secrets {
    /// Reads them, one from each line.
    pub(crate) fn read(path: &Path) -> Result<Self, SecretsError> {
        let text = fs::read_to_string(path).map_err(|source| SecretsError::File {
            path: path.to_owned(),
            source,
        })?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let secrets: Vec<_> = lines.map(str::to_owned).collect();
        match secrets.is_empty() || secrets.iter().any(|secret| secret.len() < BYTES_MIN) {
            true => Err(SecretsError::Short {
                path: path.to_owned(),
            }),
            false => Ok(Self(secrets)),
        }
    }

    /// Whether it is signed, and rightly.
    ///
    /// # Errors
    /// What is wrong, without a word of what was sent.
    pub(crate) fn verify(&self, heads: &HeaderMap, body: &[u8]) -> Result<(), &'static str> {
        let mut signed = false;
        for name in ["x-forgejo-signature", "x-gitea-signature"] {
            if let Some(said) = head(heads, name)? {
                self.hexadecimal(said, body)?;
                signed = true;
            }
        }
        if let Some(said) = head(heads, "x-hub-signature-256")? {
            let said = said.strip_prefix("sha256=");
            self.hexadecimal(said.ok_or("a signature is in another form")?, body)?;
            signed = true;
        }
        if let Some(said) = head(heads, "webhook-signature")? {
            let id = head(heads, "webhook-id")?.ok_or("a signature lacks its id")?;
            let time = head(heads, "webhook-timestamp")?.ok_or("a signature lacks its time")?;
            self.standard(said, &[id.as_bytes(), b".", time.as_bytes(), b".", body])?;
            signed = true;
        }
        if let Some(said) = head(heads, "x-gitlab-token")? {
            // Both are made equally long first, by a digest.
            let is_one = |secret: &String| {
                let ours = mac(secret.as_bytes(), &[secret.as_bytes()])
                    .finalize()
                    .into_bytes();
                mac(secret.as_bytes(), &[said.as_bytes()])
                    .verify_slice(&ours)
                    .is_ok()
            };
            self.any(is_one)?;
            signed = true;
        }
        match signed {
            true => Ok(()),
            false => Err("it is not signed"),
        }
    }

    fn hexadecimal(&self, said: &str, body: &[u8]) -> Result<(), &'static str> {
        let said = from_hexadecimal(said).ok_or("a signature is in another form")?;
        self.any(|secret| mac(secret.as_bytes(), &[body]).verify_slice(&said).is_ok())
    }

    /// One or more signatures with blanks between them, one of which must be right.
    fn standard(&self, said: &str, parts: &[&[u8]]) -> Result<(), &'static str> {
        let first = said.split(' ').filter_map(|one| one.strip_prefix("v1,"));
        let said: Vec<_> = first.filter_map(|one| BASE64_STANDARD.decode(one).ok()).collect();
        let is_right = |secret: &String| {
            let key = secret
                .strip_prefix(SIGNING)
                .and_then(|key| BASE64_STANDARD.decode(key).ok());
            let is_one = |key: &Vec<u8>| said.iter().any(|said| mac(key, parts).verify_slice(said).is_ok());
            key.as_ref().is_some_and(is_one)
        };
        self.any(is_right)
    }

    fn any(&self, is_right: impl Fn(&String) -> bool) -> Result<(), &'static str> {
        match self.0.iter().any(is_right) {
            true => Ok(()),
            false => Err("it is signed with another secret"),
        }
    }
}

/// A head that is there once.
fn head<'h>(heads: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, &'static str> {
    let mut all = heads.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => one.to_str().map(Some).map_err(|_| "a signature is no text"),
        (Some(_), Some(_)) => Err("a signature is there twice"),
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Secrets, mac};
    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use hmac::Mac as _;

    const SECRET: &str = "It's a Secret to Everybody";

    fn heads(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut heads = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().unwrap();
            heads.append(name, HeaderValue::from_str(value).unwrap());
        }
        heads
    }

    fn hexadecimal(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn each_forges_way() {
        let body = b"Hello, World!";
        // The example of GitHub's documentation.
        let right = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let github = format!("sha256={right}");
        let key = BASE64_STANDARD.encode([9; 32]);
        let secrets = Secrets(vec![SECRET.to_owned(), format!("whsec_{key}")]);
        let standard = mac(&[9; 32], &[b"id-1.1700000000.Hello, World!"])
            .finalize()
            .into_bytes();
        let standard = format!("v1,{}", BASE64_STANDARD.encode(standard));
        let told = |pairs: &[(&str, &str)]| secrets.verify(&heads(pairs), body);
        let at = [("webhook-id", "id-1"), ("webhook-timestamp", "1700000000")];
        let with = |signature| [at[0], at[1], ("webhook-signature", signature)];
        let several = format!("v2,x v1,AAAA {standard}");
        for good in [
            &[("x-hub-signature-256", github.as_str())][..],
            &[("x-forgejo-signature", right)],
            &[("x-gitea-signature", right)],
            &[("x-gitea-signature", right), ("x-hub-signature-256", &github)],
            &[("x-gitlab-token", SECRET)],
            &with(&standard),
            &with(&several),
        ] {
            assert_eq!(told(good), Ok(()), "{good:?}");
        }
        let other = hexadecimal(
            &mac(b"another secret of some length", &[body])
                .finalize()
                .into_bytes(),
        );
        let github_of_another = format!("sha256={other}");
        for (bad, why) in [
            (&[][..], "it is not signed"),
            (&[("x-hub-signature", "sha1=00")], "it is not signed"),
            (
                &[("x-hub-signature-256", right)],
                "a signature is in another form",
            ),
            (
                &[("x-hub-signature-256", "sha256=")],
                "a signature is in another form",
            ),
            (
                &[("x-hub-signature-256", "sha256=+57107ea")],
                "a signature is in another form",
            ),
            (
                &[("x-hub-signature-256", &github_of_another)],
                "it is signed with another secret",
            ),
            (
                &[("x-forgejo-signature", &other), ("x-hub-signature-256", &github)],
                "it is signed with another secret",
            ),
            (
                &[("x-gitea-signature", right), ("x-gitea-signature", right)],
                "a signature is there twice",
            ),
            (&[("x-gitlab-token", "")], "it is signed with another secret"),
            (
                &[("x-gitlab-token", "It's a Secret to Everybod")],
                "it is signed with another secret",
            ),
            (&[("webhook-signature", &standard)], "a signature lacks its id"),
            (&with("v1,"), "it is signed with another secret"),
            (&with("v1"), "it is signed with another secret"),
        ] {
            assert_eq!(told(bad), Err(why), "{bad:?}");
        }
        assert!(
            secrets
                .verify(&heads(&[("x-hub-signature-256", &github)]), b"Hello, World?")
                .is_err()
        );
    }

    #[test]
    fn secrets_are_long_and_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(Secrets::read(&path).is_err());
        for (text, count) in [
            ("", None),
            ("\n\n", None),
            ("short\n", None),
            ("long enough to be one\nshort\n", None),
            ("long enough to be one\n", Some(1)),
            ("long enough to be one\n\nand the one before it\n", Some(2)),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(
                Secrets::read(&path).ok().map(|secrets| secrets.0.len()),
                count,
                "{text:?}"
            );
        }
    }
}
