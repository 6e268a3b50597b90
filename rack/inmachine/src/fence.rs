//! The wipe fence on this side: may this job write these disks?
//!
//! A disk may be written if it holds what the plan agreed to erase, or what this very binding has
//! begun to write. Everything else is somebody's data. Once a disk carries this job's final marker
//! nothing but final markers may follow. The daemon judges by the same table of cases,
//! `rack/api/tests/cases/fence.toml`.

use rack_api::fact::DiskSeen;
use rack_api::job::JobRef;
use rack_api::writes::{Agreed, Leaves, Writes};
use schema_ids::{ContentId, DiskId};
use std::cmp::Ordering;

/// Where the installation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Every disk may be written.
    MayWrite,
    /// Some disks carry the final marker of this very job, all others its first one. Final markers are
    /// written when everything is on all disks: only they may be written any more.
    Finish,
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
    /// Erasing it would destroy what also lives elsewhere.
    #[error("{what} is on the disk {disk} too, which is not to be erased")]
    Shared {
        /// An array, volume or group.
        what: String,
        /// The other disk.
        disk: String,
    },
    /// The installed system could not tell two groups apart.
    #[error("there is something called {group} already, at {place}")]
    GroupTaken {
        /// The plan's volume group.
        group: String,
        /// Where the other is.
        place: String,
    },
    /// This installation was finished, and something happened to one of its disks since.
    #[error("the disk {disk} holds {found} while others carry this installation's final marker")]
    HalfFinished {
        /// Which.
        disk: DiskId,
        /// What is on it.
        found: ContentId,
    },
}

impl Refusal {
    /// The condition's code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::Size { .. } => "DISK_MISSING",
            Self::Contents { .. }
            | Self::Shared { .. }
            | Self::GroupTaken { .. }
            | Self::HalfFinished { .. } => "UNEXPECTED_CONTENTS",
        }
    }
}

/// Decides, given every disk that has an identity.
///
/// # Errors
/// The first disk of the wipe-set that may not be written.
pub fn may_write<D: Agreed>(
    job: &JobRef,
    writes: &Writes<'_, D>,
    seen: &[DiskSeen],
) -> Result<Standing, Refusal> {
    let mut holds = Vec::new();
    for plan in writes.disks {
        let mut matches = seen.iter().filter(|seen| seen.disk == *plan.disk());
        let (Some(found), None) = (matches.next(), matches.next()) else {
            return Err(Refusal::Missing {
                disk: plan.disk().clone(),
            });
        };
        if found.size_bytes != plan.size_bytes() {
            return Err(Refusal::Size {
                disk: plan.disk().clone(),
                size_bytes: found.size_bytes,
                planned_bytes: plan.size_bytes(),
            });
        }
        holds.push((plan, found, holds_of(job, writes, plan, &found.content)));
    }
    let finished = holds.iter().filter(|(.., holds)| *holds == Some(Holds::Finished));
    let standing = match finished.count() {
        0 => Standing::MayWrite,
        all if all == holds.len() => Standing::Installed,
        _ => Standing::Finish,
    };
    for (plan, found, holds) in holds {
        let (disk, found) = (plan.disk().clone(), found.content.clone());
        match holds {
            Some(Holds::Finished | Holds::Begun) => {}
            Some(Holds::MayGo) if standing == Standing::MayWrite => {}
            Some(Holds::MayGo) => return Err(Refusal::HalfFinished { disk, found }),
            None => {
                let agreed = plan.agreed().clone();
                return Err(Refusal::Contents { disk, found, agreed });
            }
        }
    }
    Ok(standing)
}

/// What a disk holds, as far as this job may have to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// This job's final marker.
    Finished,
    /// This job's first marker.
    Begun,
    /// What the plan agreed to erase, or what this binding began to write for an earlier intent.
    MayGo,
}

fn holds_of<D: Agreed>(job: &JobRef, writes: &Writes<'_, D>, plan: &D, content: &ContentId) -> Option<Holds> {
    if let ContentId::Marker {
        incarnation,
        binding,
        generation,
        installed,
    } = content
        && *binding == writes.binding
    {
        let (written, wanted) = (
            (*incarnation, *generation),
            (writes.incarnation.number, job.generation),
        );
        match written.cmp(&wanted) {
            Ordering::Equal if !*installed => return Some(Holds::Begun),
            Ordering::Equal if writes.leaves == Leaves::System => return Some(Holds::Finished),
            Ordering::Less if !*installed => return Some(Holds::MayGo),
            // A finished system may go if that was agreed; and an order from before what is on the
            // disk is an order that should no longer be about.
            Ordering::Less | Ordering::Equal | Ordering::Greater => {}
        }
    }
    // Where nothing is left, a disk that holds nothing is as it shall be.
    let erased = writes.leaves == Leaves::Nothing && *content == ContentId::Blank;
    (erased || content == plan.agreed()).then_some(Holds::MayGo)
}
