//! The conversation over TCP: patience, tokens, nonces and broken connections.

use crate::rack_agent::{Reply, serve};
use crate::sample;
use crate::tree::plant;
use rack_api::fact::FactBody;
use rack_api::machine::{GoAnswer, GoRequest, Hello, HelloAnswer, PhoneHome, Report, Verdict};
use rack_inmachine::artefact::Download;
use rack_inmachine::phone_home::{PhoneHomeError, phone_home};
use rack_inmachine::rack::{CallError, Rack};
use rack_inmachine::sysfs::Sysfs;
use schema_ids::{Digest, DiskId};
use std::io::Read;

#[test]
fn a_daemon_out_of_reach_is_waited_for() {
    let mut asked = 0;
    let (server, requests) = serve(move |_| {
        asked += 1;
        match asked {
            1 => Reply::bytes(503, b"no daemon".to_vec()),
            _ => Reply::json(&HelloAnswer::Wait {
                seconds: 5,
                reason: "busy".to_owned(),
            }),
        }
    });
    let mac = "52:54:00:77:00:01".parse().unwrap();
    let answer = Rack::new(&server, "token").hello(sample::uuid(3), mac);
    assert!(matches!(answer, HelloAnswer::Wait { seconds: 5, .. }));
    for _ in 0..2 {
        let hello: Hello = serde_json::from_str(&requests.recv().unwrap().body).unwrap();
        assert_eq!(
            (hello.token.as_str(), hello.boot_id, hello.mac),
            ("token", sample::uuid(3), mac)
        );
    }
}

#[test]
fn a_go_counts_for_its_own_question_only() {
    let mut asked = 0;
    let (server, requests) = serve(move |request| {
        let request: GoRequest = serde_json::from_str(&request.body).unwrap();
        asked += 1;
        Reply::json(&GoAnswer {
            nonce: if asked == 1 {
                sample::uuid(9)
            } else {
                request.nonce
            },
            verdict: if asked == 1 {
                Verdict::Go
            } else {
                Verdict::Refuse {
                    code: "HELD".to_owned(),
                    reason: "held by a person".to_owned(),
                }
            },
        })
    });
    let answer = Rack::new(&server, "token").go(GoRequest {
        token: String::new(),
        nonce: sample::uuid(4),
        boot_id: sample::uuid(3),
        job: sample::job(),
        binding: sample::home("").binding,
        uuid: None,
        serial: None,
        macs: vec![],
        disks: vec![],
        mark: None,
    });
    assert!(matches!(answer.verdict, Verdict::Refuse { .. }), "{answer:?}");
    let asked: GoRequest = serde_json::from_str(&requests.recv().unwrap().body).unwrap();
    assert_eq!(asked.token, "token");
}

#[test]
fn facts_carry_the_token() {
    let (server, requests) = serve(|_| Reply::bytes(200, vec![]));
    let body = FactBody::JobStarted {
        job: sample::job(),
        boot_id: sample::uuid(3),
    };
    Rack::new(&server, "token").report(vec![body.clone()]);
    let request = requests.recv().unwrap();
    let report: Report = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        (request.path.as_str(), report.token.as_str()),
        ("/job/v1/report", "token")
    );
    assert_eq!(report.facts[0].body, body);
}

#[test]
fn a_broken_download_goes_on_where_it_was() {
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let wanted = bytes.clone();
    let mut connections = 0;
    let (server, requests) = serve(move |request| {
        connections += 1;
        let from = usize::try_from(request.range_from.unwrap()).unwrap();
        Reply {
            cut_after: (connections < 3).then_some(1_000_001),
            ..Reply::bytes(206, bytes[from..].to_vec())
        }
    });
    let mut rack = Rack::new(&server, "token");
    let mut download = Download::new(&mut rack, Digest([7; 32]));
    let mut got = Vec::new();
    download.read_to_end(&mut got).unwrap();
    assert!(got == wanted, "the bytes differ");
    assert_eq!(
        (download.done_bytes(), download.total_bytes()),
        (4_000_000, 4_000_000)
    );
    let asked: Vec<_> = requests.try_iter().map(|request| request.range_from).collect();
    assert_eq!(asked, [Some(0), Some(1_000_001), Some(2_000_002)]);
}

#[test]
fn a_server_without_ranges_is_no_use_in_the_middle() {
    let (server, _requests) = serve(|_| Reply::bytes(200, vec![1, 2, 3]));
    let mut rack = Rack::new(&server, "token");
    assert!(rack.artefact(Digest([7; 32]), 0).is_ok());
    let error = rack.artefact(Digest([7; 32]), 1).err();
    assert!(
        matches!(error, Some(CallError::Refused { status: 200, .. })),
        "{error:?}"
    );
}

#[test]
fn the_installed_system_names_its_disk() {
    let (server, requests) = serve(|_| Reply::bytes(200, vec![]));
    let root = tempfile::tempdir().unwrap();
    let config = serde_json::to_string(&sample::home(&server)).unwrap();
    plant(
        root.path(),
        &format!(
            "etc/muster/phone-home.json = {config}\n\
             proc/sys/kernel/random/boot_id = 00000000-0000-0000-0000-000000000003\\n\n\
             proc/self/mountinfo = 1 1 0:2 / / rw - rootfs rootfs rw\\n22 1 254:3 / / rw shared:1 - ext4 /dev/vda3 rw\\n30 22 254:2 / /boot rw - ext4 /dev/vda2 rw\\n\n\
             sys/devices/pci/virtio1/block/vda/size = 8388608\n\
             sys/devices/pci/virtio1/block/vda/serial = muster-disk-0\n\
             sys/devices/pci/virtio1/block/vda/vda3/partition = 3\n\
             sys/devices/pci/virtio1/block/vda/device -> sys/devices/pci/virtio1\n\
             sys/block/vda -> sys/devices/pci/virtio1/block/vda\n\
             sys/dev/block/254:3 -> sys/devices/pci/virtio1/block/vda/vda3\n"
        ),
    );
    phone_home(&Sysfs::below(root.path())).unwrap();
    let request = requests.recv().unwrap();
    assert_eq!(request.path, "/phone-home");
    let word: PhoneHome = serde_json::from_str(&request.body).unwrap();
    let home = sample::home(&server);
    assert_eq!(
        word,
        PhoneHome {
            token: home.token,
            machine: home.machine,
            binding: home.binding,
            boot_id: sample::uuid(3),
            root_disk: Some("serial:muster-disk-0".parse::<DiskId>().unwrap()),
            root_device: "/dev/vda3".to_owned(),
        }
    );
}

#[test]
fn a_phone_home_that_is_refused_fails() {
    let (server, _requests) = serve(|_| Reply::bytes(403, b"unknown token".to_vec()));
    let root = tempfile::tempdir().unwrap();
    let config = serde_json::to_string(&sample::home(&server)).unwrap();
    plant(
        root.path(),
        &format!(
            "etc/muster/phone-home.json = {config}\n\
             proc/sys/kernel/random/boot_id = 00000000-0000-0000-0000-000000000003\\n\n"
        ),
    );
    let error = phone_home(&Sysfs::below(root.path())).unwrap_err();
    assert!(
        matches!(
            &error,
            PhoneHomeError::Call(CallError::Refused { status: 403, .. })
        ),
        "{error:?}"
    );
}
