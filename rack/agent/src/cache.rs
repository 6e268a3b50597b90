//! Artefacts by digest: fetched once from the daemon, checked, then served from the disk.
//!
//! A file gets its name only after its SHA-256 was verified, and is verified once more when it is first
//! served after a start, and when a machine got other bytes, since disks rot. Only what the configuration or an order names is fetched, so
//! that no client can fill the disk.

use crate::{
    daemon::{CallError, Daemon},
    error_chain::Chain,
};
use schema_ids::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
    time::{Duration, SystemTime},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
};

/// An artefact that nothing names is kept this long, for a revision that comes back.
const UNNAMED_KEEP: Duration = Duration::from_secs(24 * 3600);
/// A kernel or a small initrd; anything longer goes by HTTP.
const WHOLE_MAX: u64 = 256 << 20;
/// Read at a time while a file is verified.
const BLOCK: usize = 1 << 20;

/// The cache.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    daemon: Daemon,
    /// One lock per digest, so that it is fetched by one and awaited by the others; true once verified
    /// since the start.
    entries: Mutex<BTreeMap<Digest, Arc<tokio::sync::Mutex<bool>>>>,
    /// Files in memory, for as long as somebody reads them: many machines that boot at once share them.
    whole: tokio::sync::Mutex<BTreeMap<Digest, Weak<[u8]>>>,
}

/// Why an artefact is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    #[error("cannot fetch artefact {digest}")]
    Fetch {
        digest: Digest,
        #[source]
        source: CallError,
    },
    #[error("the daemon stopped in the middle of artefact {digest}")]
    Broken {
        digest: Digest,
        #[source]
        source: reqwest::Error,
    },
    #[error("cannot keep artefact {digest}")]
    Disk {
        digest: Digest,
        #[source]
        source: io::Error,
    },
    #[error("what came for artefact {digest} is {got}")]
    Wrong { digest: Digest, got: Digest },
}

impl Cache {
    pub(crate) fn new(directory: PathBuf, daemon: Daemon) -> Self {
        Self {
            directory,
            daemon,
            entries: Mutex::default(),
            whole: tokio::sync::Mutex::default(),
        }
    }

    /// The path of an artefact's verified file, fetched first where it is missing.
    ///
    /// Cancel safety: a fetch given up begins anew with the next call.
    pub(crate) async fn ready(&self, digest: Digest) -> Result<PathBuf, CacheError> {
        let path = self.path(digest);
        let entry = Arc::clone(crate::rack::lock(&self.entries).entry(digest).or_default());
        let mut verified = entry.lock().await;
        if !*verified {
            match sha256(&path).await {
                Ok(got) if got == digest => {}
                Ok(got) => {
                    tracing::warn!(%digest, %got, "a cached artefact has rotted and is fetched again");
                    self.fetch(digest).await?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.fetch(digest).await?,
                Err(source) => return Err(CacheError::Disk { digest, source }),
            }
            *verified = true;
        }
        Ok(path)
    }

    /// An artefact's bytes, for a protocol that reads them from memory.
    ///
    /// Cancel safety: as [`Cache::ready`].
    pub(crate) async fn bytes(&self, digest: Digest) -> Result<Arc<[u8]>, CacheError> {
        let path = self.ready(digest).await?;
        let mut whole = self.whole.lock().await;
        whole.retain(|_, file| file.strong_count() > 0);
        if let Some(file) = whole.get(&digest).and_then(Weak::upgrade) {
            return Ok(file);
        }
        let failed = |source| CacheError::Disk { digest, source };
        let length = tokio::fs::metadata(&path).await.map_err(failed)?.len();
        if length > WHOLE_MAX {
            return Err(failed(io::Error::other("it is too long to be kept in memory")));
        }
        let file: Arc<[u8]> = tokio::fs::read(&path).await.map_err(failed)?.into();
        whole.insert(digest, Arc::downgrade(&file));
        Ok(file)
    }

    /// Has every file verified once more before it is served next. One that is just being fetched is.
    pub(crate) fn doubt(&self) {
        for entry in crate::rack::lock(&self.entries).values() {
            if let Ok(mut verified) = entry.try_lock() {
                *verified = false;
            }
        }
    }

    /// Removes what nothing names and nobody fetched for a day.
    pub(crate) fn sweep(&self, named: &BTreeSet<Digest>) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            let digest = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<Digest>().ok());
            let age = SystemTime::now()
                .duration_since(entry.metadata()?.modified()?)
                .unwrap_or(Duration::ZERO);
            if digest.is_none_or(|digest| !named.contains(&digest)) && age > UNNAMED_KEEP {
                std::fs::remove_file(entry.path())?;
                if let Some(digest) = digest {
                    crate::rack::lock(&self.entries).remove(&digest);
                }
            }
        }
        Ok(())
    }

    /// Where an artefact stands once [`Cache::open`] has let it through.
    fn path(&self, digest: Digest) -> PathBuf {
        self.directory.join(digest.hex())
    }

    async fn fetch(&self, digest: Digest) -> Result<(), CacheError> {
        let failed = |source| CacheError::Disk { digest, source };
        let started = tokio::time::Instant::now();
        let mut response = self
            .daemon
            .artefact(digest)
            .await
            .map_err(|source| CacheError::Fetch { digest, source })?;
        let part = self.path(digest).with_extension("part");
        let mut file = File::create(&part).await.map_err(failed)?;
        let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|source| CacheError::Broken { digest, source })?
        {
            hash.update(&chunk);
            bytes += chunk.len() as u64;
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)?;
        let got = Digest(hash.finalize().into());
        if got != digest {
            let wrong = CacheError::Wrong { digest, got };
            tokio::fs::remove_file(&part).await.map_err(failed)?;
            return Err(wrong);
        }
        tokio::fs::rename(&part, self.path(digest))
            .await
            .map_err(failed)?;
        tracing::info!(%digest, bytes, seconds = started.elapsed().as_secs_f32(), "artefact fetched");
        Ok(())
    }
}

/// Fetches ahead what will be asked for; failures are left to whoever asks.
pub(crate) async fn prefetch(cache: &Cache, named: &BTreeSet<Digest>) {
    for digest in named {
        if let Err(error) = cache.ready(*digest).await {
            tracing::warn!(%digest, error = %Chain(&error), "cannot fetch ahead");
        }
    }
}

async fn sha256(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path).await?;
    let (mut hash, mut block) = (Sha256::new(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block).await? {
            0 => return Ok(Digest(hash.finalize().into())),
            read => hash.update(&block[..read]),
        }
    }
}
