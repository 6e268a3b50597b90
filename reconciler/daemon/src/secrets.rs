//! Credentials that stay on the daemon's host: TOML files with one level of strings.
//!
//! They are read when a rack agent's configuration is made and are in no plan, fact, log or answer.

use schema_ids::Name;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A user name and password.
#[derive(Clone)]
pub(crate) struct Credential {
    /// The account.
    pub(crate) username: String,
    /// Its password.
    pub(crate) password: String,
}

/// What can go wrong with a secret. Never shows a value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The file cannot be read.
    #[error("secret {secret:?} wants {}, which cannot be read", path.display())]
    Read {
        /// Which object.
        secret: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The path is not absolute, the file is not TOML strings, or it lacks a key.
    #[error("secret {secret:?}: {why}")]
    Unusable {
        /// Which object.
        secret: String,
        /// Why, without any value.
        why: String,
    },
}

/// Reads one secret: the TOML file at the absolute path `file`, with the names of its two keys.
pub(crate) fn read(
    secret: &Name,
    file: &str,
    username_key: &str,
    password_key: &str,
) -> Result<Credential, SecretError> {
    let unusable = |why: String| SecretError::Unusable {
        secret: secret.to_string(),
        why,
    };
    let path = Path::new(file);
    if !path.is_absolute() {
        return Err(unusable(format!(
            "its file {file:?} is not an absolute path on the daemon's host"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|source| SecretError::Read {
        secret: secret.to_string(),
        path: path.to_owned(),
        source,
    })?;
    // The parser's own message would quote the line, and with it the password.
    let values: BTreeMap<String, String> = toml::from_str(&text)
        .map_err(|_| unusable(format!("{file} is not lines of key = \"value\" in TOML")))?;
    let value = |key: &str| {
        values.get(key).cloned().ok_or_else(|| {
            let has: Vec<_> = values.keys().map(String::as_str).collect();
            unusable(format!("{file} has no key {key:?}; it has: {}", has.join(", ")))
        })
    };
    Ok(Credential {
        username: value(username_key)?,
        password: value(password_key)?,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_secret_is_read_and_its_faults_never_show_a_value() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let good = write("bmc.toml", "# lab\nusername = \"admin\"\npass = \"hunter2\"\n");
        let broken = write("broken.toml", "username = admin\npass = hunter2\n");
        let name = "bmc".parse().unwrap();
        let read = super::read(&name, &good, "username", "pass").unwrap();
        assert_eq!(
            (read.username.as_str(), read.password.as_str()),
            ("admin", "hunter2")
        );
        let bad = [
            (good.as_str(), "password"),
            (broken.as_str(), "pass"),
            ("bmc.toml", "pass"),
            ("/none.toml", "pass"),
        ];
        for (file, key) in bad {
            let error = super::read(&name, file, "username", key).err().expect("refused");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
