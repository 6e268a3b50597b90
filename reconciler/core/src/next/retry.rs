//! How a failed try is followed by another: which failures, how often, after how long.

use crate::condition::Condition;
use std::time::Duration;

/// A job that fails is tried so often in all, where trying again may help and may write.
pub(super) const JOB_TRIES: u32 = 3;

/// Whether a failed job may succeed when it is simply run again.
pub(super) fn may_help(condition: Condition) -> bool {
    match condition {
        Condition::ImageUnavailable
        | Condition::StepFailed
        | Condition::JobStalled
        | Condition::EraseFailed
        | Condition::NoBoot
        | Condition::Booting
        | Condition::Held
        | Condition::Budget
        | Condition::RateLimited
        | Condition::RackSilent => true,
        Condition::BmcSilent
        | Condition::BmcCredentials
        | Condition::BmcRefused
        | Condition::PowerByHand
        | Condition::PowerDrift
        | Condition::PowerOrdered
        | Condition::WaitingForRack
        | Condition::Powering
        | Condition::Commissioning
        | Condition::JobRunning
        | Condition::Erasing
        | Condition::UnexpectedContents
        | Condition::DiskMissing
        | Condition::ImageDigestMismatch
        | Condition::LayoutDoesNotFit
        | Condition::LessThanExpected
        | Condition::NotCarriedOut
        | Condition::FirstBoot
        | Condition::NotSeenAfterInstall
        | Condition::IdentityAmbiguous
        | Condition::IdentityChanged
        | Condition::StateRestored
        | Condition::BudgetHalted
        | Condition::DecidedTooLate
        | Condition::WindowClosed
        | Condition::EarlierWave
        | Condition::Soaking
        | Condition::Canary
        | Condition::Quarantined
        | Condition::RestartAwaited
        | Condition::AdoptionWaits
        | Condition::AdoptedChanged
        | Condition::OnlyObserved
        | Condition::MarkedByAnother
        | Condition::MarkNotLeft
        | Condition::Orphaned
        | Condition::NameInUse
        | Condition::TooFewMachines
        | Condition::NoLongerFits
        | Condition::Uneven
        | Condition::NoImageForJobs
        | Condition::DisksKept
        | Condition::ReinstallLowered
        | Condition::PlanChangedSinceShown
        | Condition::ApprovalsMissing
        | Condition::LimitExceeded
        | Condition::Protected
        | Condition::FleetShrank => false,
    }
}

/// Whether the machine is not what the plan took it for: another inspection, which writes nothing,
/// shows what it is, and another plan follows from that.
pub(super) fn look_again(condition: Condition) -> bool {
    matches!(
        condition,
        Condition::UnexpectedContents
            | Condition::DiskMissing
            | Condition::IdentityChanged
            | Condition::MarkedByAnother
    )
}

/// Whether such an end counts towards [`JOB_TRIES`]: a job that never began has written nothing.
pub(super) fn counts(condition: Condition) -> bool {
    !matches!(
        condition,
        Condition::NoBoot | Condition::Booting | Condition::Held | Condition::Budget | Condition::RateLimited
    )
}

/// How long after the failed try number `attempt` the next one comes: soon at first, since most
/// failures are of the moment; at most an hour, so that a repaired machine is noticed within one.
pub(super) fn job_pause(attempt: u32) -> Duration {
    Duration::from_secs(match attempt {
        0 | 1 => 60,
        2 => 300,
        3 => 900,
        _ => 3600,
    })
}

/// How long after `failures` failed power orders in a row the next one comes. A wrong password is
/// not repeated before the BMC's own lock-out (commonly 5 to 15 minutes) has passed.
pub(super) fn power_pause(condition: Condition, failures: u32) -> Duration {
    const LONGEST: u64 = 1800;
    Duration::from_secs(if condition == Condition::BmcCredentials {
        LONGEST
    } else {
        (30 << failures.saturating_sub(1).min(6)).min(LONGEST)
    })
}
