//! Suite 17, K_g, privileges and the manners of boards that `ipmi_sim` does not have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rack_bmc::ipmi::{self, Suite};
use rack_bmc::{Bmc, BmcFault, BootDevice, BootOverride, Firmware, Lasting, Power, PowerWanted, Secret};

use testbed_bmc::{Double, Manners, records};

use super::sim::quick;

/// An operation that knows no limit would take longer than this; how long one takes is no matter here.
const HUNG: Duration = Duration::from_secs(40);

fn bmc_with(double: &Double, password: &str, options: ipmi::Options) -> Arc<dyn Bmc> {
    ipmi::connect(double.address(), "admin", Secret::new(password), options).unwrap()
}

fn bmc(double: &Double) -> Arc<dyn Bmc> {
    bmc_with(double, "secret", quick())
}

fn start(manners: Manners) -> Double {
    Double::start(manners).unwrap()
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
        let double = start(Manners {
            suites: taken,
            listed,
            ..Manners::default()
        });
        let bmc = bmc(&double);
        bmc.set_power(PowerWanted::On).await.unwrap();
        assert_eq!(bmc.power().await.unwrap(), Power::On);
        let state = double.state();
        assert_eq!((&state.opened[..], state.sessions()), (&[used, used][..], 0));
    }
}

#[tokio::test]
async fn a_bmc_that_changes_its_suites_is_asked_anew() {
    let double = start(Manners {
        suites: vec![17],
        ..Manners::default()
    });
    let bmc = bmc(&double);
    bmc.power().await.unwrap();
    double.state().manners.suites = vec![3];
    double.state().manners.listed = Some(records(&[3]));
    assert_eq!(bmc.power().await.unwrap(), Power::Off);
    assert_eq!(double.state().opened, [17, 3]);
}

#[tokio::test]
async fn silence_to_a_proposal_leads_to_the_next() {
    let manners = Manners {
        suites: vec![3],
        listed: None,
        sulks: true,
        ..Manners::default()
    };
    let double = start(manners);
    let options = ipmi::Options {
        answer_max: Duration::from_secs(1),
        ..quick()
    };
    assert_eq!(
        bmc_with(&double, "secret", options).power().await.unwrap(),
        Power::Off
    );
}

#[tokio::test]
async fn only_accepted_suites_are_proposed() {
    let double = start(Manners {
        suites: vec![3],
        ..Manners::default()
    });
    let options = ipmi::Options {
        suites: vec![Suite::Sha256Aes128],
        ..quick()
    };
    let fault = bmc_with(&double, "secret", options).power().await.unwrap_err();
    assert!(matches!(fault, BmcFault::NoCommonCipher { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_bmc_key_must_be_the_right_one() {
    let manners = Manners {
        kg: Some(b"bmc-key".to_vec()),
        ..Manners::default()
    };
    let double = start(manners);
    let options = |kg| ipmi::Options { kg, ..quick() };
    let right = bmc_with(&double, "secret", options(Some(Secret::new("bmc-key"))));
    assert_eq!(right.power().await.unwrap(), Power::Off);
    for kg in [None, Some(Secret::new("other"))] {
        let fault = bmc_with(&double, "secret", options(kg))
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
    let double = start(Manners {
        sessions_max: 1,
        ..Manners::default()
    });
    for _ in 0..3 {
        let fault = bmc_with(&double, "wrong", quick()).power().await.unwrap_err();
        assert!(matches!(fault, BmcFault::BadCredentials { .. }), "{fault:?}");
    }
    assert_eq!(bmc(&double).power().await.unwrap(), Power::Off);
}

#[tokio::test]
async fn an_operator_is_enough() {
    for status in [0x09, 0x0a, 0x0d] {
        let double = start(Manners {
            level_max: (3, status),
            ..Manners::default()
        });
        bmc(&double).set_power(PowerWanted::On).await.unwrap();
        assert!(double.state().is_on());
    }
}

#[tokio::test]
async fn a_plain_user_is_refused_and_an_unknown_one_is_named() {
    let double = start(Manners {
        level_max: (2, 0x0a),
        ..Manners::default()
    });
    let fault = bmc(&double).power().await.unwrap_err();
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
    let nobody = ipmi::connect(double.address(), "nobody", Secret::new("secret"), quick()).unwrap();
    let fault = nobody.power().await.unwrap_err();
    assert!(matches!(fault, BmcFault::BadCredentials { .. }), "{fault:?}");
}

#[tokio::test]
async fn used_up_sessions_are_busy() {
    let double = start(Manners {
        sessions_max: 0,
        ..Manners::default()
    });
    let fault = bmc(&double).power().await.unwrap_err();
    assert!(matches!(fault, BmcFault::Busy { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_busy_bmc_is_asked_again_until_time_is_up() {
    let double = start(Manners {
        busy: 2,
        ..Manners::default()
    });
    assert_eq!(bmc(&double).power().await.unwrap(), Power::Off);

    let double = start(Manners {
        busy: usize::MAX,
        ..Manners::default()
    });
    let options = ipmi::Options {
        answer_max: Duration::from_secs(1),
        ..quick()
    };
    let started = Instant::now();
    let fault = bmc_with(&double, "secret", options).power().await.unwrap_err();
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
    let double = start(manners);
    let bmc = bmc(&double);
    for _ in 0..3 {
        let dropped = tokio::time::timeout(Duration::from_millis(300), bmc.power()).await;
        assert!(dropped.is_err());
    }
    double.state().manners.busy = 0;
    assert_eq!(bmc.power().await.unwrap(), Power::Off);
    assert_eq!(double.state().opened.len(), 4);
}

#[tokio::test]
async fn boot_flags_arrive_whole_although_the_timeout_cannot_be_switched_off() {
    let double = start(Manners::default());
    let boot = BootOverride {
        device: BootDevice::Network,
        lasting: Lasting::Once,
        firmware: Firmware::Efi,
    };
    bmc(&double).set_boot_device(boot).await.unwrap();
    assert_eq!(double.state().boot_flags, [0xa0, 0x04, 0, 0, 0]);
}

#[tokio::test]
async fn a_refusal_carries_its_command_and_code() {
    let double = start(Manners {
        refuses: vec![(0x00, 0x02, 0xc1)],
        ..Manners::default()
    });
    let fault = bmc(&double).set_power(PowerWanted::On).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        format!(
            "BMC {} refused \"chassis control\" with code 0xc1",
            double.address()
        )
    );
    assert_eq!(double.state().sessions(), 0);
}

#[tokio::test]
async fn an_answer_without_its_data_is_a_bad_reply() {
    let double = start(Manners {
        curt: true,
        ..Manners::default()
    });
    let fault = bmc(&double).power().await.unwrap_err();
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
    let double = start(Manners {
        refuses: vec![(0x06, 0x37, 0xc1)],
        ..Manners::default()
    });
    let identity = bmc(&double).identify().await.unwrap();
    assert_eq!(identity.guid.unwrap().bytes(), *b"muster's own BMC");
    assert_eq!(
        (identity.manufacturer, identity.product, &*identity.firmware),
        (343, 0x1234, "2.15")
    );
}

#[tokio::test]
async fn a_lost_answer_to_a_power_command_is_made_up_for_by_a_look() {
    let double = start(Manners::default());
    let bmc = bmc_with(&double, "secret", short());
    bmc.power().await.unwrap();
    // The first is the look before the command, which is repeated; the second the command's own.
    double.state().manners.loses = 2;
    bmc.set_power(PowerWanted::On).await.unwrap();
    let mut state = double.state();
    assert_eq!((state.count(0x00, 0x02), state.is_on()), (1, true));
}

#[tokio::test]
async fn answers_that_come_late_are_found_done() {
    let double = start(Manners {
        late: Duration::from_millis(1200),
        ..Manners::default()
    });
    bmc_with(&double, "secret", short())
        .set_power(PowerWanted::On)
        .await
        .unwrap();
    let mut state = double.state();
    assert_eq!((state.count(0x00, 0x02), state.is_on()), (1, true));
    assert_eq!(state.complaints, [""; 0]);
}

#[tokio::test]
async fn power_that_never_changes_is_accepted_and_seen_unchanged() {
    let double = start(Manners {
        stuck: true,
        ..Manners::default()
    });
    let bmc = bmc(&double);
    bmc.set_power(PowerWanted::On).await.unwrap();
    assert_eq!(bmc.power().await.unwrap(), Power::Off);
}

fn short() -> ipmi::Options {
    ipmi::Options {
        answer_max: Duration::from_secs(2),
        ..quick()
    }
}
