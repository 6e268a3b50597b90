//! The control plane's own certificate authority: one CA in the state folder, a fresh certificate for
//! the daemon at every start, and one per rack agent, pinned by its digest.
//!
//! An agent is who its pinned certificate says; names inside certificates are not read. Withdrawing an
//! agent is deleting its pin. Nothing here talks to a network.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use schema_ids::Name;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What can go wrong with certificates.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// A file cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    File {
        /// "read" or "write".
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key or certificate cannot be made.
    #[error("cannot make {what}")]
    Make {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
}

/// The certificate authority in `<state>/tls`.
pub(crate) struct Authority {
    dir: PathBuf,
    key: KeyPair,
    pem: String,
}

/// A certificate with its key, as TLS wants them.
pub(crate) struct Identity {
    /// DER of the certificate.
    pub(crate) certificate: CertificateDer<'static>,
    /// PKCS #8 of the key.
    pub(crate) key: PrivateKeyDer<'static>,
}

fn make<T>(what: impl Into<String>, result: Result<T, rcgen::Error>) -> Result<T, CertificateError> {
    result.map_err(|source| CertificateError::Make {
        what: what.into(),
        source,
    })
}

/// The CA's own parameters: fixed, so that the issuer is remade from its key alone.
fn authority_params() -> Result<CertificateParams, CertificateError> {
    let mut params = make("the authority", CertificateParams::new(Vec::new()))?;
    params
        .distinguished_name
        .push(DnType::CommonName, "muster control plane");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

impl Authority {
    /// Opens the authority, making one on the first start.
    pub(crate) fn open_or_create(state: &Path) -> Result<Self, CertificateError> {
        let dir = state.join("tls");
        let agents = dir.join("agents");
        fs::create_dir_all(&agents).map_err(|source| CertificateError::File {
            what: "create",
            path: agents,
            source,
        })?;
        let (key_path, pem_path) = (dir.join("ca.key"), dir.join("ca.pem"));
        if !pem_path.exists() {
            let key = make("the authority's key", KeyPair::generate())?;
            let certificate = make("the authority", authority_params()?.self_signed(&key))?;
            write(&key_path, 0o600, &key.serialize_pem())?;
            // Last, so that a crash in between leaves no certificate without its key.
            write(&pem_path, 0o644, &certificate.pem())?;
        }
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|source| CertificateError::File {
                what: "read",
                path: path.to_owned(),
                source,
            })
        };
        let key = make("the authority's key", KeyPair::from_pem(&read(&key_path)?))?;
        Ok(Self {
            pem: read(&pem_path)?,
            dir,
            key,
        })
    }

    /// The authority's certificate in PEM, which agents trust and nothing else.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    fn issue(
        &self,
        what: &str,
        names: Vec<String>,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<(rcgen::Certificate, KeyPair), CertificateError> {
        let mut params = make(what, CertificateParams::new(names))?;
        params.distinguished_name.push(DnType::CommonName, what);
        params.extended_key_usages = vec![usage];
        let key = make(what, KeyPair::generate())?;
        let authority = authority_params()?;
        let issuer = Issuer::from_params(&authority, &self.key);
        let certificate = make(what, params.signed_by(&key, &issuer))?;
        Ok((certificate, key))
    }

    /// A certificate for the daemon under these addresses; `musterd` and `localhost` are always in it.
    pub(crate) fn daemon_identity(&self, addresses: &[IpAddr]) -> Result<Identity, CertificateError> {
        let mut names = vec!["musterd".to_owned(), "localhost".to_owned()];
        names.extend(addresses.iter().map(IpAddr::to_string));
        let (certificate, key) = self.issue("musterd", names, ExtendedKeyUsagePurpose::ServerAuth)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Identity {
            certificate: certificate.der().clone(),
            key,
        })
    }

    /// Writes `ca.pem`, `NAME.pem` and `NAME.key` for a rack agent and pins it; an earlier certificate of
    /// that name stops counting.
    pub(crate) fn enrol(&self, agent: &Name, out: &Path) -> Result<(), CertificateError> {
        fs::create_dir_all(out).map_err(|source| CertificateError::File {
            what: "create",
            path: out.to_owned(),
            source,
        })?;
        let (certificate, key) = self.issue(
            agent.as_str(),
            vec![agent.to_string()],
            ExtendedKeyUsagePurpose::ClientAuth,
        )?;
        write(&out.join("ca.pem"), 0o644, &self.pem)?;
        write(&out.join(format!("{agent}.key")), 0o600, &key.serialize_pem())?;
        write(&out.join(format!("{agent}.pem")), 0o644, &certificate.pem())?;
        write(
            &self.dir.join("agents").join(agent.as_str()),
            0o644,
            &fingerprint(certificate.der()),
        )
    }

    /// Which agent presented this certificate; `None` if it is pinned for nobody.
    pub(crate) fn agent(&self, certificate: &CertificateDer<'_>) -> Option<Name> {
        let seen = fingerprint(certificate);
        let pins = fs::read_dir(self.dir.join("agents")).ok()?;
        pins.flatten()
            .find(|pin| fs::read_to_string(pin.path()).is_ok_and(|text| text.trim() == seen))
            .and_then(|pin| pin.file_name().to_str()?.parse().ok())
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    schema_ids::Digest(Sha256::digest(certificate.as_ref()).into()).to_string()
}

/// Writes a file whole or not at all.
fn write(path: &Path, mode: u32, text: &str) -> Result<(), CertificateError> {
    let partial = path.with_extension("part");
    let fail = |source| CertificateError::File {
        what: "write",
        path: path.to_owned(),
        source,
    };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&partial)
        .map_err(fail)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(fail)?;
    fs::rename(&partial, path).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::Authority;
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};

    #[test]
    fn an_enrolled_agent_is_known_by_its_certificate_and_by_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path()).unwrap();
        let name = "rackd-lab".parse().unwrap();
        let der = |out: &std::path::Path| {
            CertificateDer::from_pem_file(out.join("rackd-lab.pem")).expect("a certificate was written")
        };
        authority.enrol(&name, &dir.path().join("first")).unwrap();
        let first = der(&dir.path().join("first"));
        assert_eq!(authority.agent(&first), Some(name.clone()));

        let again = Authority::open_or_create(dir.path()).unwrap();
        assert_eq!(again.pem(), authority.pem(), "the authority outlives a restart");
        again.enrol(&name, &dir.path().join("second")).unwrap();
        assert_eq!(again.agent(&first), None, "a replaced certificate stops counting");
        assert_eq!(again.agent(&der(&dir.path().join("second"))), Some(name));
    }
}
