//! A test that is killed while its musterd runs: the next sweep leaves neither musterd nor Postgres.

use crate::bed::{Bed, example, leftovers};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use testbed_scratch::sweep;

/// Set for the test program that is to be killed; nothing else reads it.
const TO_BE_KILLED: &str = "MUSTER_TEST_TO_BE_KILLED";

/// What that program says when musterd answers; the bed's folder and the pids of musterd and Postgres follow.
const STANDS: &str = "musterd stands: ";

/// A bed for as long as somebody holds our standard input.
async fn stand() {
    let mut bed = Bed::new(&example());
    bed.start(&[]);
    bed.until("adopted", |status| status.adopted.is_some()).await;
    let postgres = fs::read_to_string(bed.path("state/postgres/postmaster.pid")).unwrap();
    let postgres = postgres.lines().next().unwrap();
    println!("{STANDS}{} {} {postgres}", bed.path("").display(), bed.pid());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// When the process started; nothing once it has ended.
fn started(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let has_ended = matches!(*fields.first()?, "Z" | "X");
    (!has_ended).then(|| Some((*fields.get(19)?).to_owned()))?
}

#[tokio::test]
async fn nothing_remains_of_a_musterd_whose_test_was_killed() {
    if std::env::var_os(TO_BE_KILLED).is_some() {
        return stand().await;
    }
    let this = "killed::nothing_remains_of_a_musterd_whose_test_was_killed";
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env(TO_BE_KILLED, "yes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(test.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let stands = said.find_map(|line| Some(line.split_once(STANDS)?.1.to_owned()));
    let stands = stands.expect("musterd stands");
    let [folder, pids @ ..] = &stands.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{stands}");
    };
    let processes: Vec<_> = pids
        .iter()
        .map(|pid| (*pid, started(pid).expect("it runs")))
        .collect();
    assert_eq!(processes.len(), 2);

    test.kill().unwrap();
    test.wait().unwrap();
    sweep().unwrap();

    let runs = |(pid, since): &&(&str, String)| started(pid).as_ref() == Some(since);
    assert_eq!(processes.iter().find(runs), None);
    assert_eq!(leftovers(Path::new(folder)), [""; 0]);
    assert!(!Path::new(folder).exists());
}
