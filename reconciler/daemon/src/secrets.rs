//! Credentials that stay on the daemon's host: TOML files with one level of strings.
//!
//! They are read when a rack agent's configuration is made, leave this process sealed to that agent alone
//! ([`crate::seal`]), and are in no plan, fact or log. All lie
//! below one folder: git names the file, and whoever may commit shall not have the daemon, which is root,
//! read any other and send it to a BMC of their choice.

use rack_api::enrol::Account;
use schema_ids::Name;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

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
    /// The path leads out of the folder of secrets, the file is not TOML strings, or it lacks a key.
    #[error("secret {secret:?}: {why}")]
    Unusable {
        /// Which object.
        secret: String,
        /// Why, without any value.
        why: String,
    },
}

/// Reads one secret: the TOML file `file`, which lies below `folder` once links are followed, with the
/// names of its two keys.
pub(crate) fn read(
    folder: &Path,
    secret: &Name,
    file: &str,
    username_key: &str,
    password_key: &str,
) -> Result<Account, SecretError> {
    let unusable = |why: String| SecretError::Unusable {
        secret: secret.to_string(),
        why,
    };
    let outside = || {
        unusable(format!(
            "its file {file:?} does not lie below {}, musterd's --secrets-dir",
            folder.display()
        ))
    };
    let path = Path::new(file);
    // Before anything is asked of the file system, so that nobody learns what there is elsewhere.
    let climbs = path.components().any(|part| part == Component::ParentDir);
    if !path.starts_with(folder) || climbs {
        return Err(outside());
    }
    let real = |path: &Path| {
        path.canonicalize().map_err(|source| SecretError::Read {
            secret: secret.to_string(),
            path: path.to_owned(),
            source,
        })
    };
    let path = real(path)?;
    if !path.starts_with(real(folder)?) {
        return Err(outside());
    }
    let text = std::fs::read_to_string(&path).map_err(|source| SecretError::Read {
        secret: secret.to_string(),
        path: path.clone(),
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
    Ok(Account {
        username: value(username_key)?,
        password: value(password_key)?,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_secret_is_read_and_its_faults_never_show_a_value() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("secrets");
        std::fs::create_dir(&folder).unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let good = write("bmc.toml", "# lab\nusername = \"admin\"\npass = \"hunter2\"\n");
        let broken = write("broken.toml", "username = admin\npass = hunter2\n");
        let outside = write("../other.toml", "username = \"admin\"\npass = \"hunter2\"\n");
        let link = folder.join("link.toml");
        std::os::unix::fs::symlink(dir.path().join("other.toml"), &link).unwrap();
        let around = dir.path().join("secrets/sub/../../other.toml");
        let name = "bmc".parse().unwrap();
        let read = |file: &str, key: &str| super::read(&folder, &name, file, "username", key);
        let secret = read(&good, "pass").unwrap();
        assert_eq!(
            (secret.username.as_str(), secret.password.as_str()),
            ("admin", "hunter2")
        );
        let bad = [
            (good.as_str(), "password", "has no key"),
            (&broken, "pass", "is not lines of"),
            ("bmc.toml", "pass", "does not lie below"),
            (&outside, "pass", "does not lie below"),
            (
                &dir.path().join("other.toml").display().to_string(),
                "pass",
                "does not lie below",
            ),
            (&link.display().to_string(), "pass", "does not lie below"),
            (&around.display().to_string(), "pass", "does not lie below"),
            (
                &folder.join("none.toml").display().to_string(),
                "pass",
                "cannot be read",
            ),
        ];
        for (file, key, why) in bad {
            let error = read(file, key).expect_err("refused");
            let told = format!("{error} {error:?}");
            assert!(!told.contains("hunter2") && told.contains(why), "{file}: {told}");
        }
        // The folder itself may be a link: the operator named it.
        let named = dir.path().join("named");
        std::os::unix::fs::symlink(&folder, &named).unwrap();
        let file = named.join("bmc.toml").display().to_string();
        assert!(super::read(&named, &name, &file, "username", "pass").is_ok());
    }
}
