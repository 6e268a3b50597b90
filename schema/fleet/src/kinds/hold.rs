//! Holds: what is left alone for now.
//!
//! What each effect stops of the orders that there are, and what becomes of a hold whose time is over, is decided in
//! `reconciler-core` (`hold`); holds that people make in haste are the same thing, kept by the daemon.

use crate::{
    kind::{kind, words},
    span::Spanned,
    value::selector::Selector,
};
use schema_ids::Timestamp;

kind! {
    /// Machines that are left alone until a time, whatever else is wanted of them.
    "hold" in holds: Hold {
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
    /// What is not done to machines that are held; what keeps something from them stands however many other holds
    /// there are.
    HoldEffect {
        /// No free machine is given a slot.
        NoAllocate = "no-allocate",
        /// No disk is written: no installation, no erasure.
        NoDestructive = "no-destructive",
        /// Nothing takes them out of service: no disk is written, and they are not switched or started anew.
        NoDisruption = "no-disruption",
        /// No order at all is given. They are still served and read.
        Freeze = "freeze",
    }
}
