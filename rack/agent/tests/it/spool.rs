//! The spool on the agent's disk, and what becomes of facts when that disk is not what it was.

use crate::{
    dhcp::RANGE,
    rack::{Rack, desired, mac},
};
use rack_api::{config::Enlist, fact::FactBody};
use schema_ids::Mac;
use std::{collections::BTreeMap, fs};

/// How often the daemon was told of a lease, by client.
fn leases(rack: &Rack) -> BTreeMap<Mac, usize> {
    let mut leases = BTreeMap::new();
    for fact in rack.daemon.facts() {
        if let FactBody::Leased { mac, .. } = fact {
            *leases.entry(mac).or_default() += 1;
        }
    }
    leases
}

fn refusals(rack: &Rack) -> Option<u32> {
    rack.daemon.state.lock().unwrap().refusals
}

/// A new client gets a lease, also from an agent that has only just been started.
fn lease(rack: &Rack, client: u8) {
    rack.set_mac(mac(client));
    rack.await_true("the client has a lease", |rack| rack.dhcp("nic0", &[]).is_some());
}

fn await_leases(rack: &Rack, clients: impl Iterator<Item = u8>) {
    let wanted: BTreeMap<Mac, usize> = clients.map(|client| (mac(client), 1)).collect();
    rack.await_true("every lease is told", |rack| {
        wanted.keys().all(|mac| leases(rack).contains_key(mac))
    });
    assert_eq!(leases(rack), wanted, "each is told once");
}

#[test]
fn a_restored_spool_loses_no_fact_and_tells_none_twice() {
    let mut rack = Rack::start(desired(Enlist::Known, RANGE));
    let (spool, copy) = (rack.path("state/spool.jsonl"), rack.path("copy"));
    lease(&rack, 21);
    await_leases(&rack, 21..=21);
    // The copy holds a fact that was not acknowledged when it was made.
    rack.stop_daemon();
    lease(&rack, 22);
    rack.stop_agent();
    fs::copy(&spool, &copy).unwrap();
    rack.start_daemon();
    rack.start_agent();
    lease(&rack, 23);
    await_leases(&rack, 21..=23);
    rack.stop_agent();

    // The disk as it was then, and new facts under the numbers of others.
    fs::copy(&copy, &spool).unwrap();
    rack.stop_daemon();
    rack.daemon.state.lock().unwrap().refusals = Some(0);
    rack.start_agent();
    lease(&rack, 24);
    lease(&rack, 25);
    rack.start_daemon();
    await_leases(&rack, 21..=25);
    assert_eq!(refusals(&rack), Some(1), "told once, the agent knows");

    // The new numbers are on its disk.
    rack.kill_agent();
    rack.start_agent();
    lease(&rack, 26);
    await_leases(&rack, 21..=26);
    assert_eq!(refusals(&rack), Some(1));
}

#[test]
fn a_lost_spool_is_numbered_on() {
    let mut rack = Rack::start(desired(Enlist::Known, RANGE));
    lease(&rack, 21);
    await_leases(&rack, 21..=21);
    rack.stop_agent();
    fs::remove_file(rack.path("state/spool.jsonl")).unwrap();
    rack.start_agent();
    lease(&rack, 22);
    await_leases(&rack, 21..=22);
}
