//! Which lease was on disk when its acknowledgement left, told by the kernel's side of it.

use crate::{
    dhcp::{RANGE, eight_at_once},
    rack::{Rack, desired},
    strace::{self, Call},
};
use rack_api::config::Enlist;
use rack_proto::dhcp::{Holding, LeaseChange};
use schema_ids::Mac;
use std::{collections::BTreeSet, fs, net::Ipv4Addr};

/// Which client got which address.
type Lease = (Mac, Ipv4Addr);

/// DHCP's message type 5 (RFC 2132 §9.6).
const ACK: u8 = 5;

#[test]
fn no_acknowledgement_leaves_before_the_sync_that_covers_its_lease() {
    let mut rack = Rack::start_traced(desired(Enlist::Known, RANGE), "trace");
    assert_eq!(eight_at_once(&rack).len(), 8);
    rack.stop_agent();
    rack.await_true("the trace is whole", |rack| {
        let trace = fs::read_to_string(rack.path("trace")).unwrap();
        trace.ends_with("+++ exited with 0 +++\n")
    });
    let mut calls = strace::read(&fs::read_to_string(rack.path("trace")).unwrap());

    let acknowledged = acknowledgements(&calls);
    let clients: BTreeSet<_> = acknowledged.iter().map(|(_, lease)| *lease).collect();
    assert_eq!(clients.len(), 8, "{acknowledged:?}");
    let syncs = calls.iter().filter(|call| is_journal_sync(&calls, call)).count();
    assert!(
        (1..8).contains(&syncs),
        "{syncs} syncs of the lease journal for 8 leases"
    );
    assert_eq!(too_early(&calls), []);
    // The same trace without the syncs accuses every acknowledgement: the test would see one.
    calls.retain(|call| !is_sync(call));
    assert_eq!(too_early(&calls).len(), acknowledged.len());
}

/// The acknowledgements that began to be sent before a sync that covers their lease had ended.
fn too_early(calls: &[Call]) -> Vec<Lease> {
    let written = lease_writes(calls);
    let is_covered = |(begun, lease): &(usize, Lease)| {
        written.iter().any(|(write, leases)| {
            leases.contains(lease) && synced(calls, write).is_some_and(|at| at < *begun)
        })
    };
    let sent = acknowledgements(calls);
    let early = sent.into_iter().filter(|sent| !is_covered(sent));
    early.map(|(_, lease)| lease).collect()
}

/// When what a call wrote was on disk under the journal's name.
fn synced(calls: &[Call], write: &Call) -> Option<usize> {
    let after = |before: usize, is: &dyn Fn(&Call) -> bool| {
        let mut later = calls
            .iter()
            .filter(|call| call.thread == write.thread && call.begun > before && is(call));
        later.next().and_then(|call| call.done)
    };
    let file = after(write.done?, &|call| is_sync(call) && call.file == write.file)?;
    let Some(stem) = write.file.strip_suffix("leases.new") else {
        return Some(file);
    };
    // A rewriting counts once the new file has its name, and the name is on disk.
    let renamed = after(file, &|call| {
        call.name.starts_with("rename") && call.bytes == write.file.as_bytes()
    })?;
    after(renamed, &|call| {
        is_sync(call) && format!("{}/", call.file) == stem
    })
}

/// Every acknowledgement with the place where its sending began.
fn acknowledgements(calls: &[Call]) -> Vec<(usize, Lease)> {
    let sends = calls.iter().filter(|call| call.name.starts_with("send"));
    sends
        .filter_map(|call| Some((call.begun, acknowledgement(&call.bytes)?)))
        .collect()
}

/// Reads a server's packet (RFC 2131 §2); absent if it is anything but an acknowledgement.
fn acknowledgement(packet: &[u8]) -> Option<Lease> {
    let mut options = packet
        .strip_prefix(&[2])?
        .get(235..)?
        .strip_prefix(&[99, 130, 83, 99])?;
    while let [code, length, rest @ ..] = options {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if (*code, value) == (53, &[ACK]) {
            let address: [u8; 4] = packet[16..20].try_into().ok()?;
            return Some((Mac::new(packet[28..34].try_into().ok()?)?, address.into()));
        }
        options = rest;
    }
    None
}

/// The writes to the lease journal, with the leases in each.
fn lease_writes(calls: &[Call]) -> Vec<(&Call, Vec<Lease>)> {
    let lease = |line: &str| match serde_json::from_str::<LeaseChange>(line).unwrap() {
        LeaseChange {
            address,
            to: Holding::Leased { mac, .. },
            ..
        } => Some((mac, address)),
        _ => None,
    };
    let leases = |call: &Call| {
        let text = std::str::from_utf8(&call.bytes).unwrap();
        text.lines().filter_map(lease).collect()
    };
    let writes = calls.iter().filter(|call| {
        call.name.contains("write")
            && ["/leases.jsonl", "/leases.new"]
                .iter()
                .any(|name| call.file.ends_with(name))
    });
    writes.map(|call| (call, leases(call))).collect()
}

fn is_sync(call: &Call) -> bool {
    call.name == "fsync" || call.name == "fdatasync"
}

/// The journal has a thread of its own: whatever that thread syncs, it syncs for leases.
fn is_journal_sync(calls: &[Call], call: &Call) -> bool {
    let written = lease_writes(calls);
    is_sync(call) && written.iter().any(|(write, _)| write.thread == call.thread)
}
