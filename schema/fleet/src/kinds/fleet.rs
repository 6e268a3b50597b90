//! The fleet as a whole: one object that says what holds everywhere.

use crate::{
    decode::{Kind, Ref},
    kind::{KindRow, table, words},
    kinds::image::Image,
    span::{Origin, Spanned},
    value::interval::Interval,
};

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
    }
    later ["deletion", "approvals"]
}

table! {
    /// What the daemon reads.
    Git {
        /// The branch whose head is the fleet.
        live branch: String = "main".to_owned(),
        /// How often to look for a new revision.
        live poll: Interval = Interval::seconds(60),
    }
    later ["verify", "allowed-signers"]
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
    }
    later ["max-changed-percent"]
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
