//! The fleet as a whole: one object that says what holds everywhere.

use crate::{
    decode::{Kind, Ref},
    kind::{KindRow, table, words},
    kinds::{image::Image, role::Role},
    span::{Origin, Spanned},
    value::{interval::Interval, path::RepositoryPath, percent::Percent, quarantine::Quarantine},
};

table! {
    /// How many people must agree, other than the author, before a plan is carried out.
    Approvals {
        /// To a plan that releases machines, or erases disks that are not blank.
        live destructive: u32 = 0,
        /// To a plan beyond the fleet's limits.
        live mass_destructive: u32 = 0,
        /// The role they must have. Without it, that of any role which allows `approve`, and where there is none, anyone.
        live role: Option<Ref<Role>>,
    }
}

table! {
    /// The fleet as a whole; there is exactly one.
    FleetSettings {
        /// Version of the language; 1.
        live schema: Spanned<u32>,
        /// Domain under which machines get their names.
        live domain: Option<String>,
        /// What the daemon reads.
        live git: Git,
        /// What one plan may destroy at most.
        live limits: Limits,
        /// Whether a revision whose plan nobody was shown may erase disks that are not blank.
        live unreviewed: Unreviewed = Unreviewed::Approve,
        /// The netboot image in which machines are inspected, erased and installed.
        live ephemeral: Ref<Image>,
        /// What becomes of machines and deployments that are no longer named.
        live deletion: Deletion = Deletion::Tombstone,
        /// How long a machine that leaves is kept off with its data before its disks are erased, where its entry does not say;
        /// `0s` is not at all. Without it, `7d` for what was protected as long as it has had its slot, and else not at all.
        live quarantine: Option<Quarantine>,
        /// Who must agree to plans that destroy something.
        live approvals: Option<Approvals>,
        /// How a new image or a new storage layout is tried on one machine first.
        live canary: Canary,
    }
}

table! {
    /// What the daemon reads.
    Git {
        /// The branch whose head is the fleet.
        live branch: String = "main".to_owned(),
        /// How often to look for a new revision.
        live poll: Interval = Interval::seconds(60),
        /// Which commits must be signed.
        live verify: Verify = Verify::Off,
        /// For `verify`: the file of the repository with those who may sign, as of the last applied revision
        /// (ssh-keygen(1), ALLOWED SIGNERS).
        live allowed_signers: Option<Spanned<RepositoryPath>>,
    }
}

table! {
    /// What one plan may destroy at most. Blank disks and disks a person agreed to erase do not count.
    Limits {
        /// Machines of which disks are erased, by one plan and within 24 hours.
        live max_destroyed: u32 = 3,
        /// The same as a share of all machines, in percent; it counts from `min-population` up.
        live max_destroyed_percent: u32 = 2,
        /// Machines from which on the percentage counts.
        live min_population: u32 = 20,
        /// The share of all machines that one plan may change at all, in percent; it counts from `min-population` up.
        live max_changed_percent: Option<Percent>,
        /// Machines whose data in use may begin to be erased within an hour, over all plans.
        live max_wiped_per_hour: u32 = 20,
    }
}

table! {
    /// The first machine of the fleet that runs a new image or a new storage layout is seen to run before another one
    /// that is in use is given over to the same.
    Canary {
        /// Whether it is so.
        live enabled: bool = true,
        /// How long it must have run; without one, that it runs is enough.
        live soak: Option<Interval>,
    }
}

words! {
    /// Which commits must be signed.
    Verify {
        /// None.
        Off = "off",
        /// Every commit of the branch itself: a merge counts for what it brings.
        SignedFirstParent = "signed-first-parent",
        /// Every commit.
        Strict = "strict",
    }
}

words! {
    /// What becomes of what is no longer named.
    Deletion {
        /// It keeps running as an orphan; only a `removed` entry ends it.
        Tombstone = "tombstone",
    }
    later {
        /// It is released. Never where it is protected.
        Absence = "absence",
    }
}

words! {
    /// What happens to a plan that would erase data and that nobody was shown.
    Unreviewed {
        /// It is carried out; for a lab.
        Allow = "allow",
        /// It waits until a person approves it.
        Approve = "approve",
    }
}

/// The row of this kind.
pub(crate) static ROW: KindRow = KindRow {
    name: FleetSettings::KIND,
    doc: "The fleet as a whole; there is exactly one.",
    fields: FleetSettings::FIELDS,
    carried_out: true,
    load: |name, node, span, decoder, draft| {
        if let Some(mut settings) = decoder.value::<FleetSettings>(node) {
            settings.origin = Origin::Git { span: span.clone() };
            draft.settings.get_or_insert((name, settings));
        }
    },
};

impl Kind for FleetSettings {
    const KIND: &'static str = "fleet";
}
