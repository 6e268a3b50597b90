//! A person's stop that is kept on one host: a file that musterd and rack agents look for by themselves.
//!
//! It needs neither the database nor the repository nor the network. Whatever stands in the file stops: what cannot be
//! read is a stop too, of which nobody knows who made it.

use schema_ids::Timestamp;
use serde::{Deserialize, Serialize};

/// The file's name, in the state folder of whoever it stops.
pub const FILE: &str = "stop";

/// No such file is longer; what is behind that is not read.
pub const BYTES_MAX: usize = 4096;

/// The condition's code with which a first write is refused while its machine is stopped.
pub const CODE: &str = "HELD";

/// Who stopped this host, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStop {
    /// Why.
    pub reason: String,
    /// The account.
    pub by: String,
    /// When, by this host's clock.
    pub since: Timestamp,
}

impl HostStop {
    /// What a file says that cannot be read.
    pub fn unreadable() -> Self {
        Self {
            reason: format!("the file `{FILE}` of the state folder cannot be read"),
            by: "someone".to_owned(),
            since: Timestamp::from_unix_ms(0),
        }
    }
}
