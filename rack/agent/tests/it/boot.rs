//! A boot from the first packet to the end of its job, and what becomes of it when parts are missing.

use crate::rack::{LINK, Rack, boot_order, desired, loader, mac, machine_id, with_job};
use rack_api::{
    config::{Desired, Enlist},
    fact::{Fact, FactBody, StepState},
    job::JobRef,
    machine::{GoAnswer, GoRequest, Hello, HelloAnswer, Report, Verdict},
    rack_path,
};
use schema_ids::{BindingId, Generation, Timestamp, Uuid};
use std::fs;

const RANGE: (&str, &str) = ("10.77.0.100", "10.77.0.107");
/// Options of an iPXE ROM: class, and user class `iPXE`.
pub(crate) const IPXE: [&str; 4] = ["-V", "PXEClient:Arch:00000:UNDI:002001", "-x", "0x4d:69505845"];

pub(crate) fn job() -> JobRef {
    JobRef {
        machine: machine_id(),
        generation: Generation(1),
        attempt: 1,
    }
}

/// A rack whose machine is ordered to be inspected.
pub(crate) fn rack_with_job(change: impl FnOnce(&mut Desired)) -> Rack {
    let rack = Rack::start(desired(Enlist::Known, RANGE));
    let mut wanted = with_job(desired(Enlist::Known, RANGE), &rack.daemon);
    change(&mut wanted);
    rack.daemon.state.lock().unwrap().boot_go = true;
    rack.daemon.want(wanted);
    rack.await_fact("the boot order is in force", |fact| match fact {
        FactBody::OrderTaken { order } => Some(*order),
        _ => None,
    });
    rack
}

pub(crate) fn script(rack: &Rack) -> String {
    rack.get(&format!(
        "/boot/{}.ipxe?platform=pcbios&arch=i386&uuid=&serial=",
        mac(1).hyphenated()
    ))
}

pub(crate) fn argument(script: &str, name: &str) -> String {
    let word = script
        .split_whitespace()
        .find_map(|word| word.strip_prefix(&format!("{name}=")));
    word.unwrap_or_else(|| panic!("no {name}= in\n{script}"))
        .to_owned()
}

fn report(rack: &Rack, token: &str, body: FactBody) -> u16 {
    let report = Report {
        token: token.to_owned(),
        facts: vec![Fact {
            at: Timestamp::from_unix_ms(1),
            body,
        }],
    };
    rack.post(rack_path::REPORT, &report).0
}

fn hello(rack: &Rack, token: &str, boot: u8) -> HelloAnswer {
    let hello = Hello {
        token: token.to_owned(),
        boot_id: Uuid::from_bytes([boot; 16]),
        mac: mac(1),
    };
    let (status, answer) = rack.post(rack_path::HELLO, &hello);
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn a_job_from_the_first_packet_to_its_end() {
    let rack = rack_with_job(|_| {});
    rack.set_mac(mac(1));
    assert_eq!(rack.dhcp("nic0", &IPXE).unwrap().to_string(), "10.77.0.17");
    assert!(rack.get("/boot.ipxe").contains("chain --replace"));

    let script = script(&rack);
    assert!(script.contains("inspect (generation 1, attempt 1)"), "{script}");
    assert_eq!(argument(&script, "muster.ip"), "10.77.0.17/24");
    assert_eq!(argument(&script, "muster.gw"), "10.77.0.1");
    assert_eq!(argument(&script, "muster.server"), "http://10.77.0.1:8080");
    assert!(script.contains("mitigations=off"));
    let rootfs = argument(&script, "muster.rootfs");
    let path = rootfs.strip_prefix("http://10.77.0.1:8080").unwrap();
    assert_eq!(rack.get(path), "rootfs");
    assert_eq!(rack.curl(&[path, "-r", "2-3"]).stdout, b"ot");
    assert!(rack.get(rack_path::AGENT).starts_with("070701"));

    let token = argument(&script, "muster.token");
    let HelloAnswer::Job { job: given, .. } = hello(&rack, &token, 1) else {
        panic!("no job");
    };
    assert_eq!(given.job, job());
    let boot_id = Uuid::from_bytes([1; 16]);
    let step = |state| FactBody::Step {
        job: job(),
        boot_id,
        step: "inspect".to_owned(),
        state,
    };
    assert_eq!(report(&rack, &token, step(StepState::Started)), 200);
    assert_eq!(
        report(&rack, &token, FactBody::JobDone { job: job(), boot_id }),
        200
    );
    rack.await_fact("the job's end is told", |fact| match fact {
        FactBody::JobDone { job, .. } => Some(*job),
        _ => None,
    });

    // The same boot is not given the job again, but it is given the next.
    assert!(matches!(
        hello(&rack, &token, 1),
        HelloAnswer::Wait { seconds: 5, .. }
    ));
    let mut wanted = with_job(desired(Enlist::Known, RANGE), &rack.daemon);
    wanted.orders = vec![boot_order(2, 1)];
    rack.daemon.want(wanted);
    rack.await_true("the next job", |rack| {
        matches!(hello(rack, &token, 1), HelloAnswer::Job { job, .. } if job.job.generation == Generation(2))
    });
    let evidence = rack.await_fact("the boot is told with its answer", |fact| match fact {
        FactBody::Boot { boot, .. } if boot.answer.as_deref() == Some("job") => Some(boot.clone()),
        _ => None,
    });
    assert_eq!((evidence.mac, evidence.link.as_str()), (mac(1), LINK));
    assert_eq!(evidence.client, "PXEClient:Arch:00000:UNDI:002001+iPXE");
}

#[test]
fn a_forged_token_gets_nothing_and_a_boot_speaks_for_itself_only() {
    let rack = rack_with_job(|_| {});
    let token = argument(&script(&rack), "muster.token");
    let done = |machine| FactBody::JobDone {
        job: JobRef { machine, ..job() },
        boot_id: Uuid::from_bytes([1; 16]),
    };
    assert_eq!(
        report(&rack, &token.replace(":1:1:", ":1:2:"), done(machine_id())),
        401
    );
    let other = schema_ids::MachineId(Uuid::from_bytes([9; 16]));
    assert_eq!(report(&rack, &token, done(other)), 403);
    let power = FactBody::Power {
        machine: machine_id(),
        power: rack_api::fact::PowerSeen::On,
    };
    assert_eq!(report(&rack, &token, power), 403);
    let foreign = format!("{}{}", rack_path::ARTEFACT, "ab".repeat(32));
    assert!(!rack.curl(&[&foreign]).status.success());
    assert_eq!(
        rack.daemon
            .facts()
            .iter()
            .filter(|fact| matches!(fact, FactBody::JobDone { .. }))
            .count(),
        0
    );
}

#[test]
fn the_go_is_the_daemons_alone() {
    let mut rack = rack_with_job(|_| {});
    let token = argument(&script(&rack), "muster.token");
    let request = GoRequest {
        token,
        nonce: Uuid::from_bytes([3; 16]),
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
    assert_eq!(status, 200, "{answer}");
    let answer: GoAnswer = serde_json::from_str(&answer).unwrap();
    assert_eq!((answer.nonce, answer.verdict), (request.nonce, Verdict::Go));
    rack.stop_daemon();
    assert_eq!(rack.post(rack_path::GO, &request).0, 503);
}

#[test]
fn without_the_daemon_an_installed_machine_boots_its_disk() {
    let mut rack = rack_with_job(|wanted| {
        wanted.config.machines.get_mut(&machine_id()).unwrap().installed = true;
    });
    assert!(script(&rack).contains("muster.token="));
    rack.daemon.state.lock().unwrap().boot_go = false;
    assert!(script(&rack).ends_with("exit\n"));
    rack.stop_daemon();
    let local = script(&rack);
    assert!(
        local.contains("local boot") && local.ends_with("exit\n"),
        "{local}"
    );
}

#[test]
fn facts_wait_on_the_disk_for_the_daemon() {
    let mut rack = rack_with_job(|_| {});
    let token = argument(&script(&rack), "muster.token");
    rack.stop_daemon();
    let boot_id = Uuid::from_bytes([1; 16]);
    assert_eq!(
        report(&rack, &token, FactBody::JobDone { job: job(), boot_id }),
        200
    );
    rack.kill_agent();
    rack.start_agent();
    rack.start_daemon();
    rack.await_fact("the fact outlives the agent", |fact| match fact {
        FactBody::JobDone { job, .. } => Some(*job),
        _ => None,
    });
    // The daemon asserts on each fact that no sequence was used twice.
    let state = rack.daemon.state.lock().unwrap();
    assert!(
        state
            .requests
            .iter()
            .all(|request| request.facts.is_sorted_by_key(|fact| fact.sequence))
    );
    drop(state);
}

#[test]
fn an_artefact_is_fetched_once_and_a_wrong_one_never_served() {
    let rack = rack_with_job(|_| {});
    let kernel = rack.daemon.keep(b"kernel");
    let path = format!("{}{}", rack_path::ARTEFACT, kernel.hex());
    assert_eq!(rack.get(&path), "kernel");
    assert_eq!(rack.get(&path), "kernel");
    assert_eq!(
        rack.daemon.state.lock().unwrap().artefact_fetches,
        3,
        "kernel, initrd and rootfs, once each"
    );

    let mut wanted = with_job(desired(Enlist::Known, RANGE), &rack.daemon);
    let promised = rack.daemon.keep(b"promised");
    rack.daemon
        .state
        .lock()
        .unwrap()
        .artefacts
        .insert(promised, b"delivered".to_vec());
    wanted.config.artefacts.insert(promised);
    rack.daemon.want(wanted);
    rack.await_true("the wrong artefact is noticed", |rack| {
        rack.log().contains("what came for artefact")
    });
    let refused = rack.curl(&[
        &format!("{}{}", rack_path::ARTEFACT, promised.hex()),
        "-w",
        "%{http_code}",
    ]);
    assert!(
        String::from_utf8_lossy(&refused.stdout).ends_with("502"),
        "{refused:?}"
    );
}

#[test]
fn loaders_come_by_tftp_and_http() {
    let rack = rack_with_job(|_| {});
    rack.curl(&["/boot.ipxe"]);
    for options in [&["-b", "1468"][..], &[]] {
        let mut words = vec!["tftp", "-g", "-r", "snponly.efi", "-l", "got.efi"];
        words.extend(options);
        words.push("10.77.0.1");
        let got = rack.client("busybox", &words);
        assert!(got.status.success(), "{got:?}");
        let pwd = String::from_utf8(rack.client("cat", &["/dev/null"]).stdout).unwrap();
        assert_eq!(pwd, "");
        assert_eq!(rack.client("cat", &["got.efi"]).stdout, loader());
    }
    let missing = rack.client(
        "busybox",
        &["tftp", "-g", "-r", "../agent.key", "-l", "no", "10.77.0.1"],
    );
    assert!(
        String::from_utf8_lossy(&missing.stderr).contains("no such file"),
        "{missing:?}"
    );
    assert_eq!(rack.curl(&["/loader/snponly.efi"]).stdout, loader());
    assert!(fs::metadata("/run/netns").is_ok());
}

#[test]
fn a_stranger_is_inspected_once_where_the_link_says_so() {
    let rack = Rack::start(desired(Enlist::On, RANGE));
    rack.daemon
        .want(with_job(desired(Enlist::On, RANGE), &rack.daemon));
    let path = format!("/boot/{}.ipxe?platform=efi", mac(42).hyphenated());
    rack.await_true("the ephemeral system is known", |rack| {
        rack.get(&path).contains("inspection of")
    });
    let token = argument(&rack.get(&path), "muster.token");
    let hello = Hello {
        token: token.clone(),
        boot_id: Uuid::from_bytes([5; 16]),
        mac: mac(42),
    };
    let (_, answer) = rack.post(rack_path::HELLO, &hello);
    let answer: HelloAnswer = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        answer,
        HelloAnswer::Enlist {
            link: LINK.to_owned()
        }
    );
    let inventory = serde_json::json!({
        "uuid": null, "serial": "SN-1", "vendor": "", "product": "",
        "firmware": { "kind": "uefi", "version": "" },
        "cpu": { "arch": "amd64", "model": "", "cores": 1, "threads": 1 },
        "memory_bytes": 1, "disks": [], "nics": [], "bmc": null,
    });
    let enlisted = FactBody::Enlisted {
        mac: mac(42),
        link: LINK.to_owned(),
        inventory: serde_json::from_value(inventory).unwrap(),
    };
    assert_eq!(report(&rack, &token, enlisted), 200);
    assert!(rack.get(&path).ends_with("exit 1\n"));
}

#[test]
fn a_machine_that_git_knows_is_no_stranger_with_another_interface() {
    let rack = rack_with_job(|wanted| {
        wanted.config.known.serials = ["SN 1/2".to_owned()].into();
        wanted.config.known.uuids = ["00112233-4455-6677-8899-aabbccddeeff".parse().unwrap()].into();
    });
    let answer = |hardware: &str| {
        let script = rack.get(&format!(
            "/boot/{}.ipxe?platform=pcbios&{hardware}",
            mac(42).hyphenated()
        ));
        script.contains("inspection of")
    };
    assert!(answer("uuid=&serial=SN%201%2F2"));
    assert!(answer("uuid=33221100-5544-7766-8899-AABBCCDDEEFF&serial="));
    assert!(!answer("uuid=&serial=SN%201"));
    assert!(!answer("uuid=none&serial="));
    assert!(!answer(""));
}

#[test]
fn a_boot_that_one_agent_began_goes_on_with_the_other() {
    let mut first = rack_with_job(|_| {});
    let second = first.beside(desired(Enlist::Known, RANGE));
    let wanted = with_job(desired(Enlist::Known, RANGE), &second.daemon);
    second.daemon.state.lock().unwrap().boot_go = true;
    second.daemon.want(wanted);
    second.await_fact("the boot order is in force there too", |fact| match fact {
        FactBody::OrderTaken { order } => Some(*order),
        _ => None,
    });
    let token = argument(&script(&first), "muster.token");
    first.kill_agent();
    // Between its script and its job the machine finds the other agent: it takes the token that it did not mint.
    let gone = first.client("ip", &["addr", "flush", "dev", "nic0"]);
    assert!(gone.status.success());
    second.await_true("the other agent answers HTTP", |rack| {
        rack.curl(&["/boot.ipxe"]).status.success()
    });
    assert!(matches!(hello(&second, &token, 5), HelloAnswer::Job { .. }));
    let started = FactBody::JobStarted {
        job: job(),
        boot_id: Uuid::from_bytes([5; 16]),
    };
    assert_eq!(report(&second, &token, started.clone()), 200);
    second.await_true("it is told", |rack| rack.daemon.facts().contains(&started));
}
