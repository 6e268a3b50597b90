//! Boot answers: the decision table, every script, and the growing evidence.

use crate::dhcp::{LINK, config};
use rack_api::{
    config::{Enlist, Ephemeral, Known, RackConfig},
    fact::{BootEvidence, FactBody},
    job::{Job, JobKind, JobRef},
    order::{Action, NextBoot, Order},
};
use rack_proto::{
    boot::{
        Answer, BootLog, Client, Decision, Hardware, LiveGo, Question, Sign, System, decide, first_script,
        grub_script, script,
    },
    dhcp::{Bootstrap, Seen},
};
use schema_ids::{Digest, Generation, Incarnation, Mac, MachineId, Timestamp, Uuid};
use serde::Deserialize;
use std::{collections::BTreeSet, fmt::Write as _, net::SocketAddr, time::Duration};

fn mac(last: u8) -> Mac {
    Mac::new([0x52, 0x54, 0, 0x77, 0, last]).unwrap()
}

fn machine() -> MachineId {
    MachineId(Uuid::from_bytes([0; 16]))
}

fn ephemeral() -> Ephemeral {
    Ephemeral {
        kernel: Digest([1; 32]),
        initrd: Digest([2; 32]),
        rootfs: Digest([3; 32]),
    }
}

fn rack(enlist: Enlist) -> RackConfig {
    let machines = [(mac(1), "10.77.0.11".to_owned())].into();
    RackConfig {
        ephemeral: Some(ephemeral()),
        token_key: "00112233445566778899aabbccddeeff".to_owned(),
        known: Known {
            serials: ["ABC-1".to_owned()].into(),
            uuids: ["00112233-4455-6677-8899-aabbccddeeff".parse().unwrap()].into(),
            macs: [mac(1), mac(8)].into(),
        },
        ..config(enlist, &[], &machines)
    }
}

fn order(next: NextBoot) -> Order {
    Order {
        machine: machine(),
        incarnation: Incarnation {
            number: 1,
            uuid: Uuid::from_bytes([9; 16]),
        },
        generation: Generation(4),
        number: 1,
        deadline: Timestamp::from_unix_ms(1000),
        cause: String::new(),
        by_hand: None,
        action: Action::Boot(next),
    }
}

fn job() -> NextBoot {
    NextBoot::Job(Box::new(Job {
        job: JobRef {
            machine: machine(),
            generation: Generation(4),
            attempt: 2,
        },
        name: "node-00".parse().unwrap(),
        boot_order: rack_api::boot_order::BootOrder::NetworkFirst,
        leaves: false,
        mark: None,
        kind: JobKind::Inspect,
    }))
}

/// One row of the table in `tests/cases/boot`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Row {
    title: String,
    declared: bool,
    enlist: Enlist,
    inspected: bool,
    ephemeral: bool,
    key: bool,
    installed: bool,
    refuse: Option<String>,
    mac: u8,
    uuid: Option<Uuid>,
    serial: String,
    order: Option<String>,
    live: Option<String>,
    late: bool,
    /// Whether the daemon has answered since the agent started.
    heard: bool,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            title: String::new(),
            declared: true,
            enlist: Enlist::Known,
            inspected: false,
            ephemeral: true,
            key: true,
            installed: false,
            refuse: None,
            mac: 9,
            uuid: None,
            serial: String::new(),
            order: None,
            heard: true,
            live: None,
            late: false,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Table {
    row: Vec<Row>,
}

#[test]
fn decisions() {
    let text = include_str!("../cases/boot/decisions.toml");
    let table: Table = toml::from_str(text).unwrap();
    let lines: Vec<String> = table
        .row
        .iter()
        .map(|row| format!("{:<38} {}", row.title, decided(row)))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

fn decided(row: &Row) -> String {
    let mut config = rack(row.enlist);
    let known = config.machines.get_mut(&machine()).unwrap();
    known.installed = row.installed;
    known.refuse.clone_from(&row.refuse);
    config.ephemeral = config.ephemeral.filter(|_| row.ephemeral);
    if !row.key {
        config.token_key.clear();
    }
    let order = row.order.as_deref().map(|wanted| match wanted {
        "job" => order(job()),
        "local" => order(NextBoot::Local),
        other => panic!("no such order: {other}"),
    });
    let live = row.live.as_deref().map(|word| match word {
        "go" => LiveGo::Go,
        "no-go" => LiveGo::NoGo,
        "silent" => LiveGo::Unreachable,
        other => panic!("no such word: {other}"),
    });
    let decision = decide(&Question {
        config: &config,
        order: order.as_ref(),
        link: LINK,
        mac: mac(if row.declared { 1 } else { row.mac }),
        hardware: Hardware {
            uuid: row.uuid,
            serial: &row.serial,
        },
        stopped: false,
        enlisted: row.inspected,
        heard: row.heard,
        live,
        // The order's deadline is at 1000.
        now: Timestamp::from_unix_ms(if row.late { 1000 } else { 999 }),
    });
    match decision {
        Decision::Job { job, .. } => format!("job: {}", job.kind.name()),
        Decision::AskDaemon(request) => {
            format!(
                "ask about generation {} attempt {}",
                request.generation, request.attempt
            )
        }
        Decision::Local { why } => format!("local: {why}"),
        Decision::Enlist => "enlist".to_owned(),
        Decision::Refuse { reason } => format!("refuse: {reason}"),
    }
}

/// The rack agent's HTTP server.
pub(crate) fn server() -> SocketAddr {
    "10.77.0.1:8080".parse().unwrap()
}

/// Every answer that there is.
pub(crate) fn answers() -> [Answer; 4] {
    let system = System {
        title: "node-00: inspect (generation 4, attempt 2)".to_owned(),
        server: server(),
        ephemeral: ephemeral(),
        token: "job:TOKEN".to_owned(),
        mac: mac(1),
        address: Some(("10.77.0.11".parse().unwrap(), 24)),
        gateway: Some("10.77.0.254".parse().unwrap()),
        kernel_arguments: vec!["mitigations=off".to_owned(), "a|b;${x}".to_owned()],
    };
    let bare = System {
        address: None,
        gateway: None,
        kernel_arguments: Vec::new(),
        ..system.clone()
    };
    [
        Answer::Job(Box::new(system)),
        Answer::Enlist(Box::new(bare)),
        Answer::Local {
            why: "no job is ordered".to_owned(),
        },
        Answer::Refuse {
            reason: "two machines have its MAC && ${oops} || \n exit".to_owned(),
        },
    ]
}

/// Every script that there is.
fn all_scripts() -> String {
    let mut out = format!("──── first\n{}", first_script(server()));
    for answer in answers() {
        for client in [Client::BiosIpxe, Client::UefiIpxe] {
            let script = script(client, &answer);
            write!(out, "──── {} {client:?}\n{script}", answer.name()).unwrap();
        }
        write!(
            out,
            "──── {} signed GRUB\n{}",
            answer.name(),
            grub_script(&answer)
        )
        .unwrap();
    }
    out
}

#[test]
fn scripts() {
    insta::assert_snapshot!(all_scripts());
}

#[test]
fn each_code_on_the_console_has_its_section() {
    let page = include_str!("../../../../docs/boot-codes.md");
    let codes = |text: &str, mark: &str, end: char| -> BTreeSet<String> {
        let found = text.split(mark).skip(1);
        found
            .map(|rest| rest.split(end).next().unwrap().to_owned())
            .collect()
    };
    let printed = codes(&all_scripts(), "(code ", ')');
    assert!(printed.contains("BOOT-1"), "{printed:?}");
    assert_eq!(codes(page, "\n## ", ':'), printed);
    for section in page.split("\n## ").skip(1) {
        let (code, _) = section.split_once(':').unwrap();
        for part in [
            "\n\n    muster: ",
            &format!("(code {code})"),
            "\n\n**Why.** ",
            "\n\n**What to do.** ",
        ] {
            assert!(section.contains(part), "{code}: {part:?}");
        }
    }
}

fn seen(mac: Mac, machine: Option<MachineId>, bootstrap: Bootstrap, discover: bool) -> Seen {
    Seen {
        mac,
        link: LINK.to_owned(),
        machine,
        client: format!("{bootstrap:?}"),
        uuid: None,
        bootstrap,
        discover,
        address: (!discover).then(|| "10.77.0.11".parse().unwrap()),
    }
}

fn told(log: &mut BootLog, second: u64) -> Vec<BootEvidence> {
    log.due(at(second))
        .into_iter()
        .map(|fact| match fact {
            FactBody::Boot { boot, .. } => boot,
            other => panic!("not a boot: {other:?}"),
        })
        .collect()
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_ms(0).plus(Duration::from_secs(second))
}

#[test]
fn a_boot_grows_until_the_next_begins() {
    let mut log = BootLog::default();
    let dhcp = |log: &mut BootLog, bootstrap, discover, second| {
        log.dhcp(&seen(mac(1), Some(machine()), bootstrap, discover), at(second));
    };
    // Firmware, then the iPXE it loads: one boot.
    dhcp(&mut log, Bootstrap::PxeUefi, true, 10);
    assert_eq!(told(&mut log, 10).len(), 1);
    dhcp(&mut log, Bootstrap::PxeUefi, false, 11);
    assert_eq!(told(&mut log, 11), [], "at most every 2 s");
    log.note(mac(1), Sign::Tftp("snponly.efi: complete".to_owned()), at(13));
    dhcp(&mut log, Bootstrap::Ipxe, true, 15);
    log.note(mac(1), Sign::Answered("job"), at(16));
    let boots = told(&mut log, 16);
    assert_eq!(boots[0].began, at(10));
    assert_eq!(
        (boots[0].tftp.is_some(), boots[0].answer.as_deref()),
        (true, Some("job"))
    );
    assert_eq!(boots[0].address, Some("10.77.0.11".parse().unwrap()));
    assert_eq!(told(&mut log, 30), [], "nothing changed");
    // The machine was reset: another boot, with nothing of the last.
    dhcp(&mut log, Bootstrap::PxeUefi, true, 40);
    let boots = told(&mut log, 40);
    assert_eq!((boots[0].began, boots[0].answer.as_deref()), (at(40), None));
    // iPXE that was never answered and tries again after a long silence.
    dhcp(&mut log, Bootstrap::Ipxe, true, 200);
    assert_eq!(told(&mut log, 200)[0].began, at(200));
}

#[test]
fn strangers_are_capped_and_machines_are_not() {
    let mut log = BootLog::default();
    for number in 0..200 {
        log.dhcp(&seen(mac(number), None, Bootstrap::Ipxe, true), at(1));
    }
    assert_eq!(told(&mut log, 1).len(), 64);
    log.dhcp(&seen(mac(250), Some(machine()), Bootstrap::Ipxe, true), at(2));
    assert_eq!(told(&mut log, 2).len(), 1);
    // Long over and told: forgotten, and there is room again.
    assert_eq!(told(&mut log, 8000).len(), 0);
    log.dhcp(&seen(mac(251), None, Bootstrap::Ipxe, true), at(8000));
    assert_eq!(told(&mut log, 8000).len(), 1);
}
