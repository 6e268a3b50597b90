//! Two agents on one link: each has a slice of the dynamic range, both know the same reservations, and one is
//! killed in the middle of an exchange.

use crate::rack::{Rack, desired, leased, mac};
use rack_api::config::Enlist;
use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    ops::Range,
    process::{Child, Stdio},
};

/// The slices, as the daemon cuts a range for two.
const SLICES: [(&str, &str); 2] = [("10.77.0.100", "10.77.0.149"), ("10.77.0.150", "10.77.0.199")];

/// These clients ask at once.
fn ask(rack: &Rack, clients: Range<u32>) -> Vec<Child> {
    let ask = |number| {
        let interface = format!("c{number}");
        let mut command = rack.dhcp_command(&interface, &[]);
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    clients.map(ask).collect()
}

/// What each of them got.
fn given(asked: Vec<Child>) -> Vec<Option<Ipv4Addr>> {
    let asked = asked.into_iter();
    asked
        .map(|client| leased(&client.wait_with_output().unwrap()))
        .collect()
}

#[test]
fn no_address_is_given_twice_though_one_agent_is_killed_between_offer_and_acknowledgement() {
    let mut first = Rack::start_to_fail(desired(Enlist::Known, SLICES[0]), "ack:5");
    let second = first.beside(desired(Enlist::Known, SLICES[1]));
    first.bridge(42);
    let ip = |rack: &Rack, words: &[&str]| assert!(rack.client("ip", words).status.success());
    // Five clients see the first agent alone. The fifth has its offer, and its lease is on that agent's disk.
    ip(&first, &["link", "set", "nic1", "down"]);
    let asked = ask(&first, 0..5);
    first.await_log("failpoint ack reached");
    ip(&first, &["link", "set", "nic1", "up"]);
    let mut all = given(asked);
    // A client that heard nothing of its choice gives up, as firmware does, and its next try finds the other.
    for (number, address) in (0..).zip(&mut all) {
        if address.is_none() {
            *address = first.dhcp(&format!("c{number}"), &[]);
        }
    }
    let own = all
        .iter()
        .flatten()
        .filter(|address| address.octets()[3] < 150)
        .count();
    // Acknowledgements go out in groups: those beside the fifth may be lost with it, up to all five.
    assert!(own < 5, "the fifth went on through the second agent: {all:?}");

    // The reservation is one and the same, whoever answers.
    let reserved = |rack: &Rack| rack.dhcp("c40", &[]);
    ip(&first, &["link", "set", "c40", "down"]);
    ip(&first, &["link", "set", "c40", "address", &mac(1).to_string()]);
    ip(&first, &["link", "set", "c40", "up"]);
    let wanted = Some(Ipv4Addr::new(10, 77, 0, 17));
    assert_eq!(reserved(&first), wanted, "from the second alone");

    // Back, the first holds what it had acknowledged, and the fifth lease too, of which nobody heard.
    first.restart_failed("ack");
    first.await_true("it has its word again", |rack| {
        rack.log().matches("new word of the daemon").count() > 1
    });
    all.extend(given(ask(&first, 5..40)));
    let distinct: BTreeSet<_> = all.iter().flatten().collect();
    assert_eq!(distinct.len(), 40, "{all:?}");
    assert_eq!(reserved(&first), wanted, "from either");
    drop(second);
}
