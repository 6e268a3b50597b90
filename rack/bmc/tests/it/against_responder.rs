//! Suite 17, K_g, privileges and the manners of boards that `ipmi_sim` does not have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rack_bmc::ipmi::{self, Suite};
use rack_bmc::{Bmc, BmcFault, BootDevice, BootOverride, Firmware, Lasting, Power, PowerWanted, Secret};

use super::responder::{Manners, Responder, records};
use super::sim::{ipmitool, quick};

/// An operation that knows no limit would take longer than this; how long one takes is no matter here.
const HUNG: Duration = Duration::from_secs(40);

fn bmc_with(responder: &Responder, password: &str, options: ipmi::Options) -> Arc<dyn Bmc> {
    ipmi::connect(responder.address, "admin", Secret::new(password), options).unwrap()
}

fn bmc(responder: &Responder) -> Arc<dyn Bmc> {
    bmc_with(responder, "secret", quick())
}

#[test]
fn ipmitool_accepts_the_responder_with_both_suites() {
    for suite in ["17", "3"] {
        let responder = Responder::start(Manners::default());
        let said = ipmitool(responder.address, &["-C", suite, "power", "on"]);
        assert_eq!(said, "Chassis Power Control: Up/On");
        assert_eq!(responder.state().power, 1);
        assert_eq!(responder.state().opened, [suite.parse::<u8>().unwrap()]);
    }
}

#[test]
fn ipmitool_accepts_the_responder_with_a_bmc_key() {
    let responder = Responder::start(Manners {
        kg: Some(b"bmc-key".to_vec()),
        ..Manners::default()
    });
    let said = ipmitool(
        responder.address,
        &["-C", "17", "-k", "bmc-key", "power", "status"],
    );
    assert_eq!(said, "Chassis Power is off");
}

#[tokio::test]
async fn the_best_suite_of_both_is_used() {
    for (taken, listed, used) in [
        (vec![3, 17], Some(records(&[3, 17])), 17),
        (vec![3], Some(records(&[0, 1, 2, 3])), 3),
        // The one it takes comes in the second part of sixteen bytes.
        (vec![17], Some(records(&[3, 0, 1, 17])), 17),
        // Lists neither, but takes one.
        (vec![3], Some(records(&[0, 1])), 3),
        (vec![17], Some(vec![0xff; 3]), 17),
        (vec![3], None, 3),
    ] {
        let responder = Responder::start(Manners {
            suites: taken,
            listed,
            ..Manners::default()
        });
        let bmc = bmc(&responder);
        bmc.set_power(PowerWanted::On).await.unwrap();
        assert_eq!(bmc.power().await.unwrap(), Power::On);
        let state = responder.state();
        assert_eq!((&state.opened[..], state.sessions()), (&[used, used][..], 0));
    }
}

#[tokio::test]
async fn a_bmc_that_changes_its_suites_is_asked_anew() {
    let responder = Responder::start(Manners {
        suites: vec![17],
        ..Manners::default()
    });
    let bmc = bmc(&responder);
    bmc.power().await.unwrap();
    responder.state().manners.suites = vec![3];
    responder.state().manners.listed = Some(records(&[3]));
    assert_eq!(bmc.power().await.unwrap(), Power::Off);
    assert_eq!(responder.state().opened, [17, 3]);
}

#[tokio::test]
async fn silence_to_a_proposal_leads_to_the_next() {
    let manners = Manners {
        suites: vec![3],
        listed: None,
        sulks: true,
        ..Manners::default()
    };
    let responder = Responder::start(manners);
    let options = ipmi::Options {
        answer_max: Duration::from_secs(1),
        ..quick()
    };
    assert_eq!(
        bmc_with(&responder, "secret", options).power().await.unwrap(),
        Power::Off
    );
}

#[tokio::test]
async fn only_accepted_suites_are_proposed() {
    let responder = Responder::start(Manners {
        suites: vec![3],
        ..Manners::default()
    });
    let options = ipmi::Options {
        suites: vec![Suite::Sha256Aes128],
        ..quick()
    };
    let fault = bmc_with(&responder, "secret", options).power().await.unwrap_err();
    assert!(matches!(fault, BmcFault::NoCommonCipher { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_bmc_key_must_be_the_right_one() {
    let manners = Manners {
        kg: Some(b"bmc-key".to_vec()),
        ..Manners::default()
    };
    let responder = Responder::start(manners);
    let options = |kg| ipmi::Options { kg, ..quick() };
    let right = bmc_with(&responder, "secret", options(Some(Secret::new("bmc-key"))));
    assert_eq!(right.power().await.unwrap(), Power::Off);
    for kg in [None, Some(Secret::new("other"))] {
        let fault = bmc_with(&responder, "secret", options(kg))
            .power()
            .await
            .unwrap_err();
        assert!(
            matches!(fault, BmcFault::BadCredentials { reason, .. } if reason.contains("K_g")),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_is_noticed_and_frees_the_half_open_session() {
    let responder = Responder::start(Manners {
        sessions_max: 1,
        ..Manners::default()
    });
    for _ in 0..3 {
        let fault = bmc_with(&responder, "wrong", quick()).power().await.unwrap_err();
        assert!(matches!(fault, BmcFault::BadCredentials { .. }), "{fault:?}");
    }
    assert_eq!(bmc(&responder).power().await.unwrap(), Power::Off);
}

#[tokio::test]
async fn an_operator_is_enough() {
    for status in [0x09, 0x0a, 0x0d] {
        let responder = Responder::start(Manners {
            level_max: (3, status),
            ..Manners::default()
        });
        bmc(&responder).set_power(PowerWanted::On).await.unwrap();
        assert_eq!(responder.state().power, 1);
    }
}

#[tokio::test]
async fn a_plain_user_is_refused_and_an_unknown_one_is_named() {
    let responder = Responder::start(Manners {
        level_max: (2, 0x0a),
        ..Manners::default()
    });
    let fault = bmc(&responder).power().await.unwrap_err();
    assert!(
        matches!(
            fault,
            BmcFault::Refused {
                completion_code: 0x0a,
                command: "RAKP 1",
                ..
            }
        ),
        "{fault:?}"
    );
    let nobody = ipmi::connect(responder.address, "nobody", Secret::new("secret"), quick()).unwrap();
    let fault = nobody.power().await.unwrap_err();
    assert!(matches!(fault, BmcFault::BadCredentials { .. }), "{fault:?}");
}

#[tokio::test]
async fn used_up_sessions_are_busy() {
    let responder = Responder::start(Manners {
        sessions_max: 0,
        ..Manners::default()
    });
    let fault = bmc(&responder).power().await.unwrap_err();
    assert!(matches!(fault, BmcFault::Busy { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_busy_bmc_is_asked_again_until_time_is_up() {
    let responder = Responder::start(Manners {
        busy: 2,
        ..Manners::default()
    });
    assert_eq!(bmc(&responder).power().await.unwrap(), Power::Off);

    let responder = Responder::start(Manners {
        busy: usize::MAX,
        ..Manners::default()
    });
    let options = ipmi::Options {
        answer_max: Duration::from_secs(1),
        ..quick()
    };
    let started = Instant::now();
    let fault = bmc_with(&responder, "secret", options).power().await.unwrap_err();
    assert!(matches!(fault, BmcFault::Busy { .. }), "{fault:?}");
    assert!(started.elapsed() < HUNG);
}

#[tokio::test]
async fn an_operation_dropped_half_way_gives_its_session_back() {
    let manners = Manners {
        busy: usize::MAX,
        sessions_max: 1,
        ..Manners::default()
    };
    let responder = Responder::start(manners);
    let bmc = bmc(&responder);
    for opened in 1..=3 {
        let asked = tokio::spawn({
            let bmc = Arc::clone(&bmc);
            async move { bmc.power().await }
        });
        while responder.state().opened.len() < opened {
            assert!(!asked.is_finished(), "a busy BMC answers nothing");
            tokio::task::yield_now().await;
        }
        asked.abort();
        assert!(asked.await.is_err());
    }
    responder.state().manners.busy = 0;
    assert_eq!(bmc.power().await.unwrap(), Power::Off);
    assert_eq!(responder.state().opened.len(), 4);
}

#[tokio::test]
async fn boot_flags_arrive_whole_although_the_timeout_cannot_be_switched_off() {
    let responder = Responder::start(Manners::default());
    let boot = BootOverride {
        device: BootDevice::Network,
        lasting: Lasting::Once,
        firmware: Firmware::Efi,
    };
    bmc(&responder).set_boot_device(boot).await.unwrap();
    assert_eq!(responder.state().boot_flags, [0xa0, 0x04, 0, 0, 0]);
    let said = ipmitool(
        responder.address,
        &["-C", "17", "chassis", "bootparam", "get", "5"],
    );
    for expected in [
        "Boot Flag Valid",
        "Options apply to only next boot",
        "BIOS EFI boot",
        "Force PXE",
    ] {
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn a_refusal_carries_its_command_and_code() {
    let responder = Responder::start(Manners {
        lacks: vec![(0x00, 0x02)],
        ..Manners::default()
    });
    let fault = bmc(&responder).set_power(PowerWanted::On).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        format!(
            "BMC {} refused \"chassis control\" with code 0xc1",
            responder.address
        )
    );
    assert_eq!(responder.state().sessions(), 0);
}

#[tokio::test]
async fn an_answer_without_its_data_is_a_bad_reply() {
    let responder = Responder::start(Manners {
        curt: true,
        ..Manners::default()
    });
    let fault = bmc(&responder).power().await.unwrap_err();
    assert!(
        matches!(
            fault,
            BmcFault::BadReply {
                command: "get chassis status",
                ..
            }
        ),
        "{fault:?}"
    );
}

#[tokio::test]
async fn without_a_system_guid_the_one_of_the_session_serves() {
    let responder = Responder::start(Manners {
        lacks: vec![(0x06, 0x37)],
        ..Manners::default()
    });
    let identity = bmc(&responder).identify().await.unwrap();
    assert_eq!(identity.guid.unwrap().bytes(), *b"responder's guid");
    assert_eq!(
        (identity.manufacturer, identity.product, &*identity.firmware),
        (343, 0x1234, "2.15")
    );
}
