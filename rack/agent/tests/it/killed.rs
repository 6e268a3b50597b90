//! A test that is killed while its rack stands: the next sweep leaves nothing of it.

use crate::full_disk::FullDisk;
use crate::rack::{Rack, desired};
use rack_api::config::Enlist;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
};

/// Set for the test program that is to be killed; nothing else reads it.
const TO_BE_KILLED: &str = "MUSTER_TEST_TO_BE_KILLED";

/// What that program says when everything stands; the rack's directory and the mount follow.
const STANDS: &str = "the rack stands: ";

/// A rack with all that any test gives one, for as long as somebody holds our standard input.
fn stand() {
    let disk = FullDisk::make();
    let rack = Rack::start_on(&disk, desired(Enlist::Known, ("10.77.0.100", "10.77.0.107")));
    let mut machine = rack.client_command("busybox", &["udhcpc", "-f", "-s", "/bin/true", "-i", "nic0"]);
    let mut machine = machine.stderr(Stdio::null()).spawn().unwrap();
    File::create(disk.path().join("disk"))
        .unwrap()
        .set_len(1 << 19)
        .unwrap();
    let looped = Command::new("losetup")
        .args(["--find", "disk"])
        .current_dir(disk.path())
        .status();
    assert!(looped.is_ok_and(|status| status.success()));
    println!("{STANDS}{} {}", rack.path("").display(), disk.path().display());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    machine.kill().unwrap();
    machine.wait().unwrap();
}

/// A process: its pid and when it started.
type Process = (u32, String);

/// Parent and start of a process that has not ended.
fn status(pid: u32) -> Option<(u32, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let has_ended = matches!(*fields.first()?, "Z" | "X");
    (!has_ended).then(|| Some((fields.get(1)?.parse().ok()?, (*fields.get(19)?).to_owned())))?
}

/// All that a process started, itself first.
fn descendants(pid: u32) -> Vec<Process> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let all: Vec<_> = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, status(pid)?)))
        .collect();
    let mut found = vec![(pid, status(pid).unwrap().1)];
    let mut at = 0;
    while let Some((parent, _)) = found.get(at).cloned() {
        let children = all.iter().filter(|(_, (its, _))| *its == parent);
        found.extend(children.map(|(pid, (_, started))| (*pid, started.clone())));
        at += 1;
    }
    found
}

/// What of the rack is to be seen on this host, beside its processes.
fn traces(directory: &Path, mount: &Path) -> Vec<&'static str> {
    let name = directory.file_name().unwrap().to_str().unwrap();
    let is_there = |path: &str, what: &str| fs::read_to_string(path).unwrap().contains(what);
    let mut traces = Vec::new();
    let namespaces = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    if namespaces
        .map(|entry| entry.file_name())
        .any(|its| its.to_str().unwrap().starts_with(name))
    {
        traces.push("namespace");
    }
    if is_there("/proc/self/mountinfo", mount.to_str().unwrap()) {
        traces.push("mount");
    }
    let loops = Command::new("losetup")
        .args(["--list", "--noheadings", "--output", "BACK-FILE"])
        .output();
    if String::from_utf8(loops.unwrap().stdout)
        .unwrap()
        .contains(mount.to_str().unwrap())
    {
        traces.push("loop device");
    }
    if directory.exists() || mount.exists() {
        traces.push("directory");
    }
    traces
}

#[test]
fn nothing_remains_of_a_rack_whose_test_was_killed() {
    if std::env::var_os(TO_BE_KILLED).is_some() {
        return stand();
    }
    testbed_scratch::assert_root("network namespaces");
    let this = "killed::nothing_remains_of_a_rack_whose_test_was_killed";
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env(TO_BE_KILLED, "yes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(test.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let stands = said
        .filter_map(|line| Some(line.split_once(STANDS)?.1.to_owned()))
        .next();
    let stands = stands.expect("the rack stands");
    let (directory, mount) = stands.split_once(' ').unwrap();
    let (directory, mount) = (Path::new(directory), Path::new(mount));
    assert_eq!(
        traces(directory, mount),
        ["namespace", "mount", "loop device", "directory"]
    );
    let processes = descendants(test.id());
    // The test, muster-rackd, udhcpc.
    assert!(processes.len() >= 3, "{processes:?}");

    test.kill().unwrap();
    test.wait().unwrap();
    testbed_scratch::sweep().unwrap();

    assert_eq!(traces(directory, mount), [""; 0]);
    let runs = |(pid, started): &&Process| status(*pid).is_some_and(|(_, now)| now == *started);
    assert_eq!(processes.iter().find(runs), None);
}
