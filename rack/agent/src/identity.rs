//! Who this agent is: its keys, its certificate and the authorities it trusts, in `identity/` of its state
//! folder. Keys are made here and never leave this disk.
//!
//! An identity is put together in `identity.new/` and takes the other's place when it is whole, so that a
//! failed enrolment costs nothing. What is in it is written before what says that it counts
//! (`agent.json`).

use crate::{clock, journal::replace};
use rack_api::enrol::Enrolled;
use rcgen::{CertificateParams, KeyPair};
use schema_ids::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// What `agent.json` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// This agent's name in the fleet.
    pub(crate) name: Name,
    /// The daemon that it enrolled with.
    pub(crate) daemon: String,
    /// When the certificate was received, by this host's clock.
    pub(crate) issued: Timestamp,
    /// When it ends, by the same clock.
    pub(crate) ends: Timestamp,
}

/// An identity, whole.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    folder: PathBuf,
    pub(crate) standing: Standing,
    /// PEM.
    pub(crate) certificate: String,
    /// PEM.
    pub(crate) roots: String,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("this agent is not enrolled: run muster-rackd enrol with a token of `muster agent token`")]
    NotEnrolled,
    #[error("cannot {what} {path}")]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} cannot be read")]
    Standing {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{path} is no key")]
    Key {
        path: PathBuf,
        #[source]
        source: rcgen::Error,
    },
    #[error("cannot make a key")]
    Make(#[source] rcgen::Error),
    #[error("{path} is no age key: {why}")]
    Age { path: PathBuf, why: &'static str },
}

/// Keys on disk that no daemon has bound to a name yet.
pub(crate) struct Newcomer {
    state: PathBuf,
    key: KeyPair,
    age: age::x25519::Identity,
}

impl std::fmt::Debug for Unsealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unsealer(…)")
    }
}

/// Opens what was sealed to this agent.
#[derive(Clone)]
pub(crate) struct Unsealer(age::x25519::Identity);

impl Unsealer {
    /// The account in a sealed text; nothing of either is in the error.
    pub(crate) fn open(&self, sealed: &str) -> Result<rack_api::enrol::Account, &'static str> {
        let clear = age::decrypt(&self.0, sealed.as_bytes()).map_err(|_| "it is not sealed to this agent")?;
        serde_json::from_slice(&clear).map_err(|_| "what is sealed is no account")
    }
}

impl Newcomer {
    /// Makes the keys, or takes those of an enrolment that did not come to its end: its answer may have been
    /// lost, and the token is good for these keys again.
    pub(crate) fn open(state: &Path) -> Result<Self, IdentityError> {
        let folder = state.join("identity.new");
        make_folder(&folder)?;
        let (key, age) = (folder.join("agent.key"), folder.join("age.key"));
        if !key.exists() {
            let made = KeyPair::generate().map_err(IdentityError::Make)?;
            write_secret(&key, &made.serialize_pem())?;
        }
        if !age.exists() {
            let made = age::x25519::Identity::generate();
            let text = age::secrecy::ExposeSecret::expose_secret(&made.to_string()).to_owned();
            write_secret(&age, &format!("{text}\n"))?;
        }
        Ok(Self {
            state: state.to_owned(),
            key: read_key(&key)?,
            age: read_age(&age)?,
        })
    }

    /// What accounts are to be sealed to.
    pub(crate) fn recipient(&self) -> String {
        self.age.to_public().to_string()
    }

    /// A certificate that says nothing, signed by its own key: a handshake proves the key by it. Certificate
    /// and key in PEM.
    pub(crate) fn own_certificate(&self) -> Result<(String, String), IdentityError> {
        let params = CertificateParams::new(Vec::new()).map_err(IdentityError::Make)?;
        let certificate = params.self_signed(&self.key).map_err(IdentityError::Make)?;
        Ok((certificate.pem(), self.key.serialize_pem()))
    }

    /// The daemon's answer makes the keys an identity, in the place of any before.
    pub(crate) fn become_agent(self, daemon: &str, answer: &Enrolled) -> Result<Identity, IdentityError> {
        let folder = self.state.join("identity.new");
        keep(&folder, daemon, answer)?;
        take_place(&self.state)?;
        Identity::open(&self.state)
    }
}

impl Identity {
    /// Reads the identity of a state folder.
    pub(crate) fn open(state: &Path) -> Result<Self, IdentityError> {
        let folder = state.join("identity");
        if !folder.join("agent.json").exists() {
            // An enrolment that was stopped between its last two steps.
            if !state.join("identity.new/agent.json").exists() {
                return Err(IdentityError::NotEnrolled);
            }
            take_place(state)?;
        }
        let path = folder.join("agent.json");
        let text = read(&path)?;
        let standing =
            serde_json::from_str(&text).map_err(|source| IdentityError::Standing { path, source })?;
        Ok(Self {
            standing,
            certificate: read(&folder.join("agent.pem"))?,
            roots: read(&folder.join("roots.pem"))?,
            folder,
        })
    }

    /// The key in PEM.
    pub(crate) fn key(&self) -> Result<String, IdentityError> {
        read(&self.folder.join("agent.key"))
    }

    /// What opens accounts.
    pub(crate) fn unsealer(&self) -> Result<Unsealer, IdentityError> {
        read_age(&self.folder.join("age.key")).map(Unsealer)
    }

    /// The same agent with a newer certificate, and maybe other authorities.
    pub(crate) fn renewed(&self, answer: &Enrolled) -> Result<Self, IdentityError> {
        keep(&self.folder, &self.standing.daemon, answer)?;
        let state = self.folder.parent().unwrap_or(&self.folder);
        Self::open(state)
    }
}

/// Writes what a daemon answered. A crash in between leaves the old or the new certificate, both of one key,
/// and at worst an end that is too early, which is renewed sooner.
fn keep(folder: &Path, daemon: &str, answer: &Enrolled) -> Result<(), IdentityError> {
    let issued = clock::now();
    let standing = Standing {
        name: answer.agent.clone(),
        daemon: daemon.to_owned(),
        issued,
        ends: issued.plus(Duration::from_secs(answer.seconds)),
    };
    let text = serde_json::to_string_pretty(&standing).expect("plain data always serialises");
    for (name, text) in [
        ("roots.pem", &answer.roots),
        ("agent.pem", &answer.certificate),
        ("agent.json", &format!("{text}\n")),
    ] {
        let path = folder.join(name);
        replace(&path, text.as_bytes()).map_err(|source| file("write", &path, source))?;
    }
    Ok(())
}

/// The new identity takes the place of the old.
fn take_place(state: &Path) -> Result<(), IdentityError> {
    let (new, folder) = (state.join("identity.new"), state.join("identity"));
    match fs::remove_dir_all(&folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(file("remove", &folder, source));
        }
        _ => {}
    }
    fs::rename(&new, &folder).map_err(|source| file("put in place", &folder, source))
}

fn make_folder(folder: &Path) -> Result<(), IdentityError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| file("make", folder, source))
}

fn read_key(path: &Path) -> Result<KeyPair, IdentityError> {
    KeyPair::from_pem(&read(path)?).map_err(|source| IdentityError::Key {
        path: path.to_owned(),
        source,
    })
}

fn read_age(path: &Path) -> Result<age::x25519::Identity, IdentityError> {
    read(path)?.trim().parse().map_err(|why| IdentityError::Age {
        path: path.to_owned(),
        why,
    })
}

fn read(path: &Path) -> Result<String, IdentityError> {
    fs::read_to_string(path).map_err(|source| file("read", path, source))
}

/// Writes a file that nobody else may read; it is there whole or not at all.
fn write_secret(path: &Path, text: &str) -> Result<(), IdentityError> {
    let fail = |source| file("write", path, source);
    let partial = path.with_extension("part");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .map_err(fail)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(fail)?;
    fs::rename(&partial, path).map_err(fail)
}

fn file(what: &'static str, path: &Path, source: io::Error) -> IdentityError {
    IdentityError::File {
        what,
        path: path.to_owned(),
        source,
    }
}
