//! Deployments: which machines run what.

use crate::{
    decode::Ref,
    kind::{kind, table, words},
    kinds::{
        budget::Budget,
        disk_fate::DiskFate,
        image::Image,
        machine::{Machine, Protect},
        network::Network,
        release::Release,
        require::Require,
        scope_limits::ScopeLimits,
        storage::Storage,
    },
    span::Spanned,
    value::{path::RepositoryPath, replace_failed::ReplaceFailed, ssh_key::SshKey, template::Template},
};

kind! {
    /// Machines that run one image in one way: those that are named, or so many of those that fit. Slots count
    /// from 1, in the order of `machines` or as they are filled.
    "deployment" in deployments: Deployment {
        /// For people.
        live description: Option<String>,
        /// The machines, one for each slot.
        wipe machines: Vec<Ref<Machine>>,
        /// How many machines, instead of naming them; 1 to 10000. A machine that has a slot keeps it.
        wipe count: Option<Spanned<u32>>,
        /// Machines that have their slots as they are: nothing is installed on them and nothing is written. Taken out
        /// again, an entry changes nothing of a machine that was adopted.
        live adopt: Vec<Adopt>,
        /// With `count`: what a machine must be to be given a slot. Read when a slot is filled, not later.
        live require: Option<Require>,
        /// With `count`: how evenly its machines are spread. Read when a slot is filled, not later.
        live spread: Option<Spread>,
        /// With `count`: who goes first when the count is lowered. Without it, nobody goes who is not named; who goes so
        /// keeps what is on its disks.
        wipe release_order: Option<ReleaseOrder>,
        /// With `count`: machines that give their slots back.
        wipe release: Option<Release>,
        /// The name each machine gives itself; `{slot}` and `{name}` stand for its own.
        next_deploy hostname: Spanned<Template>,
        /// What is installed.
        redeploy image: Ref<Image>,
        /// How disks are cut.
        wipe storage: Ref<Storage>,
        /// How interfaces are set up.
        next_deploy network: Ref<Network>,
        /// Public keys that may log in as the administrator.
        next_deploy ssh_keys: Vec<SshKey>,
        /// A file of the repository, given to the image's user-data mechanism.
        next_deploy user_data: Option<Spanned<RepositoryPath>>,
        /// Whether a change of image, storage or `reinstall` acts on running machines.
        live update_policy: UpdatePolicy = UpdatePolicy::Rolling,
        /// What may not be done to its machines. The last value that was in force counts.
        live protect: Option<Protect>,
        /// What may be destroyed at most of its machines.
        live limits: Option<ScopeLimits>,
        /// A number; raising it installs every machine again.
        redeploy reinstall: u64 = 0,
        /// How many of its machines may be out of service at once, and when. Without one, and where no budget selects
        /// them, one at a time.
        live budget: Option<Ref<Budget>>,
    }
    later {
        /// What becomes of the disks of a machine that leaves, where the entry that removes it does not say.
        live on_release: Option<Spanned<DiskFate>>,
        /// Further changes that act on running machines under `update-policy = "rolling"`, beside those of image,
        /// storage and `reinstall`.
        live update_on: Vec<UpdateOn>,
        /// With `count`: how long a machine may have failed before another gets its slot.
        live replace_failed: Option<ReplaceFailed>,
    }
}

table! {
    /// A machine that has its slot as it is. It is installed when a person raises `reinstall` and consents to what each
    /// of its disks holds.
    Adopt {
        /// The machine. Where the deployment names its machines, it is one of those.
        live machine: Ref<Machine>,
        /// With `count`: its slot, from 1; the lowest free one if it is not given.
        live slot: Option<Spanned<u32>>,
    }
}

table! {
    /// How evenly the machines of a deployment are spread.
    Spread {
        /// Over what.
        live by: Spanned<SpreadBy>,
        /// By how many machines the fullest may be ahead of the emptiest.
        live max_skew: u32 = 1,
    }
}

words! {
    /// Over what machines are spread.
    SpreadBy {
        /// Racks.
        Rack = "rack",
        /// Zones.
        Zone = "zone",
        /// Power feeds of their racks.
        PowerFeed = "power-feed",
    }
}

words! {
    /// A change that acts on running machines.
    UpdateOn {
        /// Kernel arguments: the machine is installed again.
        KernelArgs = "kernel-args",
        /// Network layout: the machine is installed again.
        Network = "network",
        /// SSH keys: the machine is installed again.
        SshKeys = "ssh-keys",
        /// User-data: the machine is installed again.
        UserData = "user-data",
    }
}

words! {
    /// Who goes first when a count is lowered.
    ReleaseOrder {
        /// The highest slots.
        Newest = "newest",
        /// Machines that are out of service, as budgets count them, and with which nothing goes on by itself; then the highest slots.
        UnhealthyFirst = "unhealthy-first",
    }
}

words! {
    /// Whether a change acts on running machines.
    UpdatePolicy {
        /// Yes, a few at a time, within budgets and limits.
        Rolling = "rolling",
        /// No: they are marked Outdated until a person acts.
        Manual = "manual",
    }
}
