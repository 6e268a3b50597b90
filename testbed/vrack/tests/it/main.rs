//! Each trial as a person would run it, with the programs that the workspace's build has put beside the rig.
//!
//! Needs root, as a rack does. Nothing of a trial remains, whether it held or not.

mod clean_up;

use std::path::Path;
use std::process::Command;

/// Runs one; what it printed is shown when it did not hold.
fn hold(trial: &str) {
    let program = Path::new(env!("CARGO_BIN_EXE_muster-vrack"));
    let folder = program.parent().expect("a program stands in a folder");
    let output = Command::new(program)
        .args(["trial", trial, "--programs"])
        .arg(folder)
        .output()
        .expect("the rig is a program");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn whoever_may_reboot_the_host_cannot_be_a_scripted_machine() {
    let status = std::fs::read_to_string("/proc/self/status").expect("this process has a status");
    let held = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
    let held = held.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    // Bit 22 is CAP_SYS_BOOT (capabilities(7)).
    let may_reboot = held.expect("a status has its capabilities") & (1 << 22) != 0;
    let output = Command::new(env!("CARGO_BIN_EXE_muster-vrack"))
        .args(["scripted", "/nowhere"])
        .output()
        .expect("the rig is a program");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let reason = if may_reboot {
        "right to reboot the host"
    } else {
        "/nowhere/board.json"
    };
    assert!(!output.status.success() && said.contains(reason), "{said}");
}

#[test]
fn each_fault_ends_in_its_condition_and_goes_on_when_it_is_corrected() {
    hold("conditions");
}

#[test]
fn a_machine_boots_its_own_disk_without_musterd_and_is_heard_once() {
    hold("daemon-stopped");
}

#[test]
fn contents_that_no_plan_named_stay_until_a_person_gives_them_away() {
    hold("contents");
}

#[test]
fn a_machine_is_adopted_and_nothing_is_done_to_it() {
    hold("adopt");
}

#[test]
fn power_by_hand_stands_and_drift_is_fought_only_where_git_says_so() {
    hold("power");
}

#[test]
fn machines_that_are_counted_keep_their_slots_through_more_fewer_and_new_names() {
    hold("count");
}

#[test]
fn after_a_restore_nothing_is_ordered_until_recover_and_no_disk_is_written_again() {
    hold("restored");
}

#[test]
fn a_released_machine_is_erased_on_record_and_a_retired_one_left_alone() {
    hold("release");
}

#[test]
fn an_agent_renews_its_certificate_by_itself_and_follows_a_new_authority() {
    hold("renewal");
}

#[test]
fn a_pull_request_does_what_its_plan_says_and_guards_hold_until_people_open_them() {
    hold("change");
}
