//! The kinds of objects, one file each.
//!
//! A new kind is a file here, a line in `KINDS`, a map in `Fleet`.

pub(crate) mod budget;
pub(crate) mod deployment;
pub(crate) mod device;
pub(crate) mod disk_fate;
pub(crate) mod dns;
pub(crate) mod expect;
pub(crate) mod fabric;
pub(crate) mod fleet;
pub(crate) mod hold;
pub(crate) mod image;
pub(crate) mod machine;
pub(crate) mod marker;
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
pub(crate) mod role;
pub(crate) mod scope_limits;
pub(crate) mod script;
pub(crate) mod secret;
pub(crate) mod storage;
pub(crate) mod subnet;
pub(crate) mod tag;
pub(crate) mod zone;

use crate::kind::KindRow;

/// Every kind, in the order of the reference.
static KINDS: [&KindRow; 24] = [
    &fleet::ROW,
    &secret::ROW,
    &zone::ROW,
    &rack::ROW,
    &fabric::ROW,
    &subnet::ROW,
    &device::ROW,
    &dns::ROW,
    &pool::ROW,
    &tag::ROW,
    &role::ROW,
    &profile::ROW,
    &machine::ROW,
    &storage::ROW,
    &network::ROW,
    &image::ROW,
    &deployment::ROW,
    &script::ROW,
    &hold::ROW,
    &budget::ROW,
    &removed_machine::ROW,
    &removed_deployment::ROW,
    &moved_machine::ROW,
    &moved_deployment::ROW,
];

/// The whole language, as a table.
pub fn kinds() -> &'static [&'static KindRow] {
    &KINDS
}
