//! Real firmware: SeaBIOS with QEMU's iPXE ROM, and the kernel's own router solicitation.

use crate::{
    boot::rack_with_job,
    rack::{Rack, desired, mac},
};
use rack_api::{config::Enlist, fact::FactBody};
use schema_ids::Digest;
use std::{
    fs,
    process::{Child, Stdio},
};

/// A machine that goes away.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A machine on the rack's cable, with its console in a file.
fn power_on(rack: &Rack) -> Machine {
    for words in [
        "link add br0 type bridge stp_state 0 forward_delay 0",
        "link set nic0 master br0",
        "link set br0 up",
        "tuntap add tap0 mode tap",
        "link set tap0 master br0 up",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let done = rack.client("ip", &words);
        assert!(done.status.success(), "{done:?}");
    }
    let nic = format!("virtio-net-pci,netdev=n0,mac={},bootindex=1", mac(1));
    let words = [
        "-machine",
        "q35,graphics=off,accel=tcg",
        "-m",
        "256",
        "-display",
        "none",
        "-nodefaults",
        "-no-reboot",
        "-serial",
        "file:console.log",
        "-netdev",
        "tap,id=n0,ifname=tap0,script=no,downscript=no",
        "-device",
        &nic,
    ];
    let child = rack
        .client_command("qemu-system-x86_64", &words)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    Machine(child)
}

fn console(rack: &Rack) -> String {
    String::from_utf8_lossy(&fs::read(rack.path("console.log")).unwrap_or_default()).into_owned()
}

#[test]
fn seabios_boots_its_disk_when_nothing_is_ordered() {
    let rack = Rack::start(desired(Enlist::Known, ("10.77.0.100", "10.77.0.107")));
    let _machine = power_on(&rack);
    rack.await_true("the console says why", |rack| {
        console(rack).contains("muster: local boot: no job is ordered")
    });
    rack.await_true("the firmware goes on to the next device", |rack| {
        console(rack).contains("No bootable device")
    });
}

#[test]
fn seabios_fetches_its_job_and_goes_on_when_it_cannot_be_loaded() {
    // Nobody has the initrd.
    let rack = rack_with_job(|wanted| {
        wanted.config.ephemeral.as_mut().unwrap().initrd = Digest([9; 32]);
    });
    let _machine = power_on(&rack);
    rack.await_true("the console says what and why", |rack| {
        let console = console(rack);
        console.contains("muster: node-01: inspect (generation 1, attempt 1)")
            && console.contains("code BOOT-2")
    });
    let boot = rack.await_fact("the boot is told", |fact| match fact {
        FactBody::Boot { boot, .. }
            if boot
                .http
                .as_ref()
                .is_some_and(|http| http.starts_with("agent.cpio")) =>
        {
            Some(boot.clone())
        }
        _ => None,
    });
    assert_eq!(boot.answer.as_deref(), Some("job"));
    assert_eq!(boot.address, Some("10.77.0.17".parse().unwrap()));
    assert!(boot.client.ends_with("+iPXE"), "{}", boot.client);
    rack.await_true("the firmware goes on to the next device", |rack| {
        console(rack).contains("No bootable device")
    });
}

/// The clients' kernel asks when its interface comes up, as iPXE does, and counts what it hears.
#[test]
fn router_solicitations_are_answered_without_a_route() {
    let rack = Rack::start(desired(Enlist::Known, ("10.77.0.100", "10.77.0.107")));
    rack.await_true("the agent listens", |rack| {
        rack.log().contains("answering router solicitations")
    });
    rack.set_mac(mac(1));
    rack.await_true("an advertisement is heard", |rack| {
        let counters = rack.client("cat", &["/proc/net/snmp6"]).stdout;
        String::from_utf8_lossy(&counters)
            .lines()
            .any(|line| line.starts_with("Icmp6InRouterAdvertisements") && !line.trim_end().ends_with("\t0"))
    });
    let routes = rack.client("ip", &["-6", "route", "show", "default"]);
    assert_eq!(String::from_utf8_lossy(&routes.stdout), "");
}
