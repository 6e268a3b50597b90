//! Holds and stops with a real musterd, its Postgres and the `muster` program: nothing is ordered or allowed while one
//! stands in the way, everybody is told why, and afterwards the same goes on.

use crate::bed::{Bed, example};
use crate::muster::Muster;
use crate::shown::tell;
use rack_api::daemon_path;
use rack_api::fact::DiskSeen;
use rack_api::machine::{GoAnswer, GoRequest, Verdict};
use rack_api::sync::{BootGo, BootGoRequest};
use reconciler_core::condition::Condition;
use reconciler_core::people::Status;
use schema_ids::{BindingId, ContentId, MachineId, Uuid};
use std::process::{Command, Output};

/// The example, with all that jobs run in.
fn fleet() -> String {
    let rootfs = "[image.ephemeral.rootfs]\nsource = \"muster:ephemeral/root.squashfs\"\n\
                  sha256 = \"c7a1f7c1d2e6f0c5f1b7fd0d2ce2d1d4d7e0d5d7c8b1d3a6f9e2c4b5a6978812\"\n";
    format!("{}\n{rootfs}", example())
}

fn waits_on(status: &Status) -> Option<Condition> {
    status.machines.first()?.wait.as_ref().map(|wait| wait.condition)
}

fn is_held(status: &Status) -> bool {
    waits_on(status) == Some(Condition::Held)
}

/// `musterd stop` or `resume`, as root on its host.
fn musterd(bed: &Bed, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_musterd"))
        .args(words)
        .arg("--state-dir")
        .arg(bed.path("state"))
        .output()
        .unwrap()
}

fn orders(bed: &Bed) -> Vec<String> {
    bed.table("order_issued")
}

/// A musterd whose machine is inspected, and a hold that came before the plan to install it.
async fn held() -> (Bed, Muster, MachineId) {
    held_in(&[]).await
}

async fn held_in(variables: &[(&str, &str)]) -> (Bed, Muster, MachineId) {
    let mut bed = Bed::new(&fleet());
    bed.start(variables);
    let first = bed.until("adopted", |status| status.machines.len() == 1).await;
    let muster = Muster::of(&bed);
    bed.hear(1, Vec::new()).await;
    let words = [
        "hold",
        "add",
        "machine:node-*",
        "--effect",
        "no-destructive",
        "--until",
        "2h",
    ];
    let words = [&words[..], &["--reason", "disks are copied", "--ticket", "CHG-1"]].concat();
    let said = muster.says(&words, 0);
    assert!(
        said.starts_with("h-1: no-destructive on machine:node-* until "),
        "{said}"
    );
    let id = first.machines[0].id;
    tell(&bed, id, 2, "blank").await;
    bed.until("held", is_held).await;
    (bed, muster, id)
}

/// A selector that selects nothing, and an end that is over.
fn refuses_what_is_no_hold(muster: &Muster) {
    let nobody = [
        "hold",
        "add",
        "machine:nobody",
        "--effect",
        "freeze",
        "--until",
        "2h",
        "--reason",
        "x",
    ];
    let refused = muster.document(&nobody, 1);
    assert_eq!(refused["error"]["code"], "M0801");
    let past = [
        "hold",
        "add",
        "fleet:lab",
        "--effect",
        "freeze",
        "--until",
        "2001-01-01T00:00:00Z",
        "--reason",
        "x",
    ];
    assert_eq!(muster.document(&past, 1)["error"]["code"], "BAD_REQUEST");
}

#[tokio::test]
async fn a_hold_keeps_orders_back_and_says_so_until_it_is_ended() {
    let (bed, muster, _) = held().await;
    let before = orders(&bed);

    refuses_what_is_no_hold(&muster);
    let listed = muster.says(&["hold", "ls"], 0);
    assert!(
        listed.contains("h-1") && listed.contains("disks are copied (CHG-1)"),
        "{listed}"
    );
    assert_eq!(
        muster.says(&["hold", "ls", "--expiring", "1h"], 0),
        "nothing is held\n"
    );
    let soon = muster.document(&["hold", "ls", "--expiring", "3h"], 0);
    assert_eq!(soon["holds"][0]["machines"], 1);
    let patch = muster.says(&["hold", "ls", "--as-patch", "--folder", "fleet"], 0);
    assert!(
        patch.contains("targets = [\"machine:node-*\"]") && patch.contains("CHG-1"),
        "{patch}"
    );

    let why = muster.says(&["why", "node-01"], 0);
    for words in [
        "HELD",
        "h-1 (no-destructive) by ",
        "disks are copied",
        "`muster hold rm h-1`",
    ] {
        assert!(why.contains(words), "no {words:?} in\n{why}");
    }
    let status = muster.says(&["status"], 0);
    assert!(status.contains("h-1") && status.contains("held"), "{status}");

    // A commit declares it, and the one made in haste is ended: nothing goes meanwhile.
    let declared = format!("{}\n{patch}", fleet());
    bed.commit(&[("fleet.toml", Some(&declared))], "declare the hold");
    let id = "hold.node-no-destructive-h-1";
    let has = |status: &Status| status.holds.iter().any(|told| told.hold.id == id);
    bed.until("declared", has).await;
    assert_eq!(
        muster.document(&["hold", "rm", id], 1)["error"]["code"],
        "NOT_FOUND"
    );
    muster.says(&["hold", "rm", "h-1", "--reason", "it is in git"], 0);
    assert_eq!(
        muster.document(&["hold", "rm", "h-1"], 1)["error"]["code"],
        "NOT_FOUND"
    );
    let status = bed
        .until("held by git alone", |status| status.holds.len() == 1)
        .await;
    assert!(is_held(&status), "{status:#?}");
    let next = status.machines[0].wait.clone().unwrap().next_step;
    assert!(next.contains(id) && next.contains("fleet.toml:"), "{next}");
    assert_eq!(orders(&bed), before, "something was ordered under the hold");

    bed.commit(&[("fleet.toml", Some(&fleet()))], "the disks are copied");
    bed.until("it goes on", |status| !is_held(status) && status.holds.is_empty())
        .await;
    bed.until("it is ordered", |_| orders(&bed).len() > before.len())
        .await;
    let log = muster.says(&["log"], 0);
    for words in ["hold h-1 on machine:node-*", "hold h-1 ended: it is in git"] {
        assert!(log.contains(words), "no {words:?} in\n{log}");
    }
}

/// "May I write?", of the machine that may boot this.
fn question(boot: &BootGoRequest) -> GoRequest {
    GoRequest {
        token: String::new(),
        nonce: Uuid::from_bytes([7; 16]),
        boot_id: Uuid::from_bytes([1; 16]),
        job: rack_api::job::JobRef {
            machine: boot.machine,
            generation: boot.generation,
            attempt: boot.attempt,
        },
        binding: BindingId(Uuid::from_bytes([4; 16])),
        uuid: None,
        serial: None,
        macs: Vec::new(),
        disks: Vec::new(),
        mark: None,
    }
}

#[tokio::test]
async fn a_stop_reaches_agents_and_is_before_every_go() {
    let (bed, muster, id) = held().await;
    muster.says(&["hold", "rm", "h-1"], 0);
    bed.until("a job is ordered", |_| {
        orders(&bed).iter().any(|row| row.contains("deploy"))
    })
    .await;
    let agent = bed.enrol("rackd-1").await;
    let status = bed.until("there", |status| status.machines.len() == 1).await;
    let generation = status.machines[0].generation;
    let attempt = orders(&bed).iter().filter(|row| row.contains("deploy")).count();
    let boot = BootGoRequest {
        machine: id,
        generation,
        attempt: u32::try_from(attempt).unwrap(),
    };
    let may_boot = async || -> bool {
        let answer: BootGo = agent.post(&bed, daemon_path::BOOT_GO, &boot).await.unwrap();
        answer.go
    };
    assert!(may_boot().await, "its job may boot");

    let said = muster.says(&["stop", "--scope", "fleet", "--reason", "smoke in hall 2"], 0);
    assert!(said.contains("`muster resume --scope fleet`"), "{said}");
    assert!(!may_boot().await, "a job boots although everything is stopped");
    let request = question(&boot);
    let answer: GoAnswer = agent.post(&bed, daemon_path::GO, &request).await.unwrap();
    let Verdict::Refuse { code, reason } = answer.verdict else {
        panic!("it may write although everything is stopped");
    };
    assert_eq!(code, "HELD");
    assert!(reason.contains("smoke in hall 2"), "{reason}");
    let word = bed
        .hear(3, Vec::new())
        .await
        .desired
        .expect("the agent is told")
        .1;
    let told = word.config.machines[&id].stopped.clone();
    assert!(told.is_some_and(|told| told.contains("smoke in hall 2")));
    // Addresses are still its own.
    assert!(!word.config.links.is_empty() && !word.config.machines[&id].nics.is_empty());

    let shown = muster.says(&["status"], 0);
    assert!(
        shown.contains("STOPPED fleet by ") && shown.contains("smoke in hall 2"),
        "{shown}"
    );
    assert_eq!(
        muster.document(&["stop", "--scope", "pool:none", "--reason", "x"], 1)["error"]["code"],
        "M0801"
    );

    // A stop of this host stands beside it, and is ended there.
    assert!(
        musterd(&bed, &["stop", "--reason", "the database is odd"])
            .status
            .success()
    );
    muster.says(&["resume", "--scope", "fleet"], 0);
    assert!(!may_boot().await, "musterd does not look at its own host's stop");
    let refused = muster.document(&["resume"], 1);
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("`musterd resume`"), "{message}");
    assert!(musterd(&bed, &["resume"]).status.success());
    assert!(may_boot().await, "it goes on");
    assert!(
        !musterd(&bed, &["resume"]).status.success(),
        "ended once is ended"
    );
    let log = muster.says(&["log"], 0);
    assert!(
        log.contains("fleet stopped: smoke in hall 2") && log.contains("fleet resumed"),
        "{log}"
    );
}

/// The database knows nothing of this stop, and may take its time to record a go.
#[tokio::test]
async fn a_stop_of_the_host_is_before_a_go_that_is_being_recorded() {
    let (bed, muster, id) = held_in(&[("MUSTER_FAILPOINT", "go"), ("MUSTER_FAILPOINT_PAUSES", "1")]).await;
    muster.says(&["hold", "rm", "h-1"], 0);
    bed.until("a job is ordered", |_| {
        orders(&bed).iter().any(|row| row.contains("deploy"))
    })
    .await;
    // Whether its images are there is looked at by their names.
    for line in fleet().lines() {
        if let Some(digest) = line.strip_prefix("sha256 = ") {
            let name = digest.trim_matches('"');
            std::fs::write(bed.path("state/images").join(name), "").unwrap();
        }
    }
    let agent = bed.enrol("rackd-1").await;
    let generation = bed.until("there", |_| true).await.machines[0].generation;
    let attempt = orders(&bed).iter().filter(|row| row.contains("deploy")).count();
    let mut request = question(&BootGoRequest {
        machine: id,
        generation,
        attempt: u32::try_from(attempt).unwrap(),
    });
    request.binding = bed.table("binding")[0]
        .split('|')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    request.serial = Some("LAB-0001".to_owned());
    request.macs = vec!["52:54:00:77:00:01".parse().unwrap()];
    request.disks = vec![DiskSeen {
        disk: "serial:d1".parse().unwrap(),
        content: ContentId::Blank,
        size_bytes: 20_000_000_000,
    }];
    let stop = async {
        bed.until_true("it is about to record it", || {
            bed.log().contains("failpoint go reached")
        })
        .await;
        assert!(musterd(&bed, &["stop", "--reason", "smoke"]).status.success());
        let pid = rustix::process::Pid::from_raw(bed.pid().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    };
    let asked = agent.post::<GoAnswer>(&bed, daemon_path::GO, &request);
    let (answer, ()) = tokio::join!(asked, stop);
    let Verdict::Refuse { code, reason } = answer.unwrap().verdict else {
        panic!("it may write although the host was stopped before it was told so");
    };
    assert_eq!(code, "HELD");
    assert!(reason.contains("smoke"), "{reason}");
    // Nothing else stood in its way.
    assert!(musterd(&bed, &["resume"]).status.success());
    request.nonce = Uuid::from_bytes([8; 16]);
    let answer: GoAnswer = agent.post(&bed, daemon_path::GO, &request).await.unwrap();
    assert_eq!(answer.verdict, Verdict::Go);
}

#[tokio::test]
async fn a_stop_of_the_host_is_honoured_from_the_first_moment_on() {
    let mut bed = Bed::new(&fleet());
    std::fs::create_dir_all(bed.path("state")).unwrap();
    assert!(musterd(&bed, &["stop", "--reason", "not yet"]).status.success());
    bed.start(&[]);
    let status = bed.until("adopted", |status| status.machines.len() == 1).await;
    assert_eq!(status.stops.len(), 1, "{status:#?}");
    bed.hear(1, Vec::new()).await;
    bed.until("held", is_held).await;
    assert_eq!(
        orders(&bed),
        Vec::<String>::new(),
        "something was ordered under the stop"
    );
    assert!(musterd(&bed, &["resume"]).status.success());
    bed.until("ordered", |_| !orders(&bed).is_empty()).await;
}
