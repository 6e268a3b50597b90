//! Every command that README and guide tell a person to type is run by something: the demo, a life, a test.
//!
//! The lines of `sh` blocks are commands. Each begins like a row of the table, and the row's file holds the text by
//! which it runs it: a command that nobody runs is a finding, and so is a row whose file no longer does.

/// A command's first words, the file that runs it, and the text there by which it does.
type Row = (&'static str, &'static str, &'static str);

const STEPS: &str = "testbed/vrack/src/demo/steps.rs";
const CHECK: &str = "reconciler/cli/tests/it/check.rs";
const GUIDE: &str = "reconciler/cli/tests/it/guide.rs";
const TUTORIAL: &str = "reconciler/cli/tests/it/tutorial.rs";
const DAEMON: &str = "reconciler/daemon/tests/it/muster.rs";
const SIGNED: &str = "reconciler/daemon/tests/it/signed.rs";
const APPROVALS: &str = "reconciler/daemon/tests/it/approvals.rs";
const OFFLINE: &str = "reconciler/daemon/tests/it/offline.rs";
const HOLDS: &str = "reconciler/daemon/tests/it/holds.rs";
const EVENTS: &str = "reconciler/daemon/tests/it/events.rs";
const DAY_TWO: &str = "reconciler/daemon/tests/it/day_two.rs";
const ADOPT: &str = "reconciler/daemon/tests/it/adopt.rs";
const BUDGETS: &str = "reconciler/daemon/tests/it/budgets.rs";
const SHOW: &str = "reconciler/cli/tests/it/show.rs";

/// The longest row that fits counts.
#[rustfmt::skip]
const RUN: &[Row] = &[
    ("cargo xtask demo", "testbed/xtask/src/long.rs", "call: rig::demo"),
    ("cargo xtask vrack once", "testbed/xtask/src/suite.rs", "rig::life(&flags)"),
    ("cargo xtask test", ".ci/run", "cargo xtask test"),
    ("cargo xtask clean", "testbed/vrack/tests/it/clean_up.rs", "clean"),
    ("muster init", GUIDE, "\"init\""),
    ("muster check", GUIDE, "\"check\""),
    ("muster check --deny warnings", CHECK, "\"--deny\", \"warnings\""),
    ("muster check --format", CHECK, "\"--format\", format"),
    ("muster check --fix", CHECK, "&[\"--fix\"]"),
    ("muster check --fix --diff", CHECK, "&[\"--fix\", \"--diff\"]"),
    ("muster check --observed", "reconciler/cli/tests/it/check_observed.rs", "\"--observed\", &name"),
    ("muster check --changed-since", "reconciler/cli/tests/it/check_since.rs", "\"--changed-since\", \"main\""),
    ("muster fmt", "reconciler/cli/tests/it/fmt.rs", "\"fmt\""),
    ("muster show rack", SHOW, "shown(&[\"rack\"])"),
    ("muster show machine", TUTORIAL, "typed(line, folder.path())"),
    ("muster schema --write", SHOW, "write(&[\"schema\", \"--write\"])"),
    ("muster schema --defaults", SHOW, "says(&[\"schema\", \"--defaults\"], 0)"),
    ("muster explain", GUIDE, "\"explain\""),
    ("muster removed deployment", GUIDE, "\"removed\""),
    ("muster image build", "testbed/vrack/src/images.rs", "\"image\", \"build\""),
    ("muster image add", STEPS, "\"image\", \"add\""),
    ("muster image ls", STEPS, "&[\"image\", \"ls\"]"),
    ("muster machine discovered", STEPS, "&[\"machine\", \"discovered\"]"),
    ("muster machine discovered --patch", STEPS, "&[\"machine\", \"discovered\", \"--patch\"]"),
    ("muster machine fenced", "testbed/vrack/src/trial/release.rs", "&[\"machine\", \"fenced\", name"),
    ("muster plan --head", STEPS, "&[\"plan\", \"--head\", branch]"),
    ("muster plan --base", DAEMON, "\"--base\","),
    ("muster plan --offline", OFFLINE, "\"plan\", \"--offline\""),
    ("muster comment", "reconciler/daemon/tests/it/ci.rs", "self.job(\"plan\")"),
    ("muster init --ci", "reconciler/daemon/tests/it/ci.rs", "\"--ci\", word"),
    ("muster snapshot --key", OFFLINE, "&[\"snapshot\", \"--key\"]"),
    ("musterd run --publish-snapshot", OFFLINE, "\"--publish-snapshot\", to"),
    ("musterd run --webhook", "reconciler/daemon/tests/it/webhook.rs", "\"--webhook\".to_owned()"),
    ("musterd run --forge", "reconciler/daemon/tests/it/statuses.rs", "\"--forge\","),
    ("git fetch origin", OFFLINE, "\"+refs/muster/snapshot:refs/muster/snapshot\""),
    ("muster approve", APPROVALS, "[\"approve\", id, \"--wipe-set\", wipe_set]"),
    ("muster approve p-7k3q2d90aa1c --wipe-set w-4be19c70d2f1 --withdraw", APPROVALS, "\"--withdraw\", \"--reason\""),
    ("git config gpg.format ssh", SIGNED, "\"config\", \"gpg.format\", \"ssh\""),
    ("git config user.signingkey", SIGNED, "\"config\", \"user.signingkey\", &key"),
    ("git commit -S", SIGNED, "\"commit\", \"-S\""),
    ("musterd run --trust-commit", SIGNED, "\"--trust-commit\".to_owned()"),
    ("muster override --guard", DAEMON, "\"--guard\","),
    ("muster apply", "testbed/vrack/src/programs.rs", "\"apply\""),
    ("muster apply --wait", DAEMON, "\"apply\", \"--yes\", \"--wait\""),
    ("muster apply p-7b1c2d3e4f50 --wait", EVENTS, "\"apply\", &plan, \"--wait\""),
    ("muster apply p-7b1c2d3e4f50 --detach", EVENTS, "\"apply\", &plan, \"--detach\""),
    ("muster apply p-7b1c2d3e4f50 --events", EVENTS, "\"apply\", &plan, \"--events\", \"--after\", after"),
    ("muster status", STEPS, "&[\"status\"]"),
    ("muster status --watch", "testbed/vrack/src/programs.rs", "status --watch"),
    ("muster status --stuck", DAY_TWO, "\"status\", \"--stuck\""),
    ("muster status --at", DAY_TWO, "\"status\", \"--at\""),
    ("muster log --at", DAY_TWO, "at(&[\"log\"], then)"),
    ("muster log --since 7d --until", DAY_TWO, "\"log\", \"--since\", \"1h\", \"--until\""),
    ("muster drift", DAY_TWO, "&[\"drift\"]"),
    ("muster drift --accept", DAY_TWO, "\"drift\", \"--accept\""),
    ("muster pin", DAY_TWO, "\"pin\", \"deployment.first\""),
    ("muster unpin", DAY_TWO, "\"unpin\", \"deployment.first\""),
    ("muster adopt db-01 --observe-only", ADOPT, "verb(&[\"--observe-only\"], 0)"),
    ("muster adopt db-01 --deployment db", ADOPT, "let adopt = [\"--deployment\", \"first\"]"),
    ("muster adopt web-03 --deployment web --slot 3", ADOPT, "verb(&[\"--deployment\", \"first\", \"--slot\", \"1\"], 0)"),
    ("muster moved machine", "reconciler/cli/tests/it/main.rs", "\"moved\", \"machine\""),
    ("muster why node-01 --against", DAY_TWO, "\"why\", \"node-01\", \"--against\""),
    ("muster show", STEPS, "&[\"show\", KNOWN]"),
    ("muster why", STEPS, "&[\"why\", FOUND]"),
    ("muster log", STEPS, "&[\"log\", FOUND"),
    ("muster hold add", HOLDS, "muster.says(&words, 0)"),
    ("muster hold add --as-patch", GUIDE, "\"hold add --as-patch\""),
    ("muster hold ls", HOLDS, "&[\"hold\", \"ls\"]"),
    ("muster hold ls --expiring", HOLDS, "\"--expiring\", \"3h\""),
    ("muster hold ls --as-patch", HOLDS, "\"hold\", \"ls\", \"--as-patch\""),
    ("muster hold rm", HOLDS, "\"hold\", \"rm\", \"h-1\""),
    ("muster stop --scope fleet", HOLDS, "\"stop\", \"--scope\", \"fleet\""),
    ("muster machine power", BUDGETS, "\"machine\", \"power\""),
    ("muster resume --scope budget:web", BUDGETS, "\"resume\", \"--scope\", \"budget:web\""),
    ("muster resume --scope fleet", HOLDS, "\"resume\", \"--scope\", \"fleet\""),
    ("musterd stop", HOLDS, "musterd(&bed, &[\"stop\""),
    ("musterd resume", HOLDS, "musterd(&bed, &[\"resume\"])"),
    ("muster-rackd stop", "rack/agent/tests/it/stop.rs", "&[\"stop\", \"--reason\""),
    ("muster-rackd resume", "rack/agent/tests/it/stop.rs", "&[\"resume\"]"),
    ("ipmitool -I lanplus", "testbed/vrack/src/demo/look.rs", "Command::new(\"ipmitool\")"),
];

/// The commands of a page, with their lines.
fn commands(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_shell = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        if line.starts_with("```") {
            is_shell = line == "```sh";
            return None;
        }
        (is_shell && !line.trim().is_empty() && !line.starts_with('#')).then_some((at + 1, line))
    })
}

/// Whether this page is one whose commands people type.
pub(crate) fn is_for_people(path: &str) -> bool {
    path == "README.md" || path.starts_with("docs/guide/")
}

/// Commands of one page that no row knows.
pub(crate) fn check(path: &str, text: &str) -> Vec<String> {
    let unknown = commands(text).filter(|(_, line)| row(line).is_none());
    unknown
        .map(|(at, line)| format!("{path}:{at}: nothing runs `{line}`"))
        .collect()
}

fn row(line: &str) -> Option<&'static Row> {
    let fits = |row: &&Row| {
        let rest = line.strip_prefix(row.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    RUN.iter().filter(fits).max_by_key(|row| row.0.len())
}

/// Rows whose file does not run it, or that no page needs. `pages` are all pages for people.
pub(crate) fn check_rows(pages: &[String], read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut findings = Vec::new();
    for (command, file, by) in RUN {
        if !read(file).is_some_and(|text| text.contains(by)) {
            findings.push(format!("{file}:1: does not run `{command}` by {by}"));
        }
        let is_needed = pages
            .iter()
            .any(|page| commands(page).any(|(_, line)| row(line).is_some_and(|row| row.0 == *command)));
        if !is_needed {
            findings.push(format!("README.md:1: no page for people has `{command}`"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{check, check_rows};

    #[test]
    fn a_command_that_nobody_runs_is_found() {
        let page = "```sh\n# of two\nmuster status\nmuster juggle\n```\n```toml\nmuster dance\n```\n";
        let findings = check("docs/guide/x.md", page);
        assert_eq!(findings, ["docs/guide/x.md:4: nothing runs `muster juggle`"]);
        assert!(check("docs/guide/x.md", "```sh\nmuster statuses\n```\n").len() == 1);
    }

    #[test]
    fn a_row_that_nothing_holds_up_is_found() {
        let findings = check_rows(&["```sh\nmuster init x\n```\n".to_owned()], |_| None);
        assert!(
            findings
                .iter()
                .any(|finding| finding.contains("does not run `muster init`"))
        );
        assert!(
            !findings
                .iter()
                .any(|finding| finding.contains("has `muster init`"))
        );
        assert!(
            findings
                .iter()
                .any(|finding| finding.contains("has `muster log`"))
        );
    }
}
