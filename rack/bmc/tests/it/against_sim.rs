//! Our driver against `ipmi_sim`.

use std::time::{Duration, Instant};

use rack_bmc::ipmi::{self, Suite};
use rack_bmc::{BmcFault, BmcQueue, BootDevice, BootOverride, Firmware, Lasting, Power, PowerWanted, Secret};
use tokio::net::UdpSocket;

use super::sim::{SESSIONS_MAX, Sim, free_address, quick};

/// An operation that knows no limit would take longer than this; how long one takes is no matter here.
const HUNG: Duration = Duration::from_secs(40);

fn once(device: BootDevice, firmware: Firmware) -> BootOverride {
    BootOverride {
        device,
        lasting: Lasting::Once,
        firmware,
    }
}

#[tokio::test]
async fn power_follows_what_is_wanted_and_what_is_there_is_not_asked_for_again() {
    let sim = Sim::start();
    let bmc = sim.bmc();
    assert_eq!(bmc.power().await.unwrap(), Power::Off);
    bmc.set_power(PowerWanted::On).await.unwrap();
    assert_eq!(bmc.power().await.unwrap(), Power::On);
    bmc.set_power(PowerWanted::On).await.unwrap();
    bmc.set_power(PowerWanted::Off).await.unwrap();
    assert_eq!(bmc.power().await.unwrap(), Power::Off);
    bmc.set_power(PowerWanted::Off).await.unwrap();
    bmc.set_power(PowerWanted::SoftOff).await.unwrap();
    assert_eq!(sim.changes(), ["power 1", "power 0"]);
}

#[tokio::test]
async fn soft_off_asks_the_operating_system() {
    let sim = Sim::start();
    sim.set_machine("power", "1");
    sim.bmc().set_power(PowerWanted::SoftOff).await.unwrap();
    assert_eq!(sim.changes(), ["shutdown 1"]);
    assert_eq!(sim.bmc().power().await.unwrap(), Power::Off);
}

#[tokio::test]
async fn the_machine_sees_the_boot_device() {
    let sim = Sim::start();
    let bmc = sim.bmc();
    bmc.set_boot_device(once(BootDevice::Network, Firmware::Efi))
        .await
        .unwrap();
    assert_eq!(sim.machine("boot"), "pxe");
    assert!(
        sim.ipmitool(&["chassis", "bootparam", "get", "5"])
            .contains("Boot Device Selector : Force PXE")
    );
    bmc.set_boot_device(once(BootDevice::Disk, Firmware::Bios))
        .await
        .unwrap();
    assert_eq!(sim.machine("boot"), "default");
    bmc.set_boot_device(once(BootDevice::None, Firmware::Bios))
        .await
        .unwrap();
    assert_eq!(sim.machine("boot"), "none");
}

#[tokio::test]
async fn ipmitool_sees_what_we_did_and_we_see_what_it_did() {
    let sim = Sim::start();
    let bmc = sim.bmc();
    bmc.set_power(PowerWanted::On).await.unwrap();
    assert_eq!(sim.ipmitool(&["power", "status"]), "Chassis Power is on");
    sim.ipmitool(&["power", "off"]);
    assert_eq!(bmc.power().await.unwrap(), Power::Off);
}

#[tokio::test]
async fn the_bmc_says_who_it_is() {
    let sim = Sim::start();
    let identity = sim.bmc().identify().await.unwrap();
    assert_eq!(
        identity.guid.unwrap().to_string(),
        "a123456789abcdefa123456789abcdef"
    );
    assert_eq!((identity.manufacturer, identity.product), (0x1291, 0xf02));
    assert_eq!(identity.firmware, "9.08");
}

#[tokio::test]
async fn wrong_credentials_are_named_soon_and_stay_out_of_the_message() {
    let sim = Sim::start();
    for (user, password, reason) in [
        ("admin", "hunter2", "the password is not the BMC's"),
        ("nobody", "hunter2", "it has no such user"),
    ] {
        let started = Instant::now();
        let fault = sim.bmc_with(user, password, quick()).power().await.unwrap_err();
        assert!(
            matches!(&fault, BmcFault::BadCredentials { reason: said, .. } if *said == reason),
            "{fault:?}"
        );
        assert!(started.elapsed() < HUNG);
        assert!(!format!("{fault} {fault:?}").contains("hunter2"));
    }
    // A few failures do not cost the right user its access.
    assert_eq!(sim.bmc().power().await.unwrap(), Power::Off);
}

#[tokio::test]
async fn credentials_that_ipmi_cannot_carry_are_refused_at_once() {
    let long = "123456789012345678901";
    for (user, password, kg) in [
        (long, "x", None),
        ("x", long, None),
        ("x", "x", Some(Secret::new(long))),
    ] {
        let options = ipmi::Options { kg, ..quick() };
        let fault = ipmi::connect(free_address(), user, Secret::new(password), options)
            .err()
            .unwrap();
        assert!(matches!(fault, BmcFault::BadCredentials { .. }));
        assert!(!format!("{fault} {fault:?}").contains(long));
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let address = free_address();
    let bmc = ipmi::connect(address, "admin", Secret::new("secret"), quick()).unwrap();
    let started = Instant::now();
    let fault = bmc.power().await.unwrap_err();
    assert!(matches!(fault, BmcFault::Unreachable { .. }), "{fault:?}");
    assert!(fault.to_string().contains(&address.to_string()));
    assert!(started.elapsed() < HUNG);
}

#[tokio::test]
async fn a_silent_port_times_out_at_its_limit() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let options = ipmi::Options {
        answer_max: Duration::from_secs(2),
        ..quick()
    };
    let address = silent.local_addr().unwrap();
    let bmc = ipmi::connect(address, "admin", Secret::new("secret"), options).unwrap();
    let started = Instant::now();
    let fault = bmc.power().await.unwrap_err();
    assert!(
        matches!(fault, BmcFault::TimedOut { after, .. } if after >= Duration::from_secs(2)),
        "{fault:?}"
    );
    assert!(started.elapsed() < HUNG);
}

#[tokio::test]
async fn sessions_are_given_back() {
    let sim = Sim::start();
    let bmc = sim.bmc();
    for number in 0..2 * SESSIONS_MAX {
        assert_eq!(bmc.power().await.unwrap(), Power::Off, "session {number}");
    }
}

#[tokio::test]
async fn a_slow_power_command_is_carried_out_once() {
    let sim = Sim::start();
    sim.set_machine("slow", "2");
    sim.bmc().set_power(PowerWanted::On).await.unwrap();
    assert_eq!(sim.changes(), ["power 1"]);
}

#[tokio::test]
async fn a_power_command_answered_too_late_is_found_done() {
    let sim = Sim::start();
    sim.set_machine("slow", "2");
    let options = ipmi::Options {
        answer_max: Duration::from_millis(1500),
        ..quick()
    };
    sim.bmc_with("admin", "secret", options)
        .set_power(PowerWanted::On)
        .await
        .unwrap();
    assert_eq!(sim.changes(), ["power 1"]);
}

#[tokio::test]
async fn a_bmc_killed_in_a_session_is_unreachable() {
    let mut sim = Sim::start();
    sim.set_machine("slow", "2");
    let bmc = sim.bmc();
    let started = Instant::now();
    let asked = tokio::spawn(async move { bmc.set_power(PowerWanted::On).await });
    while sim.changes().is_empty() && !asked.is_finished() {
        tokio::task::yield_now().await;
    }
    sim.kill();
    let fault = asked.await.unwrap().unwrap_err();
    assert!(matches!(fault, BmcFault::Unreachable { .. }), "{fault:?}");
    assert!(started.elapsed() < HUNG);
}

#[tokio::test]
async fn a_bmc_that_hangs_between_sessions_times_out() {
    let sim = Sim::start();
    let bmc = sim.bmc();
    bmc.power().await.unwrap();
    sim.hang();
    let started = Instant::now();
    let fault = bmc.power().await.unwrap_err();
    assert!(
        matches!(
            fault,
            BmcFault::TimedOut {
                command: "open session",
                ..
            }
        ),
        "{fault:?}"
    );
    assert!(started.elapsed() < HUNG);
}

#[tokio::test]
async fn a_suite_that_the_bmc_lacks_is_no_common_cipher() {
    let sim = Sim::start();
    let options = ipmi::Options {
        suites: vec![Suite::Sha256Aes128],
        ..quick()
    };
    let fault = sim
        .bmc_with("admin", "secret", options)
        .power()
        .await
        .unwrap_err();
    assert!(matches!(fault, BmcFault::NoCommonCipher { .. }), "{fault:?}");
}

#[tokio::test]
async fn the_queue_serves_many_askers_of_one_bmc() {
    let sim = Sim::start();
    let queue = BmcQueue::spawn(sim.bmc());
    let (on, status, boot, identity) = tokio::join!(
        queue.power(PowerWanted::On),
        queue.status(),
        queue.boot_device(once(BootDevice::Network, Firmware::Efi)),
        queue.identify(),
    );
    on.unwrap();
    assert_eq!(status.unwrap(), Power::On);
    boot.unwrap();
    assert_eq!(identity.unwrap().product, 0xf02);
    assert_eq!(sim.changes(), ["power 1", "boot pxe"]);
    queue.stop().await;
}
