//! Deployments: which machines run what.

use crate::{
    decode::Ref,
    kind::{kind, words},
    kinds::{
        image::Image,
        machine::{Machine, Protect},
        network::Network,
        storage::Storage,
    },
    span::Spanned,
    value::{path::RepositoryPath, ssh_key::SshKey, template::Template},
};

kind! {
    /// Machines that run one image in one way. Slots count from 1 in the order of `machines`.
    "deployment" in deployments: Deployment {
        /// For people.
        live description: Option<String>,
        /// The machines, one for each slot.
        wipe machines: Vec<Ref<Machine>>,
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
        /// A number; raising it installs every machine again.
        redeploy reinstall: u64 = 0,
    }
    later [
        "count", "require", "spread", "release", "budget", "on-release", "update-on",
        "release-order", "replace-failed",
    ]
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
