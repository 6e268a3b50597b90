//! A person's stop: what could hurt is refused, by a file on the agent's own host or by the daemon's word; addresses,
//! machines' own disks and readings of BMCs go on.

use crate::{
    boot::{IPXE, argument, job, rack_with_job, script},
    power::{done, power, start_sim, wanted},
    rack::{Rack, boot_order, machine_id, with_job},
};
use rack_api::{
    fact::{FactBody, PowerSeen},
    machine::{GoAnswer, GoRequest, Verdict},
    order::PowerWanted,
    rack_path,
};
use schema_ids::{BindingId, Uuid};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// `muster-rackd stop` or `resume`, as root on the agent's host.
fn rackd(rack: &Rack, words: &[&str]) -> Output {
    rackd_in(&rack.path("state"), words)
}

fn rackd_in(state: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_muster-rackd"))
        .args(words)
        .arg("--state-dir")
        .arg(state)
        .output()
        .unwrap()
}

fn stop(rack: &Rack) {
    let told = rackd(rack, &["stop", "--reason", "smoke in hall 2"]);
    assert!(told.status.success(), "{told:?}");
}

fn resume(rack: &Rack) {
    let told = rackd(rack, &["resume"]);
    assert!(told.status.success(), "{told:?}");
}

pub(crate) fn ask(rack: &Rack, token: &str, nonce: u8) -> (u16, Option<Verdict>) {
    let request = GoRequest {
        token: token.to_owned(),
        nonce: Uuid::from_bytes([nonce; 16]),
        boot_id: Uuid::from_bytes([1; 16]),
        job: job(),
        binding: BindingId(Uuid::from_bytes([4; 16])),
        uuid: None,
        serial: None,
        macs: Vec::new(),
        disks: Vec::new(),
        mark: None,
    };
    let (status, answer) = rack.post(rack_path::GO, &request);
    let verdict = serde_json::from_str::<GoAnswer>(&answer).map(|answer| answer.verdict);
    (status, verdict.ok())
}

/// The machine, which was installed, gets its address and boots its own disk; its job is not booted.
fn assert_serves_on(rack: &Rack) {
    assert!(rack.dhcp("nic0", &IPXE).is_some(), "no address");
    let local = script(rack);
    assert!(
        local.contains("local boot") && local.ends_with("exit\n"),
        "{local}"
    );
}

fn assert_refused(verdict: Option<Verdict>, words: &str) {
    let Some(Verdict::Refuse { code, reason }) = verdict else {
        panic!("it may write: {verdict:?}");
    };
    assert_eq!(code, "HELD");
    assert!(reason.contains(words), "{reason}");
}

#[test]
fn a_stop_on_the_host_needs_no_daemon_and_outlives_a_restart() {
    let mut rack = rack_with_job(|wanted| {
        wanted.config.machines.get_mut(&machine_id()).unwrap().installed = true;
    });
    let token = argument(&script(&rack), "muster.token");
    assert_eq!(ask(&rack, &token, 1), (200, Some(Verdict::Go)));

    stop(&rack);
    assert_refused(ask(&rack, &token, 2).1, "smoke in hall 2");
    assert_serves_on(&rack);

    rack.stop_daemon();
    rack.kill_agent();
    rack.start_agent();
    rack.await_true("the agent answers HTTP", |rack| {
        rack.curl(&["/boot.ipxe"]).status.success()
    });
    assert_refused(ask(&rack, &token, 3).1, "smoke in hall 2");
    assert_serves_on(&rack);
    rack.start_daemon();
    rack.await_log("new word of the daemon");
    assert_serves_on(&rack);

    resume(&rack);
    assert!(script(&rack).contains("muster.token="), "its job is booted again");
    assert_eq!(ask(&rack, &token, 4), (200, Some(Verdict::Go)));
    // Ended once is ended.
    assert!(!rackd(&rack, &["resume"]).status.success());
}

/// The daemon's yes is on its way while somebody stops the agent's host.
#[test]
fn a_stop_on_the_host_is_before_a_go_that_it_waits_for() {
    let rack = rack_with_job(|_| {});
    let token = argument(&script(&rack), "muster.token");
    let state = rack.path("state");
    let stop = move || {
        let told = rackd_in(&state, &["stop", "--reason", "smoke in hall 2"]);
        assert!(told.status.success(), "{told:?}");
    };
    rack.daemon.state.lock().unwrap().before_go = Some(Box::new(stop));
    assert_refused(ask(&rack, &token, 1).1, "smoke in hall 2");
    resume(&rack);
    assert_eq!(ask(&rack, &token, 2), (200, Some(Verdict::Go)));
}

#[test]
fn what_cannot_be_read_stops_too() {
    let rack = rack_with_job(|_| {});
    let token = argument(&script(&rack), "muster.token");
    fs::write(rack.path("state/stop"), "half a wo").unwrap();
    assert_refused(ask(&rack, &token, 1).1, "cannot be read");
    resume(&rack);
    assert_eq!(ask(&rack, &token, 2), (200, Some(Verdict::Go)));
}

#[test]
fn the_daemons_stop_is_obeyed_and_kept() {
    let mut rack = rack_with_job(|wanted| {
        wanted.config.machines.get_mut(&machine_id()).unwrap().installed = true;
    });
    let token = argument(&script(&rack), "muster.token");
    let mut stopped = with_job(
        crate::rack::desired(rack_api::config::Enlist::Known, crate::dhcp::RANGE),
        &rack.daemon,
    );
    let machine = stopped.config.machines.get_mut(&machine_id()).unwrap();
    (machine.installed, machine.stopped) = (true, Some("fleet is stopped by anna: smoke".to_owned()));
    rack.daemon.want(stopped);
    // The daemon that this test plays says yes to whoever asks it.
    rack.await_true("the stop has arrived", |rack| script(rack).ends_with("exit\n"));
    assert_refused(ask(&rack, &token, 1).1, "by anna");
    assert_serves_on(&rack);
    rack.await_true("it is on disk", |rack| {
        fs::read_to_string(rack.path("state/desired.json"))
            .unwrap()
            .contains("by anna")
    });
    rack.stop_daemon();
    rack.kill_agent();
    rack.start_agent();
    rack.await_true("the agent answers HTTP", |rack| {
        rack.curl(&["/boot.ipxe"]).status.success()
    });
    assert_refused(ask(&rack, &token, 2).1, "by anna");
    assert_serves_on(&rack);
}

#[test]
fn a_stopped_host_switches_nothing_and_reads_on() {
    let rack = Rack::start(crate::rack::desired(
        rack_api::config::Enlist::Known,
        crate::dhcp::RANGE,
    ));
    let _sim = start_sim(&rack);
    let state = |rack: &Rack| fs::read_to_string(rack.path("power")).unwrap().trim().to_owned();
    stop(&rack);
    rack.daemon.want(wanted(
        "secret",
        vec![boot_order(1, 1), power(2, PowerWanted::On)],
    ));
    let why = rack.await_fact("the order is refused", |fact| match fact {
        FactBody::OrderRefused { order, why, .. } if order.number == 2 => Some(why.clone()),
        _ => None,
    });
    assert!(
        why.contains("smoke in hall 2") && why.contains("muster-rackd resume"),
        "{why}"
    );
    let saw = |wanted| {
        move |fact: &FactBody| match fact {
            FactBody::Power { power, .. } if *power == wanted => Some(()),
            _ => None,
        }
    };
    rack.await_fact("the power is read", saw(PowerSeen::Off));
    assert_eq!(state(&rack), "0");
    // Someone presses the button: that is seen.
    fs::write(rack.path("power"), "1").unwrap();
    rack.await_fact("the power is read again", saw(PowerSeen::On));
    let refused = |rack: &Rack| {
        let facts = rack.daemon.facts();
        let refused = facts
            .iter()
            .filter(|fact| matches!(fact, FactBody::OrderRefused { .. }));
        refused.count()
    };
    assert_eq!(refused(&rack), 1, "it is refused once");

    resume(&rack);
    rack.daemon.want(wanted(
        "secret",
        vec![boot_order(1, 1), power(3, PowerWanted::Off)],
    ));
    rack.await_fact("powered off", done(3));
    assert_eq!(state(&rack), "0");
}
