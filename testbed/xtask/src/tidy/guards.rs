//! Each guard is in a file of its own, has a row in docs/guide/guards.md, and was seen to stop something and to be opened by a test
//! that goes through the real programs.

/// The page for people.
const PAGE: &str = "docs/guide/guards.md";

/// A guard's name on the page, its file, and tests that see it stop something and see it opened: file and function.
type Row = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// Where each file is a guard, but for the named helpers of the others.
const FOLDERS: [(&str, &[&str]); 2] = [
    ("reconciler/core/src/plan/guards/", &["wipe_set.rs"]),
    ("reconciler/core/src/admit/", &["epoch.rs", "tally.rs", "told.rs"]),
];

const MAIN: &str = "reconciler/daemon/tests/it/main.rs";
const GUARDS: &str = "reconciler/daemon/tests/it/guards.rs";
const PACE: &str = "reconciler/daemon/tests/it/pace.rs";
const SHOWN: &str = "reconciler/daemon/tests/it/shown.rs";
const MUSTER: &str = "reconciler/daemon/tests/it/muster.rs";
const BUDGETS: &str = "reconciler/daemon/tests/it/budgets.rs";
const HOLDS: &str = "reconciler/daemon/tests/it/holds.rs";
const RACK: &str = "testbed/vrack/tests/it/main.rs";

const MASS: (&str, &str) = (
    GUARDS,
    "mass_destruction_needs_two_who_open_the_guard_and_two_who_agree_and_no_word_outlives_its_use",
);
const REQUEST: (&str, &str) = (
    RACK,
    "a_pull_request_does_what_its_plan_says_and_guards_hold_until_people_open_them",
);
const RELEASED: (&str, &str) = (
    RACK,
    "a_released_machine_is_erased_on_record_and_a_retired_one_left_alone",
);
const NAMES: (&str, &str) = (
    GUARDS,
    "a_new_name_touches_nothing_and_is_the_same_machine_by_its_hardware_or_by_an_entry",
);
const WINDOW: (&str, &str) = (PACE, "a_window_then_a_wave_then_soaking_hold_and_each_lets_go");
const HOUR: (&str, &str) = (PACE, "the_canary_and_the_limits_of_an_hour_hold_and_each_lets_go");
const SEEN: (&str, &str) = (
    SHOWN,
    "who_looks_after_the_merge_has_approved_nothing_and_leaves_no_trace",
);
const BY_HAND: (&str, &str) = (BUDGETS, "power_by_hand_takes_a_place_or_says_who_has_it");
const YOUNG: (&str, &str) = (
    "reconciler/cli/tests/it/offline.rs",
    "only_a_young_snapshot_of_one_who_may_sign_is_believed",
);
const COMMANDS: (&str, &str) = (MUSTER, "each_command_and_each_exit_code");

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("history", "reconciler/daemon/src/pipeline.rs", &[(MAIN, "a_rewritten_branch_is_not_followed")]),
    ("signatures", "reconciler/daemon/src/signatures.rs", &[
        ("reconciler/daemon/tests/it/signed.rs", "only_what_is_signed_by_those_who_may_is_carried_out"),
        ("reconciler/daemon/tests/it/signed.rs", "the_operator_vouches_for_a_commit_when_nobody_can_sign_any_more"),
    ]),
    ("checks", "reconciler/daemon/src/revision.rs", &[(MAIN, "a_bad_revision_is_told_with_its_place_and_the_last_good_one_stays")]),
    ("limits", "reconciler/core/src/plan/guards/limits.rs", &[MASS, REQUEST,
        (GUARDS, "limits_of_a_pool_hold_over_a_day_and_a_share_from_a_number_of_machines_on")]),
    ("changed", "reconciler/core/src/plan/guards/changed.rs", &[REQUEST]),
    ("protection", "reconciler/core/src/plan/guards/protection.rs", &[REQUEST]),
    ("empty", "reconciler/core/src/plan/guards/empty.rs", &[COMMANDS, REQUEST]),
    ("shown", "reconciler/core/src/plan/adoption.rs", &[SEEN, MASS]),
    ("approvals", "reconciler/core/src/plan/approvals.rs", &[MASS,
        ("reconciler/daemon/tests/it/approvals.rs", "one_who_did_not_write_it_must_agree"),
        ("reconciler/daemon/tests/it/approvals.rs", "a_consent_to_what_nobody_has_seen_waits_for_those_who_must_agree")]),
    ("read-set", "reconciler/core/src/plan/reads.rs", &[SEEN, COMMANDS]),
    ("freshness", "reconciler/cli/src/for_ci.rs", &[COMMANDS, YOUNG]),
    ("snapshot", "reconciler/cli/src/offline.rs", &[YOUNG,
        ("reconciler/daemon/tests/it/offline.rs", "the_plan_is_the_same_without_the_daemon")]),
    ("tombstones", "reconciler/core/src/plan/guards/tombstones.rs", &[RELEASED, (MAIN, "what_vanishes_from_git_is_kept_and_said")]),
    ("names", "reconciler/core/src/plan/moved.rs", &[NAMES, REQUEST]),
    ("identity", "reconciler/core/src/plan/identity.rs", &[NAMES]),
    ("adoption", "reconciler/core/src/next/own_system.rs", &[(RACK, "a_machine_is_adopted_and_nothing_is_done_to_it")]),
    ("quarantine", "reconciler/core/src/next/quarantine.rs", &[RELEASED]),
    ("fence", "reconciler/core/src/fence.rs", &[(RACK, "contents_that_no_plan_named_stay_until_a_person_gives_them_away")]),
    ("budget", "reconciler/core/src/admit/budget.rs", &[(BUDGETS, "a_failure_halts_until_a_person_says_go_on"),
        ("reconciler/daemon/tests/it/two.rs", "two_daemons_make_one_line_of_plans_whoever_is_killed")]),
    ("power by hand", "reconciler/core/src/admit/by_hand.rs", &[BY_HAND]),
    ("wave", "reconciler/core/src/admit/wave.rs", &[WINDOW, (PACE, "a_new_machine_that_is_dead_keeps_no_wave_waiting")]),
    ("soak", "reconciler/core/src/admit/soak.rs", &[WINDOW]),
    ("window", "reconciler/core/src/admit/window.rs", &[WINDOW]),
    ("halt", "reconciler/core/src/admit/halt.rs", &[(BUDGETS, "a_failure_halts_until_a_person_says_go_on")]),
    ("canary", "reconciler/core/src/admit/canary.rs", &[HOUR]),
    ("hourly limit", "reconciler/core/src/admit/rate.rs", &[HOUR]),
    ("agent's limit", "rack/proto/src/orders.rs", &[HOUR,
        ("rack/agent/tests/it/wipes.rs", "an_agent_counts_what_it_erases_for_itself_and_its_own_host_alone_lets_more_go")]),
    ("places to boot", "reconciler/core/src/admit/boots.rs", &[(PACE, "a_rack_boots_eight_at_once_and_the_ninth_when_one_is_done")]),
    ("hold", "reconciler/core/src/hold.rs", &[(HOLDS, "a_hold_keeps_orders_back_and_says_so_until_it_is_ended")]),
    ("stop", "reconciler/core/src/hold/denial.rs", &[(HOLDS, "a_stop_reaches_agents_and_is_before_every_go"),
        (HOLDS, "a_stop_of_the_host_is_honoured_from_the_first_moment_on"),
        ("rack/agent/tests/it/stop.rs", "a_stop_on_the_host_needs_no_daemon_and_outlives_a_restart")]),
    ("silence", "rack/proto/src/power.rs", &[
        ("rack/agent/tests/it/power.rs", "bmcs_are_left_alone_once_the_daemon_has_not_answered_for_a_lease")]),
    ("restored", "reconciler/store/src/marker.rs", &[
        (RACK, "after_a_restore_nothing_is_ordered_until_recover_and_no_disk_is_written_again")]),
    ("too slow", "reconciler/store/src/permits.rs", &[
        ("reconciler/daemon/tests/it/crash.rs", "a_daemon_that_is_too_slow_says_so")]),
];

/// What is missing: a row for a file of a guard, a file or a test of a row, or its line on the page.
pub(crate) fn check<'f>(
    files: impl IntoIterator<Item = &'f str>,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut findings = Vec::new();
    for path in files {
        let is_guard = |(folder, helpers): &(&str, &[&str])| {
            path.strip_prefix(folder)
                .is_some_and(|name| !helpers.contains(&name))
        };
        if FOLDERS.iter().any(is_guard) && !ROWS.iter().any(|(_, file, _)| *file == path) {
            findings.push(format!(
                "{path}:1: no row of testbed/xtask/src/tidy/guards.rs says which test sees this guard stop something and be opened"
            ));
        }
    }
    let page = read(PAGE).unwrap_or_default();
    let told: Vec<String> = page.lines().filter_map(name).collect();
    for (guard, file, tests) in ROWS {
        if read(file).is_none() {
            findings.push(format!(
                "{file}:1: it is not there, and is the file of the guard {guard}"
            ));
        }
        if !told.iter().any(|name| name == guard) {
            findings.push(format!("{PAGE}:1: it has no row for the guard {guard}"));
        }
        let runs = |(file, test): &(&str, &str)| {
            read(file).is_some_and(|text| text.contains(&format!("fn {test}(")))
        };
        for (file, test) in tests.iter().filter(|test| !runs(test)) {
            findings.push(format!(
                "{file}:1: it has no test {test}, which the guard {guard} rests on"
            ));
        }
    }
    let known = |name: &&String| ROWS.iter().any(|(guard, ..)| guard == name);
    let unseen = told.iter().filter(|name| !known(name));
    findings.extend(unseen.map(|name| format!("{PAGE}:1: no test is named for the guard {name}")));
    findings
}

/// The guard that a line of a table is about.
fn name(line: &str) -> Option<String> {
    let cell = line.strip_prefix("| ")?.split(" |").next()?;
    let name = cell.strip_prefix('[').and_then(|rest| rest.split("](").next());
    let name = name.unwrap_or(cell);
    (name != "guard").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_guard_that_nobody_saw_is_found() {
        let found = check(
            [
                "reconciler/core/src/admit/mood.rs",
                "reconciler/core/src/admit/told.rs",
            ],
            |_| Some("| guard | stops |\n| [limits](plan.md) | much |\n| mood | all |\n".to_owned()),
        );
        let has = |words: &str| found.iter().any(|finding| finding.contains(words));
        assert!(has("admit/mood.rs:1: no row") && !has("told.rs"), "{found:#?}");
        assert!(has("has no row for the guard empty") && !has("has no row for the guard limits"));
        assert!(has("it has no test a_failure_halts_until_a_person_says_go_on"));
        assert!(has("no test is named for the guard mood"));
    }
}
