//! What must always hold, each with its name and its words.

use std::fmt;

/// What must always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// A machine, a disk, an address is in one binding at most.
    OneBinding,
    /// A generation stands for one intent, and never falls; an intent has another one only for a longer quarantine.
    OneIntent,
    /// Planning again with the same commit and facts changes nothing.
    PlanStands,
    /// Nothing is ordered, allowed or obeyed for any but the generation that the adopted plan wants.
    OnlyWhatIsWanted,
    /// A machine that is installed boots into a job only with the daemon's word.
    OwnDisk,
    /// Nothing is written without a go that is on record.
    GoOnRecord,
    /// Nothing is written but what a plan of that generation agreed to erase.
    AgreedContents,
    /// Once finished, an installation is not written again.
    InstalledOnce,
    /// A binding whose disks may have been written stays, until they are erased.
    WrittenStays,
    /// A release erases no disk but its binding's, and its binding ends when all of them are, on record; or where they
    /// are kept, when its machine was off since it leaves.
    ReleasedErased,
    /// A machine that leaves was off for its quarantine before anything of it is erased.
    Quarantine,
    /// While everything is stopped, nothing is ordered, booted into a job, or allowed to be written.
    Stopped,
    /// No more machines boot, or are erased, at once than may.
    Limits,
    /// Nothing runs that is taken away, and nothing is lost, but what a plan showed that was adopted.
    Planned,
    /// No more machines are given up within a day than may be.
    DayLimit,
    /// Of machines that nothing else struck, none is taken out of service while a budget's number is, by our doing.
    Budget,
    /// What an agent once had on disk is stored, as it was, before the agent forgets it.
    FactsKept,
    /// What is said to run was seen to run.
    HonestStatus,
    /// When faults stop, every machine comes to be as wanted, or waits for a person with a reason.
    Convergence,
    /// Then nothing more is planned or ordered.
    Rest,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::OneBinding,
        Self::OneIntent,
        Self::PlanStands,
        Self::OnlyWhatIsWanted,
        Self::OwnDisk,
        Self::GoOnRecord,
        Self::AgreedContents,
        Self::InstalledOnce,
        Self::WrittenStays,
        Self::ReleasedErased,
        Self::Quarantine,
        Self::Stopped,
        Self::Limits,
        Self::Planned,
        Self::DayLimit,
        Self::Budget,
        Self::FactsKept,
        Self::HonestStatus,
        Self::Convergence,
        Self::Rest,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::OneBinding => "a machine, a disk, an address is in one binding at most",
            Self::OneIntent => "a generation stands for one intent, and never falls",
            Self::PlanStands => "planning again changes nothing",
            Self::OnlyWhatIsWanted => "only the wanted generation is ordered, allowed and obeyed",
            Self::OwnDisk => "an installed machine boots into a job only with the daemon's word",
            Self::GoOnRecord => "nothing is written without a go on record",
            Self::AgreedContents => "nothing is written but what the plan agreed to erase",
            Self::InstalledOnce => "a finished installation is not written again",
            Self::WrittenStays => "a binding that may have written stays until its disks are erased",
            Self::ReleasedErased => {
                "a release erases its binding's disks, all of them and no others, or is over when its machine was off"
            }
            Self::Quarantine => "nothing is erased before its machine was off for its quarantine",
            Self::Stopped => "nothing is ordered or allowed while everything is stopped",
            Self::Limits => "no more machines boot or are erased at once than may",
            Self::Planned => "nothing is taken away or lost but what an adopted plan showed",
            Self::DayLimit => "no more machines are given up within a day than may be",
            Self::Budget => "no more machines are out of service by our doing than a budget lets",
            Self::FactsKept => "no fact is forgotten before it is stored",
            Self::HonestStatus => "what is said to run was seen to run",
            Self::Convergence => "when faults stop, the fleet converges",
            Self::Rest => "a fleet that has converged rests",
        };
        write!(f, "{self:?}: {words}")
    }
}
