//! Why a deployment stopped.

use super::unpack::UnpackError;
use crate::content::ContentError;
use crate::fence::{Refusal, Standing};
use crate::plan_check::PlanFault;
use crate::program::ProgramError;
use rack_api::fact::{ERASE_FAILED, IMAGE_DIGEST_MISMATCH};
use schema_ids::{ContentId, Digest, DiskId};

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The plan cannot be carried out.
    #[error("this deployment cannot be carried out")]
    Plan(#[source] PlanFault),
    /// The disks are not what was agreed.
    #[error("nothing may be written")]
    Fence(#[source] Refusal),
    /// The daemon said no.
    #[error("the daemon refuses: {reason}")]
    Verdict {
        /// The condition's code.
        code: String,
        /// In words.
        reason: String,
    },
    /// A disk could not be looked at.
    #[error("cannot tell what is on a disk")]
    Content(#[source] ContentError),
    /// The disks are further than when the daemon was asked.
    #[error("the disks changed after the daemon's go: they are at {0:?} now")]
    Overtaken(Standing),
    /// The kernel's name leads elsewhere than it did.
    #[error("{name} is not the disk {disk} any more")]
    Moved {
        /// Which disk it was.
        disk: DiskId,
        /// The kernel's name.
        name: String,
    },
    /// A disk does not carry this job's marker.
    #[error("the disk {disk} ({name}) does not carry this job's marker")]
    NotOurs {
        /// Which.
        disk: DiskId,
        /// The kernel's name.
        name: String,
    },
    /// A tool failed.
    #[error("cannot {what}")]
    Program {
        /// What it was to do.
        what: String,
        /// Why.
        #[source]
        source: ProgramError,
    },
    /// The system refused something.
    #[error("cannot {what}")]
    Io {
        /// What was being done.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The kernel does not show a partition that was made.
    #[error("partition {number} of {disk} did not appear as planned")]
    NoPartition {
        /// The device.
        disk: String,
        /// Which.
        number: u32,
    },
    /// The kernel does not show an array or a volume that was made.
    #[error("{0} did not appear as planned")]
    NoVolume(String),
    /// Something stands on a disk that cannot be stopped.
    #[error("{by} stands on a disk of this deployment and cannot be stopped")]
    InUse {
        /// The kernel's name of it.
        by: String,
    },
    /// A disk holds something where it was erased.
    #[error("byte {offset} is not zero after it was erased")]
    NotErased {
        /// Where the first block begins that does.
        offset: u64,
    },
    /// A disk holds something when all that was to be cleared is.
    #[error("it still holds {0}")]
    StillHolds(ContentId),
    /// A disk was not erased.
    #[error("the disk {disk} ({name}) is not erased")]
    Erase {
        /// Which.
        disk: DiskId,
        /// The kernel's name of it.
        name: String,
        /// Why.
        #[source]
        source: Box<DeployError>,
    },
    /// The image did not come or did not unpack.
    #[error("cannot unpack the image")]
    Unpack(#[source] UnpackError),
    /// The image is another one.
    #[error("the image has the digest {found} where the plan has {wanted}; the disk holds no system")]
    ImageDigest {
        /// The plan's.
        wanted: Digest,
        /// What came.
        found: Digest,
    },
    /// The image is not of its family.
    #[error("the image has no {0}, which its family needs")]
    ImageLacks(&'static str),
    /// The image has no kernel.
    #[error("the image has no kernel with an initrd in /boot")]
    NoKernel,
}

impl DeployError {
    /// The code for the fact.
    pub fn code(&self) -> String {
        match self {
            Self::Fence(refusal) => refusal.code().to_owned(),
            Self::Verdict { code, .. } => code.clone(),
            // A tool or the disk itself; anything else says what it is.
            Self::Erase { source, .. } => match &**source {
                Self::Io { .. }
                | Self::Program { .. }
                | Self::Content(_)
                | Self::NotErased { .. }
                | Self::StillHolds(_) => ERASE_FAILED.to_owned(),
                other => other.code(),
            },
            Self::NotErased { .. } | Self::StillHolds(_) => ERASE_FAILED.to_owned(),
            Self::ImageDigest { .. } => IMAGE_DIGEST_MISMATCH.to_owned(),
            Self::Plan(_)
            | Self::Content(_)
            | Self::Overtaken(_)
            | Self::Moved { .. }
            | Self::NotOurs { .. }
            | Self::Program { .. }
            | Self::Io { .. }
            | Self::NoPartition { .. }
            | Self::NoVolume(_)
            | Self::InUse { .. }
            | Self::Unpack(_)
            | Self::ImageLacks(_)
            | Self::NoKernel => "STEP_FAILED".to_owned(),
        }
    }
}

/// Says what was being done when the system refused: for `map_err`.
pub(crate) fn doing(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> DeployError {
    |source| DeployError::Io {
        what: what.into(),
        source,
    }
}

/// Says what a tool was to do: for `map_err`.
pub(crate) fn running(what: impl Into<String>) -> impl FnOnce(ProgramError) -> DeployError {
    |source| DeployError::Program {
        what: what.into(),
        source,
    }
}
