//! The agents' side of the TLS door: which certificates it takes, and what they prove.
//!
//! The handshake proves that the peer has the key of the certificate it shows, whoever made that one.
//! Whether an authority of ours signed it and until when is looked at once for a connection, whose key it
//! is with each request ([`crate::enrolment`]): so whoever is refused is told why, an expired certificate can
//! be renewed, and a revoked key is out with its next word. The clock is this host's.

use crate::certificates::{Authority, CertificateError, digest};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError as Fault, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
};
use schema_ids::{Digest, Timestamp};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// No certificate of an agent lasts to this: asked for this time, its own end is told.
const BEYOND: Duration = Duration::from_secs(1 << 40);

/// What can go wrong while the door is set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// Certificates.
    #[error("cannot use the authority")]
    Authority(#[source] CertificateError),
    /// An authority cannot be a root.
    #[error("cannot trust an authority")]
    Root(#[source] Error),
    /// The verifier cannot be made.
    #[error("cannot check certificates")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
    /// TLS itself.
    #[error("cannot set up TLS")]
    Tls(#[source] Error),
}

/// Who shows a certificate.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// SHA-256 of its public key.
    pub(crate) key: Digest,
    /// The public key itself (RFC 5280 §4.1.2.7).
    pub(crate) public_key: Vec<u8>,
    /// When its certificate ends, if an authority of ours signed it.
    pub(crate) ends: Option<Timestamp>,
}

/// The authorities in force, with the TLS that follows from them.
pub(crate) struct Current {
    pub(crate) authority: Authority,
    pub(crate) tls: Arc<ServerConfig>,
    ours: Arc<dyn ClientCertVerifier>,
}

/// What the door trusts, now.
pub(crate) struct Trust {
    addresses: Vec<IpAddr>,
    /// How long an agent's certificate lasts.
    pub(crate) lasts: Duration,
    current: Mutex<Arc<Current>>,
}

impl Trust {
    /// Trusts these authorities; the daemon is known by these addresses.
    pub(crate) fn new(
        authority: Authority,
        addresses: Vec<IpAddr>,
        lasts: Duration,
    ) -> Result<Self, TrustError> {
        let current = Current::new(authority, &addresses)?;
        Ok(Self {
            addresses,
            lasts,
            current: Mutex::new(Arc::new(current)),
        })
    }

    /// The authorities in force.
    pub(crate) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Trusts other authorities from the next connection on.
    pub(crate) fn replace(&self, authority: Authority) -> Result<(), TrustError> {
        let next = Arc::new(Current::new(authority, &self.addresses)?);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }
}

impl Current {
    fn new(authority: Authority, addresses: &[IpAddr]) -> Result<Self, TrustError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        for root in authority.certificates() {
            roots.add(root.clone()).map_err(TrustError::Root)?;
        }
        let ours = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(TrustError::Verifier)?;
        let identity = authority
            .daemon_identity(addresses)
            .map_err(TrustError::Authority)?;
        let tls = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Tls)?
            .with_client_cert_verifier(Arc::new(AnyKey { provider }))
            .with_single_cert(identity.chain, identity.key)
            .map_err(TrustError::Tls)?;
        Ok(Self {
            authority,
            tls: Arc::new(tls),
            ours,
        })
    }

    /// What a certificate says whose key was proven; `None` if it cannot be read.
    pub(crate) fn peer(&self, certificate: &CertificateDer<'_>) -> Option<Peer> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        let public_key = parsed.subject_public_key_info().to_vec();
        Some(Peer {
            key: digest(&public_key),
            public_key,
            ends: self.ends(certificate),
        })
    }

    /// When a certificate of ours ends; `None` for another's.
    fn ends(&self, certificate: &CertificateDer<'_>) -> Option<Timestamp> {
        let check = |at| self.ours.verify_client_cert(certificate, &[], at);
        // Expiry is found before the signature is looked at: so its end is asked for first, and then the
        // rest as of that moment.
        let Err(Error::InvalidCertificate(Fault::ExpiredContext { not_after: end, .. })) =
            check(UnixTime::since_unix_epoch(BEYOND))
        else {
            return None;
        };
        check(end).ok()?;
        Some(Timestamp::from_unix_ms(0).plus(Duration::from_secs(end.as_secs())))
    }
}

/// This host's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::from_unix_ms(0).plus(since)
}

/// Takes every certificate whose key the peer has: TLS checks that, and nothing else is said by it.
#[derive(Debug)]
struct AnyKey {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
    use rustls::pki_types::pem::PemObject as _;

    fn issued(authority: &Authority, key: &KeyPair, lasts: u64) -> CertificateDer<'static> {
        let name = "rackd-lab".parse().unwrap();
        let pem = authority
            .agent_certificate(
                &name,
                &key.subject_public_key_info(),
                now(),
                Duration::from_secs(lasts),
            )
            .unwrap();
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    #[test]
    fn a_certificate_is_ours_until_its_authority_is_dropped_and_its_key_is_who_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let trust = |authority| Trust::new(authority, Vec::new(), Duration::from_secs(60)).unwrap();
        let first = Authority::open_or_create(dir.path()).unwrap();
        let key = KeyPair::generate().unwrap();
        let old = issued(&first, &key, 600);
        let expired = issued(&first, &key, 0);
        let pin = first.pin();
        let trust = trust(first);
        let peer = trust.current().peer(&old).unwrap();
        let left = peer.ends.expect("it is ours").since(now());
        assert!(left <= Duration::from_secs(600) && left > Duration::from_secs(500));
        let late = trust.current().peer(&expired).unwrap();
        assert!(late.ends.expect("it is ours, though it has ended") <= now());
        assert_eq!(late.key, peer.key, "the same key");

        // What nobody of ours signed, whether it has ended or not.
        let mut own = CertificateParams::new(Vec::new()).unwrap();
        let foreign = own.self_signed(&key).unwrap();
        assert_eq!(trust.current().peer(foreign.der()).unwrap().ends, None);
        own.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let foreign = own.self_signed(&key).unwrap();
        assert_eq!(trust.current().peer(foreign.der()).unwrap().ends, None);

        let again = Authority::open_or_create(dir.path()).unwrap();
        assert_eq!(again.pin(), pin, "the authority outlives a restart");
        trust.replace(again.roll().unwrap()).unwrap();
        assert_ne!(trust.current().authority.pin(), pin);
        assert!(
            trust.current().peer(&old).unwrap().ends.is_some(),
            "the old one is trusted still"
        );
        let new = issued(&trust.current().authority, &key, 600);
        trust
            .replace(trust.current().authority.drop_old().unwrap())
            .unwrap();
        assert_eq!(trust.current().peer(&old).unwrap().ends, None);
        assert!(trust.current().peer(&new).unwrap().ends.is_some());
    }
}
