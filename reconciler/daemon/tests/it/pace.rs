//! What keeps changes from being begun all at once, each with a real musterd: it is seen to hold, to say what it waits for, and
//! to let go: windows, waves, soaking, the canary, the hourly limit of the fleet and of a rack agent, and what a new machine that
//! is dead holds up.

use crate::agent::Enrolled;
use crate::bed::Bed;
use crate::budgets::{RUNS, Stage, fleet_of, running_in};
use crate::muster::is_adopted;
use rack_api::daemon_path;
use rack_api::fact::{DiskSeen, FactBody};
use rack_api::machine::{GoAnswer, GoRequest, Verdict};
use rack_api::order::OrderRef;
use rack_api::sync::{BootGo, BootGoRequest};
use reconciler_core::condition::Condition;
use reconciler_core::people::Status;
use schema_ids::Uuid;

/// Machines of one deployment with a budget of which this is said.
fn fleet(machines: u8, reinstall: u32, settings: &str, budget: &str) -> String {
    let names: Vec<String> = (1..=machines)
        .map(|number| format!("\"node-0{number}\""))
        .collect();
    let rest = format!(
        "[budget.web]\ntargets = [\"deployment:web\"]\n{budget}\n\
         [deployment.web]\nmachines = [{}]\n{RUNS}reinstall = {reinstall}\n",
        names.join(", ")
    );
    fleet_of(machines, &rest).replace("schema = 1", &format!("schema = 1\n{settings}"))
}

impl Stage {
    /// This is what git says from now on.
    async fn says(&mut self, fleet: &str, message: &str) {
        self.bed.commit(&[("fleet.toml", Some(fleet))], message);
        self.bed.apply().await;
        self.hear(Vec::new()).await;
        self.bed
            .until("adopted", |status| is_adopted(status, message))
            .await;
    }

    /// Waits until these wait on this, and so many are out of service.
    async fn waits(&self, numbers: &[u8], on: Condition, out: usize) -> Status {
        let is_so = |status: &Status| {
            let waiting = status.machines.iter().filter(|machine| {
                let wait = machine.wait.as_ref();
                wait.is_some_and(|wait| wait.condition == on)
            });
            let waiting: Vec<u8> = waiting
                .map(|machine| crate::budgets::number(machine.name.as_str()))
                .collect();
            waiting == numbers && status.budgets[0].out.len() == out
        };
        self.bed
            .until(&format!("{numbers:?} wait on {on}, {out} out"), is_so)
            .await
    }

    /// What `muster why` says of it has this in it.
    #[track_caller]
    fn why(&self, number: u8, words: &[&str]) {
        let said = self.muster.says(&["why", &format!("node-0{number}")], 0);
        for words in words {
            assert!(said.contains(words), "no {words:?} in\n{said}");
        }
    }

    /// How many are out, once they are.
    async fn has_out(&self, count: usize) -> Status {
        let is_so = |status: &Status| status.budgets[0].out.len() == count;
        self.bed.until(&format!("{count} out"), is_so).await
    }
}

#[tokio::test]
async fn a_window_then_a_wave_then_soaking_hold_and_each_lets_go() {
    const WAVE: &str = "[[budget.web.wave]]\nname = \"first\"\nmachines = 1";
    let fleet =
        |reinstall, lines: &str| fleet(3, reinstall, "", &format!("max-unavailable = 2\n{lines}\n{WAVE}"));
    let mut stage = running_in(Bed::new(&fleet(0, ""))).await;
    let orders = stage.bed.table("order_issued").len();

    // A day that is neither today nor, by the time this ends, tomorrow.
    let today = stage
        .bed
        .sql("SELECT extract(isodow FROM now() AT TIME ZONE 'UTC')::int");
    let today: usize = today[0].parse().unwrap();
    let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][(today + 2) % 7];
    let window = format!("window = {{ days = [\"{day}\"], hours = \"00:00-12:00\", tz = \"UTC\" }}\n");
    stage.says(&fleet(1, &window), "closed").await;
    let status = stage.waits(&[1, 2, 3], Condition::WindowClosed, 0).await;
    assert!(status.budgets[0].opens.is_some(), "{status:#?}");
    stage.why(2, &["WINDOW_CLOSED", "budget web: its window", "opens at "]);
    assert_eq!(stage.bed.table("order_issued").len(), orders);

    // Open, and the first wave is one machine.
    stage.says(&fleet(1, "soak = \"1h\"\n"), "open").await;
    stage.waits(&[2, 3], Condition::EarlierWave, 1).await;
    stage.why(3, &["EARLIER_WAVE", "wave first", "awaited: node-01"]);

    // The wave is over, and soaks.
    stage.runs(1).await;
    stage.waits(&[2, 3], Condition::Soaking, 0).await;
    stage.why(2, &["SOAKING", "node-01 runs since ", "until "]);

    // Its time is over: there is room for two.
    stage.says(&fleet(1, "soak = \"1s\"\n"), "long enough").await;
    stage.has_out(2).await;
    for number in [2, 3] {
        stage.runs(number).await;
    }
    stage.has_out(0).await;
}

#[tokio::test]
async fn the_canary_and_the_limits_of_an_hour_hold_and_each_lets_go() {
    const HOUR_MS: i64 = 3_600_000;
    let fleet = |reinstall| {
        let settings = "limits.max-wiped-per-hour = 1";
        fleet(2, reinstall, settings, "max-unavailable = 2")
    };
    let mut stage = running_in(Bed::new(&fleet(0))).await;
    stage.says(&fleet(1), "again").await;
    let begun = stage.has_out(1).await;
    let first: u8 = match begun.budgets[0].out[0].starts_with("node-01") {
        true => 1,
        false => 2,
    };
    let second = 3 - first;
    stage.waits(&[second], Condition::Canary, 1).await;
    let named = format!("node-0{first} is the first, and has not been seen to run it yet");
    stage.why(second, &["CANARY", &named]);

    // The first one runs it: it is not new any more, and one was erased within the hour.
    stage.runs(first).await;
    let limited = stage.waits(&[second], Condition::RateLimited, 0).await;
    let wait = limited.machines.iter().find_map(|machine| machine.wait.as_ref());
    assert!(wait.is_some_and(|wait| wait.retry_at.is_some()), "{wait:?}");
    stage.why(second, &["RATE_LIMITED", "limits.max-wiped-per-hour"]);

    // The hour is over.
    for table in ["permit", "wipe_begun"] {
        stage
            .bed
            .sql(&format!("UPDATE {table} SET at_ms = at_ms - {HOUR_MS}"));
    }
    stage.hear(Vec::new()).await;
    stage.has_out(1).await;

    // The rack agent counts for itself, and says when it may.
    let (machine, job, deploy) = stage.wanted(second);
    let issued = stage.bed.sql(&format!(
        "SELECT max(number) FROM order_issued WHERE machine = '{machine}' AND generation = {}",
        job.generation.0
    ));
    let order = OrderRef {
        machine,
        incarnation: deploy.incarnation.number,
        generation: job.generation,
        number: issued[0].parse().unwrap(),
    };
    let refused = FactBody::OrderRefused {
        order,
        why: "4 machines were given over within an hour, and no more may (--wipes-per-hour)".to_owned(),
        until: Some(schema_ids::Timestamp::from_unix_ms(HOUR_MS)),
    };
    stage.hear(vec![refused]).await;
    stage.waits(&[second], Condition::RateLimited, 0).await;
    stage.why(second, &["RATE_LIMITED", "--wipes-per-hour", "rackd-1"]);
    stage.runs(second).await;
    stage.is_well().await;
}

/// What a machine of the stage would ask before its first write, and whether it may: "go", or the code of why not.
async fn asks(stage: &Stage, agent: &Enrolled, number: u8, nonce: u8) -> String {
    let (machine, job, deploy) = stage.wanted(number);
    let seen = |disk: &rack_api::job::DiskPlan| DiskSeen {
        disk: disk.disk.clone(),
        content: disk.agreed.clone(),
        size_bytes: disk.size_bytes,
    };
    let request = GoRequest {
        token: String::new(),
        nonce: Uuid::from_bytes([nonce; 16]),
        boot_id: Uuid::from_bytes([1; 16]),
        job,
        binding: deploy.binding,
        uuid: None,
        serial: Some(format!("LAB-000{number}")),
        macs: vec![format!("52:54:00:77:00:0{number}").parse().unwrap()],
        disks: deploy.disks.iter().map(seen).collect(),
        mark: None,
    };
    assert_eq!(job.machine, machine);
    let answer: GoAnswer = agent.post(&stage.bed, daemon_path::GO, &request).await.unwrap();
    match answer.verdict {
        Verdict::Go => "go".to_owned(),
        Verdict::Refuse { code, .. } => code,
    }
}

/// Its boot order stands, and the hour in which it was counted is over; then its place was given back.
#[tokio::test]
async fn a_go_takes_what_its_order_took() {
    let fleet = |reinstall| {
        let settings = "limits.max-wiped-per-hour = 1";
        fleet(2, reinstall, settings, "max-unavailable = 1")
    };
    let mut stage = running_in(Bed::new(&fleet(0))).await;
    stage.says(&fleet(1), "again").await;
    let begun = stage.has_out(1).await;
    let first: u8 = match begun.budgets[0].out[0].starts_with("node-01") {
        true => 1,
        false => 2,
    };
    let agent = stage.bed.enrol("rackd-1").await;
    let (machine, job, deploy) = stage.wanted(first);
    let (other, ..) = stage.wanted(3 - first);
    // As if it were handed in.
    let image = stage.bed.path("state/images").join(deploy.image.digest.hex());
    std::fs::write(image, "an image").unwrap();

    stage.bed.sql("UPDATE wipe_begun SET at_ms = at_ms - 3600000");
    stage.bed.sql(&format!(
        "INSERT INTO wipe_begun (machine, generation, at_ms) VALUES ('{other}', 1, now_ms())"
    ));
    assert_eq!(asks(&stage, &agent, first, 1).await, "RATE_LIMITED");
    stage
        .bed
        .sql(&format!("DELETE FROM wipe_begun WHERE machine = '{other}'"));
    assert_eq!(asks(&stage, &agent, first, 2).await, "go");
    let counted =
        format!("SELECT count(*) FROM wipe_begun WHERE machine = '{machine}' AND at_ms > now_ms() - 600000");
    assert_eq!(stage.bed.sql(&counted), ["1"]);

    let boot = BootGoRequest {
        machine,
        generation: job.generation,
        attempt: job.attempt,
    };
    let boots: BootGo = agent.post(&stage.bed, daemon_path::BOOT_GO, &boot).await.unwrap();
    assert!(boots.go);
    stage
        .bed
        .sql(&format!("DELETE FROM permit WHERE machine = '{machine}'"));
    let boots: BootGo = agent.post(&stage.bed, daemon_path::BOOT_GO, &boot).await.unwrap();
    assert!(!boots.go, "it boots into a job for which it has no place");
    assert_eq!(asks(&stage, &agent, first, 3).await, "BUDGET");
}

/// The first wave has a machine on which nothing ever ran. It fails, where the other one of its wave has shown that the image is
/// good: nobody waits for it.
#[tokio::test]
async fn a_new_machine_that_is_dead_keeps_no_wave_waiting() {
    let fleet = |reinstall| {
        let wave = "max-unavailable = 1\n[[budget.web.wave]]\nname = \"first\"\nmachines = 2";
        // Were the new one the canary, its failure would speak of the image.
        fleet(3, reinstall, "canary = { enabled = false }", wave)
    };
    let mut stage = Stage::open(Bed::new(&fleet(0))).await;
    for number in [1, 3] {
        stage.runs(number).await;
    }
    stage.says(&fleet(1), "again").await;
    stage.waits(&[3], Condition::EarlierWave, 1).await;
    stage.runs(1).await;
    stage.waits(&[3], Condition::EarlierWave, 0).await;
    stage.why(
        3,
        &["1 of 2 machines of wave first run as wanted; awaited: node-02"],
    );

    stage.fails(2).await;
    let status = stage.has_out(1).await;
    assert!(
        status.budgets[0].out[0].starts_with("node-03 is being changed"),
        "{:?}",
        status.budgets[0]
    );
    assert_eq!(status.budgets[0].halted, None);
    stage.why(2, &["IMAGE_DIGEST_MISMATCH"]);
    stage.runs(3).await;
    stage.has_out(0).await;
}

/// Nine blank machines of one rack: the limit is of what its agent can feed.
#[tokio::test]
async fn a_rack_boots_eight_at_once_and_the_ninth_when_one_is_done() {
    let mut stage = Stage::open(Bed::new(&fleet(9, 0, "", "max-unavailable = 1"))).await;
    let begun = || {
        let query = "SELECT count(*) FROM permit WHERE (need ->> 'boots')::bool IS NOT FALSE";
        stage.bed.sql(query)
    };
    let waits = |status: &Status| -> Vec<u8> {
        let waiting = status.machines.iter().filter(|machine| {
            let wait = machine.wait.as_ref();
            wait.is_some_and(|wait| {
                wait.evidence
                    .contains("8 of 8 places to boot are taken (rack r1)")
            })
        });
        waiting
            .map(|machine| crate::budgets::number(machine.name.as_str()))
            .collect()
    };
    let full = stage.bed.until("full", |status| waits(status).len() == 1).await;
    assert_eq!(begun(), ["8"]);
    let last = waits(&full)[0];
    stage.why(last, &["BUDGET"]);
    stage.runs(if last == 1 { 2 } else { 1 }).await;
    let is_begun = |status: &Status| waits(status).is_empty();
    stage.bed.until("the ninth is begun", is_begun).await;
}
