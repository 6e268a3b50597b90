//! The table of conditions: code, meaning, what a person can do, limit.

use schema_fleet::BootTimeout;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr, time::Duration};

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The stable code.
    pub code: &'static str,
    /// What it means, in one or two sentences.
    pub meaning: &'static str,
    /// What a person can do.
    pub person: &'static str,
    /// What happens without anyone's help.
    pub by_itself: &'static str,
    /// How long it may last without news before it is given up.
    pub limit: Limit,
    /// Whether something is under way, so that the machine still uses its place among those that boot.
    pub under_way: bool,
}

/// How long a condition may last without news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// For ever.
    None,
    /// So many minutes. A job's own limits grow with what it has to write; this is the least.
    Minutes(u32),
    /// So many times the machine's `boot.timeout`.
    BootTimeouts(u32),
}

impl Limit {
    /// The limit for a machine with this `boot.timeout`.
    pub fn of(self, boot_timeout: Duration) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Minutes(count) => Some(Duration::from_secs(60) * count),
            Self::BootTimeouts(times) => Some(boot_timeout * times),
        }
    }

    /// The limit for a machine of which git says nothing.
    pub fn by_default(self) -> Option<Duration> {
        self.of(BootTimeout::DEFAULT.duration())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.by_default().map_or(0, |limit| limit.as_secs() / 60);
        match self {
            Self::None => f.write_str("none"),
            Self::Minutes(_) => write!(f, "{minutes} min"),
            Self::BootTimeouts(1) => write!(f, "`boot.timeout`, by default {minutes} min"),
            Self::BootTimeouts(times) => write!(f, "{times} × `boot.timeout`, by default {minutes} min"),
        }
    }
}

macro_rules! conditions {
    ($(
        $variant:ident $code:ident {
            meaning: $meaning:literal,
            person: $person:literal,
            by_itself: $by_itself:literal,
            limit: $limit:expr,
            under_way: $under_way:literal,
        }
    )*) => {
        /// What a machine can wait on. A code never changes its meaning and is never used again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Condition { $(#[doc = $meaning] $variant,)* }

        impl Condition {
            /// Every condition, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its row.
            pub fn row(self) -> Row {
                match self {
                    $(Self::$variant => Row {
                        code: stringify!($code),
                        meaning: $meaning,
                        person: $person,
                        by_itself: $by_itself,
                        limit: $limit,
                        under_way: $under_way,
                    },)*
                }
            }
        }
    };
}

conditions! {
    RackSilent RACK_SILENT {
        meaning: "No rack agent that serves the machine has been heard for 90 seconds. Its clocks stand still: nothing runs out while nobody can tell.",
        person: "Look at the rack agent's host and at the network between it and musterd; `muster status` names the agent and when it was last heard.",
        by_itself: "Goes on where it stood as soon as the agent is heard; every limit counts anew from there.",
        limit: Limit::None,
        under_way: true,
    }
    BmcSilent BMC_SILENT {
        meaning: "The machine's BMC does not answer.",
        person: "Check the BMC's address in the fleet, its cable and its power; a BMC that hangs often needs its machine unplugged.",
        by_itself: "The power order is repeated, at first after half a minute, later once in half an hour.",
        limit: Limit::None,
        under_way: false,
    }
    BmcCredentials BMC_CREDENTIALS {
        meaning: "The BMC refuses the account or its password. It is not tried often, so that the account is not locked.",
        person: "Correct the secret that the machine's `bmc.secret` names.",
        by_itself: "The power order is repeated once in half an hour, and as soon as the secret says something else.",
        limit: Limit::None,
        under_way: false,
    }
    BmcRefused BMC_REFUSED {
        meaning: "The BMC answers, but will not or cannot do what it is asked, or answers what nobody can read.",
        person: "Read the evidence; log in to the BMC and try the same there. A BMC reset often helps.",
        by_itself: "The power order is repeated, at first after half a minute, later once in half an hour.",
        limit: Limit::None,
        under_way: false,
    }
    PowerByHand POWER_BY_HAND {
        meaning: "The machine has no BMC, so that a person has to switch it.",
        person: "Do what the evidence says: switch the machine off, or on. That it is off nobody sees: where a slot waits for it, say so with `muster machine fenced MACHINE --reason …`.",
        by_itself: "Goes on as soon as the machine is seen to boot.",
        limit: Limit::None,
        under_way: true,
    }
    PowerDrift POWER_DRIFT {
        meaning: "The machine was switched by someone else: a deployed one is off, or an idle one is on. This is shown and not fought, unless git says `power = \"on\"`; a deployed machine of which it says `power = \"off\"` may be off.",
        person: "Switch it back (`muster machine power`), or leave it: nothing waits for it. `muster drift --accept` writes what git would say of it.",
        by_itself: "Ends when the machine is seen as wanted. One with `power = \"on\"` is switched on again, ever less often, at most five times a day.",
        limit: Limit::None,
        under_way: false,
    }
    PowerOrdered POWER_ORDERED {
        meaning: "A person ordered the machine's power with `muster machine power`, and it stands as ordered; this is not fought.",
        person: "Order it back when you are done: `muster machine power MACHINE on` (or `off` for an idle machine).",
        by_itself: "Nothing. It ends with another such order, when the machine is switched some other way, and with a commit that wants something else of the machine.",
        limit: Limit::None,
        under_way: false,
    }
    WaitingForRack WAITING_FOR_RACK {
        meaning: "An order is on its way: a rack agent has not yet taken it. No power is switched before every live boot agent knows what the machine shall boot.",
        person: "If it lasts, look at the agent that the evidence names.",
        by_itself: "Goes on when the agents have taken it; a refused order is repeated after a minute.",
        limit: Limit::None,
        under_way: true,
    }
    Powering POWERING {
        meaning: "A power order is being carried out by the BMC.",
        person: "Nothing; a BMC takes seconds to a few minutes.",
        by_itself: "Repeated when the agent gives up, or after the limit.",
        limit: Limit::Minutes(5),
        under_way: true,
    }
    NoBoot NO_BOOT {
        meaning: "The machine is powered on and nothing was heard of it on its boot network: it never asked for an address.",
        person: "Check the boot order (network first), the cable and the MAC address in the fleet, and look at its console.",
        by_itself: "Power-cycled and tried again, ever less often, at least once in an hour.",
        limit: Limit::BootTimeouts(1),
        under_way: true,
    }
    Booting BOOTING {
        meaning: "The machine is booting from the network; the in-machine agent is not up yet.",
        person: "Nothing; if it lasts, the evidence says how far it came, and its console says why.",
        by_itself: "After the limit without news it is power-cycled and tried again.",
        limit: Limit::BootTimeouts(1),
        under_way: true,
    }
    Commissioning COMMISSIONING {
        meaning: "The machine is being inspected.",
        person: "Nothing.",
        by_itself: "Ends with its inventory; after the limit without news it is power-cycled and tried again.",
        limit: Limit::Minutes(10),
        under_way: true,
    }
    JobRunning JOB_RUNNING {
        meaning: "The machine is being installed.",
        person: "Nothing; the evidence is the step and how far it is.",
        by_itself: "Ends with the installation; after the limit without news it is power-cycled and tried again.",
        limit: Limit::Minutes(10),
        under_way: true,
    }
    Erasing ERASING {
        meaning: "The disks of the machine's ended deployment are being erased.",
        person: "Nothing; the evidence is the step and how far it is.",
        by_itself: "Ends with a record for each disk; after the limit without news the machine is power-cycled and tried again.",
        limit: Limit::Minutes(10),
        under_way: true,
    }
    EraseFailed ERASE_FAILED {
        meaning: "A disk could not be erased, or held data where it had been erased. Its machine is not Ready, and its binding keeps its slot, its disks and its addresses.",
        person: "Read the evidence: it names the disk. Take it out or leave it, and name it in `keep` of the entry that removes it: the others are erased, and it is not asked for any more.",
        by_itself: "Tried again up to three times.",
        limit: Limit::None,
        under_way: false,
    }
    JobStalled JOB_STALLED {
        meaning: "A job said nothing for longer than its limit and was given up.",
        person: "Look at the machine's console. A change of the machine's intent in git starts it anew.",
        by_itself: "Tried again up to three times with a power cycle in between; an inspection without end.",
        limit: Limit::None,
        under_way: false,
    }
    StepFailed STEP_FAILED {
        meaning: "A step of a job failed.",
        person: "Read the evidence. After correcting the cause, a change of the machine's intent in git (the reinstall epoch, for one) starts it anew.",
        by_itself: "Tried again up to three times; an inspection without end.",
        limit: Limit::None,
        under_way: false,
    }
    UnexpectedContents UNEXPECTED_CONTENTS {
        meaning: "A disk that was to be erased holds something that nobody agreed to erase, or part of an array or a volume group that is also on a disk which is not to be erased. Nothing was written.",
        person: "Look at what is there. If it may go, add the `consent` line that the evidence names in git, to the machine or to the entry that removes it; otherwise choose other disks, or, where an entry removes it, name the disk in `keep` there. Deleting a partition table does not make a disk blank, `blkdiscard` does. Take an array or a group apart, or have its other disks in the layout too; a group that only has the name of one in the layout can be renamed.",
        by_itself: "The machine is inspected again, once, and planned with what is found.",
        limit: Limit::None,
        under_way: false,
    }
    DiskMissing DISK_MISSING {
        meaning: "A disk that the plan names is not in the machine, or is not what it was.",
        person: "Put it back and raise the machine's `inspect` in git, or change the layout; where an entry removes it and the disk is lost, name it in `keep` there.",
        by_itself: "The machine is inspected again, once, and planned with what is found.",
        limit: Limit::None,
        under_way: false,
    }
    ImageDigestMismatch IMAGE_DIGEST_MISMATCH {
        meaning: "The image's bytes are not those that the fleet names.",
        person: "Find out which of the two is right: the `sha256` in git or the file at its source. If both are, a rack agent's copy had rotted: raise the deployment's `reinstall`.",
        by_itself: "Nothing is written again. The rack agent that served the bytes verifies its copy, and fetches it again if it has rotted. A source that gave other bytes is asked again after pauses that grow to 15 minutes, as the evidence says, and at once when a commit names another.",
        limit: Limit::None,
        under_way: false,
    }
    ImageUnavailable IMAGE_UNAVAILABLE {
        meaning: "The image could not be had from its source.",
        person: "Check the image's `source`, or upload it with `muster image add`.",
        by_itself: "The job is tried up to three times. A source that failed is asked again after pauses that grow to 15 minutes, as the evidence says, and at once when a commit names another.",
        limit: Limit::None,
        under_way: false,
    }
    LayoutDoesNotFit LAYOUT_DOES_NOT_FIT {
        meaning: "The storage layout or the network layout does not fit what the machine has.",
        person: "Correct the layout that the evidence names, or choose another for this machine. After its hardware was changed, raise its `inspect` in git.",
        by_itself: "Planned again with each new inventory.",
        limit: Limit::None,
        under_way: false,
    }
    LessThanExpected LESS_THAN_EXPECTED {
        meaning: "The inspection found less in the machine than its `expect` in git says: a processor, memory or a disk is missing or another.",
        person: "Repair the machine and raise its `inspect`, or correct `expect`.",
        by_itself: "Planned again with each new inventory.",
        limit: Limit::None,
        under_way: false,
    }
    NotCarriedOut NOT_CARRIED_OUT {
        meaning: "Git says something of this machine, or of what it is part of, that this version understands but does not carry out. Doing the rest of it would be another wish than the one that was reviewed, so the machine is left as it is.",
        person: "Take it out of git, or run a version that carries it out: `muster explain --list` shows what is waiting.",
        by_itself: "Planned again with each commit.",
        limit: Limit::None,
        under_way: false,
    }
    FirstBoot FIRST_BOOT {
        meaning: "The system is installed and boots for the first time from its own disk.",
        person: "Nothing; if it lasts, look at its console.",
        by_itself: "Ends when the system phones home from a disk that was installed.",
        limit: Limit::BootTimeouts(2),
        under_way: true,
    }
    NotSeenAfterInstall NOT_SEEN_AFTER_INSTALL {
        meaning: "The system was installed and has not been seen to run. The machine is left alone: after an installation nothing is written again without a new intent.",
        person: "Look at the machine's console: is it at a boot loader, another disk, a login? If it shall be installed again, raise its `reinstall` epoch in git.",
        by_itself: "Ends if the system phones home after all.",
        limit: Limit::None,
        under_way: false,
    }
    IdentityAmbiguous IDENTITY_AMBIGUOUS {
        meaning: "It is not certain which machine this is: its evidence (system UUID, serial number, MAC addresses) agrees in less than two kinds, contradicts itself, or fits several machines. Nothing disruptive is done.",
        person: "Compare the machine's entry in git with the evidence, and correct its `serial` or MAC addresses.",
        by_itself: "Planned again with each new inventory.",
        limit: Limit::None,
        under_way: false,
    }
    IdentityChanged IDENTITY_CHANGED {
        meaning: "The machine that asked to be written is not the one that was planned: a board, a serial number or interfaces changed. Nothing was written.",
        person: "Compare the evidence with the entry in git; after a board was replaced, correct the entry and raise its `inspect`.",
        by_itself: "The machine is inspected again, once, and planned with what is found.",
        limit: Limit::None,
        under_way: false,
    }
    StateRestored STATE_RESTORED {
        meaning: "An agent or a marker knows of something that this database does not: it was restored from a backup. Nothing is ordered.",
        person: "Run `muster recover` after making sure that no other musterd runs for this fleet.",
        by_itself: "Nothing.",
        limit: Limit::None,
        under_way: false,
    }
    Budget BUDGET {
        meaning: "As many machines as may are already booting, being erased, or out of service, at once.",
        person: "Nothing; the evidence says who is before it. A machine that failed, or went off, keeps its place in a rolling change until someone looks.",
        by_itself: "Goes on when a place is free.",
        limit: Limit::None,
        under_way: false,
    }
    BudgetHalted BUDGET_HALTED {
        meaning: "A budget is halted: as many of its machines have failed as its `halt-after-failures` says. Nothing more is begun, also when those machines are well again.",
        person: "Look at the machines that the evidence names, then say that it shall go on: `muster resume --scope budget:NAME --seen N --reason ...`, with the number that `muster status` gives. Failures up to that one do not count any more; what failed since does.",
        by_itself: "Nothing. What was begun goes on to its end.",
        limit: Limit::None,
        under_way: false,
    }
    DecidedTooLate DECIDED_TOO_LATE {
        meaning: "musterd needs longer than a minute from its look at the world to what it decided by it. By then windows, limits and machines may stand otherwise, so nothing that needs a grant is begun.",
        person: "Look at the load of musterd's host and of its database: `muster status` says how long it took, and the log how often. A fleet of 10,000 machines is looked at within seconds.",
        by_itself: "It looks and decides anew, for as long as it takes. What needs no grant goes on.",
        limit: Limit::None,
        under_way: false,
    }
    WindowClosed WINDOW_CLOSED {
        meaning: "The window of a budget is closed: nothing may be begun at this time.",
        person: "Wait, or change the budget's `window` in git. The evidence says when it opens.",
        by_itself: "Begins when the window opens. What was begun before it closed goes on to its end.",
        limit: Limit::None,
        under_way: false,
    }
    EarlierWave EARLIER_WAVE {
        meaning: "Machines of an earlier wave of the budget do not run as wanted yet.",
        person: "Look at the machines that the evidence names. One that cannot be repaired has to leave its slot before the change goes on.",
        by_itself: "Begins when every machine of the earlier waves runs as wanted.",
        limit: Limit::None,
        under_way: false,
    }
    Soaking SOAKING {
        meaning: "The machine of the budget that was finished last has not been well for as long as the budget's `soak` says.",
        person: "Nothing, or look at that machine: this is the time for it. `muster stop` keeps everything from going on.",
        by_itself: "Begins when that machine has been well for so long; a boot of it begins the time anew.",
        limit: Limit::None,
        under_way: false,
    }
    Canary CANARY {
        meaning: "The machine is in use and is to run an image or a storage layout that no machine of the fleet has been seen to run well: another one is the first.",
        person: "Look at the machine that the evidence names. If it failed, repair it or give it something else to run in git: then the next one is the first.",
        by_itself: "Begins when that machine has phoned home, and has been well for as long as the fleet's `canary.soak` says.",
        limit: Limit::None,
        under_way: false,
    }
    RateLimited RATE_LIMITED {
        meaning: "As many machines as may lost data in use within the last hour: over the whole fleet (`limits.max-wiped-per-hour`), or by one rack agent, which counts for itself.",
        person: "Nothing; the evidence says whose limit it is. A rack agent's own is `--wipes-per-hour` on its host.",
        by_itself: "Begins when an hour has passed since one of them was begun. A machine that asked for its go in a full hour boots into its job again.",
        limit: Limit::None,
        under_way: false,
    }
    Quarantined QUARANTINED {
        meaning: "The machine leaves its slot and is off with its data: its disks are erased when it has been off for as long as its quarantine.",
        person: "To keep the machine, `git revert` the entry that ends its slot: it is switched on again as it was. To erase it now, say `quarantine = \"0s\"` in that entry.",
        by_itself: "The erasure begins when the time is over. A machine that was on in between is switched off, and the time begins anew; one that was switched on with `muster machine power` stays on until it is switched off.",
        limit: Limit::None,
        under_way: false,
    }
    Held HELD {
        meaning: "A hold or a stop keeps from the machine what would be done next: who made it, why and until when is in the evidence. A machine that asks for its go to write hears it too when no plan is adopted or another agent serves it.",
        person: "Wait, or end what the evidence names: `muster hold rm`, `muster resume`, or a commit for a hold that git declares. `muster hold ls` and `muster status` show all of them.",
        by_itself: "Goes on when the last of them is ended or its time is over.",
        limit: Limit::None,
        under_way: false,
    }
    RestartAwaited RESTART_AWAITED {
        meaning: "A machine that muster does not restart, since it is only observed or was adopted, is to be inspected: the next time it boots from the network it is, and goes on to its own disk. Nothing is written.",
        person: "Restart it when it suits, from within or with `muster machine power MACHINE cycle`. Firmware that starts the disk first has to be told to boot from the network this once.",
        by_itself: "Goes on when the machine boots from the network.",
        limit: Limit::None,
        under_way: false,
    }
    AdoptionWaits ADOPTION_WAITS {
        meaning: "Git says that a machine has a slot as it is, and it cannot be adopted yet: nobody has seen its disks, they are blank, there is no slot for it, or it is not as git says. It is left alone.",
        person: "Do what the evidence says: let it be inspected (raise `inspect`, and restart it yourself), or put right what git says of it.",
        by_itself: "Planned again with its inventory, and with each commit.",
        limit: Limit::None,
        under_way: false,
    }
    AdoptedChanged ADOPTED_CHANGED {
        meaning: "A disk of an adopted machine holds something else than when it was adopted. Nothing is done for that.",
        person: "Look at what changed. If it is meant, nothing needs to be done; to record what the disks hold now, say `manage = \"observe\"` and take the machine out of its deployment in one commit, and adopt it again in the next.",
        by_itself: "Nothing.",
        limit: Limit::None,
        under_way: false,
    }
    OnlyObserved ONLY_OBSERVED {
        meaning: "Git wants something of a machine and says `manage = \"observe\"` of it as well: nothing is done with it.",
        person: "Take `manage = \"observe\"` away, or take back what is wanted of it; to keep the system that it runs, adopt it (`muster adopt`).",
        by_itself: "Planned again with each commit.",
        limit: Limit::None,
        under_way: false,
    }
    MarkedByAnother MARKED_BY_ANOTHER {
        meaning: "The machine bears the mark of ownership of another control plane, or one that cannot be read, and git wants something of it. Nothing is done with it: it is not adopted, installed, erased or switched.",
        person: "Ask whoever runs the control plane that the evidence names. If the machine is to stay theirs, take it out of git here and name it in `removed.machine`: its slot ends, and nothing is done to it. If they let it go, have them take their mark away (`mark` taken out of their git, and an inspection) and raise `inspect` here. If nobody runs that control plane any more, or it was this one before its database was made anew, say `mark = true` and `taken-from` with the id in the evidence: the next inspection replaces the mark.",
        by_itself: "Planned again with each inspection and each commit.",
        limit: Limit::None,
        under_way: false,
    }
    MarkNotLeft MARK_NOT_LEFT {
        meaning: "Git asks for a mark of ownership on a machine that cannot bear one: it boots by BIOS, which has no variables, or its firmware shows none or does not take it. Nothing waits for that; another control plane does not see that the machine is this one's.",
        person: "Where the firmware can boot by UEFI, have it do so, and say `boot.mode = \"uefi\"`. Where it does not take the mark, its variables are often full: look at them with `efivar --list`. Otherwise take `mark` out of git for it.",
        by_itself: "Tried again at each inspection.",
        limit: Limit::None,
        under_way: false,
    }
    Orphaned ORPHANED {
        meaning: "The machine is bound and git no longer says so. It is left running.",
        person: "Put the entry back, or add a `removed` entry if it shall go.",
        by_itself: "Nothing.",
        limit: Limit::None,
        under_way: false,
    }
    NameInUse NAME_IN_USE {
        meaning: "The host name that the machine shall have is still that of another, which leaves its slot. Two systems of one name are never meant to run.",
        person: "See what the other one waits for: `muster why` with its name, as the evidence says it. Or put `{slot}` into the deployment's `hostname`.",
        by_itself: "Planned again as soon as the other one has left.",
        limit: Limit::None,
        under_way: false,
    }
    TooFewMachines TOO_FEW_MACHINES {
        meaning: "A deployment counts more machines than can be had. Its other slots are filled.",
        person: "Read why each machine is refused; declare more machines, require less, or count fewer.",
        by_itself: "Planned again with each new inventory and each commit; a free slot goes to the first machine that does.",
        limit: Limit::None,
        under_way: false,
    }
    NoLongerFits NO_LONGER_FITS {
        meaning: "The machine has a slot of a deployment that counts, and is no longer what that requires. It is left where it is.",
        person: "Nothing, or have another machine take its place: name it in the deployment's `release`.",
        by_itself: "Nothing: requirements are read when a slot is filled.",
        limit: Limit::None,
        under_way: false,
    }
    Uneven UNEVEN {
        meaning: "A deployment's machines stand less evenly than its `spread` allows. They are left where they are.",
        person: "Nothing, or name machines of the fullest place in the deployment's `release`: others take their slots where there are fewest.",
        by_itself: "Nothing: spread is read when a slot is filled. New slots are filled where there are fewest.",
        limit: Limit::None,
        under_way: false,
    }
    NoImageForJobs NO_IMAGE_FOR_JOBS {
        meaning: "The fleet names no ephemeral system, so that no job can run.",
        person: "Add the image with `muster image add` and name it as the fleet's `ephemeral`.",
        by_itself: "Goes on with the next adopted plan that names one.",
        limit: Limit::None,
        under_way: false,
    }
    DisksKept DISKS_KEPT {
        meaning: "Disks keep their contents. A `removed` entry asks for them to be erased, and no deployment of ours stood on any disk of the machine: only what a binding wrote is erased. Or the machine goes by `release-order`, which says nothing of disks.",
        person: "Erase them yourself if they must be, or deploy something to the machine and remove that. Before a machine that goes by `release-order` is off, the deployment's `release` can name it, with `disks = \"quick\"`.",
        by_itself: "Nothing.",
        limit: Limit::None,
        under_way: false,
    }
    ReinstallLowered REINSTALL_LOWERED {
        meaning: "The `reinstall` epoch in git is lower than the one that was carried out. Only a higher one acts: a revert undoes no installation.",
        person: "Nothing, or raise the epoch above the one that the evidence names to have the machines installed again.",
        by_itself: "Nothing.",
        limit: Limit::None,
        under_way: false,
    }
    PlanChangedSinceShown PLAN_CHANGED_SINCE_SHOWN {
        meaning: "The plan would erase contents that were not in the plan that people saw before this commit arrived; or new facts alone, without a commit, would make it erase what is neither blank nor consented to.",
        person: "A revision: look at its plan, and approve it with `muster approve` or carry it out with `muster apply PLAN`. A machine: add the `consent` line that the evidence names to it in git, or commit another change whose plan shows it.",
        by_itself: "Nothing.",
        limit: Limit::None,
        under_way: false,
    }
    ApprovalsMissing APPROVALS_MISSING {
        meaning: "The plan releases machines or erases disks that are not blank, and fewer people agreed to it than the fleet's `approvals` ask for.",
        person: "Have as many people as are missing look at the plan and run `muster approve`. Who wrote a part of the change does not count, nor does who is not in the role.",
        by_itself: "Goes on with the last word that was missing.",
        limit: Limit::None,
        under_way: false,
    }
    LimitExceeded LIMIT_EXCEEDED {
        meaning: "The plan would release or erase more machines than the fleet's `limits` allow.",
        person: "If that was not the intention, look for the one cause that the plan names. If it was, split the change, or raise `limits` in a commit of its own, and push this once that is carried out.",
        by_itself: "Nothing; the last adopted plan stays.",
        limit: Limit::None,
        under_way: false,
    }
    Protected PROTECTED {
        meaning: "The plan would release or erase a machine that is protected, or was until this very commit.",
        person: "Take the protection away in a commit of its own, then change the machine.",
        by_itself: "Nothing; the last adopted plan stays.",
        limit: Limit::None,
        under_way: false,
    }
    FleetShrank FLEET_SHRANK {
        meaning: "The commit names no machine at all, or, where there were at least `limits.min-population` (20) before, more than a fifth fewer, without saying that they were removed.",
        person: "Look whether files are missing in the commit. Machines that are really gone get a `removed.machine` entry.",
        by_itself: "Nothing; the last adopted plan stays.",
        limit: Limit::None,
        under_way: false,
    }
}

impl Condition {
    /// The stable code.
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The condition of this code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|condition| condition.code() == code)
    }

    /// Its page in `docs/conditions/`, as Markdown.
    pub fn page(self) -> String {
        let row = self.row();
        let limit = match row.limit {
            Limit::None => "None.".to_owned(),
            limit @ (Limit::Minutes(_) | Limit::BootTimeouts(_)) => format!("{limit} without news."),
        };
        format!(
            "# {}\n\n{}\n\n## What you can do\n\n{}\n\n## What happens by itself\n\n{}\n\n## Limit\n\n{limit}\n",
            row.code, row.meaning, row.person, row.by_itself
        )
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A code that names no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a condition's code")]
pub struct UnknownCondition(String);

impl FromStr for Condition {
    type Err = UnknownCondition;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        Self::parse(code).ok_or_else(|| UnknownCondition(code.chars().take(80).collect()))
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
