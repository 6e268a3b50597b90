//! Holds: what is left alone for now.

use crate::{
    kind::{kind, words},
    span::Spanned,
    value::selector::Selector,
};
use schema_ids::Timestamp;

kind! {
    /// Machines that are left alone until a time, whatever else is wanted of them.
    "hold" in holds (later): Hold {
        /// Which: `rack:ams1-r07`, `machine:web-*`, `fleet:acme`.
        live targets: Vec<Spanned<Selector>>,
        /// What is not done to them.
        live effect: HoldEffect = HoldEffect::NoDisruption,
        /// When it ends by itself.
        live until: Option<Spanned<Timestamp>>,
        /// Why, for the people who wait.
        live reason: String,
        /// The change or incident it belongs to.
        live ticket: Option<String>,
    }
}

words! {
    /// What is not done to machines that are held.
    HoldEffect {
        /// Nothing that takes them out of service: no installation, erasure, restart.
        NoDisruption = "no-disruption",
        /// No order at all, power included.
        NoOrders = "no-orders",
        /// No new slot is given to them.
        NoAllocation = "no-allocation",
    }
}
