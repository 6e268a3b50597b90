//! The agent killed at the places where it matters, and started again.

use crate::{
    dhcp::RANGE,
    rack::{Rack, SERVER, desired, mac},
};
use rack_api::{config::Enlist, fact::FactBody, rack_path};
use std::{fs, net::Ipv4Addr};

#[test]
fn killed_between_sync_and_acknowledgement_the_client_gets_the_same_address() {
    let mut rack = Rack::start_to_fail(desired(Enlist::Known, RANGE), "ack");
    rack.set_mac(mac(21));
    let wanted = ["-r", "10.77.0.105", "-t", "2", "-T", "1"];
    assert_eq!(rack.dhcp("nic0", &wanted), None, "no acknowledgement left");
    rack.restart_failed("ack");
    // Nobody else gets it, though its client never heard of it.
    rack.set_mac(mac(22));
    rack.await_true("the agent serves", |rack| rack.dhcp("nic0", &wanted).is_some());
    assert_ne!(rack.dhcp("nic0", &wanted), Some(Ipv4Addr::new(10, 77, 0, 105)));
    rack.set_mac(mac(21));
    assert_eq!(rack.dhcp("nic0", &[]), Some(Ipv4Addr::new(10, 77, 0, 105)));
}

#[test]
fn killed_with_a_fact_in_the_spool_it_is_told_once() {
    let mut rack = Rack::start_to_fail(desired(Enlist::Known, RANGE), "fact");
    rack.set_mac(mac(21));
    // It may hear of its lease or not: the fact goes to the disk at its own pace.
    let _heard = rack.dhcp("nic0", &["-t", "2", "-T", "1"]);
    rack.restart_failed("fact");
    rack.await_true("it is told", |rack| !rack.daemon.facts().is_empty());
    let is_lease = |fact: &FactBody| matches!(fact, FactBody::Leased { mac: of, .. } if *of == mac(21));
    let told = rack.daemon.facts();
    assert!(told.len() == 1 && is_lease(&told[0]), "{told:?}");
}

#[test]
fn killed_while_streaming_an_image_the_machine_reads_the_rest() {
    let mut wanted = desired(Enlist::Known, RANGE);
    let image: Vec<u8> = (0..8 << 20_u32).flat_map(u32::to_le_bytes).collect();
    let mut rack = Rack::start_to_fail(wanted.clone(), "streaming");
    let digest = rack.daemon.keep(&image);
    wanted.config.artefacts = [digest].into();
    rack.daemon.want(wanted);
    // Evidence is kept of machines only: this one's address is reserved for it.
    rack.client("ip", &["addr", "replace", "10.77.0.17/24", "dev", "nic0"]);
    let url = format!("http://{SERVER}:8080{}{}", rack_path::ARTEFACT, digest.hex());
    let read = |rack: &Rack, options: &[&str]| {
        let mut all = vec![
            "-sS",
            "--max-time",
            "60",
            "--interface",
            "10.77.0.17",
            "-o",
            "image",
            &url,
        ];
        all.extend(options);
        rack.client("curl", &all).status.success()
    };
    rack.await_true("the image is named", |rack| {
        rack.log().matches("new word of the daemon").count() >= 2
    });
    assert!(!read(&rack, &[]), "it breaks off");
    let part = fs::metadata(rack.path("image")).unwrap().len();
    assert!(part > 0 && part < image.len() as u64, "{part}");
    rack.restart_failed("streaming");
    let rest = "-C - --fail --retry 20 --retry-delay 1 --retry-all-errors";
    assert!(read(&rack, &rest.split(' ').collect::<Vec<_>>()));
    assert!(
        fs::read(rack.path("image")).unwrap() == image,
        "it is not the image"
    );
}
