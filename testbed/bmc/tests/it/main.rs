//! The double judged by `ipmitool`, an IPMI client that is not ours.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use testbed_bmc::{Double, Manners, Program};
use testbed_scratch::Scratch;

/// ipmitool with these credentials against the double.
fn tool(double: &Double, password: &str, suite: &str, words: &[&str]) -> Output {
    let address = double.address();
    Command::new("ipmitool")
        .args(["-I", "lanplus", "-U", "admin", "-P", password, "-C", suite])
        .args(["-H", &address.ip().to_string(), "-p", &address.port().to_string()])
        // The shortest wait that it knows; without it, it waits for lost answers for 10 s and more.
        .args(["-N", "1", "-R", "3"])
        .args(words)
        .output()
        .expect("ipmitool runs: it is in the Debian package ipmitool")
}

fn said(double: &Double, suite: &str, words: &[&str]) -> String {
    let output = tool(double, "secret", suite, words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn start(manners: Manners) -> Double {
    Double::start(manners).unwrap()
}

#[test]
fn ipmitool_does_all_with_both_suites() {
    for suite in ["17", "3"] {
        let double = start(Manners::default());
        assert_eq!(said(&double, suite, &["power", "status"]), "Chassis Power is off");
        assert_eq!(
            said(&double, suite, &["power", "on"]),
            "Chassis Power Control: Up/On"
        );
        assert!(double.state().is_on());
        said(&double, suite, &["power", "soft"]);
        assert_eq!(said(&double, suite, &["power", "status"]), "Chassis Power is off");
        let device = said(&double, suite, &["mc", "info"]);
        assert!(device.contains("Firmware Revision         : 2.15"), "{device}");
        said(
            &double,
            suite,
            &["chassis", "bootdev", "pxe", "options=efiboot,persistent"],
        );
        let flags = said(&double, suite, &["chassis", "bootparam", "get", "5"]);
        for expected in [
            "Boot Flag Valid",
            "all future boots",
            "BIOS EFI boot",
            "Force PXE",
        ] {
            assert!(flags.contains(expected), "{flags}");
        }
        let state = double.state();
        let number: u8 = suite.parse().unwrap();
        assert!(state.opened.iter().all(|opened| *opened == number));
        assert_eq!((state.sessions(), &state.complaints[..]), (0, &[][..]));
    }
}

#[test]
fn a_key_of_its_own_takes_the_passwords_place() {
    let double = start(Manners {
        kg: Some(b"bmc-key".to_vec()),
        ..Manners::default()
    });
    assert_eq!(
        said(&double, "17", &["-k", "bmc-key", "power", "status"]),
        "Chassis Power is off"
    );
    let other = tool(&double, "secret", "17", &["-k", "other", "power", "status"]);
    assert!(!other.status.success(), "{other:?}");
}

#[test]
fn a_wrong_password_and_a_suite_it_lacks_are_refused() {
    let double = start(Manners {
        suites: vec![17],
        ..Manners::default()
    });
    assert!(
        !tool(&double, "wrong", "17", &["power", "status"])
            .status
            .success()
    );
    assert!(
        !tool(&double, "secret", "3", &["power", "status"])
            .status
            .success()
    );
    assert_eq!(double.state().opened, []);
    said(&double, "17", &["power", "status"]);
}

#[test]
fn every_fault_is_seen_by_ipmitool() {
    let none_left = start(Manners {
        sessions_max: 0,
        ..Manners::default()
    });
    assert!(
        !tool(&none_left, "secret", "17", &["power", "status"])
            .status
            .success()
    );

    let refusing = start(Manners {
        refuses: vec![(0x00, 0x02, 0xd5)],
        ..Manners::default()
    });
    let refused = tool(&refusing, "secret", "17", &["power", "on"]);
    assert!(
        !refused.status.success() && !refusing.state().is_on(),
        "{refused:?}"
    );

    let stuck = start(Manners {
        stuck: true,
        ..Manners::default()
    });
    said(&stuck, "17", &["power", "on"]);
    assert_eq!(said(&stuck, "17", &["power", "status"]), "Chassis Power is off");

    // It asks again for what was lost.
    let losing = start(Manners {
        loses: 1,
        ..Manners::default()
    });
    assert_eq!(said(&losing, "17", &["power", "status"]), "Chassis Power is off");
    let state = losing.state();
    assert_eq!((state.count(0, 1), state.manners.loses), (2, 0));
    drop(state);

    let busy = start(Manners {
        busy: 1,
        ..Manners::default()
    });
    tool(&busy, "secret", "17", &["power", "status"]);
    assert_eq!(busy.state().manners.busy, 0);
}

#[test]
fn the_machine_may_be_a_program() {
    let directory = Scratch::new();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("power"), "0").unwrap();
    let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 1\ncase $1 in\n\
                  get) echo \"power:$(cat power)\" ;;\nset) echo \"$3\" > \"$2\" ;;\nesac\n";
    fs::write(path("machine"), script).unwrap();
    fs::set_permissions(path("machine"), fs::Permissions::from_mode(0o755)).unwrap();
    let program = Program::new(path("machine").to_str().unwrap()).unwrap();
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let double = Double::start_at(anywhere, Manners::default(), Box::new(program)).unwrap();
    said(&double, "17", &["power", "on"]);
    assert_eq!(fs::read_to_string(path("power")).unwrap(), "1\n");
    said(&double, "17", &["chassis", "bootdev", "pxe"]);
    assert_eq!(fs::read_to_string(path("boot")).unwrap(), "pxe\n");
    assert_eq!(said(&double, "17", &["power", "status"]), "Chassis Power is on");
    // One that fails makes the BMC say so.
    fs::remove_file(path("machine")).unwrap();
    assert!(
        !tool(&double, "secret", "17", &["power", "status"])
            .status
            .success()
    );
}
