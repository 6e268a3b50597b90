//! A rack agent as the daemon sees it: a key, a certificate, an age key, and requests with them.

use crate::bed::Bed;
use rack_api::daemon_path;
use rack_api::enrol::{self, Account, EnrolRequest, Token};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Its keys.
#[derive(Clone)]
pub(crate) struct Keys {
    tls: Arc<KeyPair>,
    age: Arc<age::x25519::Identity>,
}

/// An agent that enrolled.
#[derive(Clone)]
pub(crate) struct Enrolled {
    pub(crate) keys: Keys,
    pub(crate) answer: enrol::Enrolled,
}

impl Keys {
    pub(crate) fn make() -> Self {
        Self {
            tls: Arc::new(KeyPair::generate().unwrap()),
            age: Arc::new(age::x25519::Identity::generate()),
        }
    }

    /// A certificate signed by its own key.
    pub(crate) fn own(&self) -> String {
        let params = CertificateParams::new(Vec::new()).unwrap();
        params.self_signed(&*self.tls).unwrap().pem()
    }

    /// A client that shows this certificate and trusts these authorities.
    pub(crate) fn client(&self, certificate: &str, roots: &str) -> reqwest::Client {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from_pem_slice(self.tls.serialize_pem().as_bytes()).unwrap();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let mut trusted = rustls::RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
            trusted.add(root.unwrap()).unwrap();
        }
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(trusted)
            .with_client_auth_cert(vec![certificate], key)
            .unwrap();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls);
        client.build().unwrap()
    }

    /// Tries to enrol.
    pub(crate) async fn enrol(&self, bed: &Bed, token: &Token) -> Result<enrol::Enrolled, String> {
        let root = std::fs::read_to_string(bed.path("state/tls/ca-1.pem")).unwrap();
        let request = EnrolRequest {
            secret: token.secret.clone(),
            recipient: self.age.to_public().to_string(),
        };
        let client = self.client(&self.own(), &root);
        post(&client, &bed.door(daemon_path::ENROL), &request).await
    }

    /// What is sealed to it.
    pub(crate) fn open(&self, sealed: &str) -> Option<Account> {
        let clear = age::decrypt(&*self.age, sealed.as_bytes()).ok()?;
        serde_json::from_slice(&clear).ok()
    }
}

impl Enrolled {
    /// Enrols with new keys.
    pub(crate) async fn with(bed: &Bed, token: &Token) -> Result<Self, String> {
        let keys = Keys::make();
        let answer = keys.enrol(bed, token).await?;
        Ok(Self { keys, answer })
    }

    /// A client that is it.
    pub(crate) fn client(&self) -> reqwest::Client {
        self.keys.client(&self.answer.certificate, &self.answer.roots)
    }

    /// Asks on a connection of its own.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        bed: &Bed,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, String> {
        post(&self.client(), &bed.door(path), body).await
    }
}

async fn post<T: DeserializeOwned>(
    client: &reqwest::Client,
    url: &str,
    body: &impl Serialize,
) -> Result<T, String> {
    let sent = client.post(url).json(body).send().await;
    let response = sent.map_err(|error| format!("{error:?}"))?;
    let status = response.status();
    let text = response.text().await.map_err(|error| error.to_string())?;
    if status.is_success() {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        Err(format!("{} {text}", status.as_u16()))
    }
}
