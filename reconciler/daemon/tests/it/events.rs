//! `muster apply --wait` and `--events` against a real musterd: what is told of a commit's carrying out, on a terminal and
//! as documents, whoever is killed meanwhile.

use crate::bed::Bed;
use crate::muster::{Muster, fleet, installed, is_adopted, seen, text};
use rack_api::fact::{FactBody, PowerSeen, StepState};
use rack_api::job::JobRef;
use reconciler_core::event::SCHEMA;
use reconciler_core::people::Status;
use reconciler_core::status::MachineStatus;
use rustix::process::{Pid, Signal, kill_process};
use schema_ids::Uuid;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A line comes with the next look, a second later; more on a loaded host.
const LINE_MAX: Duration = Duration::from_secs(60);

/// The fleet without its deployment, with all that jobs boot.
pub(crate) fn machine() -> String {
    let rootfs =
        "[image.ephemeral.rootfs]\nsource = \"muster:rootfs\"\nsha256 = \"".to_owned() + &"ab".repeat(32);
    fleet().0.replace(
        "[image.ephemeral.initrd]",
        &(rootfs + "\"\n\n[image.ephemeral.initrd]"),
    )
}

/// A machine that is to be deployed, seen by its agent; gives the plan.
pub(crate) async fn deploying(bed: &mut Bed, muster: &Muster) -> String {
    let (_, deployment) = fleet();
    bed.start(&[]);
    let status = bed.until("adopted", |status| is_adopted(status, "first")).await;
    bed.hear(1, seen(&status)).await;
    bed.commit(&[("deploy.toml", Some(&deployment))], "deploy");
    let is_stopped = |status: &Status| status.revision.as_ref().is_some_and(|it| it.stopped.is_some());
    bed.until("stopped", is_stopped).await;
    let plan = muster.plan("main", 3);
    let id = plan["id"].as_str().unwrap().to_owned();
    let wipe_set = plan["wipe-set"]["digest"].as_str().unwrap();
    muster.document(&["approve", &id, "--wipe-set", wipe_set], 0);
    bed.until("adopted", |status| is_adopted(status, "deploy")).await;
    id
}

/// A step of the job by which node-01 is deployed.
fn step(status: &Status, step: &str, state: StepState) -> FactBody {
    let node = &status.machines[0];
    FactBody::Step {
        job: JobRef {
            machine: node.id,
            generation: node.generation,
            attempt: 1,
        },
        boot_id: Uuid::from_bytes([9; 16]),
        step: step.to_owned(),
        state,
    }
}

/// Obeys as a rack agent does, from this number on, until all is as wanted; gives the number that comes next.
pub(crate) async fn obey(bed: &Bed, status: &Status, first: u64) -> u64 {
    let is_done = |now: &MachineStatus| now.wait.is_none() && now.proposed.is_none();
    obey_until(bed, status, (first, PowerSeen::On), is_done).await
}

/// The same, until the machine is as it is asked for, which has this power all the while.
pub(crate) async fn obey_until(
    bed: &Bed,
    status: &Status,
    (first, power): (u64, PowerSeen),
    is_done: impl Fn(&MachineStatus) -> bool,
) -> u64 {
    let machine = status.machines[0].id;
    let mut next = first;
    let until = Instant::now() + LINE_MAX;
    loop {
        let answer = bed.hear(next, vec![FactBody::Power { machine, power }]).await;
        next += 1;
        let orders = answer
            .desired
            .map_or_else(Vec::new, |(_, desired)| desired.orders);
        let taken = orders.iter().map(|order| FactBody::OrderTaken {
            order: order.reference(),
        });
        let taken: Vec<FactBody> = taken.collect();
        let count = taken.len() as u64;
        bed.hear(next, taken).await;
        next += count;
        let now: Status = bed.get(reconciler_core::people::STATUS).await;
        if is_done(&now.machines[0]) {
            return next;
        }
        assert!(Instant::now() < until, "{now:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn progress(done: u64) -> StepState {
    StepState::Progress {
        done,
        total: 1_000_000_000,
    }
}

/// The lines that a child prints, as they come.
fn lines(child: &mut Child) -> Receiver<String> {
    let (send, heard) = channel();
    let out = child.stdout.take().unwrap();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    heard
}

/// The documents up to one that is wanted.
fn until(heard: &Receiver<String>, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let line = heard.recv_timeout(LINE_MAX);
        let line = line.unwrap_or_else(|_| panic!("never came: {all:#?}"));
        all.push(serde_json::from_str::<Value>(&line).expect("a document on each line"));
        if all.last().is_some_and(&wanted) {
            return all;
        }
    }
}

fn is(name: &'static str, what: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["event"] == name && event["step"] == what
}

#[tokio::test]
async fn events_go_on_behind_the_last_one_whoever_was_killed() {
    let mut bed = Bed::new(&machine());
    let muster = Muster::of(&bed);
    let plan = deploying(&mut bed, &muster).await;
    let status = bed
        .until("one machine", |status| status.machines.len() == 1)
        .await;
    bed.hear(3, vec![step(&status, "layout", StepState::Started)])
        .await;
    bed.hear(4, vec![step(&status, "layout", StepState::Done)]).await;

    let read = |after: &str| {
        let mut command = muster.command(&["apply", &plan, "--events", "--after", after]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("muster starts");
        (lines(&mut child), child)
    };
    // Of the first reader nothing remains but what it printed.
    let (heard, mut reader) = read("0");
    let mut all = until(&heard, is("step.done", "layout"));
    reader.kill().unwrap();
    reader.wait().unwrap();
    let image = [StepState::Started, progress(100_000_000), progress(600_000_000)];
    let image = image
        .into_iter()
        .map(|state| step(&status, "image", state))
        .collect();
    bed.hear(5, image).await;
    let last = all.last().unwrap()["seq"].to_string();
    let (heard, mut reader) = read(&last);
    all.extend(until(&heard, |event| event["done"] == 600_000_000));

    // The second one lives on while musterd dies and another comes.
    kill_process(Pid::from_raw(bed.pid().cast_signed()).unwrap(), Signal::KILL).unwrap();
    bed.ended();
    bed.start(&[]);
    bed.until("back", |status| is_adopted(status, "deploy")).await;
    bed.hear(8, vec![step(&status, "image", StepState::Done)]).await;
    all.extend(until(&heard, is("step.done", "image")));
    bed.hear(9, installed(&muster)).await;
    obey(&bed, &status, 11).await;
    all.extend(until(&heard, |event| event["event"] == "plan.done"));
    assert_eq!(
        reader.wait().unwrap().code(),
        Some(0),
        "{all:#?}\n{}",
        muster.says(&["why", "node-01"], 0)
    );

    numbered(&all);
    let started = told(&all);
    assert_eq!(
        (&started["plan"], &started["machines"][0]),
        (&plan.into(), &"node-01".into())
    );

    // Who reads all of it in one go reads the same.
    let again = muster.says(&["apply", started["plan"].as_str().unwrap(), "--events"], 0);
    let again: Vec<Value> = again
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(again, all);
    muster.says(&["--json", "apply", "--events"], 64);
    muster.says(&["apply", "--after", "3"], 64);
}

/// Each fits the schema, and numbers rise.
fn numbered(all: &[Value]) {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    let schema = jsonschema::draft202012::new(&schema).expect("a schema");
    for event in all {
        assert!(schema.is_valid(event), "{event:#}");
    }
    let numbers: Vec<u64> = all.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    let (end, before) = numbers.split_last().unwrap();
    assert!(before.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!(Some(end), before.last(), "the end is not stored");
}

/// The whole story, in its order; gives its beginning.
fn told(all: &[Value]) -> &Value {
    let story: Vec<String> = all
        .iter()
        .filter(|event| event["machine"] == "node-01")
        .map(|event| {
            format!(
                "{} {}",
                event["event"].as_str().unwrap(),
                event["step"].as_str().unwrap()
            )
        })
        .filter(|told| !told.contains("power"))
        .collect();
    assert_eq!(
        story,
        [
            "step.started layout",
            "step.done layout",
            "step.started image",
            "step.progress image",
            "step.progress image",
            "step.done image",
            "step.done first-boot"
        ]
    );
    assert_eq!(
        all[0]["event"], "diagnostic",
        "what stopped it first: {:#}",
        all[0]
    );
    assert_eq!(all[0]["code"], "PLAN_CHANGED_SINCE_SHOWN");
    let started = all.iter().find(|event| event["event"] == "plan.started").unwrap();
    assert!(
        all.iter()
            .any(|event| event["guard"] == "limits" && event["state"] == "ok"),
        "{all:#?}"
    );
    let done = all.last().unwrap();
    assert_eq!(done["outcome"], "converged");
    started
}

#[tokio::test]
async fn ctrl_c_detaches_and_work_goes_on() {
    let mut bed = Bed::new(&machine());
    let muster = Muster::of(&bed);
    let plan = deploying(&mut bed, &muster).await;
    let status = bed
        .until("one machine", |status| status.machines.len() == 1)
        .await;
    let facts = [StepState::Started, progress(100_000_000)];
    let facts = facts
        .into_iter()
        .map(|state| step(&status, "image", state))
        .collect();
    bed.hear(3, facts).await;
    let detached = muster.says(&["apply", &plan, "--detach"], 0);
    assert!(
        detached.contains(&format!("`muster apply {plan} --wait`")),
        "{detached}"
    );

    // Lines where there is no terminal.
    let mut command = muster.command(&["apply", &plan, "--wait"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let heard = lines(&mut child);
    let line = heard.recv_timeout(LINE_MAX).expect("a line");
    assert!(line.starts_with("node-01 "), "{line}");
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{told}");
    assert!(
        told.contains("Detached. Work continues; `muster status` shows it."),
        "{told}"
    );
    bed.until("still there", |status| is_adopted(status, "deploy"))
        .await;

    // One line that is drawn anew where there is one, with the rate as soon as there is one.
    let until = Instant::now() + LINE_MAX;
    let later = |ms| std::thread::sleep(Duration::from_millis(ms));
    later(1100);
    bed.hear(5, vec![step(&status, "image", progress(200_000_000))])
        .await;
    let (program, socket) = (muster.program.display(), muster.socket.display());
    let watch = format!("stty rows 6 cols 200; exec {program} --socket {socket} apply {plan} --wait");
    let mut script = std::process::Command::new("script");
    script.args(["-qfec", &watch, "/dev/null"]).env("TERM", "xterm");
    let mut script = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script starts");
    let mut screen = script.stdout.take().unwrap();
    let (mut drawn, mut some) = (Vec::new(), [0; 4096]);
    while text(&drawn).matches("\x1b[2A").count() < 2 {
        assert!(Instant::now() < until, "{}", text(&drawn));
        let read = screen.read(&mut some).expect("the terminal");
        assert!(read > 0, "it ended: {}", text(&drawn));
        drawn.extend(&some[..read]);
    }
    std::io::Write::write_all(&mut script.stdin.take().unwrap(), b"\x03").unwrap();
    screen.read_to_end(&mut drawn).ok();
    assert!(script.wait().unwrap().success());
    let drawn = text(&drawn);
    for wanted in ["0 of 1 as wanted. Ctrl-C detaches", "Detached. Work continues"] {
        assert!(drawn.contains(wanted), "no {wanted:?}: {drawn}");
    }
    is_read_after_another_commit(&bed, &muster, &plan).await;
}

/// What became of a plan can be read to its end when another commit is carried out.
async fn is_read_after_another_commit(bed: &Bed, muster: &Muster, plan: &str) {
    bed.commit(&[("README.md", Some("A fleet.\n"))], "another");
    bed.until("adopted", |status| is_adopted(status, "another")).await;
    let read = muster.command(&["apply", plan, "--events"]).output().unwrap();
    let told = text(&read.stdout);
    assert_eq!(read.status.code(), Some(5), "{told}{}", text(&read.stderr));
    let events: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document"))
        .collect();
    assert!(
        events.iter().any(|event| event["event"] == "plan.started"),
        "{told}"
    );
    let done = events.last().unwrap();
    assert_eq!(
        (&done["event"], &done["outcome"]),
        (&"plan.done".into(), &"superseded".into())
    );
}
