//! The types of single values: each is parsed here, nowhere else, into a type that cannot be wrong.

pub(crate) mod at_least;
pub(crate) mod boot_timeout;
pub(crate) mod disk_count;
pub(crate) mod dns_name;
pub(crate) mod expression;
pub(crate) mod extent;
pub(crate) mod hardware;
pub(crate) mod hours;
pub(crate) mod interval;
pub(crate) mod path;
pub(crate) mod pattern;
pub(crate) mod percent;
pub(crate) mod quarantine;
pub(crate) mod replace_failed;
pub(crate) mod scalar;
pub(crate) mod selector;
pub(crate) mod share;
pub(crate) mod size;
pub(crate) mod slip;
pub(crate) mod source_url;
pub(crate) mod ssh_key;
pub(crate) mod template;
pub(crate) mod time_zone;
pub(crate) mod vlan_ref;

/// A text that is not what its type wants: the reason alone, as the label of a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(pub(crate) &'static str);
