//! Finding the distribution's Postgres programs.

use super::ClusterError;
use std::path::{Path, PathBuf};

/// Where Debian keeps each major version: `15/bin/postgres`.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The oldest major version that muster works with.
const OLDEST: u32 = 14;

/// One major version's programs.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) postgres: PathBuf,
    pub(super) initdb: PathBuf,
}

impl Programs {
    /// The version that made the data, or the newest installed where there are none yet: data are read
    /// by their own major version only.
    pub(super) fn find(data: &Path) -> Result<Self, ClusterError> {
        let path = data.join("PG_VERSION");
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let version = text.trim();
                Self::of(version).ok_or_else(|| ClusterError::Missing {
                    package: format!("postgresql-{version}"),
                    version: version.to_owned(),
                })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Self::newest().ok_or_else(|| ClusterError::Missing {
                    package: "postgresql".to_owned(),
                    version: format!("{OLDEST} or newer"),
                })
            }
            Err(source) => Err(ClusterError::Directory { path, source }),
        }
    }

    fn of(version: &str) -> Option<Self> {
        let programs = Path::new(VERSIONS).join(version).join("bin");
        let found = Self {
            postgres: programs.join("postgres"),
            initdb: programs.join("initdb"),
        };
        (found.postgres.is_file() && found.initdb.is_file()).then_some(found)
    }

    fn newest() -> Option<Self> {
        let mut versions: Vec<u32> = std::fs::read_dir(VERSIONS)
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|version| *version >= OLDEST)
            .collect();
        versions.sort_unstable();
        versions
            .into_iter()
            .rev()
            .find_map(|version| Self::of(&version.to_string()))
    }
}
