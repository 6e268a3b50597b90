//! `muster-rackd enrol`: with a one-time token, once.
//!
//! The token pins the control plane's authority: the certificate that the daemon shows must come from it,
//! whatever network is in between. In that conversation this agent's keys get their name.

use crate::{
    daemon::{self, CallError, ClientError},
    identity::{Identity, IdentityError, Newcomer},
};
use clap::Args;
use rack_api::{
    daemon_path,
    enrol::{EnrolRequest, Enrolled, NoToken, Token},
};
use rustls::{
    DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use schema_ids::Digest;
use sha2::{Digest as _, Sha256};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// The daemon commits the enrolment to its database meanwhile.
const ENROL_MAX: Duration = Duration::from_secs(30);

/// Make this host a rack agent of a control plane.
#[derive(Debug, Args)]
pub(crate) struct Enrol {
    /// The daemon, such as https://10.0.0.1:7443.
    #[arg(long)]
    daemon: String,
    /// The one-time token of `muster agent token`.
    #[arg(long, env = "MUSTER_ENROL_TOKEN", hide_env_values = true)]
    token: String,
    /// Where this agent's keys, leases, orders, facts and artefacts are kept.
    #[arg(long, default_value = "/var/lib/muster-rackd")]
    state_dir: PathBuf,
}

/// Why this host is no agent yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrolError {
    #[error("--token cannot be used")]
    Token(#[source] NoToken),
    #[error("--daemon {0} is not a URL such as https://10.0.0.1:7443")]
    Daemon(String),
    #[error("cannot keep an identity")]
    Identity(#[source] IdentityError),
    #[error("cannot speak to the daemon")]
    Client(#[source] ClientError),
    #[error("the daemon did not enrol this agent")]
    Call(#[source] CallError),
}

/// Enrols.
pub(crate) async fn run(wish: &Enrol) -> Result<Identity, EnrolError> {
    let token: Token = wish.token.parse().map_err(EnrolError::Token)?;
    let base = daemon::url(&wish.daemon).ok_or_else(|| EnrolError::Daemon(wish.daemon.clone()))?;
    let newcomer = Newcomer::open(&wish.state_dir).map_err(EnrolError::Identity)?;
    let (certificate, key) = newcomer.own_certificate().map_err(EnrolError::Identity)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let pinned = Arc::new(Pinned {
        pin: token.pin,
        provider,
    });
    let http = daemon::pinned_client(pinned, &certificate, &key).map_err(EnrolError::Client)?;
    let request = EnrolRequest {
        secret: token.secret,
        recipient: newcomer.recipient(),
    };
    let answer: Enrolled = daemon::call(&http, &base, daemon_path::ENROL, &request, ENROL_MAX)
        .await
        .map_err(EnrolError::Call)?;
    newcomer
        .become_agent(&wish.daemon, &answer)
        .map_err(EnrolError::Identity)
}

/// Trusts the one authority whose digest is pinned, wherever in the shown chain it is.
#[derive(Debug)]
struct Pinned {
    pin: Digest,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is_pinned =
            |shown: &&CertificateDer<'_>| Digest(Sha256::digest(shown.as_ref()).into()) == self.pin;
        let Some(root) = intermediates.iter().find(is_pinned) else {
            return Err(Error::General(
                "this daemon does not show the authority that the token pins: another control plane answers there, \
                 or its authority has changed since the token was minted"
                    .to_owned(),
            ));
        };
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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
