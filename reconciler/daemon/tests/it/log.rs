//! `muster log` and `status --watch` against a real musterd: what happened, in its order and by whom; pages,
//! followers, and a screen that is drawn anew.

use crate::bed::Bed;
use crate::muster::{Muster, fleet, is_adopted, seen, text};
use rack_api::fact::{FactBody, PowerSeen, StepState};
use rack_api::job::JobRef;
use reconciler_core::people::{LogEntry, Status};
use schema_ids::{MachineId, Uuid};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A line that a follower prints comes with its next look, a second later; more on a loaded host.
const LINE_MAX: Duration = Duration::from_secs(60);

/// The entries that it prints, as documents.
fn entries(muster: &Muster, words: &[&str]) -> Vec<LogEntry> {
    let said = muster.says(&[&["--json", "log"], words].concat(), 0);
    let lines = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("an entry"));
    lines.collect()
}

/// What node-01's agent does next: hostile words, progress that is left out.
fn work(machine: MachineId) -> Vec<FactBody> {
    let job = JobRef {
        machine,
        generation: schema_ids::Generation(1),
        attempt: 1,
    };
    let boot_id = Uuid::from_bytes([9; 16]);
    let step = |state| FactBody::Step {
        job,
        boot_id,
        step: "unpack".to_owned(),
        state,
    };
    vec![
        FactBody::Power {
            machine,
            power: PowerSeen::On,
        },
        FactBody::JobStarted { job, boot_id },
        step(StepState::Started),
        step(StepState::Progress { done: 1, total: 2 }),
        step(StepState::Failed {
            code: "STEP_FAILED".to_owned(),
            error: "tar:\x1b[2J\nno space".to_owned(),
        }),
    ]
}

#[tokio::test]
async fn what_happened_is_told_in_order_and_by_whom() {
    let (machine, deployment) = fleet();
    let mut bed = Bed::new(&machine);
    let muster = Muster::of(&bed);
    bed.start(&[]);
    let status = bed.until("adopted", |status| is_adopted(status, "first")).await;
    let node = status.machines[0].id;
    bed.hear(1, seen(&status)).await;
    bed.hear(3, work(node)).await;
    bed.commit(&[("deploy.toml", Some(&deployment))], "deploy");
    let is_stopped = |status: &Status| status.revision.as_ref().is_some_and(|it| it.stopped.is_some());
    bed.until("stopped", is_stopped).await;
    let plan = muster.plan("main", 3);
    let id = plan["id"].as_str().unwrap();
    let wipe_set = plan["wipe-set"]["digest"].as_str().unwrap();
    muster.document(&["approve", id, "--wipe-set", wipe_set], 0);
    bed.until("adopted", |status| is_adopted(status, "deploy")).await;

    let all = entries(&muster, &["--since", "1h"]);
    assert!(all.is_sorted_by_key(|entry| entry.at), "{all:#?}");
    let at = |what: &str, by: &str| {
        let found = all
            .iter()
            .position(|entry| entry.what.contains(what) && entry.by == by);
        found.unwrap_or_else(|| panic!("nobody says {what:?} by {by}: {all:#?}"))
    };
    let story = [
        at("\"first\" is adopted", "Ada <ada@example.org>"),
        at(
            "inspected: Acme [machine.evil] R1, serial LAB-0001, 1 disk and 1 NIC",
            "rackd-1",
        ),
        at("found on lab/pxe, booting from 52:54:00:77:00:99", "rackd-1"),
        at("power is on", "rackd-1"),
        at("unpack FAILED, STEP_FAILED: tar: [2J no space", "rackd-1"),
        at(
            "\"deploy\" stopped after guarded, PLAN_CHANGED_SINCE_SHOWN",
            "Ada <ada@example.org>",
        ),
        at(&format!("approved {id} {wipe_set}"), "root"),
        at("\"deploy\" is adopted", "Ada <ada@example.org>"),
    ];
    assert!(story.is_sorted(), "{story:?}: {all:#?}");
    at("adopted: commit", "Ada <ada@example.org>");
    assert!(!all.iter().any(|entry| entry.what.contains("MiB")), "{all:#?}");
    let mut keys = BTreeSet::new();
    assert!(all.iter().all(|entry| keys.insert(&entry.key)), "{all:#?}");

    let ours = entries(&muster, &["node-01"]);
    assert_eq!(entries(&muster, &[&node.to_string()]), ours);
    assert!(ours.iter().any(|entry| entry.what == "unpack: begun"));
    assert!(
        !ours.iter().any(|entry| entry.what.contains("00:99")),
        "{ours:#?}"
    );
    let told = muster.says(&["log", "node-01"], 0);
    assert_eq!(told.lines().count(), ours.len());
    assert!(told.contains("  node-01  power is on  [rackd-1]\n"), "{told}");
    assert!(!told.contains('\x1b'), "{told}");
    assert_eq!(
        muster.document(&["log", "node-09"], 1)["error"]["code"],
        "NOT_FOUND"
    );
    muster.says(&["log", "--since", "yesterday"], 64);
    pages(&bed, &muster, node).await;
    follows(&bed, &muster, node).await;
}

/// More than two pages, with none left out and none twice, and as one page what is asked for without an age.
async fn pages(bed: &Bed, muster: &Muster, node: MachineId) {
    let before = entries(muster, &["node-01", "--since", "1h"]).len();
    let power = |number: u64| FactBody::Power {
        machine: node,
        power: if number.is_multiple_of(2) {
            PowerSeen::On
        } else {
            PowerSeen::Off
        },
    };
    for batch in 0..3 {
        bed.hear(8 + batch * 400, (0..400).map(power).collect()).await;
    }
    let all = entries(muster, &["node-01", "--since", "1h"]);
    // The control loop may order meanwhile; facts are counted.
    let facts = |entries: &[LogEntry]| {
        let keys: BTreeSet<_> = entries.iter().map(|entry| entry.key.clone()).collect();
        assert_eq!(keys.len(), entries.len());
        keys.iter().filter(|key| key.starts_with("fact/")).count()
    };
    assert!(all.len() >= before + 1200, "{before} and 1200 are {}", all.len());
    assert!(facts(&all) >= 1200);
    let newest = entries(muster, &["node-01"]);
    assert_eq!(newest.len(), 500);
    assert!(
        newest
            .iter()
            .all(|entry| all.iter().any(|other| other.key == entry.key))
    );
}

/// A line as soon as it happens, and the end when nobody reads.
async fn follows(bed: &Bed, muster: &Muster, node: MachineId) {
    let mut follower = muster.command(&["log", "node-01", "--since", "1s", "--follow"]);
    let mut follower = follower.stdout(Stdio::piped()).spawn().expect("muster starts");
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let (send, heard) = std::sync::mpsc::channel();
    // Ends with the second of them, and with it the pipe; what came before is of the second before.
    std::thread::spawn(move || {
        let lines = lines.map(|line| line.expect("a line"));
        for line in lines.filter(|line| line.contains("erased")).take(2) {
            drop(send.send(line));
        }
    });
    for (sequence, disk) in [(1208, "serial:one"), (1209, "serial:two")] {
        let erased = FactBody::Erased {
            job: JobRef {
                machine: node,
                generation: schema_ids::Generation(1),
                attempt: 1,
            },
            binding: schema_ids::BindingId(schema_ids::Uuid::from_bytes([1; 16])),
            disk: disk.parse().unwrap(),
            method: "quick".to_owned(),
            sample: "zeros".to_owned(),
        };
        bed.hear(sequence, vec![erased]).await;
        let line = heard.recv_timeout(LINE_MAX).expect("the follower says it");
        assert!(
            line.contains(&format!("disk {disk} erased (quick): zeros  [rackd-1]")),
            "{line}"
        );
    }
    bed.hear(
        1210,
        vec![FactBody::Power {
            machine: node,
            power: PowerSeen::Unknown,
        }],
    )
    .await;
    assert!(ended(&mut follower), "a follower without a reader goes on");
}

/// Whether it ends by itself.
fn ended(child: &mut Child) -> bool {
    let until = Instant::now() + LINE_MAX;
    while Instant::now() < until {
        if child.try_wait().expect("a child").is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(child.kill());
    drop(child.wait());
    false
}

#[tokio::test]
async fn a_screen_is_drawn_anew_and_does_not_scroll() {
    let (machine, _) = fleet();
    let mut bed = Bed::new(&machine);
    let muster = Muster::of(&bed);
    bed.start(&[]);
    bed.until("adopted", |status| is_adopted(status, "first")).await;
    let (program, socket) = (muster.program.display(), muster.socket.display());
    // Whoever runs the tests in the background may have Ctrl-C ignored, which programs inherit.
    let heard = "env --default-signal=INT";
    let watch =
        format!("stty rows 4 cols 60; exec {heard} {program} --ascii --socket {socket} status --watch");
    let mut script = std::process::Command::new("script");
    script.args(["-qfec", &watch, "/dev/null"]).env("TERM", "xterm");
    let mut script = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of bsdutils, starts");
    let mut screen = script.stdout.take().unwrap();
    let (mut drawn, mut some) = (Vec::new(), [0; 4096]);
    let until = Instant::now() + LINE_MAX;
    // Three drawings, each from the first line on.
    while text(&drawn).matches("\x1b[H").count() < 4 {
        assert!(Instant::now() < until, "{}", text(&drawn));
        let read = screen.read(&mut some).expect("the terminal");
        assert!(read > 0, "the watch ended: {}", text(&drawn));
        drawn.extend(&some[..read]);
    }
    // Ctrl-C, as a person ends it.
    std::io::Write::write_all(&mut script.stdin.take().unwrap(), b"\x03").unwrap();
    drop(screen);
    assert!(ended(&mut script), "Ctrl-C ends it");
    let drawn = text(&drawn);
    assert!(drawn.is_ascii(), "{drawn}");
    let second = drawn.split("\x1b[H").nth(2).expect("a second drawing");
    let lines: Vec<&str> = second.split("\r\n").collect();
    assert_eq!(lines.len(), 4, "three lines and the cursor's: {second:?}");
    assert!(
        lines[0].starts_with("fleet lab") && lines[0].ends_with("\x1b[K"),
        "{second:?}"
    );
    assert!(lines[2].contains("more lines"), "{second:?}");
    assert_eq!(lines[3], "\x1b[J");
}
