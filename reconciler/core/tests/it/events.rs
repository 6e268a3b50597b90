//! Events: what each record becomes, its number, and that every form fits the published schema.

use rack_api::fact::{BmcFaultKind, FactBody, StepState};
use rack_api::job::JobRef;
use reconciler_core::event::{
    Adopted, Happened, Happenings, SCHEMA, What, before_transaction, events, transaction_of,
};
use reconciler_core::facts::WriteStart;
use reconciler_core::people::Stage;
use reconciler_core::plan::{GuardReport, Note, Plan};
use schema_ids::{Generation, MachineId, Timestamp, Uuid};
use std::fmt::Write as _;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn machine() -> MachineId {
    MachineId(Uuid::from_bytes([7; 16]))
}

fn job() -> JobRef {
    JobRef {
        machine: machine(),
        generation: Generation(2),
        attempt: 1,
    }
}

/// A plan whose guard has counted this.
fn adopted(id: &str, counted: &str, notes: &[&str]) -> Adopted {
    let mut plan = Plan::empty("lab".parse().unwrap());
    plan.id = id.to_owned();
    plan.guards = vec![
        GuardReport {
            guard: "empty".to_owned(),
            blocked: None,
            detail: "3 objects".to_owned(),
        },
        GuardReport {
            guard: "limits".to_owned(),
            blocked: None,
            detail: counted.to_owned(),
        },
    ];
    let note = |text: &&str| Note {
        object: "deployment.web".to_owned(),
        code: "M0601".to_owned(),
        text: (*text).to_owned(),
        origin: None,
    };
    plan.notes = notes.iter().map(note).collect();
    Adopted::of(&plan)
}

fn seen(body: FactBody) -> What {
    What::Seen(machine(), Box::new(body))
}

fn step(state: StepState) -> What {
    seen(FactBody::Step {
        job: job(),
        boot_id: Uuid::from_bytes([9; 16]),
        step: "image\u{1b}[2J".to_owned(),
        state,
    })
}

fn happenings() -> Happenings {
    let story = [
        (10, What::Stand(Stage::Fetched, None)),
        (
            11,
            What::Stand(
                Stage::Planned,
                Some(("M0803".to_owned(), "3 of 2\nmachines".to_owned())),
            ),
        ),
        (
            12,
            What::Opened {
                plan: "p-1".to_owned(),
                guard: "limits".to_owned(),
                by: "ada: it is intended".to_owned(),
            },
        ),
        (13, What::Adopted("p-1".to_owned())),
        (14, step(StepState::Started)),
        (14, step(StepState::Progress { done: 1, total: 2 })),
        (15, What::Adopted("p-2".to_owned())),
        (
            16,
            step(StepState::Failed {
                code: "STEP_FAILED".to_owned(),
                error: "no\u{7}space".to_owned(),
            }),
        ),
        (
            17,
            seen(FactBody::BmcFault {
                machine: machine(),
                fault: BmcFaultKind::Silent,
                detail: "no answer".to_owned(),
            }),
        ),
        (
            18,
            What::Start(WriteStart {
                job: job(),
                boot_id: Uuid::from_bytes([9; 16]),
                nonce: Uuid::from_bytes([8; 16]),
                at: Timestamp::from_unix_ms(0),
                refused: Some(("M0811".to_owned(), "another disk".to_owned())),
            }),
        ),
        (
            19,
            seen(FactBody::JobDone {
                job: job(),
                boot_id: Uuid::from_bytes([9; 16]),
            }),
        ),
    ];
    let record = |(transaction, what)| Happened {
        transaction,
        at: Timestamp::from_unix_ms(1000),
        what,
    };
    Happenings {
        records: story.into_iter().map(record).collect(),
        settled: 20,
        begun: 20,
        names: [(machine(), "node-01".parse().unwrap())].into(),
    }
}

#[test]
fn records_become_events_and_fit_the_schema() {
    let plans = [
        adopted("p-1", "1 of 2", &["free 0"]),
        adopted("p-2", "2 of 2", &["free 0", "skew"]),
    ];
    let all = events(COMMIT, &happenings(), &plans, 0);
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let schema = jsonschema::draft202012::new(&schema).expect("the schema is one");
    let mut text = String::new();
    for event in &all {
        let document = event.document();
        assert!(schema.is_valid(&document), "{document:#}");
        writeln!(text, "{document}").unwrap();
    }
    insta::assert_snapshot!("events", text);
    insta::assert_snapshot!("events-schema", SCHEMA);
}

#[test]
fn whoever_reads_on_behind_any_number_reads_the_rest() {
    let plans = [
        adopted("p-1", "1 of 2", &["free 0"]),
        adopted("p-2", "2 of 2", &["free 0", "skew"]),
    ];
    let whole = happenings();
    let all = events(COMMIT, &whole, &plans, 0);
    assert!(all.is_sorted_by(|a, b| a.seq < b.seq), "{all:#?}");
    for (place, event) in all.iter().enumerate() {
        // The store is asked from the number's transaction on.
        let from = transaction_of(event.seq);
        let mut rest = whole.clone();
        rest.records.retain(|record| record.transaction >= from);
        assert_eq!(events(COMMIT, &rest, &plans, event.seq), all[place + 1..]);
        assert!(before_transaction(from) < event.seq && event.seq < before_transaction(from + 1));
    }
    // JSON's readers keep 53 bits: so many transactions are decades of a thousand a second.
    assert!(before_transaction(1 << 37) < 1 << 53);
}
