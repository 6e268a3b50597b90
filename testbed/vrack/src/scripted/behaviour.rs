//! What a scripted machine does and fails to do: a file that a trial may rewrite between two boots.

use crate::error::{Result, RigError, failed};
use schema_ids::Mac;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

const FILE: &str = "behaviour.toml";

/// Without the file, and of all that it leaves out: an honest machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Behaviour {
    /// Whether it ever sends a packet.
    pub(crate) boots: bool,
    /// Whether the system on its disk tells that it runs.
    pub(crate) phones_home: bool,
    /// The boot token it shows instead of its own.
    pub(crate) token: Option<String>,
    /// The MAC address it claims towards the job API instead of its own.
    pub(crate) claims: Option<Mac>,
    /// How long it is about an erasure, when its disks carry the marker already.
    pub(crate) erase_takes_seconds: u64,
    /// Whether its disks can be looked at and marked, and then not written.
    pub(crate) bad_disk: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            boots: true,
            phones_home: true,
            token: None,
            claims: None,
            erase_takes_seconds: 0,
            bad_disk: false,
        }
    }
}

impl Behaviour {
    /// Of the machine with this directory.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path).map_err(failed(format!("read {}", path.display())))?;
        toml::from_str(&text).map_err(|error| RigError::Answer {
            whom: path.display().to_string(),
            found: error.to_string(),
        })
    }

    /// From its next power-on.
    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        let text = toml::to_string(self).expect("a behaviour is a flat table");
        fs::create_dir_all(directory).map_err(failed("make a machine's directory"))?;
        fs::write(directory.join(FILE), text).map_err(failed("write a machine's behaviour"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_said_is_honest() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let read = || Behaviour::read(directory.path()).expect("readable");
        assert_eq!(read(), Behaviour::default());
        let dark = Behaviour {
            boots: false,
            claims: Some("52:54:00:77:00:09".parse().expect("a MAC")),
            ..Behaviour::default()
        };
        dark.write(directory.path()).expect("written");
        assert_eq!(read(), dark);
        fs::write(directory.path().join(FILE), "phones-home = false\n").expect("written");
        assert!(read().boots && !read().phones_home);
        fs::write(directory.path().join(FILE), "phone-home = false\n").expect("written");
        assert!(
            Behaviour::read(directory.path()).is_err(),
            "a slip of the pen is no behaviour"
        );
    }
}
