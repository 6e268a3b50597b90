//! musterd is killed at every point of a commit's way to being carried out, and around it: the end is the one it comes to
//! when nobody kills it.
//!
//! Each run begins with a copy of one database and one state folder, in which two machines run, and with one commit that is new:
//! it installs both again, one at a time. So plans, bindings and orders are comparable to the last digit.

use crate::agent::Enrolled;
use crate::bed::Bed;
use crate::budgets::{fleet, running_in};
use crate::cluster::Cluster;
use crate::forge::{Forge, Kind, TOKEN};
use rack_api::daemon_path;
use rack_api::fact::{Fact, FactBody};
use rack_api::order::{Lane, OrderRef};
use rack_api::sync::{Spooled, SyncRequest, SyncResponse};
use reconciler_core::people::events::{EVENTS, EventsPage, EventsRequest};
use schema_ids::{Timestamp, Uuid};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// More on a loaded host.
const END_MAX: Duration = Duration::from_secs(120);

/// Where it dies: on the commit's way, at what is ordered and heard, and at what others are told.
const POINTS: [&str; 16] = [
    "fetched",
    "verified",
    "checked",
    "planned",
    "guarded",
    "adopt",
    "adopted",
    "recorded",
    "effect",
    "issued",
    "issued:2",
    "facts-received",
    "facts-stored",
    "publish",
    "published",
    "posted",
];

/// What must be the same, whoever was killed.
const TOLD: [(&str, &str); 8] = [
    ("adopted", "SELECT plan_id FROM target"),
    (
        "bindings",
        "SELECT id, deployment, slot, machine, state, made_by FROM binding ORDER BY id",
    ),
    (
        "adoptions",
        "SELECT subject, count(*) FROM audit WHERE what = 'plan-adopted' GROUP BY subject ORDER BY subject",
    ),
    (
        "revisions",
        "SELECT commit_id, stage, code FROM revision ORDER BY position",
    ),
    (
        "orders",
        "SELECT machine, generation, number, lane, plan_id, body ->> 'cause', md5(body ->> 'action')
         FROM order_issued ORDER BY 1, 2, 3",
    ),
    (
        "what was said of orders and grants",
        "SELECT what, machine, subject, count(*) FROM audit
         WHERE what IN ('order-issued', 'grant-taken', 'grant-released') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    ),
    (
        "grants",
        "SELECT machine, generation, need::text FROM permit ORDER BY machine",
    ),
    (
        "wipes",
        "SELECT machine, generation FROM wipe_begun ORDER BY 1, 2",
    ),
];

type End = BTreeMap<&'static str, Vec<String>>;

/// A rack agent whose spool outlives every musterd: it takes what it is to have booted, and says so until that is stored.
struct Agent {
    enrolled: Enrolled,
    /// Facts that are stored with everything else.
    stored: u64,
    /// What it had taken by then.
    known: Vec<OrderRef>,
    taken: Vec<OrderRef>,
}

impl Agent {
    /// One exchange, if somebody answers.
    async fn syncs(&mut self, bed: &Bed) -> Option<()> {
        let at = Timestamp::from_unix_ms(0);
        let facts = self.taken.iter().zip(self.stored + 1..);
        let facts: Vec<Spooled> = facts
            .map(|(order, sequence)| Spooled {
                sequence,
                fact: Fact {
                    at,
                    body: FactBody::OrderTaken { order: *order },
                },
            })
            .collect();
        let request = SyncRequest {
            agent: "rackd-1".parse().unwrap(),
            boot: Uuid::from_bytes([1; 16]),
            incarnation: None,
            generations: BTreeMap::new(),
            have: None,
            acknowledged: 0,
            watermark: self.stored + facts.len() as u64,
            facts,
            wait_ms: 0,
        };
        let answer: SyncResponse = self.enrolled.post(bed, daemon_path::SYNC, &request).await.ok()?;
        let (_, desired) = answer.desired?;
        for order in desired.orders.iter().filter(|order| order.lane() == Lane::Boot) {
            let order = order.reference();
            if !self.known.contains(&order) && !self.taken.contains(&order) {
                self.taken.push(order);
            }
        }
        Some(())
    }
}

/// What each run begins with.
struct Ground {
    cluster: Cluster,
    bed: Bed,
    enrolled: Enrolled,
    stored: u64,
    known: Vec<OrderRef>,
    /// How many orders were issued by then.
    orders: usize,
    forge: Forge,
    head: String,
}

impl Ground {
    async fn new() -> Self {
        let cluster = Cluster::start().await;
        let mut bed = Bed::new(&fleet(0));
        bed.database = Some(cluster.url("muster"));
        let mut stage = running_in(bed).await;
        stage.hear(Vec::new()).await;
        let enrolled = stage.bed.enrol("rackd-1").await;
        let mut agent = Agent {
            enrolled: enrolled.clone(),
            stored: stage.sequence,
            known: Vec::new(),
            taken: Vec::new(),
        };
        agent.syncs(&stage.bed).await.expect("musterd answers");
        let (mut bed, stored) = (stage.bed, stage.sequence);
        bed.stop();
        let orders = bed.table("order_issued").len();
        copy(&bed, "state", "before");
        bed.commit(&[("fleet.toml", Some(&fleet(1)))], "again");
        let head = Command::new("git")
            .args(["rev-parse", "HEAD"])
            .current_dir(bed.path("fleet"))
            .output();
        let head = String::from_utf8(head.unwrap().stdout).unwrap().trim().to_owned();
        let forge = Forge::start(Kind::Github).await;
        std::fs::write(bed.path("token"), TOKEN).unwrap();
        let (token, snapshot) = (bed.path("token"), bed.path("snapshot"));
        bed.words = [
            "--forge github --forge-repository acme/fleet --publish-seconds 1 --forge-url",
            &forge.url,
            "--forge-token-file",
            &token.display().to_string(),
            "--publish-snapshot",
            &snapshot.display().to_string(),
        ]
        .join(" ")
        .split(' ')
        .map(str::to_owned)
        .collect();
        Self {
            cluster,
            bed,
            enrolled,
            stored,
            known: agent.taken,
            orders,
            forge,
            head,
        }
    }

    /// From the beginning to the end, killed once at this point or nowhere; asserts what does not need another run.
    async fn run(&mut self, name: &str, point: Option<&str>, calm: Option<&End>) -> End {
        self.bed.database = Some(self.cluster.copy("muster", name));
        copy(&self.bed, "before", "state");
        drop(std::fs::remove_file(self.bed.path("snapshot")));
        self.forge.known().statuses.clear();
        let mut agent = Agent {
            enrolled: self.enrolled.clone(),
            stored: self.stored,
            known: self.known.clone(),
            taken: Vec::new(),
        };
        if let Some(point) = point {
            self.dies_at(point, &mut agent).await;
        }
        self.bed.start(&[]);
        let until = Instant::now() + END_MAX;
        loop {
            agent.syncs(&self.bed).await;
            let end = self.end();
            let is_over = match calm {
                Some(calm) => end == *calm,
                // Both orders of the one that is begun: what it boots, and that it is switched off for it.
                None => end["orders"].len() >= self.orders + 2 && end["adopted"] == self.adopted_by_head(),
            };
            if is_over && self.has_told() {
                break;
            }
            let log = || self.bed.log();
            if Instant::now() >= until {
                assert_eq!(Some(&end), calm, "killed at {point:?}\n{}", log());
                panic!("killed at {point:?}, forge or snapshot are not told\n{}", log());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let end = self.stands(&mut agent).await;
        self.bed.stop();
        end
    }

    /// Killed there as by the kernel.
    async fn dies_at(&mut self, point: &str, agent: &mut Agent) {
        let before = self.bed.log().len();
        self.bed.start(&[("MUSTER_FAILPOINT", point)]);
        let until = Instant::now() + END_MAX;
        let status = loop {
            if let Some(status) = self.bed.has_ended() {
                break status;
            }
            agent.syncs(&self.bed).await;
            let log = self.bed.log();
            assert!(
                Instant::now() < until,
                "{point} is not reached\n{}",
                &log[before..]
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let name = point.split(':').next().unwrap();
        let log = self.bed.log();
        assert_eq!(status.signal(), Some(9), "{}", &log[before..]);
        let reached = format!("failpoint {name} reached");
        assert!(log[before..].contains(&reached), "{}", &log[before..]);
    }

    /// The end, which another look and another plan change nothing of.
    async fn stands(&self, agent: &mut Agent) -> End {
        let end = self.end();
        let answer = self.bed.apply().await;
        assert_eq!(answer.revision.stopped, None);
        agent.syncs(&self.bed).await.expect("musterd answers");
        let plan = self.bed.plan().await.expect("a plan").plan;
        assert_eq!(plan.changes, [], "plan again: nothing");
        let adopted = end["adopted"][0].clone();
        let events = self.events(&adopted).await;
        let (_, budget) = plan.budgets.iter().next().expect("there is a budget");
        assert!(end["grants"].len() <= budget.max_unavailable as usize, "{end:#?}");
        let mut again = self.end();
        assert_eq!(again, end);
        again.insert("events", events);
        again
    }

    /// All of it, in one question.
    fn end(&self) -> End {
        let asked: Vec<String> = TOLD
            .iter()
            .map(|(what, query)| format!("SELECT '#{what}'; {query}"))
            .collect();
        let mut end = End::new();
        let mut rows = Vec::new();
        for row in self.bed.sql(&asked.join("; ")).into_iter().rev() {
            match TOLD.iter().find(|(what, _)| row.strip_prefix('#') == Some(what)) {
                Some((what, _)) => {
                    rows.reverse();
                    end.insert(what, std::mem::take(&mut rows));
                }
                None => rows.push(row),
            }
        }
        end
    }

    fn adopted_by_head(&self) -> Vec<String> {
        let adopted = "SELECT id FROM plan JOIN target ON plan_id = id WHERE commit_id";
        self.bed.sql(&format!("{adopted} = '{}'", self.head))
    }

    /// The forge has the commit's last word, and the snapshot is of the plan.
    fn has_told(&self) -> bool {
        let known = self.forge.known();
        let last = |context: &str| {
            let of = |one: &&(String, String, String, String)| one.0 == self.head && one.1 == context;
            known.statuses.iter().rfind(of).map(|one| one.2.clone())
        };
        let good = Some("success".to_owned());
        let is_posted = last("muster/plan") == good && last("muster/apply") == good;
        let snapshot = std::fs::read_to_string(self.bed.path("snapshot")).unwrap_or_default();
        is_posted && snapshot.contains(&self.head)
    }

    /// The commit's events, whose numbers rise however they are read; each without its number and time.
    async fn events(&self, plan: &str) -> Vec<String> {
        let read = async |after: u64| -> EventsPage {
            let plan = plan.to_owned();
            let request = EventsRequest { plan, after };
            self.bed.post(EVENTS, &request).await.expect("events")
        };
        let begun = read(0).await.begun;
        let (mut all, mut after) = (Vec::new(), 0);
        while after < begun {
            let page = read(after).await;
            all.extend(page.events);
            assert!(page.next >= after);
            after = page.next;
        }
        let numbers: Vec<u64> = all.iter().map(|event| event.seq).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        let told = all.iter().map(|event| {
            let Value::Object(mut fields) = serde_json::to_value(event).unwrap() else {
                panic!("{event:?}")
            };
            fields.remove("seq");
            fields.remove("at");
            Value::Object(fields).to_string()
        });
        told.collect()
    }
}

/// A folder of the bed in another one's place.
fn copy(bed: &Bed, from: &str, to: &str) {
    drop(std::fs::remove_dir_all(bed.path(to)));
    let copied = Command::new("cp")
        .arg("-a")
        .args([bed.path(from), bed.path(to)])
        .status();
    assert!(copied.unwrap().success());
}

#[tokio::test]
async fn killed_at_any_point_it_comes_to_the_same_end() {
    let mut ground = Ground::new().await;
    let calm = ground.run("calm", None, None).await;
    assert_eq!(calm["grants"].len(), 1, "one is begun: {calm:#?}");
    assert!(calm["events"].len() > 3, "{calm:#?}");
    let told: End = TOLD
        .into_iter()
        .map(|(what, _)| (what, calm[what].clone()))
        .collect();
    for (number, point) in POINTS.into_iter().enumerate() {
        let end = ground
            .run(&format!("killed{number}"), Some(point), Some(&told))
            .await;
        assert_eq!(end, calm, "killed at {point}");
    }
}

/// A daemon that needs longer than a minute for what it decides begins nothing, and says why; as soon as it is fast enough it
/// goes on.
#[tokio::test]
async fn a_daemon_that_is_too_slow_says_so() {
    let mut stage = running_in(Bed::new(&fleet(0))).await;
    kill_and_start(&mut stage.bed, &[("MUSTER_DECIDED_EARLIER", "61")]);
    stage.bed.until("up", |status| status.machines.len() == 2).await;
    stage.bed.commit(&[("fleet.toml", Some(&fleet(1)))], "again");
    stage.bed.apply().await;
    stage.hear(Vec::new()).await;
    let slow = stage.bed.until("slow", |status| status.slow.is_some()).await.slow;
    let slow = slow.unwrap_or_default();
    assert!(
        slow.contains("DECIDED_TOO_LATE") && slow.contains("61 s"),
        "{slow}"
    );
    assert!(stage.muster.says(&["status"], 0).contains("DECIDED_TOO_LATE"));
    assert!(
        stage.bed.log().contains("decided too long ago"),
        "{}",
        stage.bed.log()
    );
    assert_eq!(stage.bed.table("permit"), [""; 0]);
    kill_and_start(&mut stage.bed, &[]);
    stage.bed.until("up", |status| status.machines.len() == 2).await;
    stage.hear(Vec::new()).await;
    let begun = |status: &reconciler_core::people::Status| status.budgets[0].out.len() == 1;
    let status = stage.bed.until("begun", begun).await;
    assert_eq!(status.slow, None);
}

fn kill_and_start(bed: &mut Bed, variables: &[(&str, &str)]) {
    crate::budgets::kill(bed);
    bed.start(variables);
}
