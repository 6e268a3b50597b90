//! What becomes of disks when their machine or deployment goes.

use crate::kind::words;

words! {
    /// What becomes of disks when their machine or deployment goes.
    DiskFate {
        /// They keep what is on them.
        Retain = "retain",
        /// Partition tables and signatures are erased; the data between them could be found again.
        Quick = "quick",
    }
    later {
        /// Every block is written over once.
        Overwrite = "overwrite",
        /// The drive's own erasure: NVMe format or sanitize, ATA secure erase.
        SecureErase = "secure-erase",
    }
}
