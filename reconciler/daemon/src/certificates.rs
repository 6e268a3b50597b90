//! The control plane's own certificate authority: numbered authorities in the state folder, a fresh
//! certificate for the daemon at every start, and short-lived ones for rack agents.
//!
//! The newest authority signs; all that are there are trusted. A new one is also signed by the one before
//! it, and the daemon shows that certificate too, so that agents who know the old alone still know the
//! daemon. Who an agent is, its public key says (`reconciler_store`); names in certificates are for people.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use schema_ids::{Digest, Name, Timestamp};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Certificates begin so much before they are made: agents' clocks differ by less, or by so much that a
/// person must look.
const BACKDATED: Duration = Duration::from_secs(3600);

/// The first bytes of every P-256 `SubjectPublicKeyInfo` (RFC 5480 §2.1.1); the uncompressed point follows.
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point of P-256 (SEC 1 §2.3.3).
const P256_POINT_BYTES: usize = 65;

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
    /// A file is no certificate.
    #[error("{} is no certificate", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
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
    /// An agent's key is of another kind.
    #[error("an agent's key is ECDSA on P-256; this one is another")]
    ForeignKey,
}

/// One authority.
struct Root {
    number: u32,
    pem: String,
    certificate: CertificateDer<'static>,
}

/// The authorities in `<state>/tls`.
pub(crate) struct Authority {
    dir: PathBuf,
    key: KeyPair,
    /// Oldest first; the last one signs.
    roots: Vec<Root>,
    /// The newest, signed by the one before it.
    cross: Option<CertificateDer<'static>>,
}

/// A certificate chain with its key, as TLS wants them.
pub(crate) struct Identity {
    /// DER of the certificates, the own one first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// PKCS #8 of the key.
    pub(crate) key: PrivateKeyDer<'static>,
}

/// An agent's public key, as it was proven in a handshake.
struct AgentPoint(Vec<u8>);

impl PublicKeyData for AgentPoint {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

fn make<T>(what: impl Into<String>, result: Result<T, rcgen::Error>) -> Result<T, CertificateError> {
    result.map_err(|source| CertificateError::Make {
        what: what.into(),
        source,
    })
}

/// An authority's own parameters: fixed by its number, so that the issuer is remade from its key alone.
fn authority_params(number: u32) -> Result<CertificateParams, CertificateError> {
    let mut params = make("the authority", CertificateParams::new(Vec::new()))?;
    params
        .distinguished_name
        .push(DnType::CommonName, format!("muster control plane {number}"));
    // One below: an old authority signs its successor.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

impl Authority {
    /// Opens the authorities, making one on the first start.
    pub(crate) fn open_or_create(state: &Path) -> Result<Self, CertificateError> {
        let dir = state.join("tls");
        fs::create_dir_all(&dir).map_err(|source| file("create", &dir, source))?;
        if numbers(&dir)?.is_empty() {
            create(&dir, 1, None)?;
        }
        Self::open(dir)
    }

    fn open(dir: PathBuf) -> Result<Self, CertificateError> {
        let mut roots = Vec::new();
        for number in numbers(&dir)? {
            let path = dir.join(format!("ca-{number}.pem"));
            let pem = read(&path)?;
            let certificate = certificate(&path, &pem)?;
            roots.push(Root {
                number,
                pem,
                certificate,
            });
        }
        let newest = roots.last().map_or(0, |root| root.number);
        let key = read(&dir.join(format!("ca-{newest}.key")))?;
        let key = make("the authority's key", KeyPair::from_pem(&key))?;
        let cross = dir.join(format!("ca-{newest}.cross.pem"));
        let cross = match roots.len() {
            0 | 1 => None,
            _ => Some(certificate(&cross, &read(&cross)?)?),
        };
        Ok(Self {
            dir,
            key,
            roots,
            cross,
        })
    }

    /// Makes another authority, which signs from now on; those before stay trusted.
    pub(crate) fn roll(&self) -> Result<Self, CertificateError> {
        let before = self.newest().number;
        create(&self.dir, before + 1, Some((before, &self.key)))?;
        Self::open(self.dir.clone())
    }

    /// Trusts the newest authority alone from now on.
    pub(crate) fn drop_old(&self) -> Result<Self, CertificateError> {
        for root in &self.roots[..self.roots.len() - 1] {
            // The key first: without its certificate nobody knows what it was.
            for name in ["key", "cross.pem", "pem"] {
                let path = self.dir.join(format!("ca-{}.{name}", root.number));
                match fs::remove_file(&path) {
                    Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                        return Err(file("remove", &path, source));
                    }
                    _ => {}
                }
            }
        }
        Self::open(self.dir.clone())
    }

    fn newest(&self) -> &Root {
        self.roots
            .last()
            .expect("an authority is made before any is opened")
    }

    /// SHA-256 of the authority that signs: tokens carry it, and it tells whose certificate is of which.
    pub(crate) fn pin(&self) -> Digest {
        digest(&self.newest().certificate)
    }

    /// Every authority that is trusted, oldest first.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.roots.iter().map(|root| &root.certificate)
    }

    /// The same in PEM, the newest first: agents trust these and nothing else.
    pub(crate) fn pem(&self) -> String {
        self.roots.iter().rev().map(|root| root.pem.as_str()).collect()
    }

    fn sign(
        &self,
        what: &str,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
    ) -> Result<Certificate, CertificateError> {
        params.distinguished_name.push(DnType::CommonName, what);
        let authority = authority_params(self.newest().number)?;
        let issuer = Issuer::from_params(&authority, &self.key);
        make(what, params.signed_by(key, &issuer))
    }

    /// A certificate for the daemon under these addresses; `musterd` and `localhost` are always in it.
    pub(crate) fn daemon_identity(&self, addresses: &[IpAddr]) -> Result<Identity, CertificateError> {
        let what = "musterd";
        let mut names = vec![what.to_owned(), "localhost".to_owned()];
        names.extend(addresses.iter().map(IpAddr::to_string));
        let mut params = make(what, CertificateParams::new(names))?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = make(what, KeyPair::generate())?;
        let certificate = self.sign(what, params, &key)?;
        let mut chain = vec![certificate.der().clone()];
        chain.extend(self.cross.clone());
        // For whoever has only a token, which pins it.
        chain.push(self.newest().certificate.clone());
        Ok(Identity {
            chain,
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }

    /// A certificate for an agent's key, in PEM.
    pub(crate) fn agent_certificate(
        &self,
        agent: &Name,
        key: &[u8],
        now: Timestamp,
        lasts: Duration,
    ) -> Result<String, CertificateError> {
        let what = agent.as_str();
        let point = key
            .strip_prefix(&P256_SPKI)
            .filter(|point| point.len() == P256_POINT_BYTES)
            .ok_or(CertificateError::ForeignKey)?;
        let mut params = make(what, CertificateParams::new(vec![agent.to_string()]))?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let now = Duration::from_millis(u64::try_from(now.unix_ms()).unwrap_or(0));
        params.not_before = epoch + now.saturating_sub(BACKDATED);
        params.not_after = epoch + now + lasts;
        let certificate = self.sign(what, params, &AgentPoint(point.to_owned()))?;
        Ok(certificate.pem())
    }
}

/// SHA-256 of these bytes.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// The numbers of the authorities that are whole, rising.
fn numbers(dir: &Path) -> Result<Vec<u32>, CertificateError> {
    let entries = fs::read_dir(dir).map_err(|source| file("read", dir, source))?;
    let mut numbers: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?
                .strip_prefix("ca-")?
                .strip_suffix(".pem")?
                .parse()
                .ok()
        })
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes an authority, signed by the one before it too.
fn create(dir: &Path, number: u32, before: Option<(u32, &KeyPair)>) -> Result<(), CertificateError> {
    let what = "the authority";
    let key = make(what, KeyPair::generate())?;
    let params = authority_params(number)?;
    let certificate = make(what, params.self_signed(&key))?;
    let path = |end: &str| dir.join(format!("ca-{number}.{end}"));
    write(&path("key"), 0o600, &key.serialize_pem())?;
    if let Some((before, signer)) = before {
        let old = authority_params(before)?;
        let cross = make(what, params.signed_by(&key, &Issuer::from_params(&old, signer)))?;
        write(&path("cross.pem"), 0o644, &cross.pem())?;
    }
    // Last, so that a crash in between leaves no certificate without its key.
    write(&path("pem"), 0o644, &certificate.pem())
}

fn certificate(path: &Path, pem: &str) -> Result<CertificateDer<'static>, CertificateError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|source| CertificateError::Pem {
        path: path.to_owned(),
        source,
    })
}

fn file(what: &'static str, path: &Path, source: std::io::Error) -> CertificateError {
    CertificateError::File {
        what,
        path: path.to_owned(),
        source,
    }
}

fn read(path: &Path) -> Result<String, CertificateError> {
    fs::read_to_string(path).map_err(|source| file("read", path, source))
}

/// Writes a file whole or not at all.
fn write(path: &Path, mode: u32, text: &str) -> Result<(), CertificateError> {
    let partial = path.with_extension("part");
    let fail = |source| file("write", path, source);
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
