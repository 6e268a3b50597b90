//! How long installations take, from what this musterd saw of one: told with the next plan, and while the next one goes on.

use crate::bed::Bed;
use crate::events::{deploying, machine, obey};
use crate::muster::{Muster, fleet, installed, is_adopted};
use rack_api::fact::{FactBody, PowerSeen};
use reconciler_core::people::{STATUS, Status};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Orders follow facts within a moment; more on a loaded host.
const ORDER_MAX: Duration = Duration::from_secs(60);

/// Obeys as a rack agent does, from this number on, until so many jobs were ordered that install something; gives the number
/// that comes next.
pub(crate) async fn ordered(bed: &Bed, first: u64, wanted: usize) -> u64 {
    let status: Status = bed.get(STATUS).await;
    let (machine, power) = (status.machines[0].id, PowerSeen::On);
    let mut next = first;
    let until = Instant::now() + ORDER_MAX;
    loop {
        let answer = bed.hear(next, vec![FactBody::Power { machine, power }]).await;
        let orders = answer
            .desired
            .map_or_else(Vec::new, |(_, desired)| desired.orders);
        let taken: Vec<FactBody> = orders
            .iter()
            .map(|order| FactBody::OrderTaken {
                order: order.reference(),
            })
            .collect();
        let count = taken.len() as u64;
        bed.hear(next + 1, taken).await;
        next += 1 + count;
        let issued = bed.table("order_issued");
        if issued.iter().filter(|row| row.contains("\"deploy\":")).count() >= wanted {
            return next;
        }
        let now: Status = bed.get(STATUS).await;
        assert!(Instant::now() < until, "{now:#?}\n{}", bed.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_next_installation_is_told_from_the_last_one() {
    let mut bed = Bed::new(&machine());
    let muster = Muster::of(&bed);
    deploying(&mut bed, &muster).await;
    // Nothing was ever installed: nothing is guessed, neither of the plan nor of what is under way.
    let next = ordered(&bed, 3, 1).await;
    let status: Status = bed.get(STATUS).await;
    assert_eq!(status.machines[0].expected, None);
    let before = muster.plan("main", 0);
    assert_eq!(before.get("estimate-seconds"), None, "{before:#}");
    bed.hear(next, installed(&muster)).await;
    let next = obey(&bed, &status, next + 2).await;

    // It is to be installed again, and how long that takes is known of it.
    let (_, deployment) = fleet();
    bed.commit(
        &[("deploy.toml", Some(&format!("{deployment}reinstall = 1\n")))],
        "again",
    );
    bed.until("stopped", |status| {
        let revision = status.revision.as_ref();
        revision.is_some_and(|it| it.summary == "again" && it.stopped.is_some())
    })
    .await;
    let plan = muster.plan("main", 3);
    let (each, all) = (&plan["changes"][0]["estimate-seconds"], &plan["estimate-seconds"]);
    assert_eq!(
        (&each["samples"], &each["like"], &all["installations"]),
        (&1.into(), &"image-and-model".into(), &1.into()),
        "{plan:#}"
    );
    let took = each["p90"].as_u64().unwrap();
    assert!(took <= 120, "it took as long as this test so far: {took} s");
    assert_eq!((&each["p50"], &all["p90"]), (&each["p90"], &each["p90"]));
    let shown = muster.says(&["plan"], 0);
    let line = format!("  about {took} s (p90 {took} s): from 1 installation of this image on this model\n");
    assert!(shown.contains(&line), "{shown}");
    let line = format!("      takes about {took} s (p90 {took} s) for 1 installation\n");
    assert!(shown.contains(&line), "{shown}");

    // The same while it goes on.
    let id = plan["id"].as_str().unwrap();
    let wipe_set = plan["wipe-set"]["digest"].as_str().unwrap();
    muster.says(&["approve", id, "--wipe-set", wipe_set], 0);
    bed.until("adopted", |status| is_adopted(status, "again")).await;
    ordered(&bed, next, 2).await;
    let status = bed
        .until("told", |status| status.machines[0].expected.is_some())
        .await;
    let expected = status.machines[0].expected.unwrap();
    assert_eq!(expected.estimate.p90, took);
    assert!(status.now >= expected.began);
    let mut command = muster.command(&["apply", id, "--wait"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("muster starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        line.starts_with("node-01 ") && line.contains("   to run: "),
        "{line}"
    );
    assert!(muster.says(&["status"], 0).contains("to run:"));
}
