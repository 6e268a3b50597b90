//! The kinds of objects, one file each.
//!
//! A new kind is a file here, a line in `KINDS`, a map in `Fleet`.

pub(crate) mod deployment;
pub(crate) mod disk_fate;
pub(crate) mod fabric;
pub(crate) mod fleet;
pub(crate) mod image;
pub(crate) mod machine;
pub(crate) mod moved_deployment;
pub(crate) mod moved_machine;
pub(crate) mod network;
pub(crate) mod pool;
pub(crate) mod profile;
pub(crate) mod rack;
pub(crate) mod release;
pub(crate) mod removed_deployment;
pub(crate) mod removed_machine;
pub(crate) mod require;
pub(crate) mod secret;
pub(crate) mod storage;
pub(crate) mod subnet;
pub(crate) mod zone;

use crate::kind::KindRow;

/// Every kind, in the order of the reference.
static KINDS: [&KindRow; 17] = [
    &fleet::ROW,
    &secret::ROW,
    &zone::ROW,
    &rack::ROW,
    &fabric::ROW,
    &subnet::ROW,
    &pool::ROW,
    &profile::ROW,
    &machine::ROW,
    &storage::ROW,
    &network::ROW,
    &image::ROW,
    &deployment::ROW,
    &removed_machine::ROW,
    &removed_deployment::ROW,
    &moved_machine::ROW,
    &moved_deployment::ROW,
];

/// Kinds of the language that this version does not carry out.
pub(crate) const LATER: [&str; 6] = ["tag", "role", "script", "hold", "budget", "inventory"];

/// The whole language, as a table.
pub fn kinds() -> &'static [&'static KindRow] {
    &KINDS
}
