//! What `muster why` says of a machine, case by case: `tests/cases/why/*.toml`, in the scripts of
//! [`decide`](crate::decide).

use crate::decide::{Case, Stage};
use reconciler_core::condition::{Condition, Wait};
use reconciler_core::next::Decision;
use schema_ids::Timestamp;
use std::fmt::Write as _;
use std::time::Duration;

#[test]
fn cases() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("../cases/why");
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::glob!("../cases/why", "*.toml", |path| {
            let case: Case = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            let mut stage = Stage::new(&case);
            stage.settle();
            for line in &case.script {
                stage.play(line);
            }
            let why = stage.why();
            assert!(!why.contains(|character: char| character.is_control() && character != '\n'));
            insta::assert_snapshot!("why", why);
        });
    });
}

/// A machine that booted and fell silent, and every condition that there is.
#[test]
fn each_condition_says_what_to_do_and_what_happens() {
    let case: Case = toml::from_str(
        r#"
        why = "what was seen before it waits"
        inspected = true
        deployed = true
        script = ["taken", "switched", "boot job address=10.77.0.50 tftp=ipxe.pxe http=initrd ago=2"]
        "#,
    )
    .unwrap();
    let mut stage = Stage::new(&case);
    stage.settle();
    case.script.iter().for_each(|line| stage.play(line));
    let since = Timestamp::from_unix_ms(1_700_000_000_000);
    let mut text = String::new();
    let mut rest = String::new();
    for condition in Condition::ALL {
        let wait =
            Wait::new(*condition, since, "what was seen last").retry_at(since.plus(Duration::from_secs(60)));
        let why = stage.why_of(&Decision::Wait(wait));
        for word in [
            "waits on",
            "since",
            "limit",
            "evidence",
            "next try",
            "by itself",
            "next step",
        ] {
            let line = why.lines().find(|line| line.trim_start().starts_with(word));
            let said = line.is_some_and(|line| line.trim().len() > word.len() + 3);
            assert!(said, "{condition} lacks {word:?}:\n{why}");
        }
        let (waits, seen) = why.split_once("\n  power ").expect("the power was seen");
        let (_, waits) = waits.split_once('\n').expect("its phase is on a line of its own");
        writeln!(text, "{waits}\n").unwrap();
        seen.clone_into(&mut rest);
    }
    for stage in ["DHCP     10.77.0.50", "TFTP     ipxe.pxe", "HTTP     initrd"] {
        assert!(rest.contains(stage), "the last {stage} is missing:\n{rest}");
    }
    insta::assert_snapshot!("each_condition", text);
}
