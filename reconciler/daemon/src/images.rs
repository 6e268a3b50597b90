//! Artefacts by digest: what `muster image add` uploads and rack agents fetch.
//!
//! Content-addressed files in `<state>/images`; a file stands under its name only after all its bytes
//! were hashed to it, so a name never lies.

use axum::body::BodyDataStream;
use futures_util::StreamExt as _;
use reconciler_core::condition::Condition;
use schema_ids::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::io::AsyncWriteExt as _;

/// The largest artefact taken: no root filesystem comes near, and a runaway upload ends.
const ARTEFACT_BYTES_MAX: u64 = 64 << 30;

/// The folder of artefacts.
#[derive(Debug)]
pub(crate) struct Images {
    dir: PathBuf,
    uploads: AtomicU64,
    /// Why an artefact is not here, as last found; found anew soon after a start.
    faults: Mutex<BTreeMap<Digest, Fault>>,
}

/// Why an artefact is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What a machine that needs it is refused with.
    pub(crate) condition: Condition,
    /// In words, naming its source.
    pub(crate) reason: String,
}

/// What can go wrong with an upload.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    /// The folder cannot be used.
    #[error("cannot write the artefact to {}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The sender stopped.
    #[error("the upload broke off after {received} bytes; nothing was kept")]
    BrokeOff {
        /// How much had come.
        received: u64,
    },
    /// It is too large.
    #[error("an artefact has at most {ARTEFACT_BYTES_MAX} bytes")]
    TooLarge,
    /// Its bytes are not what was announced.
    #[error("the bytes sent are {got}, not {wanted}; nothing was kept")]
    Differs {
        /// Announced.
        wanted: Digest,
        /// Found.
        got: Digest,
    },
}

impl Images {
    /// Opens the folder and throws away uploads that a crash cut short.
    pub(crate) fn open(state: &Path) -> Result<Self, ImageError> {
        let dir = state.join("images");
        let fail = |source| ImageError::Write {
            path: dir.clone(),
            source,
        };
        std::fs::create_dir_all(&dir).map_err(fail)?;
        for entry in std::fs::read_dir(&dir).map_err(fail)?.flatten() {
            if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "part")
            {
                std::fs::remove_file(entry.path()).map_err(fail)?;
            }
        }
        Ok(Self {
            dir,
            uploads: AtomicU64::new(0),
            faults: Mutex::default(),
        })
    }

    /// Where an artefact stands; the file need not exist.
    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(digest.hex())
    }

    /// Whether it is here.
    pub(crate) fn has(&self, digest: Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Remembers why an artefact is not here.
    pub(crate) fn set_fault(&self, digest: Digest, fault: Fault) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.insert(digest, fault);
    }

    /// Why an artefact is not here, if that is known; `None` as well for one that is here or may yet come.
    pub(crate) fn fault(&self, digest: Digest) -> Option<Fault> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.get(&digest).filter(|_| !self.has(digest)).cloned()
    }

    /// All artefacts with their sizes in bytes, by digest.
    pub(crate) fn list(&self) -> Vec<(Digest, u64)> {
        let mut found: Vec<_> = std::fs::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                Some((
                    entry.file_name().to_str()?.parse().ok()?,
                    entry.metadata().ok()?.len(),
                ))
            })
            .collect();
        found.sort();
        found
    }

    /// Takes an artefact from a request's body. Durable once it returns.
    ///
    /// Cancel safety: a dropped upload leaves a `.part` file, which the next start removes.
    pub(crate) async fn add(
        &self,
        wanted: Option<Digest>,
        mut body: BodyDataStream,
    ) -> Result<Digest, ImageError> {
        let partial = self
            .dir
            .join(format!("{}.part", self.uploads.fetch_add(1, Ordering::Relaxed)));
        let fail = |source| ImageError::Write {
            path: partial.clone(),
            source,
        };
        let mut file = tokio::fs::File::create(&partial).await.map_err(fail)?;
        let (mut hash, mut received) = (Sha256::new(), 0_u64);
        let mut outcome = Ok(());
        while let Some(chunk) = body.next().await {
            let Ok(chunk) = chunk else {
                outcome = Err(ImageError::BrokeOff { received });
                break;
            };
            received += chunk.len() as u64;
            if received > ARTEFACT_BYTES_MAX {
                outcome = Err(ImageError::TooLarge);
                break;
            }
            hash.update(&chunk);
            file.write_all(&chunk).await.map_err(fail)?;
        }
        let got = Digest(hash.finalize().into());
        if outcome.is_ok() && wanted.is_some_and(|wanted| wanted != got) {
            outcome = Err(ImageError::Differs {
                wanted: wanted.unwrap_or(got),
                got,
            });
        }
        if let Err(error) = outcome {
            tokio::fs::remove_file(&partial).await.map_err(fail)?;
            return Err(error);
        }
        file.sync_all().await.map_err(fail)?;
        tokio::fs::rename(&partial, self.path(got)).await.map_err(fail)?;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, ImageError, Images};
    use axum::body::Body;
    use reconciler_core::condition::Condition;

    #[tokio::test]
    async fn bytes_stand_under_their_digest_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let images = Images::open(dir.path()).unwrap();
        // FIPS 180-4's example "abc".
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
            .parse()
            .unwrap();
        let got = images
            .add(Some(abc), Body::from("abc").into_data_stream())
            .await
            .unwrap();
        assert_eq!(got, abc);
        assert_eq!(std::fs::read(images.path(abc)).unwrap(), b"abc");

        let other = images.add(Some(abc), Body::from("abd").into_data_stream()).await;
        assert!(matches!(other, Err(ImageError::Differs { .. })), "{other:?}");
        assert_eq!(images.list(), [(abc, 3)], "a refused upload leaves nothing");
        let fault = Fault {
            condition: Condition::ImageUnavailable,
            reason: "nobody has uploaded it".to_owned(),
        };
        images.set_fault(abc, fault.clone());
        assert_eq!(images.fault(abc), None, "it is here");
        std::fs::remove_file(images.path(abc)).unwrap();
        assert_eq!(images.fault(abc), Some(fault));
        images
            .add(Some(abc), Body::from("abc").into_data_stream())
            .await
            .unwrap();

        std::fs::write(dir.path().join("images/7.part"), b"half").unwrap();
        let images = Images::open(dir.path()).unwrap();
        assert!(!dir.path().join("images/7.part").exists());
        assert!(images.has(abc));
    }
}
