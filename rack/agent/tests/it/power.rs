//! Power orders against `ipmi_sim`, whose machine is a file that says 0 or 1.

use crate::{
    daemon::sealed,
    dhcp::RANGE,
    rack::{Rack, boot_order, desired, machine_id},
};
use rack_api::{
    config::{BmcAccess, Desired, Enlist},
    fact::{BmcFaultKind, FactBody, PowerSeen},
    order::{Action, Order, PowerWanted},
};
use schema_ids::Timestamp;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Child, Stdio},
};
use testbed_bmc::{Double, InMemory, Manners};

const MACHINE: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
action=$1
shift
case $action in
get) for name in "$@"; do echo "$name:$(cat "$name")"; done ;;
set) while [ $# -ge 2 ]; do echo "$2" > "$1"; shift 2; done ;;
esac
"#;

/// More words than an order opens sessions: it is read, commanded, and read until it is seen.
const WORDS: u64 = 12;

/// A BMC that goes away.
pub(crate) struct Sim(Child);

impl Drop for Sim {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

pub(crate) fn start_sim(rack: &Rack) -> Sim {
    let machine = rack.path("machine");
    let lan = format!(
        "name \"machine\"\nset_working_mc 0x20\n  startlan 1\n    addr 127.0.0.1 6230\n    priv_limit admin\n    \
         allowed_auths_admin none md2 md5 straight\n    guid a123456789abcdefa123456789abcdef\n  endlan\n  \
         chassis_control \"{}\"\n  startnow false\n  user 2 true \"admin\" \"secret\" admin 10 none md2 md5 straight\n",
        machine.display()
    );
    let board = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n\
                 sel_enable 0x20 1000 0x0a\nmc_enable 0x20\n";
    fs::create_dir_all(rack.path("sim")).unwrap();
    for (name, text) in [
        ("lan.conf", lan.as_str()),
        ("board.emu", board),
        ("power", "0"),
        ("boot", "default"),
    ] {
        fs::write(rack.path(name), text).unwrap();
    }
    fs::write(&machine, MACHINE).unwrap();
    fs::set_permissions(&machine, fs::Permissions::from_mode(0o755)).unwrap();
    let child = rack
        .server_command(
            "ipmi_sim",
            &["-n", "-c", "lan.conf", "-f", "board.emu", "-s", "sim"],
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Sim(child)
}

pub(crate) fn wanted(password: &str, orders: Vec<Order>) -> Desired {
    let mut desired = desired(Enlist::Known, RANGE);
    desired.config.machines.get_mut(&machine_id()).unwrap().bmc = Some(BmcAccess {
        driver: "ipmi".to_owned(),
        address: "127.0.0.1:6230".parse().unwrap(),
        lease_ms: 60_000,
        sealed: sealed("admin", password),
        username: String::new(),
        password: String::new(),
    });
    desired.orders = orders;
    desired
}

pub(crate) fn power(number: u32, power: PowerWanted) -> Order {
    Order {
        number,
        action: Action::Power(power),
        deadline: Timestamp::from_unix_ms(i64::MAX),
        ..boot_order(1, 1)
    }
}

pub(crate) fn done(number: u32) -> impl Fn(&FactBody) -> Option<()> {
    move |fact| match fact {
        FactBody::OrderDone { order } if order.number == number => Some(()),
        _ => None,
    }
}

#[test]
fn a_machine_is_powered_as_ordered_and_its_password_stays_off_the_disk() {
    let mut rack = Rack::start(desired(Enlist::Known, RANGE));
    let _sim = start_sim(&rack);
    let state = |rack: &Rack| fs::read_to_string(rack.path("power")).unwrap().trim().to_owned();
    // A job is what the machine boots next: the BMC is told to boot from the network.
    rack.daemon.want(wanted(
        "secret",
        vec![boot_order(1, 1), power(2, PowerWanted::On)],
    ));
    rack.await_fact("powered on", done(2));
    assert_eq!(state(&rack), "1");
    assert_eq!(fs::read_to_string(rack.path("boot")).unwrap().trim(), "pxe");
    rack.daemon
        .want(wanted("secret", vec![power(3, PowerWanted::Off)]));
    rack.await_fact("powered off", done(3));
    assert_eq!(state(&rack), "0");
    rack.await_fact("and told so", |fact| match fact {
        FactBody::Power {
            power: PowerSeen::Off,
            ..
        } => Some(()),
        _ => None,
    });
    // An order that ended is not carried out again by a restarted agent.
    fs::write(rack.path("power"), "1").unwrap();
    rack.stop_agent();
    let kept = fs::read_to_string(rack.path("state/desired.json")).unwrap();
    assert!(kept.contains("127.0.0.1:6230") && !kept.contains("secret"));
    rack.start_agent();
    let powers = |rack: &Rack| {
        let on = |fact: &&FactBody| {
            matches!(
                fact,
                FactBody::Power {
                    power: PowerSeen::On,
                    ..
                }
            )
        };
        rack.daemon.facts().iter().filter(on).count()
    };
    let before = powers(&rack);
    rack.await_true("the power is read again", |rack| powers(rack) > before);
    assert_eq!(state(&rack), "1");
}

#[test]
fn a_wrong_password_is_tried_once_and_the_right_one_heals_it() {
    let rack = Rack::start(desired(Enlist::Known, RANGE));
    let _sim = start_sim(&rack);
    rack.daemon.want(wanted("wrong", vec![power(1, PowerWanted::On)]));
    rack.await_fact("the credential is refused", |fact| match fact {
        FactBody::BmcFault {
            fault: BmcFaultKind::Credentials,
            detail,
            ..
        } => {
            assert!(!detail.contains("wrong"));
            Some(())
        }
        _ => None,
    });
    rack.await_fact("the order failed", |fact| match fact {
        FactBody::OrderFailed { order, .. } => Some(order.number),
        _ => None,
    });
    rack.daemon
        .want(wanted("secret", vec![power(2, PowerWanted::On)]));
    rack.await_fact("powered on", done(2));
}

#[test]
fn an_order_for_a_machine_without_a_bmc_is_refused() {
    let rack = Rack::start(desired(Enlist::Known, RANGE));
    let mut wanted = wanted("secret", vec![power(1, PowerWanted::On)]);
    wanted.config.machines.get_mut(&machine_id()).unwrap().bmc = None;
    rack.daemon.want(wanted);
    rack.await_fact("the refusal", |fact| match fact {
        FactBody::OrderRefused { order, .. } if order.number == 1 => Some(()),
        _ => None,
    });
}

#[test]
fn bmcs_are_left_alone_once_the_daemon_has_not_answered_for_a_lease() {
    let mut rack = Rack::start(desired(Enlist::Known, RANGE));
    let _sim = start_sim(&rack);
    let short = |orders| {
        let mut wanted = wanted("secret", orders);
        let machine = wanted.config.machines.get_mut(&machine_id()).unwrap();
        // Longer than a long poll of the played daemon, which answers at its end.
        machine.bmc.as_mut().unwrap().lease_ms = 30_000;
        wanted
    };
    rack.daemon.want(short(vec![power(1, PowerWanted::On)]));
    rack.await_fact("powered on", done(1));
    rack.stop_daemon();
    rack.await_log("BMCs are left alone");
    // Its word is still on disk and in force for boots; the account is opened with the next answer alone.
    rack.start_daemon();
    rack.daemon.want(short(vec![power(2, PowerWanted::Off)]));
    rack.await_fact("powered off", done(2));
}

#[test]
fn a_new_word_with_the_same_account_opens_no_session() {
    let rack = Rack::start_reading_power_every(desired(Enlist::Known, RANGE), "3600");
    let address = "127.0.0.1:6230".parse().unwrap();
    let bmc = rack.open_beside(|| {
        Double::start_at(address, Manners::default(), Box::new(InMemory::default())).unwrap()
    });
    let words = |rack: &Rack| rack.log().matches("new word of the daemon").count();
    rack.daemon
        .want(wanted("secret", vec![power(1, PowerWanted::On)]));
    rack.await_fact("powered on", done(1));
    let before = bmc.state().opened.len();
    for number in 0..WORDS {
        let told = words(&rack);
        // The account is sealed anew for each word, and no two sealings are alike.
        let mut wanted = wanted("secret", vec![power(1, PowerWanted::On)]);
        let machine = wanted.config.machines.get_mut(&machine_id()).unwrap();
        machine.bmc.as_mut().unwrap().lease_ms += number;
        rack.daemon.want(wanted);
        rack.await_true("the word is obeyed", |rack| words(rack) > told);
    }
    // What the BMC is asked next is asked after all that the words led to.
    rack.daemon
        .want(wanted("secret", vec![power(2, PowerWanted::Off)]));
    rack.await_fact("powered off", done(2));
    let opened = bmc.state().opened.len() - before;
    assert!(opened < WORDS as usize, "{opened} sessions for one order");
}

#[test]
fn killed_before_the_end_of_an_order_is_on_disk_it_is_told_after_all() {
    let mut rack = Rack::start_to_fail(desired(Enlist::Known, RANGE), "end");
    let _sim = start_sim(&rack);
    rack.daemon
        .want(wanted("secret", vec![power(1, PowerWanted::On)]));
    rack.restart_failed("end");
    rack.await_fact("powered on", done(1));
}

#[test]
fn who_is_let_in_no_more_leaves_bmcs_alone_at_once() {
    let rack = Rack::start(desired(Enlist::Known, ("10.77.0.100", "10.77.0.107")));
    let _sim = start_sim(&rack);
    let mut long = wanted("secret", vec![power(1, PowerWanted::On)]);
    let machine = long.config.machines.get_mut(&machine_id()).unwrap();
    machine.bmc.as_mut().unwrap().lease_ms = 3_600_000;
    rack.daemon.want(long);
    rack.await_fact("powered on", done(1));
    rack.daemon.revoke();
    rack.await_log("the daemon takes no word of this agent any more: BMCs are left alone");
    let word = fs::metadata(rack.path("state/desired.json")).unwrap();
    assert_eq!(
        word.permissions().mode() & 0o777,
        0o600,
        "the key of tokens is in it"
    );
}
