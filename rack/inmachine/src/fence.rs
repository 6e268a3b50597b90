//! The wipe fence on this side: may this job write these disks?
//!
//! A disk may be written if it holds what the plan agreed to erase, nothing, or what this very
//! binding has begun to write. Everything else is somebody's data.

use rack_api::fact::DiskSeen;
use rack_api::job::{Deploy, JobRef};
use schema_ids::{ContentId, DiskId};

/// Where the installation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Every disk may be written.
    MayWrite,
    /// Every disk carries the final marker of this very job: it was finished, and only the report
    /// got lost. Nothing may be written any more.
    Installed,
}

/// Why nothing may be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A disk of the wipe-set is not there.
    #[error("the disk {disk} is missing, or two disks say that they are it")]
    Missing {
        /// Which.
        disk: DiskId,
    },
    /// It is not the disk that was planned with.
    #[error("the disk {disk} has {size_bytes} bytes where the plan counts on {planned_bytes}")]
    Size {
        /// Which.
        disk: DiskId,
        /// Its size.
        size_bytes: u64,
        /// The plan's.
        planned_bytes: u64,
    },
    /// Nobody agreed to erase this.
    #[error("the disk {disk} holds {found} where the plan agreed to erase {agreed}")]
    Contents {
        /// Which.
        disk: DiskId,
        /// What is on it.
        found: ContentId,
        /// What was expected.
        agreed: ContentId,
    },
}

impl Refusal {
    /// The condition's code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::Size { .. } => "DISK_MISSING",
            Self::Contents { .. } => "UNEXPECTED_CONTENTS",
        }
    }
}

/// Decides, given every disk that has an identity.
///
/// # Errors
/// The first disk of the wipe-set that may not be written.
pub fn may_write(job: &JobRef, deploy: &Deploy, seen: &[DiskSeen]) -> Result<Standing, Refusal> {
    let mut finished = 0;
    for plan in &deploy.disks {
        let mut matches = seen.iter().filter(|seen| seen.disk == plan.disk);
        let (Some(found), None) = (matches.next(), matches.next()) else {
            return Err(Refusal::Missing {
                disk: plan.disk.clone(),
            });
        };
        if found.size_bytes != plan.size_bytes {
            return Err(Refusal::Size {
                disk: plan.disk.clone(),
                size_bytes: found.size_bytes,
                planned_bytes: plan.size_bytes,
            });
        }
        match standing_of(job, deploy, &found.content) {
            Some(Standing::Installed) => finished += 1,
            Some(Standing::MayWrite) => {}
            None if found.content == plan.agreed => {}
            None => {
                return Err(Refusal::Contents {
                    disk: plan.disk.clone(),
                    found: found.content.clone(),
                    agreed: plan.agreed.clone(),
                });
            }
        }
    }
    if finished == deploy.disks.len() {
        Ok(Standing::Installed)
    } else {
        Ok(Standing::MayWrite)
    }
}

/// What these contents allow by themselves, before asking what the plan agreed to.
fn standing_of(job: &JobRef, deploy: &Deploy, content: &ContentId) -> Option<Standing> {
    match content {
        ContentId::Blank => Some(Standing::MayWrite),
        ContentId::Foreign(_) => None,
        ContentId::Marker {
            incarnation,
            binding,
            generation,
            installed,
        } => {
            let ours = *binding == deploy.binding;
            let same = *incarnation == deploy.incarnation.number && *generation == job.generation;
            // An order from before what is on the disk is an order that should no longer be about.
            let overtaken = (*incarnation, *generation) > (deploy.incarnation.number, job.generation);
            if ours && *installed && same {
                Some(Standing::Installed)
            } else if ours && !*installed && !overtaken {
                Some(Standing::MayWrite)
            } else {
                None
            }
        }
    }
}
