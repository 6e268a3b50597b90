//! The decisions that a run is made of, and the duties of the shells around them.
//!
//! Each method is what ships, or what a shell that ships is bound to do. A test that wants to know
//! whether the checker sees a bug overrides one of them; the simulator itself holds no bug to switch on.

use rack_api::config::Desired as RackDesired;
use rack_api::machine::{GoRequest, Verdict};
use rack_api::sync::{BootGoRequest, SyncRequest};
use rack_proto::boot;
use rack_proto::session::KeptSpool;
use reconciler_core::facts::{MachineFacts, WriteStart};
use reconciler_core::fence::{self, Ground};
use reconciler_core::observed::Observed;
use reconciler_core::plan::{self, Desired, Plan};
use reconciler_core::rack;
use reconciler_core::tick::{self, Tick};
use schema_ids::{Name, Timestamp};

/// What a run runs.
pub trait Code {
    /// Decides for the fleet.
    fn plan(&self, desired: &Desired<'_>, observed: &Observed, parent: &Plan, now: Timestamp) -> Plan {
        plan::plan(desired, observed, parent, now)
    }

    /// Decides one step of the control loop.
    fn tick(&self, world: &tick::World<'_>, now: Timestamp) -> Tick {
        tick::tick(world, now)
    }

    /// What is known of a machine, folded by `MachineFacts::fold`.
    fn known(&self, folded: MachineFacts) -> MachineFacts {
        folded
    }

    /// What a rack agent is to serve and to do.
    fn desired(&self, inputs: &rack::Inputs<'_>, agent: &Name) -> RackDesired {
        rack::desired(inputs, agent)
    }

    /// "May this machine boot its job now?"
    fn may_boot(&self, ground: &Ground<'_>, request: &BootGoRequest) -> bool {
        fence::may_boot(ground, request)
    }

    /// "May I write?"
    fn may_write(&self, ground: &Ground<'_>, request: &GoRequest) -> Verdict {
        fence::judge(ground, request)
    }

    /// What a machine gets that boots from the network.
    fn boot<'a>(&self, question: &boot::Question<'a>) -> boot::Decision<'a> {
        boot::decide(question)
    }

    /// The store's compare-and-set: what was decided by the plan `decided` is written only while that
    /// one is adopted.
    fn is_current(&self, decided: &str, adopted: &str) -> bool {
        decided == adopted
    }

    /// The store's compare-and-set: a plan takes the place of its own parent only.
    fn is_parent(&self, parent: &str, adopted: &str) -> bool {
        parent == adopted
    }

    /// The store's compare-and-set: no plan is adopted that changes a machine which was told that it may write in a
    /// later generation than the plan's snapshot knew of. `began` is the first of them.
    fn knows_goes(&self, began: Option<&Name>) -> bool {
        began.is_none()
    }

    /// The daemon's duty: a sync's facts are stored before they are acknowledged.
    fn stores_facts(&self, _: &SyncRequest) -> bool {
        true
    }

    /// The daemon's duty: the answer to "may I write?" is on record before it leaves.
    fn records(&self, _: &WriteStart) -> bool {
        true
    }

    /// The daemon's duty: who asks again hears what is on `record` for its nonce; but never a yes that
    /// would not be `judged` so now.
    fn word(&self, judged: WriteStart, record: WriteStart) -> WriteStart {
        if judged.refused.is_some() { judged } else { record }
    }

    /// The agent's duty: what was on its disk is there after a start.
    fn spool_kept(&self, spool: KeptSpool) -> KeptSpool {
        spool
    }
}

/// What ships.
#[derive(Debug, Clone, Copy)]
pub struct Shipped;

impl Code for Shipped {}
