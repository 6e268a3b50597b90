//! What can go wrong with a BMC, in the few kinds a caller treats differently.
//!
//! A message names the BMC and what was being asked; it never holds a credential.

use std::io;
use std::time::Duration;

/// Why a BMC did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BmcFault {
    /// The network says there is nothing to talk to (closed port, no route).
    #[error("BMC {bmc} cannot be reached")]
    Unreachable {
        /// The BMC's address.
        bmc: String,
        /// What the network said.
        #[source]
        source: io::Error,
    },
    /// It did not answer in time. The command may have been carried out all the same.
    #[error("BMC {bmc} did not answer \"{command}\" within {after:?}")]
    TimedOut {
        /// The BMC's address.
        bmc: String,
        /// What was being asked.
        command: &'static str,
        /// How long we waited.
        after: Duration,
    },
    /// User name, password or K_g are wrong; trying again may lock the account.
    #[error("BMC {bmc} and our credentials do not agree: {reason}")]
    BadCredentials {
        /// The BMC's address.
        bmc: String,
        /// Which of them, as far as the protocol tells.
        reason: &'static str,
    },
    /// It speaks none of the cipher suites we accept.
    #[error("BMC {bmc} offers none of the cipher suites we accept")]
    NoCommonCipher {
        /// The BMC's address.
        bmc: String,
    },
    /// It can take no more now: sessions used up, firmware busy, or our queue for it full. Later may work.
    #[error("BMC {bmc} is busy: {reason}")]
    Busy {
        /// The BMC's address.
        bmc: String,
        /// What is used up.
        reason: &'static str,
    },
    /// It understood and said no.
    #[error("BMC {bmc} refused \"{command}\" with code {completion_code:#04x}")]
    Refused {
        /// The BMC's address.
        bmc: String,
        /// What was being asked.
        command: &'static str,
        /// The completion code (IPMI 2.0 §5.2), or the RMCP+ status while a session is opened (§13.24).
        completion_code: u8,
    },
    /// It answered with something that cannot be read.
    #[error("BMC {bmc} answered \"{command}\" with something unreadable: {reason}")]
    BadReply {
        /// The BMC's address.
        bmc: String,
        /// What was being asked.
        command: &'static str,
        /// What is wrong with the answer.
        reason: &'static str,
    },
}
